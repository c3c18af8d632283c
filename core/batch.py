"""Several videos in one call: each gets a folder of its own, and one that cannot be used does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .errors import InputError
from .events import Reporter
from .inputs import images_in, openpose_files_in, videos_in
from .jobs import CANCELLED, COMPLETE, FAULT, run_job

_A_TAKE = 8  # images: fewer beside a video are no sequence
Take = tuple[str, str]
"""What is read, and the folder for what comes of it."""


def takes_of(given: Sequence[str], out: str | None) -> list[Take]:
    """What a call is to do. A folder of videos stands for these, in the order of their numbers.

    One video's results go to `out`, several videos' each to a folder of its name there; without `out`, to NAME-mocap in the current
    folder. Raises InputError when two would go to one folder, or a name is empty.
    """
    if "" in (*given, out):
        raise InputError("The name of a video or of the output folder is empty, as of a variable that is not set; give one.")
    if len(given) == 1 and not _videos_of(given[0]):
        return [(given[0], out or f"{_name_of(Path(given[0]))}-mocap")]
    takes: dict[str, Take] = {}
    for video in (video for path in given for video in _videos_of(path) or [Path(path)]):
        folder = str(Path(out) / _name_of(video)) if out else f"{_name_of(video)}-mocap"
        other, _ = takes.setdefault(folder.casefold(), (str(video), folder))  # some systems' folders know no case
        if Path(other).resolve() != video.resolve():
            raise InputError(f"{other} and {video} would both leave their results in {folder}; give one of them another name, or run "
                             "them apart.")
    return list(takes.values())


def _name_of(path: Path) -> str:
    """A file's name without its ending; all of a folder's, which has none (frames.v2), also where it is named "."."""
    return Path(os.path.abspath(path)).name or "root" if os.path.isdir(path) else path.stem


def _videos_of(path: str) -> list[Path]:
    """The videos that a folder stands for; none for one of keypoints, or of images that are more than the videos' covers and posters."""
    folder = Path(path)
    if not os.path.isdir(folder) or openpose_files_in(folder):
        return []
    videos = videos_in(folder)
    return videos if len(images_in(folder)) < max(len(videos), _A_TAKE) else []


def run_takes(takes: Sequence[Take], options: dict, make_reporter: Callable[[], Reporter]) -> int:
    """One run after the other, each with a reporter of its own; `options` as RunOptions.to_json gives them. Returns the exit code: of
    the worst run, where our fault is worse than bad input; a cancelled one ends all."""
    codes = []
    above = [folder for folder in {Path(out).parent for _, out in takes} if not folder.exists()]
    for number, (path, out) in enumerate(takes, 1):
        reporter = make_reporter()
        if len(takes) > 1:
            reporter.begin(path, out, number, len(takes))
        codes.append(run_job(path, out, options, reporter))
        if codes[-1] == CANCELLED:
            break
    for folder in above:
        with suppress(OSError):  # something is in it
            folder.rmdir()
    if CANCELLED in codes:
        return CANCELLED
    if len(takes) > 1:
        make_reporter().end([path for (path, _), code in zip(takes, codes, strict=True) if code != COMPLETE], len(takes))
    return FAULT if FAULT in codes else max(codes)
