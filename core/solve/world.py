"""The world around the camera: which way is up, where is the ground, where did the person stand at the start.

Problem: one static camera of unknown height and tilt. Method: up is the direction that agrees best with (a) a camera held level
(little roll, some tilt; now and then much roll), (b) the axis from ankles to neck in frames where the person is upright or upside down,
which leans forwards or backwards more than sideways, (c) the points where feet, or what else the body lies on (`rests`), rest lying in
one plane, or in parallel ones (`levels`); robust Gauss-Newton over roll and tilt. The ground lies where those points are, the lowest of
several floors at z = 0. The person faces -Y at the start and stands at the origin.
Limits: no slopes; a person seen from more than about 60 degrees above leaves (a) alone (a known pitch helps); of one who lies or crawls
throughout up is told badly where the camera looks down by more than about 10 degrees: by 25 to 30 degrees in the mean of synthetic
postures seen from -20 to 50 degrees, now and then by 60 to 90; the camera must not move.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from .. import rotations
from .contacts import SOLE, SOLE_POINTS, speeds
from .levels import levels_beneath
from .rests import Rests

_LEVEL_ROLL, _HELD_ROLL, _HELD = np.radians(1.5), np.radians(8.0), 0.3
"""How far cameras are rolled that somebody put up level, and the share of others, held anyhow."""
_TILT, _PLANE = np.radians(15.0), 0.03
_ROUGHLY = 0.1  # metres off the plane of knees, hands, hips, whose depth is lifted worse than that of feet in who lies or kneels
_SEEMS = 0.12  # metres: feet that seem higher above what else the body rests on are in the air, and up must not lean until they stand
_INDEPENDENT = 10.0
"""As how many the points where feet rest count, at most: their depths are wrong together, and who climbs, sits or hops rests nowhere. In
102 rendered takes of all the motions up was off by 5.0 degrees with 40 (48 at most), by 3.7 with 10 (14 at most; measured once)."""
_LEAN_ASIDE, _LEAN_AHEAD = np.radians(3.0), np.radians(5.0)
"""How far a take's body leans on average, to its side and to its front. These and the rolls were chosen on the truth of rendered takes of
the training motions, filmed level and rolled by 5 and 10 degrees."""
_UPRIGHT, _UNBOWED = np.radians(20.0), np.radians(25.0)
"""How far the axis of who stands is from up, and the trunk from the axis: who bows leans by any angle (in the mocap pack by 5 degrees where
the trunk is in line, by 17 where it is bowed by 30; measured once)."""
_KNOWN = np.radians(0.1)  # a tilt that somebody measured
_TOES = SOLE[SOLE_POINTS.index("LeftToe")]
GROUND_POINTS = ("l_heel", "LeftToe", "r_heel", "RightToe")
_RESTING = 0.35  # metres a second: slower foot points may be resting
_MOSTLY = 0.5  # of the frames: who is upright less often does not say which of two floors is the higher one
_NEARLY_ALL = 0.8  # of the frames: who is upright more often tells as much of up as who always is
_START = 0.3  # seconds that count as the start
_ENOUGH = 0.15
"""Of the frames: where feet are seen in fewer, guessed ones count as seen; else nothing is made of them. On 8 rendered clips with the legs
taken away but for 20, 40 or 70 % of the frames up was off by 4.4, 3.8 and 2.7 degrees with them, by 3.2, 2.0 and 2.1 without; with 10 % it
was 4.5 and 4.7 (exact keypoints otherwise; measured once)."""
_LYING, _THROUGHOUT = np.radians(60.0), 0.95  # from up, and of the frames


@dataclass(frozen=True)
class World:
    """x_camera = rotation @ x_world + translation; rotation (3, 3), translation (3,) metres. beneath: (T, 4) metres, how high the ground is
    beneath the foot points, where there are several floors."""

    rotation: np.ndarray
    translation: np.ndarray
    beneath: np.ndarray | None = None

    def from_camera(self, points: np.ndarray) -> np.ndarray:
        """Camera points (..., 3) in the world."""
        return (points - self.translation) @ self.rotation


def find_world(feet: np.ndarray, rests: Rests, ankles: np.ndarray, neck: np.ndarray, hips: np.ndarray, forward: np.ndarray,
               times: np.ndarray, pitch: float | None = None, seen_feet: np.ndarray | None = None) -> World:
    """The world of a clip; all in the camera's axes, metres, only frames in which the person was seen.

    feet: (T, 4, 3) `GROUND_POINTS`; rests: what else may be on the ground; ankles: (T, 3) their middle; neck, hips: (T, 3); forward:
    (T, 3) where the hips face.
    pitch: radians that the camera looks down, where it is known; seen_feet: (T, 2) bool, left and right; None: all.
    """
    believed = np.ones((len(times), 2), dtype=bool)
    if seen_feet is not None and seen_feet.any(1).mean() > _ENOUGH:  # else guessed feet are better than none
        believed = seen_feet
    there = believed.any(1)
    body = _Body.of(ankles, hips, neck, forward)
    body = dataclasses.replace(body, straight=body.straight * there)
    upright = _upright(body, pitch)
    beneath = levels_beneath(feet, hips, times, upright) if body.upright(upright)[there].mean() > _MOSTLY else None
    if beneath is not None:
        feet = feet - beneath[..., None] * upright
        rests = Rests(rests.points[:, :0], rests.flesh[:0])  # nobody knows which floor a knee is over
    up, height = _ground(_Touching.of(feet, rests), body, times, pitch, believed)
    at_start = times <= times[0] + _START
    facing = _level(forward[at_start].mean(0), up)
    y = -facing
    rotation = np.stack([np.cross(y, up), y, up], axis=-1)
    start = hips[at_start].mean(0)
    origin = start + (height - start @ up) * up
    return World(rotation, origin, beneath)


def never_upright(ankles: np.ndarray, hips: np.ndarray, neck: np.ndarray) -> bool:
    """Whether body and trunk lie or are upside down in nearly all frames, as in a picture that is turned; (T, 3) each in the world,
    ankles: their middle."""
    height = np.stack([rotations.unit(neck - ankles)[:, 2], rotations.unit(neck - hips)[:, 2]])
    return bool((height < np.cos(_LYING)).all(0).mean() > _THROUGHOUT)


def _level(v: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The horizontal unit direction of v; the camera's own when v is upright."""
    flat = v - (v @ up) * up
    if np.linalg.norm(flat) < 0.1:
        flat = np.array([0.0, 0.0, -1.0]) + up[2] * up
    return flat / np.linalg.norm(flat)


