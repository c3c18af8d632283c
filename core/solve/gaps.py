"""Frames without a person: the row stays, filled from its neighbours.

Method: holes up to `LONGEST_GAP` are rows of the fit that no evidence speaks of: the motion goes on as bodies do (`smoothness`),
within the joints' limits and above the floor; here they get a place to start from (slerp for rotations, straight for the root). Longer
holes hold the last pose and pass over to the next one in their last second; both ends of the take hold the nearest pose.
Limits: invents no steps: after a long hole the body glides to where it is seen again. The confidence of such frames is 0.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .. import rotations
from ..runs import runs
from .smoothness import LONGEST_GAP


def bridged(seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) bool: the frames with a person (T,) and those in holes of at most `LONGEST_GAP` between them; times: (T,) seconds."""
    rows = np.flatnonzero(seen)
    result = seen.copy()
    for before, after in pairwise(rows):
        if times[after] - times[before] <= LONGEST_GAP:
            result[before:after] = True
    return result


def stretches(flags: np.ndarray, times: np.ndarray, longest: float = LONGEST_GAP) -> list[tuple[int, int]]:
    """Half-open ranges in which `flags` (T,) is true, ended by holes of more than `longest` seconds between times (T,)."""
    holes = np.flatnonzero(np.diff(times) > longest) + 1
    return [part for start, stop in runs(flags) for part in pairwise([start, *holes[(holes > start) & (holes < stop)].tolist(), stop])]


def fill(local: np.ndarray, root: np.ndarray, seen: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, 21, 4) and root (T, 3) for all frames, from those of the seen ones (S, ...); seen: (T,) bool; times: (T,) s."""
    rows = np.flatnonzero(seen)
    after = np.searchsorted(rows, np.arange(len(seen)))
    before = np.clip(np.where(np.isin(np.arange(len(seen)), rows), after, after - 1), 0, len(rows) - 1)
    after = np.clip(after, 0, len(rows) - 1)
    t0, t1 = times[rows[before]], times[rows[after]]
    span = t1 - t0
    share = np.where(span > 0, (times - t0) / np.where(span > 0, span, 1.0), 0.0)
    late = np.clip(1.0 - (t1 - times) / LONGEST_GAP, 0.0, 1.0)
    share = np.where(span > LONGEST_GAP, late * late * (3.0 - 2.0 * late), share)
    turned = rotations.slerp(local[before], local[after], share[:, None])
    moved = (1 - share)[:, None] * root[before] + share[:, None] * root[after]
    return rotations.continuous(turned), moved
