"""Bone rotations and root locations that make a rig move as the motion does.

Method: every mapped bone gets, in the world, the source joint's rotation away from the T-pose on top of its own rest
orientation as aligned with the T-pose (`alignment`). Working in global rotations makes the result independent of the rest
pose, bone axes and roll, object transform, unmapped bones in between, and missing joints. Spine and neck chains of any length
share the rotation evenly. The root's path is scaled by the length of the legs, and ankles keep the rig's own height, so that
flat feet stay on its floor. Limits: bone scale in the rig's pose is ignored; inverse-kinematics controls are not driven.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..motion import Motion
from ..skeleton import INDEX, Skeleton
from .alignment import facing, rest_alignment
from .mapping import Mapping
from .rig import Rig

_SOLE_BELOW_TOE = 0.025  # metres from the canonical toe joint down to the sole, as in Skeleton.stature


@dataclass(frozen=True)
class Placement:
    """How the motion's world lies in the rig's: turned about the vertical, scaled, moved. The camera goes the same way.

    turn: (3, 3) rotation. scale: rig metres for each metre of the motion. origin: (3,) metres.
    """

    turn: np.ndarray
    scale: float
    origin: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the motion's world in the rig's world."""
        return self.scale * np.asarray(points) @ self.turn.T + self.origin


@dataclass(frozen=True)
class RigMotion:
    """What to key. rotations: bone -> (T, 4) quaternions (w, x, y, z), continuous, relative to rest as Blender's are.

    root_bone: the bone that carries the location; root_location: (T, 3) armature units, as Blender's location channel.
    """

    rotations: dict[str, np.ndarray]
    root_bone: str
    root_location: np.ndarray
    placement: Placement


def retarget(motion: Motion, rig: Rig, mapping: Mapping) -> RigMotion:
    """The motion on the rig. Raises nothing for a mapping that `map_rig` gave."""
    frame = facing(rig, mapping)
    _, source = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    wanted = _wanted_orientations(motion, source, rig, mapping, frame)
    posed = _Pose(rig, wanted)
    basis = {rig.names[bone]: rotations.continuous(posed.local(bone)) for bone in sorted(wanted)}
    placement = place(motion.skeleton, rig, mapping, frame)
    mover, location = _root_location(motion, source, rig, mapping, placement, posed)
    return RigMotion(basis, rig.names[mover], location, placement)


def place(skeleton: Skeleton, rig: Rig, mapping: Mapping, frame: np.ndarray) -> Placement:
    """Where the motion goes: in front of where the rig rests, with its floor under the rig's ankles."""
    rest = skeleton.rest_positions()
    rest = rest - np.array([0.0, 0.0, rest[[INDEX["LeftToe"], INDEX["RightToe"]], 2].min() - _SOLE_BELOW_TOE])
    heads = {joint: rig.heads_world[rig.index(bone)] for joint, bone in mapping.bones.items()}
    ends = "Foot" if "LeftFoot" in heads and "RightFoot" in heads else "Leg"
    source = {joint: rest[INDEX[joint]] for joint in heads}
    scale = _leg_length(heads, ends) / _leg_length(source, ends)
    hips, ankles = _middle(heads, "UpLeg"), _middle(heads, ends)
    source_hips, source_ankles = scale * _middle(source, "UpLeg"), scale * _middle(source, ends)
    turned = frame @ source_hips
    return Placement(frame, scale, np.array([hips[0] - turned[0], hips[1] - turned[1], ankles[2] - source_ankles[2]]))


def _middle(points: dict[str, np.ndarray], part: str) -> np.ndarray:
    return 0.5 * (points["Left" + part] + points["Right" + part])


def _leg_length(points: dict[str, np.ndarray], ends: str) -> float:
    """Mean length of both legs from hip joint over knee to ankle, metres; the thigh's alone where there are no ankles."""
    chain = ("UpLeg", "Leg", "Foot")[:3 if ends == "Foot" else 2]
    lengths = [np.linalg.norm(points[side + b] - points[side + a]) for side in ("Left", "Right") for a, b in itertools.pairwise(chain)]
    return float(sum(lengths)) / 2


def _wanted_orientations(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, frame: np.ndarray) -> dict[int, np.ndarray]:
    """Bone index -> (T, 4) orientation in armature space."""
    aligned = rest_alignment(rig, mapping, motion.skeleton, frame)
    turn, world = rotations.from_matrix(frame), rig.world_rotation
    to_canonical = rotations.multiply(rotations.inverse(turn), world)
    from_canonical = rotations.inverse(to_canonical)
    rest = rig.rest_rotations
    wanted = {}
    for bone, joint, rotation in _sources(source, mapping):
        b = rig.index(bone)
        at_rest = rotations.multiply(aligned[joint], rotations.multiply(to_canonical, rest[b]))
        wanted[b] = rotations.multiply(from_canonical, rotations.multiply(rotation, at_rest))
    return wanted