def _up(roll: float, tilt: float) -> np.ndarray:
    """Up in the camera's axes for a camera rolled about its line of sight and tilted down by `tilt`."""
    return np.array([np.sin(roll), -np.cos(roll) * np.cos(tilt), -np.cos(roll) * np.sin(tilt)])


@dataclass(frozen=True)
class _Body:
    """How the body stands in each frame. axis: (T, 3) unit vectors from ankles to neck; straight: (T,) 1 where the trunk is in line with
    it, 0 where it is not; beside: (T, 2, 3) unit vectors to the axis' side and front, each over how far (radians) it usually leans that
    way."""

    axis: np.ndarray
    straight: np.ndarray
    beside: np.ndarray

    @classmethod
    def of(cls, ankles: np.ndarray, hips: np.ndarray, neck: np.ndarray, forward: np.ndarray) -> _Body:
        """From places (T, 3) and where the hips face (T, 3)."""
        axis = rotations.unit(neck - ankles)
        aside = rotations.unit(np.cross(axis, forward))
        beside = np.stack([aside / _LEAN_ASIDE, np.cross(aside, axis) / _LEAN_AHEAD], axis=1)
        bowed = np.arccos(np.clip(np.sum(axis * rotations.unit(neck - hips), axis=-1), -1.0, 1.0))
        return cls(axis, np.exp(-0.5 * (bowed / _UNBOWED) ** 4), beside)

    def upright(self, up: np.ndarray) -> np.ndarray:
        """(T,) 1 where the body is upright if `up` is up, 0 where it is far from it, and less where it bows."""
        angle = np.arccos(np.clip(self.axis @ up, -1.0, 1.0))
        return np.asarray(self.straight * np.exp(-0.5 * (angle / _UPRIGHT) ** 2))


def _upright(body: _Body, pitch: float | None) -> np.ndarray:
    """Up (3,) as the camera and the body alone tell it."""
    roll, tilt = 0.0, 0.0 if pitch is None else pitch
    for _ in range(12):
        _, normal, right = _lean(body, roll, tilt, pitch)
        step = np.linalg.solve(normal, right)
        roll, tilt = roll + step[0], float(np.clip(tilt + step[1], -1.4, 1.4))
    return _up(roll, tilt)


