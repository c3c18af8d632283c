"""Bodies do not jerk: the coupling of neighbouring frames.

Problem: remove jitter, keep fast motion. Method: velocities (angular of each joint, linear of the root) change by a random walk whose
strength was measured on motion capture; the change is weighted in time units, so that frame rate and uneven frame times
make no difference. The distribution has heavy tails (Student's t): a strike or a landing costs little more than it must.
Limits: says nothing across holes longer than `LONGEST_GAP`.

Here too: how much the frames of a fast video count (`independence`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..frame_times import usual_step
from ..skeleton import JOINTS, mirror_name
from .limits import inverse_right_jacobian

LONGEST_GAP = 1.0
"""Seconds without a person after which the frames on both sides know nothing of each other."""

_INDEPENDENT_RATE = 30.0  # frames a second

# Mean square change of angular velocity per second and axis, (rad/s)^2/s, mean over the training part of the mocap pack at 30 Hz
# (clavicles: a third of the upper arm's; toes and hands: less than measured, where the originals are noisy).
_RATES = {
    "Hips": 8.0, "LeftUpLeg": 22.0, "LeftLeg": 14.0, "LeftFoot": 40.0, "LeftToe": 20.0, "Spine": 10.0, "Spine1": 8.0, "Neck": 10.0,
    "Head": 12.0, "LeftShoulder": 10.0, "LeftArm": 30.0, "LeftForeArm": 30.0, "LeftHand": 40.0,
}
_ROOT_RATE = 0.35  # (m/s)^2/s
TAIL = np.array([100.0] + [10.0] * len(JOINTS))
"""Degrees of freedom of Student's t, the root's first: limbs strike, but the weight of a body does not change its velocity at once."""
_RATE = np.array([_ROOT_RATE] + [_RATES[n] if n in _RATES else _RATES[mirror_name(n)] for n in JOINTS])


@dataclass(frozen=True)
class Smoothness:
    """residual: (T-2, 22, 3) change of velocity in standard deviations, the root first; before, at, after: (T-2, 22, 3, 3) its
    derivatives by the small moves of the three frames; weight: (T-2, 22) of the robust fit; cost: half the robust sum."""

    residual: np.ndarray
    before: np.ndarray
    at: np.ndarray
    after: np.ndarray
    weight: np.ndarray
    cost: float


def independence(times: np.ndarray) -> float:
    """What a frame at times (T,) seconds counts, 1 at most: of more than 30 a second, errors are alike, and together they say no more than
    that many do. So with all that speaks frame by frame: evidence, and priors beside it."""
    return min(1.0, _INDEPENDENT_RATE * usual_step(times))


def smoothness(local: np.ndarray, root: np.ndarray, times: np.ndarray, restlessness: float = 1.0) -> Smoothness:
    """For local rotations (T, 21, 4), root (T, 3), times (T,) seconds, increasing; restlessness: a factor on the measured rates."""
    step = np.diff(times)
    turn = rotations.to_rotation_vector(rotations.multiply(rotations.inverse(local[:-1]), local[1:]))
    move = np.concatenate([np.diff(root, axis=0)[:, None], turn], axis=1)  # (T-1, 22, 3)
    onwards = np.concatenate([np.broadcast_to(np.eye(3), (len(step), 1, 3, 3)), inverse_right_jacobian(turn)], axis=1)
    back = np.swapaxes(onwards, -1, -2)  # of a turn by the small moves of its end, and, but for the sign, of its start
    a, b = step[:-1], step[1:]
    scale = np.where(np.maximum(a, b) <= LONGEST_GAP, 1.0, 0.0)[:, None] / np.sqrt(restlessness * _RATE * (0.5 * (a + b))[:, None])
    a, b, s = a[:, None, None], b[:, None, None], scale[..., None]
    residual = s * (move[1:] / b - move[:-1] / a)
    before = (s / a)[..., None] * back[:-1]
    after = (s / b)[..., None] * onwards[1:]
    at = -(s / b)[..., None] * back[1:] - (s / a)[..., None] * onwards[:-1]
    square = np.sum(residual**2, axis=-1)
    weight = 1.0 / (1.0 + square / TAIL)
    return Smoothness(residual, before, at, after, weight, 0.5 * float((TAIL * np.log1p(square / TAIL)).sum()))
