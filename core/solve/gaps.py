"""Frames without a person: the row stays, filled from its neighbours.

Method: holes up to `LONGEST_GAP` are bridged (slerp for rotations, straight for the root), longer ones and both ends of the take hold
the nearest pose. Limits: invents no motion; the confidence of such frames is 0.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from .smoothness import LONGEST_GAP


def fill(local: np.ndarray, root: np.ndarray, seen: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, 21, 4) and root (T, 3) for all frames, from those of the seen ones (S, ...); seen: (T,) bool; times: (T,) s."""
    rows = np.flatnonzero(seen)
    after = np.searchsorted(rows, np.arange(len(seen)))
    before = np.clip(np.where(np.isin(np.arange(len(seen)), rows), after, after - 1), 0, len(rows) - 1)
    after = np.clip(after, 0, len(rows) - 1)
    t0, t1 = times[rows[before]], times[rows[after]]
    span = t1 - t0
    share = np.where(span > 0, (times - t0) / np.where(span > 0, span, 1.0), 0.0)
    share = np.where(span > LONGEST_GAP, np.round(share), share)
    turned = rotations.slerp(local[before], local[after], share[:, None])
    moved = (1 - share)[:, None] * root[before] + share[:, None] * root[after]
    return rotations.continuous(turned), moved