def _lean(body: _Body, roll: float, tilt: float, pitch: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How up moves with roll and tilt (3, 2), and the normal equations (2, 2), (2,) of camera and body."""
    level, spread = (0.0, _TILT) if pitch is None else (pitch, _KNOWN)
    up = _up(roll, tilt)
    across, along = (_up(roll + 1e-4, tilt) - up) / 1e-4, (_up(roll, tilt + 1e-4) - up) / 1e-4
    rows = np.stack([across, along], axis=-1)
    # Upside down goes by the camera alone: by `up`, who lies with the head towards it would turn the world over.
    stands = (body.upright(up) + body.upright(-_up(0.0, pitch or 0.0)))[:, None, None]
    weight = stands / max(stands.sum(), _NEARLY_ALL * len(stands))
    slopes = body.beside @ rows  # (T, 2, 2)
    leans = body.beside @ up  # (T, 2); the axis itself has none
    held = _roll_weight(roll)
    normal = np.diag([held, 1 / spread**2]) + (weight * np.swapaxes(slopes, 1, 2) @ slopes).sum(0)
    right = np.array([-roll * held, (level - tilt) / spread**2]) - (weight * np.swapaxes(slopes, 1, 2) @ leans[..., None]).sum(0)[:, 0]
    return rows, normal, right


def _roll_weight(roll: float) -> float:
    """What a roll weighs: 1 / variance, of level cameras where it is small, of those held anyhow where it is not."""
    level, held = 1 / _LEVEL_ROLL**2, 1 / _HELD_ROLL**2
    odds = _HELD / (1 - _HELD) * _LEVEL_ROLL / _HELD_ROLL * np.exp(min(0.5 * roll**2 * (level - held), 50.0))
    return float((level + odds * held) / (1 + odds))


@dataclass(frozen=True)
class _Touching:
    """points: (T, P, 3) what may be on the ground, feet first; above: (P,) metres that each is higher then than a foot's point is."""

    points: np.ndarray
    above: np.ndarray

    @classmethod
    def of(cls, feet: np.ndarray, rests: Rests) -> _Touching:
        """Feet (T, 4, 3) and the rest."""
        return cls(np.concatenate([feet, rests.points], axis=1), np.concatenate([np.zeros(feet.shape[1]), rests.flesh - _TOES]))


def _ground(touching: _Touching, body: _Body, times: np.ndarray, pitch: float | None, believed: np.ndarray) -> tuple[np.ndarray, float]:
    """Up (3,) and the ground's height along it (metres from the camera, negative below it); believed: (T, 2), which feet may rest."""
    slow = speeds(touching.points, times) < _RESTING
    slow[:, :len(GROUND_POINTS)] &= np.repeat(believed, 2, axis=1)
    roll, tilt = 0.0, 0.0 if pitch is None else pitch
    for _ in range(12):
        up = _up(roll, tilt)
        resting, _ = _resting(touching, slow, up)
        resting |= _standing(touching, slow, up)
        rows, normal, right = _lean(body, roll, tilt, pitch)
        frames, which = np.nonzero(resting)
        points, above = touching.points[frames, which], touching.above[which]
        if len(points):
            points, above = points - points.mean(0), above - above.mean()
        off = points @ up - above
        plane = np.where(which < len(GROUND_POINTS), _PLANE, _ROUGHLY)
        weight = 1.0 / (1.0 + (off / (2 * plane)) ** 2) / plane**2 * min(1.0, _INDEPENDENT / max(len(points), 1))
        slopes = points @ rows
        step = np.linalg.solve(normal + (slopes * weight[:, None]).T @ slopes, right - slopes.T @ (weight * off))
        roll, tilt = roll + step[0], float(np.clip(tilt + step[1], -1.4, 1.4))
    up = _up(roll, tilt)
    return up, _resting(touching, slow, up)[1]


def _standing(touching: _Touching, slow: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T, P) bool, the feet that rest by themselves: of who lies up is so vague that they may seem higher than the back."""
    count = len(GROUND_POINTS)
    feet, _ = _resting(_Touching(touching.points[:, :count], touching.above[:count]), slow[:, :count], up)
    height = touching.points @ up - touching.above
    result = np.zeros(height.shape, dtype=bool)
    result[:, :count] = feet & (height[:, :count] < height.min(1, keepdims=True) + _SEEMS)
    return result


def _resting(touching: _Touching, slow: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, float]:
    """(T, P) bool, what seems to rest on the ground, and the ground's height along `up`."""
    height = touching.points @ up - touching.above
    lowest = height.min(1, keepdims=True)
    candidates = slow & (height < lowest + 0.05)
    if candidates.sum() < 3:
        candidates = height <= np.quantile(lowest, 0.2)
    middle = np.quantile(height[candidates], 0.5, method="lower")  # one of them, so that somebody is near
    near = candidates & (np.abs(height - middle) < 0.25)
    others = near & ~np.isin(np.arange(height.shape[1]), [GROUND_POINTS.index("l_heel"), GROUND_POINTS.index("r_heel")])
    return near, float(np.median(height[others if others.any() else near])) - _TOES
