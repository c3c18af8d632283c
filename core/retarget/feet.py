"""The legs of a rig for `planting`: where they are, what of them touches the ground, and how their bones turn when the feet stand.

The sole is the person's own, as large as the rig's foot: heel and tip are where the motion's contacts are meant, and rigs have no bones
there. How large the foot is, the rig's ball says with what follows it; the legs say it where that is no foot, and where there are no toes.
Limits: a foot without toes that is not in proportion to its legs rolls over a heel and a tip that it does not have; where toes end is read
only on rigs whose feet are level at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from ..keypoints import ATTACHMENTS
from ..motion import Motion
from ..skeleton import INDEX, MEAN_STATURE
from .mapping import Mapping, pelvic_bones
from .placement import SOLE_BELOW_TOE, Placement
from .planting import Leg, stand
from .pose import Pose
from .reach import two_bones
from .rig import Rig

# Of the way from the ankle over the ball to the tip: between which shares rigs have the ball, people at 0.66. Bones that end where this
# does not hold end elsewhere than at the tip, and so do those that end further off the foot's own heading than this.
_BALL_FROM, _BALL_TO = 0.6, 0.8
_AHEAD = np.cos(np.radians(45.0))
_AT_THE_ANKLE = 0.3  # of where the person's ball would be: up to which a rig's ball does not say how large the foot is


@dataclass(frozen=True)
class _Sole:
    """What of the person's foot touches the ground, standing flat, in the canonical axes: (3,) metres, heel and ball from the ankle, the
    tip of the toes from the ball."""

    heel: np.ndarray
    ball: np.ndarray
    tip: np.ndarray

    @property
    def ankle(self) -> float:
        """How high the ankle is above the ground, metres."""
        return float(SOLE_BELOW_TOE - self.ball[2])

    @property
    def toes(self) -> float:
        """Metres from the ball to the tip."""
        return float(np.linalg.norm(self.tip))

    @property
    def length(self) -> float:
        """Metres from the ankle over the ball to the tip."""
        return float(np.linalg.norm(self.ball)) + self.toes


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

    def turn(bone: str | None, by: np.ndarray) -> None:
        if bone is not None:
            b = rig.index(bone)
            wanted[b] = rotations.multiply(back, rotations.multiply(by, rotations.multiply(world, wanted[b])))

    hip_bones = mapping.bones["LeftUpLeg"], mapping.bones["RightUpLeg"]
    before = posed.middle(*hip_bones)
    for bone in (mapping.bones["Hips"], *pelvic_bones(rig, mapping)):
        turn(bone, standing.tilt)
    posed = Pose(rig, wanted)
    moved = moved + before - posed.middle(*hip_bones) + standing.shift @ np.linalg.inv(rig.world[:3, :3]).T
    slide = 0.0
    for side, leg, ankle, foot in zip(sides, legs, standing.ankles, standing.feet):
        hip, knee, free = (rig.to_world(posed.head(rig.index(mapping.bones[side + part])) + moved) for part in ("UpLeg", "Leg", "Foot"))
        front = rotations.rotate(source[:, INDEX[side + "UpLeg"]], np.array([0.0, -1.0, 0.0])) @ frame.T
        thigh, shin, there = two_bones(hip, knee, free, ankle, front)
        for part, by in zip(("UpLeg", "Leg", "Foot", "Toe"), (thigh, shin, foot[:, 0], foot[:, 1])):
            turn(mapping.bones.get(side + part), by)
        slide = max(slide, float(np.linalg.norm(there - ankle, axis=-1)[leg.contacts.any(axis=1)].max(initial=0.0)))
    return moved, 100.0 * slide


def ground_of(motion: Motion, rig: Rig, mapping: Mapping, placement: Placement) -> float:
    """How high the ground is on which the rig's feet stand, metres: not the placement's where feet are not in proportion to the legs."""
    soles = {side: _sole(motion, side) for side in ("Left", "Right")}
    lower = [(_foot_size(rig, mapping, side, own, placement.scale) - placement.scale) * own.ankle for side, own in soles.items()]
    return float(placement.origin[2] - np.mean(lower))


def _leg(side: str, motion: Motion, source: np.ndarray, joints: np.ndarray, rig: Rig, mapping: Mapping, placement: Placement,
         frame: np.ndarray, posed: Pose, moved: np.ndarray) -> Leg:
    bones = mapping.bones
    hip, knee, ankle = (rig.to_world(posed.head(rig.index(bones[side + part])) + moved) for part in ("UpLeg", "Leg", "Foot"))
    turn = rotations.from_matrix(frame)
    foot, toe = (rotations.multiply(turn, rotations.multiply(source[:, INDEX[side + part]], rotations.inverse(turn)))
                 for part in ("Foot", "Toe"))
    own = _sole(motion, side)
    size = _foot_size(rig, mapping, side, own, placement.scale)
    if side + "Toe" in bones:
        ball = rig.to_world(posed.head(rig.index(bones[side + "Toe"])) + moved) - ankle
    else:
        ball, toe = rotations.rotate(foot, frame @ (size * own.ball)), foot
    flat_ball = rotations.rotate(rotations.inverse(foot), ball).mean(axis=0)
    # Rigs put the ball anywhere along a foot that is as long.
    tip = (size * own.length - np.linalg.norm(flat_ball)) / own.toes * own.tip
    # A shoe that rests on high heels has its own heel on the ground, too.
    high = max(size * own.ankle, size * SOLE_BELOW_TOE - flat_ball[2])
    heel = np.array([size, size, high / own.ankle]) * own.heel
    sole = np.stack([rotations.rotate(foot, frame @ heel), ball, rotations.rotate(toe, frame @ tip)], axis=1)
    heights = placement.origin[2] + placement.scale * own.ankle + np.array([heel[2], flat_ball[2] + tip[2]])
    own_points = joints[:, [INDEX[side + "Foot"], INDEX[side + "Toe"]]] + np.stack(
        [rotations.rotate(source[:, INDEX[side + part]], offset) for part, offset in (("Foot", own.heel), ("Toe", own.tip))], axis=1)
    lift = placement.scale * (own_points[..., 2] - np.array([own.ankle + own.heel[2], SOLE_BELOW_TOE + own.tip[2]]))
    contacts = motion.contacts[:, :2] if side == "Left" else motion.contacts[:, 2:]
    return Leg(hip, knee, ankle, np.stack([foot, toe], axis=1), contacts, sole, heights, lift)


def _sole(motion: Motion, side: str) -> _Sole:
    own = motion.skeleton.stature / MEAN_STATURE
    heel, tip = (own * np.array(ATTACHMENTS[side[0].lower() + name][1]) for name in ("_heel", "_toe"))
    return _Sole(heel, motion.skeleton.rest_offsets[INDEX[side + "Toe"]], tip)


def _foot_size(rig: Rig, mapping: Mapping, side: str, own: _Sole, scale: float) -> float:
    """Metres of the rig's foot for each metre of the person's; scale: likewise of the legs."""
    if not {side + "Foot", side + "Toe"} <= set(mapping.bones):
        return scale
    own_ball = own.length - own.toes
    foot, toe = (rig.index(mapping.bones[side + part]) for part in ("Foot", "Toe"))
    way = rig.heads_world[toe] - rig.heads_world[foot]
    ball = float(np.linalg.norm(way))
    lengths = [ball + toes for toes in _toes(rig, toe, rotations.unit(way * np.array([1.0, 1.0, 0.0])))]
    told = [length for length in lengths if _BALL_FROM * length < ball < _BALL_TO * length]
    if told:
        return min(told, key=lambda length: abs(ball / length - own_ball / own.length)) / own.length
    legs = scale * own.length
    return scale if ball < _AT_THE_ANKLE * scale * own_ball or _BALL_FROM * legs < ball < _BALL_TO * legs else ball / own_ball


def _toes(rig: Rig, toe: int, ahead: np.ndarray) -> list[float]:
    """Metres from the ball to where the farthest bone after it begins, if there is one, and to where the farthest one ends; what does not
    lie ahead, a unit vector (3,), left out."""
    after = [toe]
    for bone in after:  # grows while it is walked
        after += rig.children(bone)
    found = []
    for points in (rig.heads_world[after], rig.to_world(rig.tails[after])):
        ways = points - rig.heads_world[toe]
        reach = np.linalg.norm(ways, axis=-1)
        found.append(float(reach[ways @ ahead >= _AHEAD * reach].max(initial=0.0)))
    return found
