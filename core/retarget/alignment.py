"""How a rig's rest pose differs from the canonical upright T-pose: one rotation for each joint.

Problem: a rotation away from the rest pose means nothing on a rig that rests in another pose. Method: where a rest limb lies
says how far it is from the T-pose; the shortest arc takes it there, each joint starting from what its parent has been turned by,
so that a hand follows its arm. Arms, legs and hands are aligned fully. For trunk, neck and clavicles rigs differ in where their
joints are rather than in how they stand, so only what exceeds such differences is aligned; feet keep their slope (a sole that is
flat at rest is flat in the T-pose) and are turned to the front. Limits: the twist of a straight limb at rest is taken as neutral.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from ..skeleton import END_PARENTS, ENDS, INDEX, Skeleton
from .mapping import Mapping
from .rig import Rig

# Degrees by which a rest direction may differ by definition alone; 15 degrees further on it is aligned fully.
_TRUNK_TOLERANCE, _NECK_TOLERANCE, _SHOULDER_TOLERANCE = 15.0, 35.0, 45.0
_FULL_AFTER = 15.0
_NEXT = {side + a: side + b for side in ("Left", "Right")
         for a, b in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Foot", "Toe"), ("Shoulder", "Arm"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))}


def facing(rig: Rig, mapping: Mapping) -> np.ndarray:
    """(3, 3) the rig's own left, back and up as columns, in the world; up is the world's, as gravity is."""
    heads, bones = rig.heads_world, mapping.bones
    for left, right in (("LeftUpLeg", "RightUpLeg"), ("LeftArm", "RightArm")):
        across = heads[rig.index(bones[left])] - heads[rig.index(bones[right])]
        flat = np.array([across[0], across[1], 0.0])
        if np.linalg.norm(flat) > 0.5 * np.linalg.norm(across) > 0.0:
            x = flat / np.linalg.norm(flat)
            return np.stack([x, np.array([-x[1], x[0], 0.0]), np.array([0.0, 0.0, 1.0])], axis=1)
    return np.eye(3)


def rest_alignment(rig: Rig, mapping: Mapping, skeleton: Skeleton, frame: np.ndarray) -> dict[str, np.ndarray]:
    """Joint -> quaternion (4,) that takes the rig's rest pose to the T-pose, both seen in the canonical frame.

    frame: (3, 3) as `facing` gives it. The chains' inner bones share what "Spine" and "Neck" have.
    """
    there = _Directions(rig, mapping, frame)
    here = _canonical_directions(skeleton)
    trunk = _beyond(there.trunk(), here["Trunk"], _TRUNK_TOLERANCE, rotations.IDENTITY)
    neck = trunk
    if "Neck" in mapping.bones and "Head" in mapping.bones:
        neck = _beyond(there.between("Neck", "Head"), here["Neck"], _NECK_TOLERANCE, trunk)
    aligned = dict.fromkeys(("Hips", "Spine", "Spine1"), trunk) | dict.fromkeys(("Neck", "Head"), neck)
    for side in ("Left", "Right"):
        _align_arm(aligned, side, there, here, trunk)
        _align_leg(aligned, side, there, here, trunk)
    return aligned


def _align_arm(aligned: dict[str, np.ndarray], side: str, there: _Directions, here: dict[str, np.ndarray], trunk: np.ndarray) -> None:
    shoulder, arm, forearm, hand = (side + part for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
    aligned[shoulder] = trunk
    if shoulder in there.bones:
        aligned[shoulder] = _beyond(there.of(shoulder), here[shoulder], _SHOULDER_TOLERANCE, trunk)
    for joint, parent in ((arm, shoulder), (forearm, arm), (hand, forearm)):
        aligned[joint] = _exactly(there.of(joint), here[joint], aligned[parent]) if joint in there.bones else aligned[parent]


def _align_leg(aligned: dict[str, np.ndarray], side: str, there: _Directions, here: dict[str, np.ndarray], trunk: np.ndarray) -> None:
    thigh, shin, foot, toe = (side + part for part in ("UpLeg", "Leg", "Foot", "Toe"))
    aligned[thigh] = _exactly(there.of(thigh), here[thigh], trunk)
    aligned[shin] = _exactly(there.of(shin), here[shin], aligned[thigh])
    aligned[foot] = _to_the_front(there.of(foot), here[foot], trunk) if foot in there.bones else aligned[shin]
    aligned[toe] = aligned[foot]


def _exactly(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned on by the shortest arc so that it takes `direction` to `wanted`."""
    return rotations.multiply(rotations.between_vectors(rotations.rotate(start, direction), wanted), start)


