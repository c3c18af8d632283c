"""Feet that stand, as rows of the fit.

Problem: depth from size is vague, so a standing foot would drift along the line of sight. Method: a heel or toe that does not move in the
picture, or that the whole body's motion says stands (`standing`), hardly moves in space; the fit is told so for each pair of frames,
robustly, so that a foot that does move costs little.
Once the ground is known, still feet near it belong onto it, which ties the root's depth to the picture, and no foot goes through it.
At last the contacts are known: a point that is down is held to one place for as long as it is.
What else the body rests on (`rests`) is treated alike where it is lowest, but is never held.
Limits: a foot that flies straight at the camera looks still for a moment (the robust loss lets it go).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..frame_times import usual_step
from ..keypoints import Keypoints
from .bones import weighted_median
from .contacts import FLESH, FOOT_POINTS, SOLE, SOLE_POINTS
from .gaps import stretches
from .rests import REST_KEYPOINTS, REST_POINTS, Rests
from .world import World

_STILL = 0.25  # metres a second in the picture: about where a foot counts as moving
_DRIFT = 0.06  # metres a second: what a planted foot's points do move
TOUCHING = FOOT_POINTS + REST_POINTS
_GROUND_SPREAD = 0.025  # metres
_NEAR_LOWEST = 0.12  # metres: a still foot further above the other one, or above what else the body rests on, stands on something else
_RESTS_NEAR, _REST_SPREAD = 0.06, 0.035  # metres: `_NEAR_LOWEST` and `_GROUND_SPREAD` of the rest of the body, whose skin is less sure
_SOLE = SOLE[SOLE_POINTS.index("LeftToeEnd")]
_ANKLES, _FOR_ANOTHER = ("l_ankle", "l_ankle", "r_ankle", "r_ankle"), np.array([0.25, 0.1] * 2)
"""What tells of `FOOT_POINTS` where a detector knows only ankles, and how much it says: heels may rise over a toe that stands."""
_REACH = 0.07  # seconds to both sides over which motion in the picture is measured
_HELD = 0.0005  # metres: how far a planted point may be from its place
_SLIP = 0.04  # metres: a point that is further from the middle of its contact slides and is not held
_ASTRAY = 0.015  # metres: by how much heel and tip of a planted foot are too close or too far from each other by error
_FLOOR_SPREAD = 0.004  # metres: how hard the floor is
_FIRMER = 40.0  # times as much 1 / variance in the last fit: before, poses still find their way through the floor


@dataclass(frozen=True)
class Footing:
    """Of T frames and the P `TOUCHING`, `FOOT_POINTS` first. still: (T-1, P) 1 / variance (1 / m^2) of the move from a frame to the next;
    ground: (T, P) 1 / variance of the height; up: (3,) camera axes; level: (T, P) heights along `up` at which they are when they rest;
    floor: the height below which no skin goes, and 1 / variance of how hard it is; held: (T, 4) of the foot points, 1 / variance of the
    distance from anchor (T, 4, 3), the place in the camera where a planted point stays."""

    still: np.ndarray
    ground: np.ndarray
    up: np.ndarray
    level: np.ndarray
    floor: float
    hardness: float
    held: np.ndarray
    anchor: np.ndarray

    def window(self, start: int, stop: int) -> Footing:
        """Frames start to stop - 1."""
        cut = slice(start, stop)
        return dataclasses.replace(self, still=self.still[start:max(start, stop - 1)], ground=self.ground[cut], level=self.level[cut],
                                   held=self.held[cut], anchor=self.anchor[cut])

    def in_use(self) -> np.ndarray:
        """(U,) which of `TOUCHING` anything is known of; the feet always."""
        known = np.concatenate([self.still, self.ground]).any(axis=0)
        return np.flatnonzero(known | (np.arange(known.size) < len(FOOT_POINTS)))

    def only(self, columns: np.ndarray) -> Footing:
        """The same of those of `TOUCHING` alone."""
        return dataclasses.replace(self, still=self.still[:, columns], ground=self.ground[:, columns], level=self.level[:, columns])

    def firm(self) -> Footing:
        """The same, with a floor that no longer gives."""
        return dataclasses.replace(self, hardness=_FIRMER * self.hardness)

    def planted(self, feet: np.ndarray, contacts: np.ndarray, soles: np.ndarray, times: np.ndarray) -> Footing:
        """The same, with the points feet (T, 4, 3) held to one place in every contact (T, 4); times: (T,) seconds.

        soles: (2,) metres from heel to tip of a straight foot. A heel and a tip that are down together are that far apart: were they
        5 mm closer, the toes would have to bend by 25 degrees, up or down, and snap from one to the other. Where they are off by more than
        an error the foot turns on one of them, and the other is let go.
        """
        anchor, held = feet.copy(), np.zeros(contacts.shape)
        for foot, sole in enumerate(soles):
            heel, tip = 2 * foot, 2 * foot + 1
            last: dict[int, slice] = dict.fromkeys((heel, tip), slice(0, 0))
            for start, stop, point in sorted((*run, of) for of in (heel, tip) for run in stretches(contacts[:, of], times)):
                cut, partner = slice(start, stop), heel + tip - point
                place = np.median(feet[cut, point], axis=0)
                both = slice(cut.start, min(cut.stop, last[partner].stop))  # an earlier contact of the partner's is over by now
                together = both.stop > both.start
                apart = float(np.linalg.norm(place - anchor[both.start, partner])) if together else sole
                turns = abs(apart - sole) > _ASTRAY
                if together and not turns:
                    place = anchor[both.start, partner] + (place - anchor[both.start, partner]) * (sole / apart)
                place = place + max(0.0, self.floor + FLESH[point] - place @ self.up) * self.up
                anchor[cut, point] = place
                held[cut, point] = np.linalg.norm(feet[cut, point] - place, axis=-1) < _SLIP
                if together and turns:
                    held[both, max(heel, tip, key=lambda p: np.ptp(feet[both, p], axis=0).max())] = 0.0
                last[point] = cut
        return dataclasses.replace(self, held=held / _HELD**2, anchor=anchor)


def stillness(keypoints: Keypoints, seen: np.ndarray, depth: np.ndarray, focal: float, stands: np.ndarray | None = None) -> np.ndarray:
    """(S, P) in [0, 1], how still each of `TOUCHING` is; seen: (T,) bool, S frames; depth: (S,) metres; focal: pixels.

    stands: (S, 4) how likely each foot point stands (see `standing`), which counts as far as the picture does not surely show that it
    moves; None: by the picture alone.
    """
    columns = np.array([keypoints.names.index(n) for n in FOOT_POINTS + REST_KEYPOINTS])
    feet, trust = slice(0, len(FOOT_POINTS)), np.ones(len(columns))
    if not (keypoints.confidence[:, columns[feet]] > 0).any():  # a detector that knows neither heels nor toes
        columns[feet], trust[feet] = [keypoints.names.index(n) for n in _ANKLES], _FOR_ANOTHER
    xy, confidence, times = keypoints.xy[seen][:, columns], keypoints.confidence[seen][:, columns] * trust, keypoints.times[seen]
    if len(times) < 2:
        return np.zeros((len(times), len(TOUCHING)))
    reach = max(1, int(round(_REACH / usual_step(times))))
    rows = np.arange(len(times))
    before, after = np.maximum(rows - reach, 0), np.minimum(rows + reach, len(times) - 1)
    speed = np.linalg.norm(xy[after] - xy[before], axis=-1) / (times[after] - times[before])[:, None] * depth[:, None] / focal
    slow = np.where(np.isfinite(speed), np.exp(-((np.nan_to_num(speed) / _STILL) ** 2)), 0.0)
    still = slow * confidence
    if stands is not None:
        unsure = np.where(np.isfinite(speed), 1.0 - confidence * (1.0 - slow), 1.0)[:, feet]
        still[:, feet] = np.maximum(still[:, feet], stands * unsure)
    return still


def footing(still: np.ndarray, times: np.ndarray, feet: np.ndarray | None = None, rests: Rests | None = None,
            world: World | None = None) -> Footing:
    """The rows for stillness (T, P) of `TOUCHING`, at first of the feet alone; feet (T, 4, 3) in the camera, what else the body may rest on
    and the world, once there are some, add the ground."""
    of_feet, of_rests = still[:, :len(FOOT_POINTS)], still[:, len(FOOT_POINTS):]
    free, unheld, nowhere = np.zeros_like(still), np.zeros_like(of_feet), np.zeros((*of_feet.shape, 3))
    step = np.diff(times)[:, None]
    if feet is None or rests is None or world is None:
        moves = np.concatenate([of_feet, 0.0 * of_rests], axis=1)
        return Footing(_stays(moves, step), free, np.array([0.0, -1.0, 0.0]), free, -np.inf, 0.0, unheld, nowhere)
    up = world.rotation[:, 2]
    beneath = unheld if world.beneath is None else world.beneath
    height, skin = feet @ up - beneath, rests.skin(up)
    if world.beneath is not None:  # as in `find_world`
        skin = np.full_like(skin, np.inf)
    lowest = np.minimum(height.min(1), skin.min(1) + _SOLE)[:, None]
    standing = of_feet * (height < lowest + _NEAR_LOWEST)
    resting = of_rests * (skin < lowest - _SOLE + _RESTS_NEAR)
    floor = float(world.translation @ up)
    heel, toe = (max(floor + FLESH[columns[0]], _level(height[:, columns], standing[:, columns], floor)) for columns in ([0, 2], [1, 3]))
    level = np.concatenate([beneath + [heel, toe, heel, toe], np.broadcast_to(floor + rests.flesh, skin.shape)], axis=1)
    ground = np.concatenate([standing / _GROUND_SPREAD**2, resting / _REST_SPREAD**2], axis=1)
    moves = np.concatenate([of_feet, resting], axis=1)
    return Footing(_stays(moves, step), ground, up, level, floor, 1.0 / _FLOOR_SPREAD**2, unheld, nowhere)


def _stays(still: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(T-1, P) 1 / variance of the moves of points that are still (T, P), over steps (T-1, 1) of seconds."""
    return np.where(step < 0.5, np.minimum(still[1:], still[:-1]) / (_DRIFT * step) ** 2, 0.0)


def _level(height: np.ndarray, standing: np.ndarray, ground: float) -> float:
    """The usual height of points (T, 2) that stand; the ground's own where none does."""
    total = float(standing.sum())
    return weighted_median(height.ravel(), standing.ravel()) if total > 0.5 else ground
