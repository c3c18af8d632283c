"""2D keypoints on file: OpenPose's JSON folders, COCO's keypoint JSON, and our own npz.

Problem: others' files carry no times, often no image size, no identities, and zeros for what was not seen.
Method:  frames are numbered by the file names or image ids and get the times number / fps; a number that is left out is a frame in
         which nobody was seen (of names that are times, only the order counts). Several people in a frame are followed with
         `core.track`. Zeros become NaN with confidence 0.
Limits:  OpenPose files and COCO results do not tell the image size: the smallest common size that holds all points is assumed, and
         the reporter is told.

Sources: OpenPose output documentation (BODY_25 and COCO-18 orders), COCO data and results format.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import track
from .errors import InputError
from .events import Reporter
from .inputs import OPENPOSE_ENDING, natural_key, openpose_files_in
from .keypoints import CONVENTIONS, Keypoints, load_keypoints

DEFAULT_FPS = 30.0
_OPENPOSE = {len(CONVENTIONS[n]): CONVENTIONS[n] for n in ("openpose18", "openpose25")}
_LANDSCAPES = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320))
_COMMON_SIZES = sorted([s for size in _LANDSCAPES for s in (size, size[::-1])], key=lambda s: (s[0] * s[1], s[1]))
_VISIBILITY = np.array([0.0, 0.5, 1.0])  # COCO's labels: not labelled, labelled but hidden, visible
_LARGEST_HOLE = 10  # numbers this many times as far apart as there are files do not count frames

People = dict[int, list[track.Pose]]
"""For each frame number its people."""


def read_people(path: str | os.PathLike, fps: float | None = None, reporter: Reporter | None = None) -> list[Keypoints]:
    """The people of a keypoint file or folder, one entry a person, in order of appearance; all cover the same frames.

    fps: frames a second (None: 30; our npz knows its own). reporter: hears what had to be guessed. Raises InputError with one sentence
    that names the file and what is wrong with it.
    """
    path = Path(path)
    reporter = reporter or Reporter()
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    if path.suffix.lower() == ".npz":
        return [load_keypoints(path)]
    if path.is_dir():
        names, people = _read_openpose(path)
        size = None
    else:
        names, people, size = _read_coco(path)
    if not any(people.values()):
        raise InputError(f"No person is in the {len(people)} frames of {path}; give keypoints with at least one person.")
    if size is None:
        size = _guess_size(people)
        reporter.warning(f"{path.name} does not tell the size of the images; {size[0]}x{size[1]} was assumed, the smallest common size "
                         f"that holds all keypoints.")
    if fps is None:
        reporter.warning(f"{path.name} does not tell the frame rate; {DEFAULT_FPS:g} frames a second were assumed.")
    return _followed(names, people, size, fps or DEFAULT_FPS)


def between(keypoints: Keypoints, start: float | None, end: float | None) -> Keypoints:
    """The frames with start <= time < end seconds (None: from or to the end). Raises InputError when there are none."""
    times = keypoints.times
    wanted = (times >= (-np.inf if start is None else start)) & (times < (np.inf if end is None else end))
    if not wanted.any():
        part = " ".join(f"{word} {time:g} s" for word, time in (("from", start), ("up to", end)) if time is not None)
        raise InputError(f"The keypoints are of {times[0]:.2f} s to {times[-1]:.2f} s; there is nothing {part}.")

    def cut(value):  # type: ignore[no-untyped-def]
        return None if value is None else value[wanted]

    return keypoints.replace(xy=keypoints.xy[wanted], confidence=keypoints.confidence[wanted], times=times[wanted],
                             depth=cut(keypoints.depth), world=cut(keypoints.world), by_hand=cut(keypoints.by_hand),
                             camera=keypoints.camera and keypoints.camera.cut(wanted, times))


def _followed(names: tuple[str, ...], people: People, size: tuple[int, int], fps: float) -> list[Keypoints]:
    numbers = _frame_numbers(sorted(people))
    by_row = dict(zip(sorted(people), numbers, strict=True))
    rows: list[list[track.Pose]] = [[] for _ in range(max(numbers) + 1)]
    for number, poses in people.items():
        rows[by_row[number]] = poses
    times = np.arange(len(rows)) / fps
    result = []
    for one in track.follow(rows, times, names):
        xy = np.full((len(rows), len(names), 2), np.nan)
        confidence = np.zeros((len(rows), len(names)))
        for frame, pick in zip(one.frames, one.picks, strict=True):
            xy[frame], confidence[frame] = rows[frame][pick].xy, rows[frame][pick].confidence
        result.append(Keypoints(names, xy, confidence, times, size[0], size[1], fps))
    return result


def _frame_numbers(numbers: list[int]) -> list[int]:
    """Rows for sorted frame numbers: counted from the first, unless the holes are so large that they cannot be frames."""
    span = numbers[-1] - numbers[0] + 1
    if span > _LARGEST_HOLE * len(numbers) + 100:
        return list(range(len(numbers)))
    return [n - numbers[0] for n in numbers]


def _guess_size(people: People) -> tuple[int, int]:
    points = np.concatenate([p.xy for poses in people.values() for p in poses])
    width, height = np.nanmax(points, axis=0)
    for size in _COMMON_SIZES:
        if width < size[0] and height < size[1]:
            return size
    return math.floor(width) + 1, math.floor(height) + 1


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); write it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def _triples(values: Any, where: str) -> np.ndarray:
    """(K, 3) float64 from a flat list x, y, confidence, ...; InputError if it is something else."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty((0, 0))
    if array.ndim != 1 or array.size == 0 or array.size % 3:
        raise InputError(f"{where}: the keypoints must be one list of numbers x, y, confidence, x, y, confidence, ...")
    return array.reshape(-1, 3)


