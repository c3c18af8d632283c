"""How much of a take the person is there: refuses what is too little to be a motion, and says what is missing."""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .events import Reporter
from .keypoints import Keypoints

_LEAST = 0.10  # of the frames: less is somebody who passed by
_WHOLE = 0.90  # of the frames: less is worth a word


def check_presence(keypoints: Keypoints, what: str, reporter: Reporter) -> None:
    """Warns when the person is away for a good part of the take; `what`: the file's name.

    Raises InputError when they are never there, or so seldom that nearly all of the motion would be made up.
    """
    seen, frames = int(keypoints.seen.sum()), len(keypoints)
    if seen == 0:
        raise InputError(f"No person was found in the {frames} frames of {what}; choose another video or another part of it.")
    when = keypoints.times[keypoints.seen]
    if seen < _LEAST * frames:
        raise InputError(f"The person is seen in only {seen} of the {frames} frames of {what}, between {when[0]:.2f} s and "
                         f"{when[-1]:.2f} s; choose that part by start and end.")
    if seen < _WHOLE * frames:
        parts = ", ".join(f"{a:.1f} s to {b:.1f} s" for a, b in _stretches(keypoints))
        reporter.warning(f"The person is seen in {seen} of the {frames} frames ({parts}); what is between is made up.")


def _stretches(keypoints: Keypoints, most: int = 6) -> list[tuple[float, float]]:
    """First and last second of each stretch in which the person is seen; the longest `most` in order of time."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keypoints.seen.astype(int), [0]])))
    runs = [(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    longest = sorted(sorted(runs, key=lambda run: run[0] - run[1])[:most])
    return [(float(keypoints.times[a]), float(keypoints.times[b])) for a, b in longest]
