"""Bone rotations and root locations that make a rig move as the motion does.

Method: every mapped bone gets, in the world, the source joint's rotation away from the T-pose on top of its own rest
orientation as aligned with the T-pose (`alignment`). Working in global rotations makes the result independent of the rest
pose, bone axes and roll, object transform, unmapped bones in between, and missing joints. Spine and neck chains of any length
share the rotation evenly. The root's path is scaled by the length of the legs, and ankles keep the rig's own height, so that
flat feet stay on its floor; feet on the ground are then planted (`planting`). Limits: bone scale in the rig's pose is ignored;
inverse-kinematics controls are not driven.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from .. import rotations
from ..errors import InputError
from ..motion import Motion
from ..skeleton import INDEX, Skeleton
from .alignment import facing, rest_alignment
from .mapping import Mapping
from .planting import Leg, plant
from .pose import Pose
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
    travel: where a bone above carries the way over the ground, that bone -> (T, 3), likewise.
    slide: centimetres, the farthest that a foot on the ground gets from where it stands.
    """

    rotations: dict[str, np.ndarray]
    root_bone: str
    root_location: np.ndarray
    placement: Placement
    slide: float = 0.0
    travel: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def locations(self) -> dict[str, np.ndarray]:
        """Every bone that is moved -> (T, 3)."""
        return {self.root_bone: self.root_location, **self.travel}


WAYS = ("hips", "root", "in place")
"""Who carries the way over the ground: the hips with everything else, the bone at the top of the rig, or nobody."""


def retarget(motion: Motion, rig: Rig, mapping: Mapping, plant_feet: bool = True, way: str = "hips") -> RigMotion:
    """The motion on the rig; plant_feet: feet that the motion says are on the ground stand still on this rig too. way: one of `WAYS`.

    Raises InputError for a motion that is not finite and when there is no bone that could carry the way; the mapping must be one that
    `check_mapping` has seen.
    """
    if not (np.isfinite(motion.local_rotations).all() and np.isfinite(motion.root_translation).all()):
        raise InputError("The motion holds numbers that are not finite; run the video again.")
    frame = facing(rig, mapping)
    _, source = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    wanted = _wanted_orientations(motion, source, rig, mapping, frame)
    placement = place(motion.skeleton, rig, mapping, frame)
    moved = _moved(motion, source, rig, mapping, placement, Pose(rig, wanted))
    slide = 0.0
    if plant_feet and motion.contacts.any():
        moved, slide = _plant(motion, source, rig, mapping, placement, frame, wanted, moved)
    posed = Pose(rig, wanted)
    basis = {rig.names[bone]: rotations.continuous(posed.local(bone)) for bone in sorted(wanted)}
    mover = _mover(rig, mapping)
    moved, travel = _divided(rig, mover, moved, way)
    location = rotations.rotate(rotations.inverse(posed.location_axes(mover)), moved)
    top = {rig.names[b]: rotations.rotate(rotations.inverse(posed.location_axes(b)), path) for b, path in travel.items()}
    return RigMotion(basis, rig.names[mover], location, placement, slide, top)


def _divided(rig: Rig, mover: int, moved: np.ndarray, way: str) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """What of `moved` (T, 3) stays with the mover, and which bone carries the way over the ground, (T, 3) armature space."""
    if way == "hips":
        return moved, {}
    path = moved @ rig.world[:3, :3].T
    level = (path - path[:1]) * np.array([1.0, 1.0, 0.0])
    over_ground = level @ np.linalg.inv(rig.world[:3, :3]).T
    if way == "in place":
        return moved - over_ground, {}
    top = next((b for b in reversed(rig.ancestors(mover)) if not rig.connected[b]), None)
    if top is None:
        raise InputError(f"{rig.label} has no bone above '{rig.names[mover]}' that could carry the way over the ground; "
                         "let the hips carry it.")
    return moved - over_ground, {top: over_ground}


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


def _mover(rig: Rig, mapping: Mapping) -> int:
    """The bone that carries the figure: the hips, or the nearest above them that can move."""
    hips = rig.index(mapping.bones["Hips"])
    return next((b for b in (hips, *rig.ancestors(hips)) if not rig.connected[b]), hips)


