"""Training data from a real detector: what MediaPipe saw of rendered people, beside the exact truth.

A run is brought to what the 2D stage would have made of it: MediaPipe's smoothing, where there is any, taken out (`models.unsmooth`),
the mean with what it saw of the mirror image, where that was asked (`core.detect.both_ways`), then the same honest confidences,
replaced ankles and wrists and missing keypoints as at run time, by the same functions of `core.detect`, and sides mended by continuity:
who is to judge them by the body at run time (`core.detect.sides`) is still to be trained.
The runs come from `make_detections.py` of the rendering tool or, faster, from `models.render_detections` (16 to 32 frames
each, varied people, cameras, light, occluders); those in motions of val/ judge, the others train. The truth is of the MakeHuman rig:
its limbs, hands, feet, neck, head and skin points are ours; its pelvis, spine bones and clavicles are defined otherwise and get no weight.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.detect.both_ways import joined, mirrored
from core.detect.cleaning import finished
from core.detect.confidence import honest_confidence
from core.detect.detector import Detection, over_time
from core.errors import InputError
from core.events import Reporter
from core.flips import by_continuity
from core.keypoints import CANONICAL, NPZ_ERRORS, Keypoints
from core.markers import MARKERS

from .unsmooth import raw_landmarks, raw_visibility
from .windows import TIMED, Windows

FRAMES = 32
Run = Mapping[str, np.ndarray]
"""The arrays of a run_*.npz."""
_VAL_SUBJECTS = frozenset({"10", "49", "55", "91", "131", "xbsc"})  # with which the names of val/'s files begin
_SIDES = {"UpLeg": "hip", "Leg": "knee", "Foot": "ankle", "Toe": "foot", "Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist"}
RIG_POINT: dict[str, str] = (
    {f"{long}{ours}": f"{short}_{rig}" for ours, rig in _SIDES.items() for long, short in (("Left", "l"), ("Right", "r"))}
    | {"Neck": "neck", "Head": "head", "HeadEnd": "head_top"} | {n: n for n in MARKERS if n in CANONICAL})
"""Our marker -> the name of the rig's point; markers that are not in here have another definition there."""


def held_out(motion: str) -> bool:
    """Whether a motion (the name of a BVH file) is of somebody in val/, so that its detections judge and nothing is trained on them."""
    return Path(motion).stem.split("_")[0] in _VAL_SUBJECTS


def check_parts(train: Iterable[str], val: Iterable[str]) -> None:
    """Raises InputError unless all motions of val/, and none of train/, are those whose detections judge."""
    astray = [n for n in train if held_out(n)] + [n for n in val if not held_out(n)]
    if astray:
        raise InputError(f"{astray[0]} is in the wrong part of the mocap folder: val/ holds subjects {', '.join(sorted(_VAL_SUBJECTS))} "
                         "and nobody else, for detections of their motions judge and those of all others train.")


@dataclass(frozen=True)
class Recorded:
    """Detections beside the truth. windows: N of 32 frames; exact: (N, 32, 27, 3) where the keypoints truly are, metres, camera axes
    (before the camera where there is no frame)."""

    windows: Windows
    exact: np.ndarray

    def some(self, rng: np.random.Generator, count: int, frames: int) -> tuple[Windows, np.ndarray]:
        """`count` windows, cut to `frames` from a random start, and where their keypoints truly are."""
        start = int(rng.integers(0, self.windows.real.shape[1] - frames + 1))
        index, cut = rng.integers(0, len(self.windows), count), slice(start, start + frames)
        taken = self.windows.take(index)
        windows = dataclasses.replace(taken, **{name: getattr(taken, name)[:, cut] for name in TIMED})
        return windows, self.exact[index, cut]


def read_runs(folder: Path) -> tuple[Recorded, Windows]:
    """All complete runs of a folder, those that train and those that are held out; runs without a detection are skipped.

    Raises InputError when one of the two is empty.
    """
    parts: tuple[list[tuple[dict[str, np.ndarray], np.ndarray]], ...] = ([], [])
    for run in runs_in(folder):
        if (window := _window(run)) is not None:
            parts[held_out(str(run["motion"]))].append((window, _exact(run)))
    if not all(parts):
        raise too_few(folder)
    training, held = (_stack([window for window, _ in part]) for part in parts)
    return Recorded(training, np.stack([exact for _, exact in parts[False]])), held


def held_out_runs(folder: Path) -> Windows:
    """The complete runs of a folder that judge, as `read_runs` gives them; others need not be there. Raises InputError when there are
    none."""
    windows = [window for run in runs_in(folder) if held_out(str(run["motion"])) and (window := _window(run)) is not None]
    if not windows:
        raise InputError(f"{folder} holds no runs to judge by: none is in a motion of val/; render some into it.")
    return _stack(windows)