def _beyond(direction: np.ndarray, wanted: np.ndarray, tolerance: float, start: np.ndarray) -> np.ndarray:
    """`start`, turned on as `_exactly` does, but not at all within `tolerance` degrees and only partly a little further."""
    full = _exactly(direction, wanted, start)
    angle = np.degrees(rotations.angle_between(start, full))
    return rotations.slerp(start, full, np.clip((angle - tolerance) / _FULL_AFTER, 0.0, 1.0))


def _to_the_front(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned about the vertical so that `direction` has the heading of `wanted`; unchanged for a foot that points down."""
    turned = rotations.rotate(start, direction) * np.array([1.0, 1.0, 0.0])
    if np.linalg.norm(turned) < 0.3:
        return start
    return rotations.multiply(rotations.between_vectors(turned, wanted * np.array([1.0, 1.0, 0.0])), start)


def _canonical_directions(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Where the motion's own skeleton points in its T-pose: joint -> (3,) towards the next joint; "Trunk": hips' to shoulders' middle."""
    found = {joint: skeleton.rest_offsets[INDEX[after]] for joint, after in _NEXT.items()}
    found |= {END_PARENTS[end]: skeleton.end_offsets[i] for i, end in enumerate(ENDS)}
    found["Neck"] = skeleton.rest_offsets[INDEX["Head"]]
    rest = skeleton.rest_positions()
    found["Trunk"] = _middle(rest, "Arm") - _middle(rest, "UpLeg")
    return found


def _middle(positions: np.ndarray, part: str) -> np.ndarray:
    return 0.5 * (positions[INDEX["Left" + part]] + positions[INDEX["Right" + part]])


class _Directions:
    """Where the limbs of a rig point at rest, seen in its own frame (left, back, up)."""

    def __init__(self, rig: Rig, mapping: Mapping, frame: np.ndarray) -> None:
        self.bones = {joint: rig.index(bone) for joint, bone in mapping.bones.items()}
        self._rig = rig
        self._heads = rig.heads_world @ frame
        self._tails = rig.to_world(rig.tails) @ frame

    def between(self, a: str, b: str) -> np.ndarray:
        """Unit vector from joint a's head to joint b's."""
        return _unit(self._heads[self.bones[b]] - self._heads[self.bones[a]])

    def trunk(self) -> np.ndarray:
        """Unit vector from the hip joints' middle to the shoulder joints'."""
        def middle(part: str) -> np.ndarray:
            return 0.5 * (self._heads[self.bones["Left" + part]] + self._heads[self.bones["Right" + part]])
        return _unit(middle("Arm") - middle("UpLeg"))

    def of(self, joint: str) -> np.ndarray:
        """Unit vector along the joint's segment: to the next joint, else to where the bone's children begin, else to its tail."""
        after = _NEXT.get(joint)
        if after in self.bones:
            return self.between(joint, after)
        head = self._heads[self.bones[joint]]
        children = self._heads[self._rig.children(self.bones[joint])] - head
        reach = np.linalg.norm(children, axis=-1)
        length = np.linalg.norm(self._tails[self.bones[joint]] - head)
        # Knuckles, not the root of the thumb; and not a twist bone that starts where the joint is.
        far = children[reach > 0.5 * max(reach.max(initial=0.0), 0.5 * length)]
        return _unit(far.mean(axis=0)) if len(far) else _unit(self._tails[self.bones[joint]] - head)


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.array([0.0, 0.0, 1.0])

