"""What joints like and what they cannot do: soft priors on local rotations, as data and as least-squares rows.

Four kinds of row, each a residual in standard deviations with its derivative by the joint's small rotation:
- every joint: its rotation vector from the T-pose lies about a mean (what it falls back to when nothing is seen);
- joints that turn all ways: its swing and twist, the parts of that vector across and along the bone, stay within what people can do;
- knees and elbows: the bone stays in the hinge's plane and bends one way only;
- upper arms, thighs, forearms: the twist about the bone's own axis stays near neutral.
Sources: means and spreads of the training part of the mocap pack where it is informative (its clavicles never move), widened;
ranges of motion of knees and elbows as in textbooks (flexion 0 to about 150 degrees), of the others what 999 in 1,000 frames of that part
show, some 10 degrees widened, and made alike for both sides.
Limits: no coupling between joints or between the parts of a joint's turn, no self-collision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .. import rotations
from ..skeleton import INDEX, JOINTS

_X, _Y, _Z = np.eye(3)
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Hinge:
    """A joint that bends about one axis. bone: its direction at rest; bend: where the bone goes when it flexes; degrees."""

    bone: np.ndarray
    bend: np.ndarray
    twist_spread: float
    largest: float = 150.0
    sideways_spread: float = 4.0

    @property
    def axis(self) -> np.ndarray:
        """A positive turn about it is flexion."""
        return np.cross(self.bone, self.bend)


# Mean and spread of the rotation vector in degrees, for the left side and the middle; axes as in core.skeleton (X left, Y back, Z up).
_LEFT_AND_MIDDLE: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "LeftUpLeg": ((-5, 0, 0), (60, 40, 40)), "LeftLeg": ((8, 0, 0), (80, 20, 20)), "LeftFoot": ((-3, 0, 0), (30, 12, 18)),
    "LeftToe": ((0, 0, 0), (20, 3, 3)),
    "Spine": ((4, 0, 0), (20, 12, 12)), "Spine1": ((0, 0, 0), (15, 12, 12)), "Neck": ((2, 0, 0), (18, 12, 20)),
    "Head": ((4, 0, 0), (20, 15, 25)),
    "LeftShoulder": ((0, 0, 0), (4, 10, 10)), "LeftArm": ((0, 60, -10), (70, 60, 60)), "LeftForeArm": ((0, 0, -20), (90, 90, 90)),
    "LeftHand": ((0, 0, 0), (15, 30, 20)),
}
# From, to in degrees; the same axes. Left out: the root, and knees and elbows (hinges).
_LEFT_AND_MIDDLE_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "LeftUpLeg": ((-140, 40), (-90, 40), (-60, 65)), "LeftFoot": ((-85, 60), (-30, 35), (-55, 65)),
    "LeftToe": ((-75, 75), (-20, 20), (-15, 15)),
    "Spine": ((-50, 90), (-40, 40), (-35, 35)), "Spine1": ((-45, 40), (-40, 40), (-35, 35)), "Neck": ((-50, 50), (-45, 45), (-50, 50)),
    "Head": ((-60, 55), (-45, 45), (-50, 50)),
    "LeftShoulder": ((-20, 25), (-45, 20), (-35, 35)), "LeftArm": ((-140, 135), (-100, 115), (-140, 90)),
    "LeftHand": ((-110, 110), (-75, 75), (-100, 100)),
}
_LEFT_HINGES = {"LeftLeg": Hinge(-_Z, _Y, 8.0), "LeftForeArm": Hinge(_X, -_Y, 50.0)}
_LEFT_TWISTS = {"LeftUpLeg": (-_Z, 25.0), "LeftArm": (_X, 45.0)}
_LIMIT_SPREAD = np.radians(4.0)


def _mirror_vector(v: np.ndarray) -> np.ndarray:
    return v * np.array([-1.0, 1.0, 1.0])


def _both(left: dict[str, Entry]) -> list[tuple[int, bool, Entry]]:
    """(joint, is it the right side, entry) for both sides."""
    return [(INDEX[n.replace("Left", side)], side == "Right", v) for n, v in left.items() for side in ("Left", "Right")]


def _spreads() -> tuple[np.ndarray, np.ndarray]:
    """Means (21, 3) and spreads (21, 3), radians; the root is free. A mirrored rotation vector keeps x and changes y and z."""
    mean, spread = np.zeros((len(JOINTS), 3)), np.full((len(JOINTS), 3), 1e3)
    for name, (m, s) in _LEFT_AND_MIDDLE.items():
        mean[INDEX[name]], spread[INDEX[name]] = m, s
        if name.startswith("Left"):
            right = INDEX[name.replace("Left", "Right")]
            mean[right], spread[right] = np.array(m) * (1, -1, -1), s
    return np.radians(mean), np.radians(spread)


def _ranges() -> np.ndarray:
    """(2, 21, 3) least and largest part of the rotation vector, radians; infinite where a joint has none."""
    low, high = np.full((len(JOINTS), 3), -np.inf), np.full((len(JOINTS), 3), np.inf)
    for name, parts in _LEFT_AND_MIDDLE_RANGES.items():
        low[INDEX[name]], high[INDEX[name]] = np.transpose(parts)
        if name.startswith("Left"):
            right = INDEX[name.replace("Left", "Right")]
            (low[right, 0], high[right, 0]), *turned = parts
            low[right, 1:], high[right, 1:] = np.transpose([(-b, -a) for a, b in turned])
    return np.radians([low, high])


MEAN, SPREAD = _spreads()
_RANGES = _ranges()
_RANGED = np.isfinite(_RANGES).all((0, 2))
HINGES: dict[int, Hinge] = {
    j: Hinge(_mirror_vector(h.bone), _mirror_vector(h.bend), h.twist_spread) if right else h for j, right, h in _both(_LEFT_HINGES)}
TWISTS: dict[int, tuple[np.ndarray, float]] = {
    j: (_mirror_vector(axis) if right else axis, np.radians(spread)) for j, right, (axis, spread) in _both(_LEFT_TWISTS)}
TWISTS |= {j: (h.bone, np.radians(h.twist_spread)) for j, h in HINGES.items()}
NEUTRAL = rotations.from_rotation_vector(MEAN)
"""(21, 4): the pose of a body of which nothing is seen."""


@dataclass(frozen=True)
class Rows:
    """Least-squares rows of one joint each: residual (T, R), derivative (T, R, 3) by that joint's small rotation, joint (R,)."""

    residual: np.ndarray
    derivative: np.ndarray
    joint: np.ndarray