def _pose(xy: np.ndarray, confidence: np.ndarray) -> track.Pose | None:
    """Missing keypoints (zeros, or no confidence) become NaN; None if all are missing."""
    missing = ~(confidence > 0) | ~np.isfinite(xy).all(-1) | (xy == 0).all(-1)
    if missing.all():
        return None
    return track.Pose(np.where(missing[:, None], np.nan, xy), np.where(missing, 0.0, np.clip(confidence, 0.0, 1.0)))


def _refuse_shares(people: People, path: Path, cure: str) -> None:
    """InputError when all coordinates are shares of the picture; `cure`: what to do about it."""
    every = [p for found in people.values() for p in found]
    if every and max(np.nanmax(p.xy) for p in every) <= 1.0:
        raise InputError(f"The keypoints in {path} lie between 0 and 1; {cure}.")


# --- OpenPose


def _read_openpose(folder: Path) -> tuple[tuple[str, ...], People]:
    files = openpose_files_in(folder)
    if not files:
        raise InputError(f"The folder {folder} has no files named *{OPENPOSE_ENDING}; give OpenPose's write_json folder.")
    people = {number: _openpose_people(_load_json(file), file) for number, file in _numbered(files, folder).items()}
    counts = {len(rows) for found in people.values() for rows in found}
    if len(counts) > 1:
        raise InputError(f"{folder} mixes people of {' and '.join(str(c) for c in sorted(counts))} keypoints; use one OpenPose model.")
    names = _OPENPOSE[next(iter(counts))] if counts else _OPENPOSE[25]
    poses = {n: [p for p in (_pose(r[:, :2], r[:, 2]) for r in found) if p is not None] for n, found in people.items()}
    _refuse_shares(poses, folder, "let OpenPose write pixels (its option keypoint_scale 0)")
    return names, poses


def _numbered(files: Sequence[Path], folder: Path) -> dict[int, Path]:
    """File by frame number: the last number before "_keypoints", or the position in the order of all numbers where names lack one or share
    it. Raises InputError where they share it because they are of several videos."""
    names = [f.name[: -len(OPENPOSE_ENDING)] for f in files]
    numbers = _last_numbers(names)
    if None in numbers or len(set(numbers)) < len(numbers):
        videos = Counter(re.sub(r"\d+\D*$", "", name) for name in names)
        words = {re.sub(r"\d", "", video) for video in videos}  # those that differ in numbers only are minutes before seconds
        if len(words) > 1 and min(videos.values()) > 1:
            first, second, *_ = videos
            raise InputError(f"{folder} holds the keypoints of several videos ({first}..., {second}...); give a folder of one.")
        numbers = list(range(len(files)))
    return dict(sorted(zip(_counted(numbers), files, strict=True)))


def _last_numbers(names: Sequence[str]) -> list[float | None]:
    """The last number in each name, None where there is none. "1305031102.53" is one number, a time, unless what stands before the point is
    the same in all names ("shot2.0012")."""
    times = [re.search(r"(\d+)\.\d+(?=\D*$)", name) for name in names]
    if all(times) and len({time[1] for time in times if time}) > 1:
        return [float(time[0]) for time in times if time]
    found = [re.findall(r"^-?\d+$|\d+", name) for name in names]
    return [int(digits[-1]) if digits else None for digits in found]


def _counted(numbers: Sequence[float | None]) -> list[int]:
    """Different numbers as frame numbers: themselves if they are whole, else (they are times) each one's position in their order."""
    known = [n for n in numbers if n is not None]
    if all(isinstance(n, int) for n in known):
        return [int(n) for n in known]
    place = {n: i for i, n in enumerate(sorted(known))}
    return [place[n] for n in known]


def _openpose_people(content: Any, file: Path) -> list[np.ndarray]:
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise InputError(f"{file} has no list 'people', which OpenPose's files have; give OpenPose's own output.")
    result = []
    for number, person in enumerate(people):
        values = person.get("pose_keypoints_2d", person.get("pose_keypoints")) if isinstance(person, dict) else None
        if values == []:  # of whom a hand or the face alone was seen
            continue
        rows = _triples(values, f"{file}, person {number}")
        if len(rows) not in _OPENPOSE:
            raise InputError(f"{file}, person {number}: {len(rows)} keypoints; 18 (COCO) or 25 (BODY_25) are understood.")
        result.append(rows)
    return result


# --- COCO


