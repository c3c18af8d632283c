"""The body as a function: joint rotations and the root's place go in, where its points are and how they move come out.

A point is a joint, or something that rides on one (crown, nose, heel, knuckle) as a fixed offset in that joint's frame. For
Gauss-Newton the derivative of each point by each rotation of its chain is needed; a turn of joint a by the small rotation vector d
(in a's own frame: q_a -> q_a exp(d)) moves a point x by (G_a d) x (x - p_a), G_a and p_a being a's global rotation and place.
Limits: rigid offsets; skin and muscles do not bulge. float64, numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..keypoints import ATTACHMENTS
from ..skeleton import END_PARENTS, ENDS, INDEX, JOINTS, MEAN_STATURE, PARENTS, Skeleton

DOF = 3 + 3 * len(JOINTS)
"""Unknowns of a frame: the root's place (3), then a small rotation vector for each joint."""


def chain(joint: int) -> list[int]:
    """The joint itself and all above it, the root last."""
    return [joint] if PARENTS[joint] < 0 else [joint, *chain(PARENTS[joint])]


def _place(name: str, skeleton: Skeleton) -> tuple[int, np.ndarray]:
    """On which joint the named point rides and where in that joint's rest frame, metres."""
    if name in INDEX:
        return INDEX[name], np.zeros(3)
    if name in END_PARENTS:
        return INDEX[END_PARENTS[name]], skeleton.end_offsets[ENDS.index(name)]
    joint, offset = ATTACHMENTS[name]
    return INDEX[joint], np.array(offset) * skeleton.stature / MEAN_STATURE


def point_of(keypoint: str) -> str:
    """The body's point that a canonical keypoint means: the joint itself where it sits on one, else its own."""
    joint, offset = ATTACHMENTS[keypoint]
    return keypoint if any(offset) else joint


@dataclass(frozen=True)
class Pose:
    """Where a body is over T frames. rotations: (T, 21, 3, 3) global; joints: (T, 21, 3); points: (T, P, 3); metres."""

    rotations: np.ndarray
    joints: np.ndarray
    points: np.ndarray


class Body:
    """The named points of a skeleton, with their derivatives."""

    def __init__(self, skeleton: Skeleton, names: tuple[str, ...]) -> None:
        self.skeleton = skeleton
        self.names = names
        places = [_place(name, skeleton) for name in names]
        self._joints = np.array([joint for joint, _ in places])
        self._offsets = np.array([offset for _, offset in places])
        pairs = [(p, a) for p, joint in enumerate(self._joints) for a in chain(joint)]
        self._pair_points, self._pair_joints = np.array(pairs).T

    def pose(self, local: np.ndarray, root: np.ndarray) -> Pose:
        """Forward kinematics of local rotations (T, 21, 4) and root (T, 3)."""
        joints, globals_ = self.skeleton.forward_kinematics(local, root)
        matrices = rotations.to_matrix(globals_)
        points = joints[:, self._joints] + np.einsum("tpij,pj->tpi", matrices[:, self._joints], self._offsets)
        return Pose(matrices, joints, points)

    def jacobian(self, pose: Pose) -> np.ndarray:
        """(T, P, 3, DOF): how each point moves with the frame's unknowns."""
        frames = len(pose.joints)
        arm = pose.points[:, self._pair_points] - pose.joints[:, self._pair_joints]
        turns = pose.rotations[:, self._pair_joints]
        moves = np.cross(np.moveaxis(turns, -1, -2), arm[:, :, None, :])  # (T, pair, axis, xyz)
        result = np.zeros((frames, len(self.names), 3, 1 + len(JOINTS), 3))
        result[:, :, :, 0, :] = np.eye(3)
        result[:, self._pair_points, :, 1 + self._pair_joints, :] = np.moveaxis(np.moveaxis(moves, -1, -2), 1, 0)
        return result.reshape(frames, len(self.names), 3, DOF)
