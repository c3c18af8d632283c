"""Sights of quite another size than the person, for a moment between two gaps: a face on a shirt, a hand that is taken for somebody small.

Problem: where something hides most of the person the detector now and then finds a whole one in what is left; the body shrinks to it and
springs back. Method: the frames in which the person is seen fall into stretches between gaps; a stretch that is short, and much smaller or
much larger than what is seen before and after it, counts as not seen. Limits: who crouches for less than a second behind something, and is
seen neither on the way down nor up, is bridged over; nothing is judged that reaches to the take's beginning or end.
"""

from __future__ import annotations

import numpy as np

from ..events import Reporter
from ..keypoints import Keypoints

_GAP = 0.1  # seconds without a sight
_MOMENT = 1.0  # seconds: longer stretches are believed
_BESIDE = 0.5  # seconds before and after, with which a stretch is compared
_OTHER = 0.6  # of the size: a stretch with less, or others with less than that of its, is somebody or something else


def without_misfits(keypoints: Keypoints, reporter: Reporter) -> Keypoints:
    """The keypoints, missing where the sight is a misfit; says where that is."""
    odd = misfits(keypoints)
    if not odd.any():
        return keypoints
    rows = np.flatnonzero(odd) + 1
    reporter.log(f"In {len(rows)} frames between {rows[0]} and {rows[-1]} the detector saw somebody of quite another size for a moment; "
                 "they count as not seen.")
    return keypoints.replace(confidence=np.where(odd[:, None], 0.0, keypoints.confidence))


def misfits(keypoints: Keypoints) -> np.ndarray:
    """(T,) bool, the frames whose sight is of another size than those before and after."""
    odd = np.zeros(len(keypoints), dtype=bool)
    rows = np.flatnonzero(keypoints.seen)
    if not len(rows):
        return odd
    times, xy = keypoints.times[rows], keypoints.xy[rows]
    size = np.linalg.norm(np.nanmax(xy, axis=1) - np.nanmin(xy, axis=1), axis=-1)
    stretches = _of_a_size(np.split(np.arange(len(rows)), np.flatnonzero(np.diff(times) > _GAP) + 1), size)
    for before, stretch, after in zip(stretches, stretches[1:], stretches[2:], strict=False):
        beside = [np.median(size[part][np.abs(times[part] - times[near]) < _BESIDE])
                  for part, near in ((before, before[-1]), (after, after[0]))]
        own = np.median(size[stretch])
        other = own < _OTHER * min(beside) or max(beside) < _OTHER * own
        odd[rows[stretch]] = other and times[stretch[-1]] - times[stretch[0]] < _MOMENT
    return odd


def _of_a_size(stretches: list[np.ndarray], size: np.ndarray) -> list[np.ndarray]:
    """The stretches, those that follow each other and are alike in size as one."""
    together = stretches[:1]
    for stretch in stretches[1:]:
        a, b = np.median(size[together[-1]]), np.median(size[stretch])
        if min(a, b) < _OTHER * max(a, b):
            together.append(stretch)
        else:
            together[-1] = np.concatenate([together[-1], stretch])
    return together