def _moved(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement, posed: Pose) -> np.ndarray:
    """(T, 3) how far the figure is moved from where its bones alone put it, armature space.

    The middle of the hip joints is what follows the motion: rigs differ in where their hips bone starts.
    """
    rest = motion.skeleton.rest_offsets
    offset = 0.5 * (rest[INDEX["LeftUpLeg"]] + rest[INDEX["RightUpLeg"]])
    middle = placement(motion.root_translation + rotations.rotate(source[:, INDEX["Hips"]], offset))
    left, right = (posed.head(rig.index(mapping.bones[side + "UpLeg"])) for side in ("Left", "Right"))
    return rig.from_world(middle) - 0.5 * (left + right)


def _plant(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement, frame: np.ndarray,
           wanted: dict[int, np.ndarray], moved: np.ndarray) -> tuple[np.ndarray, float]:
    """Changes `wanted` so that feet stand; returns what `_moved` becomes and how far a foot slides, cm."""
    sides = [side for side in ("Left", "Right") if side + "Foot" in mapping.bones]
    posed, joints = Pose(rig, wanted), motion.joints_world()
    legs = [_leg(side, motion, source, joints, rig, mapping, placement, frame, posed, moved) for side in sides]
    planted = plant(legs, motion.times)
    world, back = rig.world_rotation, rotations.inverse(rig.world_rotation)
    for side, turns in zip(sides, planted.turns):
        for part, turn in zip(("UpLeg", "Leg", "Foot", "Toe"), (*turns, turns[2])):
            if side + part in mapping.bones:
                bone = rig.index(mapping.bones[side + part])
                wanted[bone] = rotations.multiply(back, rotations.multiply(turn, rotations.multiply(world, wanted[bone])))
    return moved + (planted.shift @ np.linalg.inv(rig.world[:3, :3]).T), 100.0 * planted.slide


def _leg(side: str, motion: Motion, source: np.ndarray, joints: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement,
         frame: np.ndarray, posed: Pose, moved: np.ndarray) -> Leg:
    bones = mapping.bones
    hip, knee, ankle = (rig.to_world(posed.head(rig.index(bones[side + part])) + moved) for part in ("UpLeg", "Leg", "Foot"))
    turn = rotations.from_matrix(frame)
    foot, thigh = (rotations.multiply(turn, rotations.multiply(source[:, INDEX[side + part]], rotations.inverse(turn)))
                   for part in ("Foot", "UpLeg"))
    ground = placement.origin[2]
    height = _ankle_height(rig, mapping) - ground
    if side + "Toe" in bones:
        ball = rig.to_world(posed.head(rig.index(bones[side + "Toe"])) + moved)
    else:
        _, ahead, _ = placement.scale * motion.skeleton.rest_offsets[INDEX[side + "Toe"]]
        ball = ankle + rotations.rotate(foot, frame @ np.array([0.0, ahead, placement.scale * _SOLE_BELOW_TOE - height]))
    flat_ball = height + float(np.mean(rotations.rotate(rotations.inverse(foot), ball - ankle)[:, 2]))
    rest = motion.skeleton.rest_offsets
    own_ankle = _SOLE_BELOW_TOE - rest[INDEX[side + "Toe"], 2]
    lift = placement.scale * (joints[:, [INDEX[side + "Foot"], INDEX[side + "Toe"]], 2] - np.array([own_ankle, _SOLE_BELOW_TOE]))
    contacts = motion.contacts[:, :2] if side == "Left" else motion.contacts[:, 2:]
    return Leg(hip, knee, ankle, ball, foot, rotations.rotate(thigh, frame @ np.array([0.0, -1.0, 0.0])), contacts,
               np.array([0.0, 0.0, -height]), ground + np.array([0.0, flat_ball]), lift)


def _ankle_height(rig: Rig, mapping: Mapping) -> float:
    return float(np.mean([rig.heads_world[rig.index(mapping.bones[side + "Foot"]), 2] for side in ("Left", "Right")
                          if side + "Foot" in mapping.bones]))
