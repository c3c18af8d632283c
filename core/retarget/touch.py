"""Hands that touch each other, the body or the ground do so on the target too.

Problem: limbs of other lengths with the same directions bring clasped hands apart and a hand on the hip into the air or into the body.
Method: in the motion, the palm's distance from the surface of each part of the body (capsules about the bones) says how much the two
touch, from 0 to 1 without a jump. On the rig the palm goes, as far as it touches, to where it is in the motion relative to that part: the
same share of the way along its bone, and beside it the same way off, scaled as the figure is. Hands that touch each other meet half way.
No hand goes further below the ground than in the motion. An analytic two-bone inverse kinematics of shoulder, elbow and wrist brings it
there, the elbow staying in the plane that the motion gives; the hand keeps its direction. Limits: the rig is taken to be as stout for its
size as an average person, with hands in proportion to its legs; what is out of reach is only pointed at; a palm that passes close by counts
as touching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..motion import Motion
from ..skeleton import END_PARENTS, ENDS, INDEX, MEAN_STATURE
from .feet import ground_of
from .mapping import Mapping
from .placement import Placement
from .pose import Pose
from .reach import two_bones
from .rig import Rig

_TOUCHES, _APART = 0.02, 0.10  # metres from surface to surface at a stature of 1.70 m: up to which palms touch, from which they do not
_PALM = 0.03  # metres, half the thickness of a hand
_FULLY = 1.02  # more than 1 by how little what is near counts beside what touches
_ROUNDS = 2  # a hand on the other arm follows where that arm has gone
_OTHER = {"Left": "Right", "Right": "Left"}


@dataclass(frozen=True)
class _Part:
    """A capsule between two points, each the middle of some joints (and ends), radius in metres at a stature of 1.70 m."""

    start: tuple[str, ...]
    stop: tuple[str, ...]
    radius: float


def _parts(side: str) -> list[_Part]:
    """What the hand of this side can touch, the other hand and the ground aside."""
    other = _OTHER[side]
    hips, shoulders = ("LeftUpLeg", "RightUpLeg"), ("LeftArm", "RightArm")
    limbs = [_Part((s + a,), (s + b,), r) for s in ("Left", "Right") for a, b, r in (("UpLeg", "Leg", 0.075), ("Leg", "Foot", 0.05))]
    limbs += [_Part((other + "Arm",), (other + "ForeArm",), 0.045), _Part((other + "ForeArm",), (other + "Hand",), 0.035)]
    return [_Part(hips, shoulders, 0.13), _Part(hips[:1], hips[1:], 0.11), _Part(("Head",), ("HeadEnd",), 0.09), *limbs]


def keep_touch(motion: Motion, rig: Rig, mapping: Mapping, placement: Placement, wanted: dict[int, np.ndarray], moved: np.ndarray) -> None:
    """Changes the orientations `wanted` (bone -> (T, 4), armature space) of arms whose hands touch something in the motion.

    moved: (T, 3) how far the figure is moved, armature space. Arms without a mapped hand stay as they are.
    """
    joints, turned = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    ends = motion.skeleton.end_positions(joints, turned)
    source = {j: joints[:, i] for j, i in INDEX.items()} | {end: ends[:, i] for i, end in enumerate(ENDS)}
    source |= {side + "Palm": 0.5 * (source[side + "Hand"] + source[side + "HandEnd"]) for side in _OTHER}
    size = motion.skeleton.stature / MEAN_STATURE
    sides = [side for side in _OTHER if side + "Hand" in mapping.bones]
    ground = ground_of(motion, rig, mapping, placement)
    world, back = rig.world_rotation, rotations.inverse(rig.world_rotation)
    for _ in range(_ROUNDS):
        target = _on_the_rig(source, rig, mapping, placement, Pose(rig, wanted), moved)
        for side in sides:
            way = _way(side, source, target, placement, ground, size)
            below = ground + placement.scale * _lowest(side, source, size) - target[side + "Palm"][:, 2] - way[:, 2]
            way[:, 2] += np.maximum(below, 0.0)
            if not way.any():
                continue
            shoulder, elbow, wrist = (target[side + part] for part in ("Arm", "ForeArm", "Hand"))
            back_of_elbow = rotations.rotate(turned[:, INDEX[side + "Arm"]], np.array([0.0, 1.0, 0.0])) @ placement.turn.T
            arm, forearm, _ = two_bones(shoulder, elbow, wrist, wrist + way, back_of_elbow)
            for part, by in (("Arm", arm), ("ForeArm", forearm)):
                bone = rig.index(mapping.bones[side + part])
                wanted[bone] = rotations.multiply(back, rotations.multiply(by, rotations.multiply(world, wanted[bone])))


def _on_the_rig(source: dict[str, np.ndarray], rig: Rig, mapping: Mapping, placement: Placement, posed: Pose, moved: np.ndarray
                ) -> dict[str, np.ndarray]:
    """Joint, palm and crown -> (T, 3) in the rig's world; what has no bone is as far from its joint as in the motion."""
    found = {joint: rig.to_world(posed.head(rig.index(bone)) + moved) for joint, bone in mapping.bones.items()}
    beyond = {"HeadEnd": END_PARENTS["HeadEnd"], "LeftPalm": "LeftHand", "RightPalm": "RightHand"}
    return found | {end: found[joint] + placement.scale * (source[end] - source[joint]) @ placement.turn.T
                    for end, joint in beyond.items() if joint in found}