def prior_rows(local: np.ndarray, weight: float = 1.0) -> Rows:
    """All priors on local rotations (T, 21, 4); weight: what they count beside others' squared residuals."""
    parts = _vector_rows(local)
    parts += [_twist_row(local, joint, axis, spread) for joint, (axis, spread) in TWISTS.items()]
    parts += [_hinge_rows(local, joint, hinge) for joint, hinge in HINGES.items()]
    scale = np.sqrt(weight)
    return Rows(scale * np.concatenate([p.residual for p in parts], axis=1), scale * np.concatenate([p.derivative for p in parts], axis=1),
                np.concatenate([p.joint for p in parts]))


def inverse_right_jacobian(r: np.ndarray) -> np.ndarray:
    """(..., 3, 3): d log(exp(r) exp(d)) / d d at d = 0, for rotation vectors r (..., 3) shorter than pi."""
    angle = np.linalg.norm(r, axis=-1)[..., None, None]
    k = skew(r)
    small = angle < 1e-4
    a = np.where(small, 1.0, angle)
    factor = np.where(small, 1.0 / 12.0, 1.0 / a**2 - 0.5 / (a * np.tan(0.5 * a)))
    return np.eye(3) + 0.5 * k + factor * (k @ k)


def skew(v: np.ndarray) -> np.ndarray:
    """(..., 3, 3) with skew(v) w = v x w."""
    zero = np.zeros_like(v[..., 0])
    x, y, z = np.moveaxis(v, -1, 0)
    return np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)


