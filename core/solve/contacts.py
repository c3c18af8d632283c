"""When do heels and toes stand on the ground?

Method: a foot point is down when it is low and slow; it must be clearly so to start (hysteresis), and shorter contacts or gaps than a
tenth of a second do not count. Limits: a foot that slides while it stands (dancing, skating) is not a contact; a foot that
rests on a chair is not one either, unless it carries the body.
"""

from __future__ import annotations

import numpy as np

from ..frame_times import usual_step
from ..runs import runs
from .gaps import stretches

FOOT_POINTS = ("l_heel", "l_toe", "r_heel", "r_toe")
"""In the order of `core.motion.CONTACT_NAMES`."""

SOLE_POINTS = ("l_heel", "LeftToe", "LeftToeEnd", "r_heel", "RightToe", "RightToeEnd")
SOLE = np.array([0.03, 0.028, 0.02] * 2)
"""Metres that `SOLE_POINTS` of a standing foot are above the ground; toe joints are 0.025 in the mocap pack, 0.03 on rendered people."""
_GIVES = 0.02  # metres: heels and shoes give, and poses err
FLESH, BALL_FLESH = SOLE[[0, 2, 3, 5]] - _GIVES, SOLE[1] - _GIVES
"""Metres that `FOOT_POINTS`, and toe joints, stay above the floor at least."""

_LOW, _STILL_LOW = 0.06, 0.09  # metres above the ground: to start, to go on
_SLOW, _STILL_SLOW = 0.20, 0.35  # metres a second
_SHORTEST = 0.1  # seconds


def detect_contacts(points: np.ndarray, times: np.ndarray, beneath: np.ndarray | float = 0.0) -> np.ndarray:
    """(T, 4) bool for `FOOT_POINTS` (T, 4, 3) in the world (metres) at times (T,) seconds; beneath: (T, 4) the ground's z under them."""
    speed, height = speeds(points, times), points[..., 2] - beneath
    certain = (height < _LOW) & (speed < _SLOW)
    possible = (height < _STILL_LOW) & (speed < _STILL_SLOW)
    frame_time = usual_step(times)
    shortest = max(1, int(round(_SHORTEST / frame_time)))
    return np.stack([_clean(certain[:, i], possible[:, i], shortest, times) for i in range(points.shape[1])], axis=1)


def of_seen_feet(contacts: np.ndarray, seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The contacts (T, 4) at times (T,) without those in whose whole time nothing of that foot was seen; seen: (T, 2) left and right."""
    kept = contacts.copy()
    for point in range(contacts.shape[1]):
        for start, stop in stretches(contacts[:, point], times):
            kept[start:stop, point] = seen[start:stop, point // 2].any()
    return kept


def speeds(points: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, N) metres a second of points (T, N, 3), central differences."""
    if len(times) < 2:
        return np.zeros(points.shape[:2])
    return np.linalg.norm(np.gradient(points, times, axis=0), axis=-1)


def _clean(certain: np.ndarray, possible: np.ndarray, shortest: int, times: np.ndarray) -> np.ndarray:
    down = np.zeros_like(certain)
    for start, stop in stretches(possible, times):
        down[start:stop] = certain[start:stop].any()
    for start, stop in runs(~down):
        if stop - start <= shortest and start > 0 and stop < len(down):
            down[start:stop] = True
    for start, stop in stretches(down, times):
        if stop - start < shortest and stop - start < len(down):
            down[start:stop] = False
    return down
