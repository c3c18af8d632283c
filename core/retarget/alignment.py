"""How a rig's rest pose differs from the canonical upright T-pose: one rotation for each joint.

Problem: a rotation away from the rest pose means nothing on a rig that rests in another pose. Method: where a rest limb lies
says how far it is from the T-pose; the shortest arc takes it there, each joint starting from what its parent has been turned by,
so that a hand follows its arm. Limbs, trunk and neck are aligned fully; trunk and neck as the lines between the middles of hip
joints, shoulder joints and head, because rigs place their inner bones differently. Clavicles differ in where they start more than
in how far they are raised: they are aligned half way and by little. Head and feet keep their slope (who looks ahead at rest looks ahead in
the T-pose, and a flat sole stays flat), and feet are turned to the front.
Limits: the twist of a straight limb at rest is taken as neutral.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from ..skeleton import END_PARENTS, ENDS, INDEX, Skeleton
from .mapping import Mapping
from .rig import Rig

# Degrees between ankles-to-shoulders and the vertical up to which a rig counts as upright, however it crouches or leans; and up to
# which this fades out, until a rig counts as lying.
_UPRIGHT, _LYING = 30.0, 60.0
_CLAVICLE_SHARE, _CLAVICLE_MOST = 0.5, 12.0  # of the angle; degrees
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
    upright = _stood_up(there.body(), here["Body"])
    trunk = _exactly(there.trunk(), here["Trunk"], upright)
    neck = _exactly(there.neck(), here["Neck"], trunk) if "Head" in there.bones else trunk
    aligned = dict.fromkeys(("Hips", "Spine", "Spine1"), trunk) | {"Neck": neck, "Head": upright}
    for side in ("Left", "Right"):
        _align_arm(aligned, side, there, here, trunk)
        _align_leg(aligned, side, there, here, trunk, upright)
    return aligned


def _align_arm(aligned: dict[str, np.ndarray], side: str, there: _Directions, here: dict[str, np.ndarray], trunk: np.ndarray) -> None:
    shoulder, arm, forearm, hand = (side + part for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
    aligned[shoulder] = trunk
    if shoulder in there.bones:
        aligned[shoulder] = _half_way(there.of(shoulder), here[shoulder], trunk)
    for joint, parent in ((arm, shoulder), (forearm, arm), (hand, forearm)):
        aligned[joint] = _exactly(there.of(joint), here[joint], aligned[parent]) if joint in there.bones else aligned[parent]


def _align_leg(aligned: dict[str, np.ndarray], side: str, there: _Directions, here: dict[str, np.ndarray], trunk: np.ndarray,
               upright: np.ndarray) -> None:
    thigh, shin, foot, toe = (side + part for part in ("UpLeg", "Leg", "Foot", "Toe"))
    aligned[thigh] = _exactly(there.of(thigh), here[thigh], trunk)
    aligned[shin] = _exactly(there.of(shin), here[shin], aligned[thigh])
    aligned[foot] = _to_the_front(there.of(foot), here[foot], upright) if foot in there.bones else aligned[shin]
    aligned[toe] = aligned[foot]


def _exactly(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned on by the shortest arc so that it takes `direction` to `wanted`."""
    return rotations.multiply(rotations.between_vectors(rotations.rotate(start, direction), wanted), start)


def _half_way(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned on by half of what `_exactly` does, and by no more than a clavicle's neutral position can differ."""
    full = _exactly(direction, wanted, start)
    angle = np.degrees(rotations.angle_between(start, full))
    return rotations.slerp(start, full, np.minimum(_CLAVICLE_SHARE, _CLAVICLE_MOST / np.maximum(angle, 1e-9)))


def _stood_up(body: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What makes a rig that lies at rest stand; nothing for one that stands, leans or crouches."""
    full = _exactly(body, wanted, rotations.IDENTITY)
    angle = np.degrees(rotations.angle_between(rotations.IDENTITY, full))
    return rotations.slerp(rotations.IDENTITY, full, np.clip((angle - _UPRIGHT) / (_LYING - _UPRIGHT), 0.0, 1.0))


def _to_the_front(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned about the vertical so that `direction` has the heading of `wanted`; unchanged for a foot that points down."""
    turned = rotations.rotate(start, direction) * np.array([1.0, 1.0, 0.0])
    if np.linalg.norm(turned) < 0.3:
        return start
    return rotations.multiply(rotations.between_vectors(turned, wanted * np.array([1.0, 1.0, 0.0])), start)


def _canonical_directions(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Where the motion's own skeleton points in its T-pose: joint -> (3,) towards the next joint, and what `_Directions` measures."""
    found = {joint: skeleton.rest_offsets[INDEX[after]] for joint, after in _NEXT.items()}
    found |= {END_PARENTS[end]: skeleton.end_offsets[i] for i, end in enumerate(ENDS)}
    rest = skeleton.rest_positions()
    arms, legs, feet = (0.5 * (rest[INDEX["Left" + part]] + rest[INDEX["Right" + part]]) for part in ("Arm", "UpLeg", "Foot"))
    return found | {"Body": arms - feet, "Trunk": arms - legs, "Neck": rest[INDEX["Head"]] - arms}


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

    def _middle(self, part: str) -> np.ndarray:
        return 0.5 * (self._heads[self.bones["Left" + part]] + self._heads[self.bones["Right" + part]])

    def body(self) -> np.ndarray:
        """Unit vector from the ankles' (else knees') middle to the shoulder joints'."""
        feet = "Foot" if "LeftFoot" in self.bones and "RightFoot" in self.bones else "Leg"
        return _unit(self._middle("Arm") - self._middle(feet))

    def trunk(self) -> np.ndarray:
        """Unit vector from the hip joints' middle to the shoulder joints'."""
        return _unit(self._middle("Arm") - self._middle("UpLeg"))

    def neck(self) -> np.ndarray:
        """Unit vector from the shoulder joints' middle to the head joint."""
        return _unit(self._heads[self.bones["Head"]] - self._middle("Arm"))

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