def _read_coco(file: Path) -> tuple[tuple[str, ...], People, tuple[int, int] | None]:
    content = _load_json(file)
    entries = content.get("annotations") if isinstance(content, dict) else content
    images = content.get("images", []) if isinstance(content, dict) else []
    if not isinstance(entries, list) or not isinstance(images, list):
        raise InputError(f"{file} is neither COCO annotations (with a list 'annotations') nor a list of COCO results.")
    images = [i for i in images if isinstance(i, dict)]
    bodies = [(i, entry) for i, entry in enumerate(entries) if not isinstance(entry, dict) or entry.get("keypoints")]  # others are boxes
    rows = [_coco_rows(entry, f"{file}, entry {number}") for number, entry in bodies or enumerate(entries)]
    entries = [entry for _, entry in bodies]
    numbers = _image_numbers([entry["image_id"] for entry in entries], images, file)
    people: People = {numbers[_plain(i.get("id"))]: [] for i in images}
    labels = _are_labels([r[:, 2] for r in rows])
    for entry, row in zip(entries, rows, strict=True):
        pose = _pose(row[:, :2], _VISIBILITY[row[:, 2].astype(int)] if labels else row[:, 2])
        found = people.setdefault(numbers[_plain(entry["image_id"])], [])
        if pose is not None:
            found.append(pose)
    _refuse_shares(people, file, "write them in pixels")
    sizes = {(i.get("width"), i.get("height")) for i in images}
    if len(sizes) > 1:
        raise InputError(f"{file}: the images differ in size ({len(sizes)} sizes); keypoints of one video have one size.")
    width, height = (int(v) if isinstance(v, int | float) and float(v).is_integer() else 0 for v in next(iter(sizes), (None, None)))
    return CONVENTIONS["coco17"], people, (width, height) if width > 0 and height > 0 else None


def _image_numbers(used: list[Any], images: list[dict[str, Any]], file: Path) -> dict[str, int]:
    """Frame number by image id (`_plain`), of those `used` by entries and those of `images`: the id itself, or the last number in a name
    such as "frame_0012.jpg"; where these are the same for different ids of one kind ("walk_0012_1080p.jpg"), the position in the order of
    all numbers. Where the images' file names are in another order than their ids, the names count: some tools number at random."""
    listed = [i.get("id") for i in images]
    ids = {_plain(value): value for value in (*used, *listed)}
    given = list(ids.values())
    if all(isinstance(value, int | float) for value in given) and not all(float(value).is_integer() for value in given):
        return dict(zip(ids, _counted([float(value) for value in given]), strict=True))
    found = _last_numbers(list(ids))
    if None in found:
        name = next(name for name, number in zip(ids, found, strict=True) if number is None)
        raise InputError(f"{file}: the image id {name!r} has no number in it, so the images cannot be put in order.")
    numbers = dict(zip(ids, _counted(found), strict=True))
    kinds = [set(map(_plain, kind)) for kind in (used, listed)]
    if any(len({numbers[name] for name in kind}) < len(kind) for kind in kinds):
        numbers = {name: position for position, name in enumerate(sorted(numbers, key=natural_key))}
    by_name = _numbers_of_names(images)
    if by_name.keys() >= ids.keys() and sorted(ids, key=lambda i: by_name[i]) != sorted(ids, key=lambda i: numbers[i]):
        return by_name
    return numbers


def _numbers_of_names(images: list[dict[str, Any]]) -> dict[str, int]:
    """Frame number by image id (`_plain`), as the images' file names tell; nothing unless all do, each another, and their last numbers are
    in the order of all of them (seconds that follow minutes are not)."""
    names = {_plain(i.get("id")): i["file_name"].rsplit(".", 1)[0] for i in images if isinstance(i.get("file_name"), str)}
    found = _last_numbers(list(names.values()))
    if len(names) < len(images) or None in found or len(set(found)) < len(found):
        return {}
    result = dict(zip(names, _counted(found), strict=True))
    return result if sorted(names, key=lambda i: natural_key(names[i])) == sorted(names, key=lambda i: result[i]) else {}


def _plain(value: Any) -> str:
    """An image id as text, the same for 7, 7.0, "7" and "007"."""
    whole = (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and value.isdecimal())
    return str(int(value)) if whole else str(value)


def _coco_rows(entry: Any, where: str) -> np.ndarray:
    """(17, 3) of one person: x, y and a visibility label or a score."""
    for key in ("image_id", "keypoints"):
        if not isinstance(entry, dict) or key not in entry:
            raise InputError(f"{where} has no '{key}'; give COCO keypoint annotations or results.")
    rows = _triples(entry["keypoints"], where)
    if len(rows) != len(CONVENTIONS["coco17"]):
        raise InputError(f"{where}: {len(rows)} keypoints; COCO has 17.")
    return rows


def _are_labels(thirds: list[np.ndarray]) -> bool:
    """Whether a file's third values are COCO's labels 0, 1, 2 rather than scores.

    Detectors write scores into files of either form. Without a single 2 nothing would be visible: then a 1 is a full score.
    """
    values = np.concatenate(thirds) if thirds else np.zeros(1)
    return bool(np.isin(values, (0.0, 1.0, 2.0)).all() and values.max() == 2.0)