def _lowest(side: str, source: dict[str, np.ndarray], size: float) -> np.ndarray:
    """(T,) how high the palm must be above the ground for the hand to lie or stand on it, or as low as it is; metres of the motion."""
    palm, wrist, fingers = (source[side + part][:, 2] for part in ("Palm", "Hand", "HandEnd"))
    return np.minimum(palm, np.maximum(size * _PALM, palm - np.minimum(wrist, fingers)))


def _way(side: str, source: dict[str, np.ndarray], target: dict[str, np.ndarray], placement: Placement, ground: float, size: float
         ) -> np.ndarray:
    """(T, 3) from where the palm is on the rig to where it touches what it touches, as far as it does."""
    palm, here = source[side + "Palm"], target[side + "Palm"]
    other = _OTHER[side]
    together = np.zeros(len(palm))
    down = ground + placement.scale * palm[:, 2] - here[:, 2]
    there = [(_touching(palm[:, 2] - size * _PALM, size), here + down[:, None] * [0.0, 0.0, 1.0])]
    if other + "Palm" in target:
        off = palm - source[other + "Palm"]
        together = _touching(np.linalg.norm(off, axis=-1) - 2 * size * _PALM, size)
        there.append((together, 0.5 * (here + target[other + "Palm"] + placement.scale * off @ placement.turn.T)))
    for part in _parts(side):
        if not {*part.start, *part.stop} <= set(target):
            continue
        a, b = (_middle(source, names) for names in (part.start, part.stop))
        along = np.clip(np.sum((palm - a) * (b - a), axis=-1) / np.maximum(np.sum((b - a) ** 2, axis=-1), 1e-12), 0.0, 1.0)[:, None]
        off = palm - a - along * (b - a)
        c, d = (_middle(target, names) for names in (part.start, part.stop))
        much = _touching(np.linalg.norm(off, axis=-1) - size * (part.radius + _PALM), size)
        if other + "ForeArm" in (*part.start, *part.stop):
            much = much * (1.0 - together)  # the wrist behind the hand that it touches
        there.append((much, c + along * (d - c) + placement.scale * off @ placement.turn.T))
    touching = np.stack([much for much, _ in there])
    # What touches fully counts for all, beside what is only near.
    weight = touching / (_FULLY - touching)
    way = np.einsum("pt,ptc->tc", weight, np.stack([place - here for _, place in there])) / np.maximum(weight.sum(axis=0), 1e-12)[:, None]
    return np.asarray((1.0 - np.prod(1.0 - touching, axis=0))[:, None] * way)


def _middle(points: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.mean([points[name] for name in names], axis=0)


def _touching(gap: np.ndarray, size: float) -> np.ndarray:
    """(T,) from 1 where surfaces touch to 0 where they are apart, for gaps in metres."""
    x = np.clip((_APART * size - gap) / ((_APART - _TOUCHES) * size), 0.0, 1.0)
    return x * x * (3 - 2 * x)