def runs_in(folder: Path) -> Iterator[Run]:
    """The complete runs of a folder, by name. Raises InputError when there is none."""
    none = True
    for path in sorted(folder.glob("run_*.npz")):
        try:
            run = read_run(path)
        except NPZ_ERRORS:
            continue  # still being written
        none = False
        yield run
    if none:
        raise InputError(f"There is no complete run_*.npz in {folder}; give a folder of detections beside truth.")


def too_few(folder: Path) -> InputError:
    """What to say when a folder's runs cannot both train and judge."""
    return InputError(f"The runs in {folder} are too few: motions of train/ to learn from and of val/ to judge by are both needed; "
                      "render more into it.")


def read_run(path: Path) -> Run:
    """The arrays of one run. Raises one of `NPZ_ERRORS`."""
    with np.load(path) as data:
        return {name: data[name] for name in data.files}


def digest(folder: Path) -> str:
    """A short hash over the names and contents of the runs (of weights older than revision 0f9454d: over names and sizes)."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("run_*.npz")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def keypoints_of(data: Run) -> Keypoints:
    """What the 2D stage sees of a run at run time, before it makes anything of it: BlazePose's 33, NaN where nobody was detected."""
    rows, width, fps = _sights(data, data["detections"], data["world_landmarks"]), int(data["width"]), float(data["fps"])
    if "mirrored_detections" in data:  # older runs, and those of the rendering tool's own script, have none
        images = _sights(data, data["mirrored_detections"], data["mirrored_world_landmarks"])
        rows = [joined(row, [mirrored(d, width) for d in image]) for row, image in zip(rows, images, strict=True)]
    return over_time([row[0] if row else None for row in rows], np.arange(len(rows)) / fps, width, int(data["height"]), fps)


def _sights(data: Run, detections: np.ndarray, world: np.ndarray) -> list[list[Detection]]:
    """Who is seen in each frame, one or nobody, of detections (T, 33, 5) and world (T, 33, 3) as a run keeps them."""
    raw, visibility = unsmoothed(data, detections, world)
    confidence = honest_confidence(visibility, detections[..., 4].astype(np.float64))
    return [[Detection(r[:, :2], c, r[:, 2], r[:, 3:])] if np.isfinite(r).all() else [] for r, c in zip(raw, confidence, strict=True)]


def unsmoothed(data: Run, detections: np.ndarray, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 33, 6) x, y, z in pixels and the world landmark, and (T, 33) visibility, as a run of the product gets them."""
    seen = detections.astype(np.float64)
    raw, visibility = np.concatenate([seen[..., :3], world], axis=-1), seen[..., 3]
    if "raw" in data:
        return raw, visibility
    told = np.round(np.arange(len(seen)) * 1000 / float(data["fps"])) / 1000  # as MediaPipe was told
    return raw_landmarks(raw, told), raw_visibility(visibility)


def _window(data: Run) -> dict[str, np.ndarray] | None:
    """A run as a row of `Windows`; None where nobody was detected."""
    names = data["names"].tolist()
    rig = [names.index(RIG_POINT.get(m, "l_hip")) for m in MARKERS]
    known = np.array([m in RIG_POINT for m in MARKERS], dtype=np.float32)
    joints = data["joints3d_cam"]
    hips = joints[:, [names.index("l_hip"), names.index("r_hip")]].mean(1, keepdims=True)
    k = finished(by_continuity(keypoints_of(data)), Reporter()).canonical()
    if not (k.confidence[:FRAMES] > 0).any():
        return None
    return {
        "xy": _pad(k.xy, np.nan), "depth": _pad(k.depth, np.nan), "confidence": _pad(k.confidence, 0.0),
        "world": _pad(k.world, np.nan), "K": data["K"],
        "size": np.array([k.width, k.height], dtype=np.float64), "seconds": np.arange(FRAMES) / k.fps,
        "real": _pad(k.seen, False), "target": _pad((joints - hips)[:, rig], 0.0),
        "weight": _pad(k.seen[:, None] * np.broadcast_to(known, (len(joints), len(MARKERS))), 0.0)}


def _exact(data: Run) -> np.ndarray:
    names = data["names"].tolist()
    return _pad(data["joints3d_cam"][:, [names.index(n) for n in CANONICAL]].astype(np.float32), 1.0)


def _pad(value: np.ndarray | None, fill: object) -> np.ndarray:
    assert value is not None
    value = value[:FRAMES]
    return np.concatenate([value, np.full((FRAMES - len(value),) + value.shape[1:], fill, dtype=value.dtype)])


def _stack(rows: list[dict[str, np.ndarray]]) -> Windows:
    return Windows(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})
