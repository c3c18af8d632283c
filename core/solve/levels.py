"""Several floors: how high above the lowest one do the feet stand, when?

Problem: somebody who jumps off a box or climbs stairs stands at several heights; held to one floor they sink or float, and the tilt of the
camera is bent until box and floor lie in one plane. Method: stances are stretches in which a foot is slow and no other slow one is lower,
with the hips well above it; two that follow each other, or are near each other, stand on one level unless they differ by more
than an error of the upright explains; what hangs together that way is a level, the lowest is the floor.
Limits: a slope, or a long way in a badly known direction, is one level; steps lower than about 15 cm are not told from the floor;
who hangs by the hands with still feet stands, as far as is seen here, on a floor of their own.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from ..frame_times import usual_step
from .contacts import speeds
from .gaps import stretches

_SLOW = 0.35  # metres a second
_NEAR_LOWEST = 0.12  # metres above the lower foot
_UNDER = 0.4  # metres that the hips are above a foot that carries them
_BRIEF = 0.15  # seconds of a stance
_SUPPORT = 0.3  # seconds of all stances of a level
_STEP, _LEAN = 0.12, 0.1  # metres, and metres for each metre between two stances: what is no step yet
_NEIGHBOURS = 1.0  # metres between stances that are compared at any time
_BLOCK = 256  # stances that are compared with all others at once


def levels_beneath(feet: np.ndarray, hips: np.ndarray, times: np.ndarray, up: np.ndarray) -> np.ndarray | None:
    """(T, 4) metres: the height of the ground beneath the foot points above the lowest floor; None where there is but one floor.

    feet: (T, 4, 3) left heel, toe, right heel, toe; hips: (T, 3); in any axes in which `up` (3,) points upwards.
    """
    height, slow = feet @ up, speeds(feet, times) < _SLOW
    lowest = np.where(slow, height, np.inf).min(1, keepdims=True)  # on stairs a foot that swings is lower for a while
    carrying = (height < lowest + _NEAR_LOWEST) & ((hips @ up)[:, None] > height + _UNDER)
    frame_time = usual_step(times)
    stances = []  # foot, start, stop, place of its points' middle
    for foot in range(2):
        points = slice(2 * foot, 2 * foot + 2)
        for start, stop in stretches(slow[:, 2 * foot] | slow[:, 2 * foot + 1], times):
            low = carrying[start:stop, points].all(1)
            if (stop - start) * frame_time >= _BRIEF and low.mean() > 0.5:
                stances.append((foot, start, stop, np.median(feet[start:stop, points].mean(1)[low], axis=0)))
    stances.sort(key=lambda s: s[1])
    group = _groups([s[3] for s in stances], up)
    sure = [k for k in set(group) if sum(s[2] - s[1] for s, g in zip(stances, group, strict=True) if g == k) * frame_time >= _SUPPORT]
    if len(sure) < 2:
        return None
    level = {k: float(np.median([s[3] @ up for s, g in zip(stances, group, strict=True) if g == k])) for k in sure}
    floor = min(level.values())
    foot_level = [_between([(s[1], s[2], level[g] - floor) for s, g in zip(stances, group, strict=True) if s[0] == foot and g in level],
                           len(times)) for foot in range(2)]
    both = np.stack([np.where(stands, here, np.minimum(here, other))
                     for (here, stands), (other, _) in zip(foot_level, foot_level[::-1], strict=True)], axis=1)
    return np.repeat(np.where(np.isfinite(both), both, 0.0), 2, axis=1)


def _groups(places: list[np.ndarray], up: np.ndarray) -> list[int]:
    """The number of the level of each stance (in the order of time)."""
    if not places:
        return []
    at = np.array(places)
    height = at @ up
    flat = at - height[:, None] * up
    def one_level(far: np.ndarray, rise: np.ndarray) -> np.ndarray:
        return np.abs(rise) < _STEP + _LEAN * far

    next_too = np.flatnonzero(one_level(np.linalg.norm(np.diff(flat, axis=0), axis=-1), np.diff(height)))
    group = _joined(len(at), next_too, next_too + 1)
    first = np.unique(group, return_index=True)[1]  # a stance of each
    others = np.flatnonzero(group != np.bincount(group).argmax())  # one end of whatever joins two levels is not of the largest
    for start in range(0, len(others), _BLOCK):  # an hour's stances all at once would fill the memory
        some = others[start:start + _BLOCK]
        far = cdist(flat[some], flat)
        here, there = np.nonzero((far < _NEIGHBOURS) & one_level(far, height[some, None] - height))
        group = _joined(len(at), np.append(some[here], first[group]), np.append(there, np.arange(len(at))))
        first = np.unique(group, return_index=True)[1]
    return list(group)


def _joined(count: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(count,) the number of the group of each when a[i] and b[i] are in one."""
    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])


def _between(stances: list[tuple[int, int, float]], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(T,) levels of one foot's stances (start, stop, level), on the way from one to the next the lower of both, and whether it stands;
    infinite where it never does."""
    result, stands = np.full(frames, np.inf), np.zeros(frames, dtype=bool)
    for number, (start, stop, level) in enumerate(stances):
        after = stances[min(number + 1, len(stances) - 1)][2]
        result[start if number else 0:stop] = level
        result[stop:] = min(level, after)
        stands[start:stop] = True
    return result, stands