def _sources(source: np.ndarray, mapping: Mapping) -> list[tuple[str, str, np.ndarray]]:
    """(bone, joint whose rest alignment it shares, (T, 4) the canonical rotation that it follows)."""
    found = [(bone, joint, source[:, INDEX[joint]]) for joint, bone in mapping.joints.items()]
    found += _shared(mapping.spine, "Spine", "Spine1", source, closed=True)
    return found + _shared(mapping.neck, "Neck", "Head", source, closed=False)


def _shared(chain: tuple[str, ...], first: str, last: str, source: np.ndarray, closed: bool) -> list[tuple[str, str, np.ndarray]]:
    """A chain of bones that turns evenly from joint `first` to joint `last`, which its last bone (closed) or the next one follows."""
    a, b = source[:, INDEX[first]], source[:, INDEX[last]]
    steps = max(len(chain) - 1, 1) if closed else len(chain)
    shares = [1.0] if closed and len(chain) == 1 else [i / steps for i in range(len(chain))]
    return [(bone, first, rotations.slerp(a, b, np.array(share))) for bone, share in zip(chain, shares)]


class _Pose:
    """Orientations of bones in armature space: those of `wanted`, bone -> (T, 4), are given, the others follow."""

    def __init__(self, rig: Rig, wanted: dict[int, np.ndarray]) -> None:
        self._rig = rig
        self._rest = rig.rest_rotations
        self._posed: dict[int, np.ndarray] = dict(wanted)

    def before(self, bone: int) -> np.ndarray:
        """(..., 4) the orientation that the bone gets from its parent alone."""
        parent = int(self._rig.parents[bone]) if self._rig.inherits_rotation[bone] else -1
        share = float(self._rig.hold[bone])
        if share < 1e-3:
            return self._carried(bone, parent)
        return rotations.slerp(self._carried(bone, parent), self._carried(bone, int(self._rig.held_by[bone])), np.array(share))

    def _carried(self, bone: int, by: int) -> np.ndarray:
        """(..., 4) the orientation that the bone has when it moves with another one as at rest; -1 stands for the armature."""
        if by < 0:
            return self._rest[bone]
        offset = rotations.multiply(rotations.inverse(self._rest[by]), self._rest[bone])
        return rotations.multiply(self.of(by), offset)

    def local(self, bone: int) -> np.ndarray:
        """(..., 4) the bone's rotation relative to rest, as its channels hold it."""
        return rotations.multiply(rotations.inverse(self.before(bone)), self.of(bone))

    def of(self, bone: int) -> np.ndarray:
        """(..., 4) the bone's orientation in armature space; bones that nothing drives keep the rig's present pose."""
        if bone not in self._posed:
            self._posed[bone] = rotations.multiply(self.before(bone), self._rig.basis[bone])
        return self._posed[bone]

    def location_axes(self, bone: int) -> np.ndarray:
        """(..., 4) the axes along which the bone's location channel moves it, in armature space."""
        parent = int(self._rig.parents[bone])
        if not self._rig.local_location[bone]:
            return rotations.IDENTITY if parent < 0 else self.of(parent)
        return self._carried(bone, parent)

    def head(self, bone: int) -> np.ndarray:
        """(..., 3) where the bone's head is in armature space when no bone is moved off its place."""
        parent = int(self._rig.parents[bone])
        place = self._rig.rest[bone, :3, 3]
        if parent < 0:
            return place
        arm = rotations.rotate(rotations.inverse(self._rest[parent]), place - self._rig.rest[parent, :3, 3])
        return self.head(parent) + rotations.rotate(self.of(parent), arm)


def _root_location(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement,
                   posed: _Pose) -> tuple[int, np.ndarray]:
    """The bone that carries the figure (the hips, or the nearest above them that can move) and its location (T, 3).

    The middle of the hip joints is what follows the motion: rigs differ in where their hips bone starts.
    """
    bones = {joint: rig.index(bone) for joint, bone in mapping.bones.items()}
    hips = bones["Hips"]
    mover = next((b for b in (hips, *rig.ancestors(hips)) if not rig.connected[b]), hips)
    rest = motion.skeleton.rest_offsets
    offset = 0.5 * (rest[INDEX["LeftUpLeg"]] + rest[INDEX["RightUpLeg"]])
    middle = placement(motion.root_translation + rotations.rotate(source[:, INDEX["Hips"]], offset))
    at_rest = 0.5 * (rig.rest[bones["LeftUpLeg"], :3, 3] + rig.rest[bones["RightUpLeg"], :3, 3]) - rig.rest[hips, :3, 3]
    arm = rotations.rotate(posed.of(hips), rotations.rotate(rotations.inverse(rig.rest_rotations[hips]), at_rest))
    moved = rig.from_world(middle) - arm - posed.head(hips)
    return mover, rotations.rotate(rotations.inverse(posed.location_axes(mover)), moved)
