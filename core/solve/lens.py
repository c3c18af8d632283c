"""How long is the lens? The feet tell how far somebody walks, the size in the picture tells how far in focal lengths.

Problem: how far away a person is follows from the size in the picture and the focal length; with one that is half the true one a walk
towards the camera is half as long, while the legs walk all of it. Method:
- a foot that stands moves backwards beneath the hips as the hips move forwards: summed up, with what the neighbours say where no foot
  stands, that is the way of the hips as the feet tell it. The foot that stands is still in the picture (`footing.stillness`), and of
  two that are (one that swings straight at the camera looks still) it is the one that the hips pass;
- beside it the way of the hips as the size in the picture tells it (`root.locate`): the slope of the robust line through both, along the
  line of sight, is what the assumed focal length is off by;
- with how the lenses differ that people film with, the most probable one.
It is gone by only where the assumed lens is out of the question: the error is 10 to 20 %, and phones are no further from what is assumed.
Limits: whoever slides, or walks less than a metre and a half towards the camera or away from it, tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..events import Reporter
from ..keypoints import ATTACHMENTS, CANONICAL, Keypoints
from .bones import weighted_median
from .contacts import FOOT_POINTS
from .footing import stillness
from .gaps import stretches
from .root import locate

_LENSES = 0.4
"""How much focal lengths differ from the assumed one: standard deviation of the logarithm; 24 to 85 mm are two of it to both sides."""
_SHORTEST_LENS, _LONGEST_LENS = 0.4, 4.0  # times the assumed one: what is beyond is no lens but a treadmill
_OUT_OF_QUESTION, _VAGUE = 2.5, 0.25  # standard deviations; errors of the logarithm that are too large to go by
_EACH, _ASTRAY = 0.08, 0.3  # errors of the logarithm, and of the feet's way in metres, of a part; on walks of the training motions
_UNDERSTATED = 0.05  # of the logarithm: lifted feet walk so much less
_COMMON = 0.08  # of the logarithm, of all parts of a take
_PART, _FEWEST = 6.0, 10  # seconds at most, frames at least: over more the feet's errors add up
_SHORTEST = 1.5  # metres along the line of sight by the feet
_STANDS = 0.1  # how much stillness of all four points counts as a foot that stands
_MOSTLY = 0.3  # of the steps between frames: less often a foot must not stand
_SMOOTH, _HEADING = 1 / 30, 0.3  # seconds over which feet are smoothed, and the hips' heading
_STROLL, _SURE = 0.3, 0.3  # metres a second: slower hips have no heading; how much faster the hips pass the foot that carries
_CORRELATED = 0.5  # seconds in which errors of the size are alike
_ROUGH = 0.01  # of the distance: how far hips are from the line at least
_TYPICAL = 4.0  # metres, where no frame tells the distance
_KNOWN = [n for n in CANONICAL if "eye" not in n]
"""The keypoints that have a lifted marker."""


@dataclass(frozen=True)
class MeasuredLens:
    """factor: the most probable focal length over the assumed one; error: standard deviation of its logarithm; apparent: the factor as the
    walk alone tells it; walked: metres along the line of sight by the feet; counts: whether to go by it."""

    factor: float
    error: float
    apparent: float
    walked: float
    counts: bool

    def intrinsics(self, K: np.ndarray) -> np.ndarray:
        """K (3, 3) with the measured focal length in the place of the assumed one."""
        longer = K.copy()
        longer[[0, 1], [0, 1]] *= self.factor
        return longer

    def describe(self, K: np.ndarray) -> dict[str, Any]:
        """For `meta`, JSON types; K: the assumed one."""
        return {"assumed_px": round(float(K[0, 0]), 1), "measured_px": round(float(K[0, 0]) * self.factor, 1),
                "error_percent": round(100 * self.error), "walked_m": round(self.walked, 1), "used": self.counts}

    def report(self, K: np.ndarray, reporter: Reporter) -> None:
        """One sentence; K: the assumed one."""
        reporter.log(f"The lens is {self.factor:.2f} times as long as usual (+- {100 * self.error:.0f} %, from {self.walked:.0f} m walked "
                     f"towards the camera or away from it): a focal length of {K[0, 0] * self.factor:.0f} pixels; give it if it is known.")


def measured_lens(names: tuple[str, ...], positions: np.ndarray, keypoints: Keypoints, K: np.ndarray) -> MeasuredLens | None:
    """What lifted `positions` (T, M, 3), metres in camera axes about the hips, NaN where unseen, say of the focal length in K (3, 3), with
    which they were lifted; None where nobody walks far enough towards the camera or away from it, or no lens would explain it."""
    k = keypoints.canonical()
    seen = k.seen & np.isfinite(positions).all((1, 2))
    times = k.times[seen]
    if len(times) < 2 or np.diff(times).min() <= 0:
        return None
    columns = [CANONICAL.index(n) for n in _KNOWN]
    markers = positions[seen][:, [names.index(n if n in names else ATTACHMENTS[n][0]) for n in _KNOWN]]
    hips = locate(markers, (k.xy[seen][:, columns] - K[:2, 2]) / K[[0, 1], [0, 1]], k.confidence[seen][:, columns], _TYPICAL)
    feet = positions[seen][:, [names.index(n) for n in FOOT_POINTS]]
    still = stillness(k, seen, hips[:, 2], float(K[0, 0]))
    walks = [walk for start, stop in _parts(times)
             if (walk := _walk(hips[start:stop], feet[start:stop], still[start:stop], times[start:stop]))]
    if not walks:
        return None
    apparent, errors, metres = (np.array(column) for column in zip(*walks, strict=True))
    middle = weighted_median(apparent, 1.0 / errors**2)
    if not np.log(_SHORTEST_LENS) < middle < np.log(_LONGEST_LENS):
        return None
    error = float(np.hypot(_COMMON, 1.0 / np.sqrt(np.sum(1.0 / errors**2))))
    share = _LENSES**2 / (_LENSES**2 + error**2)
    return MeasuredLens(float(np.exp(share * middle)), error * float(np.sqrt(share)), float(np.exp(middle)), float(metres.sum()),
                        error < _VAGUE and abs(middle) > _OUT_OF_QUESTION * error)


def _parts(times: np.ndarray) -> list[tuple[int, int]]:
    """Half-open ranges of at most `_PART` seconds, equally long within each stretch without a long hole."""
    parts = []
    for start, stop in stretches(np.ones(len(times), dtype=bool), times):
        count = max(1, int(np.ceil((times[stop - 1] - times[start]) / _PART)))
        edges = np.searchsorted(times, np.linspace(times[start], times[stop - 1], count + 1)[1:-1])
        parts += list(pairwise([start, *edges.tolist(), stop]))
    return [(start, stop) for start, stop in parts if stop - start >= _FEWEST]


def _walk(hips: np.ndarray, feet: np.ndarray, still: np.ndarray, times: np.ndarray) -> tuple[float, float, float] | None:
    """Logarithm of the true focal length over the assumed one, its error, and the metres walked along the line of sight; None where they
    are too few. hips: (T, 3) in the camera; feet: (T, 4, 3) about the hips, of which `still` (T, 4) stand in the picture."""
    way = _walked(hips, feet, still, times)
    if way is None or np.ptp(way[:, 2]) < _SHORTEST:
        return None
    independent = max(1.0, (times[-1] - times[0]) / _CORRELATED)
    slope, error = _slope(way[:, 2], hips[:, 2], _ROUGH * float(np.median(hips[:, 2])), independent)
    if slope <= 0:
        return None
    metres = float(np.ptp(way[:, 2]))
    return _UNDERSTATED - float(np.log(slope)), float(np.sqrt(error**2 + _EACH**2 + (_ASTRAY / metres) ** 2)), metres


def _walked(hips: np.ndarray, feet: np.ndarray, still: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """(T, 3) the way of the hips as feet tell it; None where feet seldom stand. Arguments as those of `_walk`."""
    frame_time = float(np.median(np.diff(times)))
    step = np.diff(times)
    feet = gaussian_filter1d(feet, _SMOOTH / frame_time, axis=0, mode="nearest")
    velocity = -np.diff(feet, axis=0) / step[:, None, None]
    heading = np.gradient(gaussian_filter1d(hips, _HEADING / frame_time, axis=0, mode="nearest"), times, axis=0)[1:]
    ahead = np.einsum("tfk,tk->tf", velocity, heading / np.maximum(np.linalg.norm(heading, axis=-1), _STROLL)[:, None])
    pairs = np.repeat([ahead[:, :2].mean(1) - ahead[:, 2:].mean(1)], 2, axis=0).T
    carries = 1.0 / (1.0 + np.exp(-np.concatenate([pairs, -pairs], axis=1) / _SURE))
    weight = np.minimum(still[1:], still[:-1]) * carries
    total = weight.sum(1)
    stands = total > _STANDS
    if stands.mean() < _MOSTLY:
        return None
    velocity = (weight[..., None] * velocity).sum(1)[stands] / total[stands, None]
    middle = times[:-1] + 0.5 * step
    moved = np.stack([np.interp(middle, middle[stands], axis) for axis in velocity.T], axis=-1) * step[:, None]
    return np.concatenate([np.zeros((1, 3)), np.cumsum(moved, axis=0)])


def _slope(way: np.ndarray, place: np.ndarray, least: float, independent: float) -> tuple[float, float]:
    """Of the robust line place (T,) over way (T,), and its relative error; least: metres that places are off by at least."""
    weight = np.ones(len(way))
    for _ in range(10):
        off_way, off_place = (a - np.average(a, weights=weight) for a in (way, place))
        slope = float(np.sum(weight * off_way * off_place)) / max(float(np.sum(weight * off_way**2)), 1e-9)
        left = off_place - slope * off_way
        spread = float(np.hypot(1.48 * np.median(np.abs(left)), least))
        weight = 1.0 / (1.0 + (left / (2.0 * spread)) ** 2)
    return slope, spread / max(float(np.std(way)) * np.sqrt(independent) * abs(slope), 1e-9)
