"""How much of a take the person is there: refuses what is too little to be a motion, says what is missing, where the video is cut,
and where the one who is found again after a gap may be somebody else."""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .events import Reporter
from .keypoints import Keypoints
from .runs import runs

_LEAST = 0.10  # of the frames: less is somebody who passed by
_WHOLE = 0.90  # of the frames: less is worth a word
_SMALLEST = 8.0  # pixels: who is smaller is nobody, or the positions are shares of the picture
_REACH, _PACE = 1.0, 0.5  # of the person's size, and this much more for each second: found again farther away is worth a word
_MOST_TOLD = 3  # gaps, cuts


def check_presence(keypoints: Keypoints, what: str, reporter: Reporter) -> None:
    """Warns when the person is away for a good part of the take; `what`: the file's name.

    Raises InputError when they are never there, so seldom that nearly all of the motion would be made up, or no larger than a few pixels.
    """
    seen, frames = int(keypoints.seen.sum()), len(keypoints)
    if seen == 0:
        raise InputError(f"No person was found in the {frames} frames of {what}; choose another video or another part of it.")
    when = keypoints.times[keypoints.seen]
    if seen < _LEAST * frames:
        cure = "choose that part by start and end" if keypoints.by_hand is None else "leave more of the markers on"
        raise InputError(f"The person is seen in only {seen} of the {frames} frames of {what}, between {when[0]:.2f} s and "
                         f"{when[-1]:.2f} s; {cure}.")
    there = keypoints.confidence > 0
    several = there.sum(1) > 1
    xy = np.where(there[..., None], keypoints.xy, np.nan)[several]
    size = float(np.median((np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)).max(-1))) if several.any() else np.inf
    if size < _SMALLEST:
        raise InputError(f"The person is {size:.2g} pixels large in {what}; give positions in pixels, not as shares of the picture "
                         "(OpenPose: its option keypoint_scale 0).")
    if seen < _WHOLE * frames:
        gaps = sorted(runs(~keypoints.seen), key=lambda run: run[0] - run[1])
        times = [*keypoints.times, keypoints.times[-1]]
        longest = ", ".join(f"{times[a]:.1f} s to {times[b]:.1f} s" for a, b in sorted(gaps[:_MOST_TOLD]))
        reporter.warning(f"The person is not seen in {frames - seen} of the {frames} frames ({longest}{_more(gaps)}); what they do there "
                         "is made up.")


def check_one_shot(keypoints: Keypoints, cuts: list[int], reporter: Reporter) -> None:
    """Warns of `cuts`, frames with which another shot begins, between the first and the last frame in which the person is seen."""
    seen = np.flatnonzero(keypoints.seen)
    inside = [cut for cut in cuts if seen[0] < cut <= seen[-1]]
    if inside:
        when = ", ".join(f"{keypoints.times[cut]:.2f} s" for cut in inside[:_MOST_TOLD])
        reporter.warning(f"The video seems to be cut at {when}{_more(inside)}: how the person gets from one shot to the next is made up; "
                         "choose one shot by start and end.")


def check_identity(keypoints: Keypoints, reporter: Reporter, changed: np.ndarray | None = None) -> None:
    """Warns where the person is lost and found again so far away, or in such other colours, that it may be somebody else, and where the
    colours are others from one frame to the next.

    changed: (T,) bool, the frames that show other colours than those before; None where colours are not known.
    """
    seen = np.flatnonzero(keypoints.seen)
    xy = keypoints.xy[seen]
    middles, sizes = np.nanmedian(xy, axis=1), (np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1)).max(-1)
    gaps = np.diff(keypoints.times[seen])
    ways = np.linalg.norm(np.diff(middles, axis=0), axis=-1) / np.maximum(np.maximum(sizes[1:], sizes[:-1]), np.median(sizes))
    told = []
    changed = np.zeros(len(keypoints), dtype=bool) if changed is None else changed
    for i in np.flatnonzero((np.diff(seen) > 1) | changed[seen[1:]]):
        before, after = keypoints.times[seen[i:i + 2]]
        if seen[i + 1] == seen[i] + 1:
            told.append(f"in other colours from {after:.1f} s on")
            continue
        reasons = [f"{ways[i]:.1f} body heights away"] if ways[i] > _REACH + _PACE * gaps[i] else []
        reasons += ["in other colours"] if changed[seen[i + 1]] else []
        if reasons:
            told.append(f"lost at {before:.1f} s and found again at {after:.1f} s {' and '.join(reasons)}")
    if told:
        reporter.warning(f"The person is {', '.join(told[:_MOST_TOLD])}{_more(told)}; "
                         "if it is somebody else, choose a part by start and end.")


def _more(told: list) -> str:
    """How often more than is told one by one."""
    left = len(told) - _MOST_TOLD
    return "" if left < 1 else " (and once more)" if left == 1 else f" (and {left} times more)"
