"""The legs of a rig for `planting`: where they are, what of them touches the ground, and how their bones turn when the feet stand.

The sole is the person's own, scaled with the legs: heel and tip are where the motion's contacts are meant, and rigs have no bones there.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from ..keypoints import ATTACHMENTS
from ..motion import Motion
from ..skeleton import INDEX, MEAN_STATURE
from .mapping import Mapping
from .placement import SOLE_BELOW_TOE, Placement
from .planting import Leg, stand
from .pose import Pose
from .reach import two_bones
from .rig import Rig

_SHORTEST_TOES = 0.3  # of the person's own: how far at least the tip is ahead of the ball


def plant_feet_of(motion: Motion, source: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement, frame: np.ndarray,
           wanted: dict[int, np.ndarray], moved: np.ndarray) -> tuple[np.ndarray, float]:
    """Changes `wanted` so that feet stand; returns what `_moved` becomes and how far a foot slides, cm. Legs without a foot bone do not
    stand."""
    sides = [side for side in ("Left", "Right") if side + "Foot" in mapping.bones]
    if not sides:
        return moved, 0.0
    posed, joints = Pose(rig, wanted), motion.joints_world()
    legs = [_leg(side, motion, source, joints, rig, mapping, placement, frame, posed, moved) for side in sides]
    standing = stand(legs, motion.times)
    world, back = rig.world_rotation, rotations.inverse(rig.world_rotation)

    def turn(joint: str, by: np.ndarray) -> None:
        if joint in mapping.bones:
            bone = rig.index(mapping.bones[joint])
            wanted[bone] = rotations.multiply(back, rotations.multiply(by, rotations.multiply(world, wanted[bone])))

    hip_bones = mapping.bones["LeftUpLeg"], mapping.bones["RightUpLeg"]
    before = posed.middle(*hip_bones)
    turn("Hips", standing.tilt)
    posed = Pose(rig, wanted)
    moved = moved + before - posed.middle(*hip_bones) + standing.shift @ np.linalg.inv(rig.world[:3, :3]).T
    slide = 0.0
    for side, leg, ankle, foot in zip(sides, legs, standing.ankles, standing.feet):
        hip, knee, free = (rig.to_world(posed.head(rig.index(mapping.bones[side + part])) + moved) for part in ("UpLeg", "Leg", "Foot"))
        front = rotations.rotate(source[:, INDEX[side + "UpLeg"]], np.array([0.0, -1.0, 0.0])) @ frame.T
        thigh, shin, there = two_bones(hip, knee, free, ankle, front)
        for part, by in zip(("UpLeg", "Leg", "Foot", "Toe"), (thigh, shin, foot[:, 0], foot[:, 1])):
            turn(side + part, by)
        slide = max(slide, float(np.linalg.norm(there - ankle, axis=-1)[leg.contacts.any(axis=1)].max(initial=0.0)))
    return moved, 100.0 * slide


def _leg(side: str, motion: Motion, source: np.ndarray, joints: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement,
         frame: np.ndarray, posed: Pose, moved: np.ndarray) -> Leg:
    bones = mapping.bones
    hip, knee, ankle = (rig.to_world(posed.head(rig.index(bones[side + part])) + moved) for part in ("UpLeg", "Leg", "Foot"))
    turn = rotations.from_matrix(frame)
    foot, toe = (rotations.multiply(turn, rotations.multiply(source[:, INDEX[side + part]], rotations.inverse(turn)))
                 for part in ("Foot", "Toe"))
    # What touches the ground in the motion: heel from ankle and tip from ball, flat on the ground, with the ball itself; metres.
    own = motion.skeleton.stature / MEAN_STATURE
    heel, tip = (own * np.array(ATTACHMENTS[name][1]) for name in (side[0].lower() + "_heel", side[0].lower() + "_toe"))
    own_ball = motion.skeleton.rest_offsets[INDEX[side + "Toe"]]
    own_ankle = SOLE_BELOW_TOE - own_ball[2]
    ground = placement.origin[2]
    height = _ankle_height(rig, mapping) - ground
    if side + "Toe" in bones:
        ball = rig.to_world(posed.head(rig.index(bones[side + "Toe"])) + moved) - ankle
    else:
        flat = np.append(placement.scale * own_ball[:2], placement.scale * SOLE_BELOW_TOE - height)
        ball, toe = rotations.rotate(foot, frame @ flat), foot
    flat_ball = rotations.rotate(rotations.inverse(foot), ball).mean(axis=0)
    # Rigs put the ball anywhere along a foot that is as long, and what their bones do not tell is as in the person's foot.
    toes = np.linalg.norm((own_ball + tip)[:2]) - np.linalg.norm(flat_ball[:2]) / placement.scale
    tip_here = placement.scale * tip * np.maximum(toes / np.linalg.norm(tip[:2]), _SHORTEST_TOES)
    heel_here = np.array([placement.scale, placement.scale, height / own_ankle]) * heel
    sole = np.stack([rotations.rotate(foot, frame @ heel_here), ball, rotations.rotate(toe, frame @ tip_here)], axis=1)
    heights = height + np.array([heel_here[2], flat_ball[2] + tip_here[2]])
    own_points = joints[:, [INDEX[side + "Foot"], INDEX[side + "Toe"]]] + np.stack(
        [rotations.rotate(source[:, INDEX[side + part]], offset) for part, offset in (("Foot", heel), ("Toe", tip))], axis=1)
    lift = placement.scale * (own_points[..., 2] - np.array([own_ankle + heel[2], SOLE_BELOW_TOE + tip[2]]))
    contacts = motion.contacts[:, :2] if side == "Left" else motion.contacts[:, 2:]
    return Leg(hip, knee, ankle, np.stack([foot, toe], axis=1), contacts, sole, ground + heights, lift)


def _ankle_height(rig: Rig, mapping: Mapping) -> float:
    return float(np.mean([rig.heads_world[rig.index(mapping.bones[side + "Foot"]), 2] for side in ("Left", "Right")
                          if side + "Foot" in mapping.bones]))