def twist_angle(q: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(...) the angle in (-pi, pi] of the part of the rotations q (..., 4) that turns about `axis` (3,)."""
    angle = 2.0 * np.arctan2(q[..., 1:] @ axis, q[..., 0])
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def flexion(bone: np.ndarray, hinge: Hinge) -> np.ndarray:
    """(...) radians by which the hinge bends `bone` (..., 3), its direction in the parent's frame; less than 0: the wrong way."""
    angle = np.arctan2(bone @ hinge.bend, bone @ hinge.bone)
    return np.where(angle < -0.75 * np.pi, angle + 2 * np.pi, angle)


def beyond_limits(local: np.ndarray) -> np.ndarray:
    """(..., 21) radians by which the joints of local rotations (..., 21, 4) lie beyond what people can do; 0 within."""
    vector = rotations.to_rotation_vector(local)
    beyond = np.abs(vector - np.clip(vector, *_RANGES)).max(-1)
    for joint, hinge in HINGES.items():
        bent = flexion(rotations.to_matrix(local[..., joint, :]) @ hinge.bone, hinge)
        beyond[..., joint] = np.abs(bent - np.clip(bent, 0.0, np.radians(hinge.largest)))
    return beyond


def _vector_rows(local: np.ndarray) -> list[Rows]:
    """Means, and ranges (zero within)."""
    vector = rotations.to_rotation_vector(local[:, 1:])
    turn = inverse_right_jacobian(vector)
    beyond = (vector - np.clip(vector, *_RANGES[:, 1:]))[:, _RANGED[1:]] / _LIMIT_SPREAD
    back = np.where(beyond[..., None] != 0, turn[:, _RANGED[1:]], 0.0) / _LIMIT_SPREAD
    means = _of_joints((vector - MEAN[1:]) / SPREAD[1:], turn / SPREAD[1:, :, None], np.arange(1, len(JOINTS)))
    return [means, _of_joints(beyond, back, np.flatnonzero(_RANGED))]


def _of_joints(residual: np.ndarray, derivative: np.ndarray, joints: np.ndarray) -> Rows:
    """Rows for residuals (T, J, 3) and derivatives (T, J, 3, 3) of `joints` (J,)."""
    frames = len(residual)
    return Rows(residual.reshape(frames, -1), derivative.reshape(frames, -1, 3), np.repeat(joints, 3))


def _twist_row(local: np.ndarray, joint: int, axis: np.ndarray, spread: float) -> Rows:
    q = local[:, joint]
    w, v = q[:, :1], q[:, 1:]
    along = v @ axis
    # q exp(d): dw = -v.d/2, dv = (w d + v x d)/2
    d_along = 0.5 * (w * axis - np.cross(v, axis))
    norm = np.maximum(along**2 + w[:, 0] ** 2, 1e-6)[:, None]
    derivative = 2.0 * (w * d_along + 0.5 * along[:, None] * v) / norm
    return Rows(twist_angle(q, axis)[:, None] / spread, derivative[:, None] / spread, np.array([joint]))


def _hinge_rows(local: np.ndarray, joint: int, hinge: Hinge) -> Rows:
    """The bone leaves the hinge's plane (1), or bends less than 0 or more than `largest` (2; zero inside the range)."""
    m = rotations.to_matrix(local[:, joint])
    bone = m @ hinge.bone
    d_bone = -m @ skew(hinge.bone)  # (T, 3, 3) by the small rotation
    sideways = np.radians(hinge.sideways_spread)
    x, y = bone @ hinge.bone, bone @ hinge.bend
    bent = flexion(bone, hinge)
    d_flexion = (x[:, None] * (hinge.bend @ d_bone) - y[:, None] * (hinge.bone @ d_bone)) / np.maximum(x * x + y * y, 1e-6)[:, None]
    beyond = bent - np.clip(bent, 0.0, np.radians(hinge.largest))
    residual = np.stack([bone @ hinge.axis / sideways, beyond / _LIMIT_SPREAD], axis=1)
    derivative = np.stack([hinge.axis @ d_bone / sideways, np.where(beyond[:, None] != 0, d_flexion, 0.0) / _LIMIT_SPREAD], axis=1)
    return Rows(residual, derivative, np.array([joint, joint]))
