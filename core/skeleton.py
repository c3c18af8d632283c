"""The canonical skeleton: 21 joints, the tree they form, a mean adult body, and forward kinematics.

Axes are Blender's world: X to the person's left in the rest pose, Y backwards (the person faces -Y), Z up; metres.
The rest pose is an upright T-pose and every joint's rest frame is the world frame, so a joint's global rotation is its
rotation away from the T-pose. numpy only: Blender imports this too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import rotations

JOINT_PARENTS: dict[str, str | None] = {
    "Hips": None,
    "LeftUpLeg": "Hips", "LeftLeg": "LeftUpLeg", "LeftFoot": "LeftLeg", "LeftToe": "LeftFoot",
    "RightUpLeg": "Hips", "RightLeg": "RightUpLeg", "RightFoot": "RightLeg", "RightToe": "RightFoot",
    "Spine": "Hips", "Spine1": "Spine", "Neck": "Spine1", "Head": "Neck",
    "LeftShoulder": "Spine1", "LeftArm": "LeftShoulder", "LeftForeArm": "LeftArm", "LeftHand": "LeftForeArm",
    "RightShoulder": "Spine1", "RightArm": "RightShoulder", "RightForeArm": "RightArm", "RightHand": "RightForeArm",
}
JOINTS: tuple[str, ...] = tuple(JOINT_PARENTS)
PARENTS: tuple[int, ...] = tuple(-1 if p is None else JOINTS.index(p) for p in JOINT_PARENTS.values())
INDEX: dict[str, int] = {name: i for i, name in enumerate(JOINTS)}

# Where a bone without a child joint ends: crown, finger bases, toe tips.
END_PARENTS: dict[str, str] = {
    "HeadEnd": "Head", "LeftHandEnd": "LeftHand", "RightHandEnd": "RightHand", "LeftToeEnd": "LeftToe", "RightToeEnd": "RightToe",
}
ENDS: tuple[str, ...] = tuple(END_PARENTS)

MEAN_STATURE = 1.70  # metres, crown to floor: the size of `Skeleton.mean`, in which the lifting networks answer
ASSUMED_STATURE = 1.73
"""Metres: the height of people of whom nothing else is known. Young adults, women and men, measure about 1.71 where most is filmed; who is
filmed wears shoes."""

# A mean adult in metres: the mean over the 100 MakeHuman people of `models.fit_bodies`, on whose kind the lifting network was trained,
# scaled to MEAN_STATURE. Clavicles begin at the base of the neck and fall towards the shoulders; hands end at the middle knuckle.
_LEFT_AND_MIDDLE = {
    "Hips": (0.0, 0.0, 0.0),
    "LeftUpLeg": (0.101, -0.036, -0.104), "LeftLeg": (0.0, 0.0, -0.402), "LeftFoot": (0.0, 0.0, -0.419),
    "LeftToe": (0.0, -0.118, -0.061),
    "Spine": (0.0, 0.002, 0.043), "Spine1": (0.0, 0.011, 0.251), "Neck": (0.0, -0.050, 0.148), "Head": (0.0, -0.039, 0.102),
    "LeftShoulder": (0.0, -0.050, 0.148), "LeftArm": (0.177, -0.014, -0.095), "LeftForeArm": (0.248, 0.0, 0.0),
    "LeftHand": (0.241, 0.0, 0.0),
    "HeadEnd": (0.0, -0.007, 0.146), "LeftHandEnd": (0.102, 0.0, 0.0), "LeftToeEnd": (0.0, -0.067, 0.0),
}


def mirror_name(name: str) -> str:
    """The same joint on the other side: LeftArm <-> RightArm, l_knee <-> r_knee; names of the middle stay."""
    for left, right in (("Left", "Right"), ("l_", "r_")):
        if name.startswith(left):
            return right + name[len(left):]
        if name.startswith(right):
            return left + name[len(right):]
    return name


def mirror_order(names: tuple[str, ...]) -> np.ndarray:
    """(K,) int: for each name the index of its counterpart on the other side (its own if there is none)."""
    index = {n: i for i, n in enumerate(names)}
    return np.array([index.get(mirror_name(n), i) for i, n in enumerate(names)])


def _mean_offset(name: str) -> tuple[float, float, float]:
    if name in _LEFT_AND_MIDDLE:
        return _LEFT_AND_MIDDLE[name]
    x, y, z = _LEFT_AND_MIDDLE[mirror_name(name)]
    return -x, y, z


@dataclass(frozen=True)
class Skeleton:
    """One person's bones: the canonical tree with this person's offsets.

    rest_offsets: (21, 3) each joint from its parent in the rest T-pose (the root's is zero); metres, Blender's world axes.
    end_offsets: (5, 3) `ENDS` from their parent joints, likewise.
    """

    rest_offsets: np.ndarray
    end_offsets: np.ndarray

    def __post_init__(self) -> None:
        for name, rows in (("rest_offsets", len(JOINTS)), ("end_offsets", len(ENDS))):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != (rows, 3):
                raise ValueError(f"{name} must be ({rows}, 3), got {value.shape}")
            object.__setattr__(self, name, value)

    @classmethod
    def mean(cls, stature: float = MEAN_STATURE) -> Skeleton:
        """The mean adult's skeleton, scaled to `stature` metres."""
        scale = stature / MEAN_STATURE
        return cls(scale * np.array([_mean_offset(n) for n in JOINTS]), scale * np.array([_mean_offset(n) for n in ENDS]))

    @property
    def bone_lengths(self) -> np.ndarray:
        """(21,) distance of each joint from its parent, metres; 0 for the root."""
        return np.linalg.norm(self.rest_offsets, axis=-1)

    @property
    def stature(self) -> float:
        """Metres from the sole (toe joint height less 2.5 cm of flesh) to the crown in the rest pose."""
        rest = self.rest_positions()
        crown = rest[INDEX["Head"], 2] + self.end_offsets[0, 2]
        return float(crown - min(rest[INDEX["LeftToe"], 2], rest[INDEX["RightToe"], 2]) + 0.025)

    def rest_positions(self) -> np.ndarray:
        """(21, 3) joints of the rest pose with the root at the origin, metres."""
        positions = np.zeros_like(self.rest_offsets)
        for j, parent in enumerate(PARENTS):
            if parent >= 0:
                positions[j] = positions[parent] + self.rest_offsets[j]
        return positions

    def forward_kinematics(self, local_rotations: np.ndarray, root_translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions (..., 21, 3) in metres and global rotations (..., 21, 4) as (w, x, y, z).

        local_rotations: (..., 21, 4) unit quaternions relative to the parent; root_translation: (..., 3) metres.
        """
        local_rotations = np.asarray(local_rotations, dtype=np.float64)
        if local_rotations.shape[-2:] != (len(JOINTS), 4):
            raise ValueError(f"local_rotations must be (..., {len(JOINTS)}, 4), got {local_rotations.shape}")
        positions = np.empty(local_rotations.shape[:-1] + (3,))
        globals_ = np.empty_like(local_rotations)
        for j, parent in enumerate(PARENTS):
            if parent < 0:
                globals_[..., j, :] = local_rotations[..., j, :]
                positions[..., j, :] = root_translation
            else:
                globals_[..., j, :] = rotations.multiply(globals_[..., parent, :], local_rotations[..., j, :])
                positions[..., j, :] = positions[..., parent, :] + rotations.rotate(globals_[..., parent, :], self.rest_offsets[j])
        return positions, globals_

    def end_positions(self, positions: np.ndarray, global_rotations: np.ndarray) -> np.ndarray:
        """(..., 5, 3) where `ENDS` are, from `forward_kinematics`' two results."""
        parents = [INDEX[p] for p in END_PARENTS.values()]
        return positions[..., parents, :] + rotations.rotate(global_rotations[..., parents, :], self.end_offsets)
