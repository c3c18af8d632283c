"""How long is the lens? The feet tell how far somebody walks, the size in the picture tells how far in focal lengths.

Problem: how far away a person is follows from the size in the picture and the focal length; with one that is half the true one a walk
towards the camera is half as long, while the legs walk all of it. Method:
- a foot that stands moves backwards beneath the hips as the hips move forwards: summed up, with what the neighbours say where no foot
  stands, that is the way of the hips as the feet tell it. The foot that stands is still in the picture (`footing.stillness`), and of
  two that are (one that swings straight at the camera looks still) it is the one that the hips pass;
- beside it the way of the hips as the size in the picture tells it (`root.locate`): the slope of the robust line through both, along the
  line of sight, is what the assumed focal length is off by;
- with how the lenses differ that people film with, the most probable one.
Limits: whoever walks less than a metre and a half towards the camera or away from it, or whose heels and toes are not seen, tells nothing.
Whoever slides while walking (skates, a moving walkway) is taken for a person behind another lens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from ..events import Reporter
from ..keypoints import ATTACHMENTS, CANONICAL, Keypoints
from ..place import locate
from .bones import weighted_median
from .contacts import FOOT_POINTS
from .footing import stillness
from .gaps import stretches

ANY_LENS = 0.4
"""How much focal lengths differ from the assumed one: standard deviation of the logarithm; 24 mm is one of it away, 85 mm two."""
_REFUTED = 3.0  # standard deviations: the lens in K is not the one that filmed (the picture was cropped, say)
RECORDED_LENS = 0.12
"""How much they differ from what the camera wrote down: it leaves out the edge that video stabilisation cuts off, up to a fifth."""
_SHORTEST_LENS, _LONGEST_LENS = 0.4, 4.0  # times the assumed one: what is beyond is no lens but a treadmill
_VAGUE = 0.25  # errors of the logarithm that are too large to go by
_EACH, _ASTRAY = 0.08, 0.3  # errors of the logarithm, and of the feet's way in metres, of a part; on walks of the training motions
_UNDERSTATED = 0.05  # of the logarithm: lifted feet walk so much less
_COMMON = 0.08  # of the logarithm, of all parts of a take
_PART, _HOLE = 6.0, 0.5  # seconds: over more the feet's errors add up; over a longer hole nobody knows the way
_SLOWEST = 1 / 12  # seconds between frames: fewer frames miss steps
_SHORTEST = 1.5  # metres along the line of sight by the feet
_STANDS = 0.1  # how much stillness of all four points counts as a foot that stands
_MOSTLY = 0.3  # of the steps between frames: less often a foot must not stand
_SMOOTH, _HEADING = 1 / 30, 0.3  # seconds over which feet are smoothed, and the hips' heading
_STROLL, _SURE = 0.3, 0.3  # metres a second: slower hips have no heading; how much faster the hips pass the foot that carries
_CORRELATED = 0.5  # seconds in which errors of the size are alike
_ROUGH = 0.01  # of the distance: how far hips are from the line at least
_TYPICAL = 4.0  # metres, where no frame tells the distance
_SEEN = 0.3  # confidence
_FEET = [CANONICAL.index(n) for n in FOOT_POINTS]
_KNOWN = [n for n in CANONICAL if "eye" not in n]
"""The keypoints that have a lifted marker."""


@dataclass(frozen=True)
class MeasuredLens:
    """factor: the most probable focal length over the assumed one; error: standard deviation of its logarithm; apparent: the factor as the
    walk alone tells it; walked: metres along the line of sight by the feet."""

    factor: float
    error: float
    apparent: float
    walked: float

    def intrinsics(self, K: np.ndarray) -> np.ndarray:
        """K (3, 3) with the measured focal length in the place of the assumed one."""
        measured = K.copy()
        measured[[0, 1], [0, 1]] *= self.factor
        return measured

    def describe(self, K: np.ndarray) -> dict[str, Any]:
        """For `meta`, JSON types; K: the assumed one."""
        return {"assumed_px": round(float(K[0, 0]), 1), "measured_px": round(float(K[0, 0]) * self.factor, 1),
                "error_percent": round(100 * self.error), "walked_m": round(self.walked, 1)}

    def report(self, K: np.ndarray, reporter: Reporter) -> None:
        """One sentence; K: the assumed one."""
        focal = K[0, 0] * self.factor
        reporter.log(f"The focal length is {focal:.0f} pixels (+- {100 * self.error:.0f} %), {self.factor:.2f} times what was taken "
                     f"at first, as {self.walked:.0f} m tell that were walked towards the camera or away from it; give it if it is known.")


def measured_lens(names: tuple[str, ...], positions: np.ndarray, keypoints: Keypoints, K: np.ndarray,
                  spread: float = ANY_LENS) -> MeasuredLens | None:
    """What lifted `positions` (T, M, 3), metres in camera axes about the hips, NaN where unseen, say of the focal length in K (3, 3), with
    which they were lifted; None where nobody walks far enough towards the camera or away from it, or no lens would explain it.

    spread: standard deviation of the logarithm of what the true focal length is over that in K, as far as is known without the walk.
    """
    k = keypoints.canonical()
    seen = k.seen & np.isfinite(positions).all((1, 2))
    times = np.maximum.accumulate(k.times[seen])
    frame_time = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if not 0.0 < frame_time < _SLOWEST:
        return None
    columns = [CANONICAL.index(n) for n in _KNOWN]
    markers = positions[seen][:, [names.index(n if n in names else ATTACHMENTS[n][0]) for n in _KNOWN]]
    hips = locate(markers, (k.xy[seen][:, columns] - K[:2, 2]) / K[[0, 1], [0, 1]], k.confidence[seen][:, columns], _TYPICAL)
    feet = positions[seen][:, [names.index(n) for n in FOOT_POINTS]]
    both = k.confidence[seen][:, _FEET].reshape(len(times), 2, 2).max(-1).min(-1) > _SEEN  # else the standing one may be the other
    still = both[:, None] * stillness(k, seen, hips[:, 2], float(K[0, 0]))[:, :len(FOOT_POINTS)]
    parts = [_Part.of(hips[part], feet[part], still[part], times[part], frame_time) for part in _parts(times)]
    walks = [walk for part in parts if (walk := _walk(part))]
    if not walks:
        return None
    apparent, errors, metres = (np.array(column) for column in zip(*walks, strict=True))
    middle = weighted_median(apparent, 1.0 / errors**2)
    strife = float(np.sum(((apparent - middle) / errors) ** 2)) / max(len(walks) - 1, 1)
    error = float(np.hypot(_COMMON, np.sqrt(max(1.0, strife) / np.sum(1.0 / errors**2))))
    if error > _VAGUE or not _SHORTEST_LENS < np.exp(middle) < _LONGEST_LENS:
        return None
    if abs(middle) > _REFUTED * np.hypot(spread, error):
        spread = max(spread, ANY_LENS)
    share = spread**2 / (spread**2 + error**2)
    return MeasuredLens(float(np.exp(share * middle)), error * float(np.sqrt(share)), float(np.exp(middle)), float(metres.sum()))


def _parts(times: np.ndarray) -> list[slice]:
    """At most `_PART` seconds each, equally long within each stretch without a long hole."""
    parts = []
    for start, stop in stretches(np.ones(len(times), dtype=bool), times, _HOLE):
        count = max(1, int(np.ceil((times[stop - 1] - times[start]) / _PART)))
        edges = np.searchsorted(times, np.linspace(times[start], times[stop - 1], count + 1)[1:-1])
        parts += [slice(*ends) for ends in pairwise([start, *edges.tolist(), stop])]
    return parts


@dataclass(frozen=True)
class _Part:
    """A part at even times, `step` seconds apart. hips: (T, 3) in the camera; feet: (T, 4, 3) about the hips, of which still (T, 4) stand
    in the picture."""

    hips: np.ndarray
    feet: np.ndarray
    still: np.ndarray
    step: float

    @classmethod
    def of(cls, hips: np.ndarray, feet: np.ndarray, still: np.ndarray, times: np.ndarray, step: float) -> _Part:
        """From frames at `times` (T,) seconds, which may lack some."""
        even = np.arange(times[0], times[-1] + 0.5 * step, step)

        def at(values: np.ndarray) -> np.ndarray:
            columns = [np.interp(even, times, column) for column in values.reshape(len(times), -1).T]
            return np.stack(columns, axis=-1).reshape(len(even), *values.shape[1:])

        return cls(at(hips), at(feet), at(still), step)


def _walk(part: _Part) -> tuple[float, float, float] | None:
    """Logarithm of the true focal length over the assumed one (no lens at all: a number beyond all lenses), its error, and the metres
    walked along the line of sight; None where they are too few."""
    way = _walked(part)
    if way is None or np.ptp(way[:, 2]) < _SHORTEST:
        return None
    independent = max(1.0, len(way) * part.step / _CORRELATED)
    slope, error = _slope(way[:, 2], part.hips[:, 2], _ROUGH * float(np.median(part.hips[:, 2])), independent)
    metres = float(np.ptp(way[:, 2]))
    apparent = _UNDERSTATED - float(np.log(np.clip(slope, 0.5 / _LONGEST_LENS, 2.0 / _SHORTEST_LENS)))
    return apparent, float(np.sqrt(min(error, ANY_LENS) ** 2 + _EACH**2 + (_ASTRAY / metres) ** 2)), metres


def _walked(part: _Part) -> np.ndarray | None:
    """(T, 3) the way of the hips as feet tell it; None where feet seldom stand."""
    feet = gaussian_filter1d(part.feet, _SMOOTH / part.step, axis=0, mode="nearest")
    velocity = -np.diff(feet, axis=0) / part.step
    heading = np.diff(gaussian_filter1d(part.hips, _HEADING / part.step, axis=0, mode="nearest"), axis=0) / part.step
    ahead = np.einsum("tfk,tk->tf", velocity, heading / np.maximum(np.linalg.norm(heading, axis=-1), _STROLL)[:, None])
    left = (ahead[:, :2].mean(1) - ahead[:, 2:].mean(1)) / _SURE
    weight = np.minimum(part.still[1:], part.still[:-1]) * expit(np.stack([left, left, -left, -left], axis=1))
    total = weight.sum(1)
    stands = total > _STANDS
    if not len(stands) or stands.mean() < _MOSTLY:
        return None
    moved = (weight[..., None] * velocity).sum(1)[stands] / total[stands, None] * part.step
    steps = np.arange(len(total))
    filled = np.stack([np.interp(steps, steps[stands], axis) for axis in moved.T], axis=-1)
    return np.concatenate([np.zeros((1, 3)), np.cumsum(filled, axis=0)])


def _slope(way: np.ndarray, place: np.ndarray, least: float, independent: float) -> tuple[float, float]:
    """Of the robust line place (T,) over way (T,), and its relative error; least: metres that places are off by at least."""
    weight = np.ones(len(way))
    for _ in range(10):
        off_way, off_place = (a - np.average(a, weights=weight) for a in (way, place))
        slope = float(np.sum(weight * off_way * off_place)) / max(float(np.sum(weight * off_way**2)), 1e-9)
        rest = off_place - slope * off_way
        spread = float(np.hypot(1.48 * np.median(np.abs(rest)), least))
        weight = 1.0 / (1.0 + (rest / (2.0 * spread)) ** 2)
    return slope, spread / max(float(np.std(way)) * np.sqrt(independent) * abs(slope), 1e-9)
