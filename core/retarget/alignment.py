"""How a rig's rest pose differs from the canonical upright T-pose: one rotation for each joint.

Problem: a rotation away from the rest pose means nothing on a rig that rests in another pose. Method: where a rest limb lies
says how far it is from the T-pose; the shortest arc takes it there, each joint starting from what its parent has been turned by,
so that a hand follows its arm. Limbs, trunk and neck are aligned fully; trunk and neck as the lines between the middles of hip
joints, shoulder joints and head, because rigs place their inner bones differently. Clavicles differ in where they start more than
in how far they are raised: they are aligned half way and by little. Head and feet keep their slope (who looks ahead at rest looks ahead in
the T-pose, and a flat sole stays flat), and feet are turned to the front.
A rig that lies, or is tilted as a whole, is stood up first: legs and trunk in one line mean that the object is tilted, where a crouch or
a bow bends at hips or knees. Hands and feet without a mapped next joint are told by fingers or toes, by their tail on rigs whose tails
point along the limb, or by what goes on nearly straight; else they are aligned like the forearm, and as pointing to the front.
Limits: the twist of a straight limb at rest is taken as neutral. A straight body that leans by less than 5 degrees is not stood up, nor
is by less than 30 an object that is tilted backwards with a figure on high heels, or one tilted by less than its figure is bent: such
look like a pose. A hand or foot that is truly bent or turned out at rest, without three fingers or toes and without such a tail, is
aligned as if it were not.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from ..skeleton import END_PARENTS, ENDS, INDEX, JOINT_PARENTS, Skeleton
from .mapping import Mapping
from .rig import Rig

# Degrees between ankles-to-shoulders and the vertical up to which a rig counts as upright, however it crouches or leans; and up to
# which this fades out, until a rig counts as lying.
_UPRIGHT, _LYING = 30.0, 60.0
_LEANS, _TILTED = 5.0, 10.0  # degrees, the same for a straight body: people lean by some, more is the object's tilt
_CLAVICLE_SHARE, _CLAVICLE_MOST = 0.5, 12.0  # of the angle; degrees
_FINGERS = 3  # children of a hand or foot from which on they are fingers or toes: fewer may be a thumb, a heel or what it carries
_BENDS = 75.0  # degrees that a wrist bends and a foot turns out or points down at most
_NEARLY = 30.0  # degrees off its expected direction up to which a hand or foot is believed to go where less than `_FINGERS` children are
_ALONG = 15.0  # degrees between a bone and the next joint up to which its rig's tails point along the limbs
_NEXT = {side + a: side + b for side in ("Left", "Right")
         for a, b in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Foot", "Toe"), ("Shoulder", "Arm"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))}
_LINES = {"Body": ("Foot", "Arm"), "Trunk": ("UpLeg", "Arm"), "Thighs": ("UpLeg", "Leg"), "Shins": ("Leg", "Foot"), "Feet": ("Foot", "Toe")}
"""Lines between the middles of left and right joints: those do not tell how far limbs are apart."""


def facing(rig: Rig, mapping: Mapping) -> np.ndarray:
    """(3, 3) the rig's own left, back and up as columns, in the world; up is the world's, as gravity is.

    Left is from hip joint to hip joint, as far as that line is level; of a rig on its side the front is, which tells left as well.
    """
    there = _Directions(rig, mapping, np.eye(3))
    across = there.across()
    back = rotations.unit(np.cross(there.lines["Body"], across))
    x = rotations.unit(across[:2] + abs(across[2]) * np.array([back[1], -back[0]]))
    return np.array([[x[0], -x[1], 0.0], [x[1], x[0], 0.0], [0.0, 0.0, 1.0]])


def stood_up(rig: Rig, mapping: Mapping, skeleton: Skeleton, frame: np.ndarray) -> np.ndarray:
    """(4,) what makes a rig stand whose object lies or is tilted, seen in the canonical frame; nothing for one that stands or crouches.

    frame: (3, 3) as `facing` gives it.
    """
    return _stood_up(_Directions(rig, mapping, frame), _canonical_directions(skeleton))


def rest_alignment(rig: Rig, mapping: Mapping, skeleton: Skeleton, frame: np.ndarray) -> dict[str, np.ndarray]:
    """Joint -> quaternion (4,) that takes the rig's rest pose to the T-pose, both seen in the canonical frame.

    frame: (3, 3) as `facing` gives it. The chains' inner bones share what "Spine" and "Neck" have.
    """
    there = _Directions(rig, mapping, frame)
    here = _canonical_directions(skeleton)
    upright = _stood_up(there, here)
    trunk = _exactly(there.lines["Trunk"], here["Trunk"], upright)
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
        aligned[shoulder] = _half_way(there.between(shoulder, arm), here[shoulder], trunk)
    for joint, parent in ((arm, shoulder), (forearm, arm), (hand, forearm)):
        aligned[joint] = _along(joint, there, here, aligned[parent]) if joint in there.bones else aligned[parent]


def _align_leg(aligned: dict[str, np.ndarray], side: str, there: _Directions, here: dict[str, np.ndarray], trunk: np.ndarray,
               upright: np.ndarray) -> None:
    thigh, shin, foot, toe = (side + part for part in ("UpLeg", "Leg", "Foot", "Toe"))
    aligned[thigh] = _along(thigh, there, here, trunk)
    aligned[shin] = _along(shin, there, here, aligned[thigh])
    aligned[foot] = _to_the_front(foot, there, here, upright) if foot in there.bones else aligned[shin]
    aligned[toe] = aligned[foot]


def _along(joint: str, there: _Directions, here: dict[str, np.ndarray], start: np.ndarray) -> np.ndarray:
    """`start`, turned on so that the joint's segment points as in the T-pose."""
    return _exactly(there.of(joint, _expected(here[joint], start)), here[joint], start)


def _expected(wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Where a segment points that `start` alone takes to `wanted`."""
    return rotations.rotate(rotations.inverse(start), rotations.unit(wanted))


def _exactly(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned on by the shortest arc so that it takes `direction` to `wanted`."""
    return rotations.multiply(rotations.between_vectors(rotations.rotate(start, direction), wanted), start)


def _half_way(direction: np.ndarray, wanted: np.ndarray, start: np.ndarray) -> np.ndarray:
    """`start`, turned on by half of what `_exactly` does, and by no more than a clavicle's neutral position can differ."""
    full = _exactly(direction, wanted, start)
    angle = np.degrees(rotations.angle_between(start, full))
    return rotations.slerp(start, full, np.minimum(_CLAVICLE_SHARE, _CLAVICLE_MOST / np.maximum(angle, 1e-9)))


def _stood_up(there: _Directions, here: dict[str, np.ndarray]) -> np.ndarray:
    """As `stood_up`; about the figure's own axes, so that its left stays its left from wherever it comes."""
    body, wanted = there.lines["Body"], here["Body"]
    full = rotations.from_matrix(_axes(np.array([1.0, 0.0, 0.0]), wanted) @ _axes(there.across(), body).T)
    angle = _degrees(body, wanted)
    share = max(_share(angle, _UPRIGHT, _LYING), _share(angle, _LEANS, _TILTED) * _straight(there.lines, here, full, angle))
    return rotations.slerp(rotations.IDENTITY, full, np.array(share))


def _straight(lines: dict[str, np.ndarray], here: dict[str, np.ndarray], full: np.ndarray, angle: float) -> float:
    """How sure it is, from 0 to 1, that a body `angle` degrees off the vertical is tilted with its object: nothing bends, and once stood
    up by `full` its feet are not farther from where they point in the T-pose."""
    off = {name: _degrees(rotations.rotate(full, line), here[name]) for name, line in lines.items()}
    bend = max(off[name] for name in ("Trunk", "Thighs", "Shins") if name in off)
    worse = off["Feet"] - _degrees(lines["Feet"], here["Feet"]) if "Feet" in off else 0.0
    # Who bends has some line at least as far off as the whole body is; who leans on flat feet has feet as far off.
    return (1.0 - _share(bend, 0.5 * angle, angle)) * (1.0 - _share(worse, 0.0, angle))


def _share(value: float, none: float, full: float) -> float:
    """From 0 at `none` to 1 at `full`, which is more."""
    return float(np.clip((value - none) / max(full - none, 1e-9), 0.0, 1.0))


def _axes(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(3, 3) left, back and up as columns, at right angles: up as given, left as near as can be."""
    z = rotations.unit(up)
    x = rotations.unit(left - (left @ z) * z)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    """Between two directions."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def _to_the_front(foot: str, there: _Directions, here: dict[str, np.ndarray], start: np.ndarray) -> np.ndarray:
    """`start`, turned about the vertical so that the foot has the T-pose's heading; unchanged for a foot that points down."""
    x, y, _ = rotations.rotate(start, there.of(foot, _expected(here[foot], start)))
    if np.hypot(x, y) < 0.3:
        return start
    turn = np.arctan2(here[foot][1], here[foot][0]) - np.arctan2(y, x)
    return rotations.multiply(rotations.from_rotation_vector(np.array([0.0, 0.0, turn])), start)


def _canonical_directions(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Where the motion's own skeleton points in its T-pose: joint -> (3,) towards the next joint, and what `_Directions` measures."""
    found = {joint: skeleton.rest_offsets[INDEX[after]] for joint, after in _NEXT.items()}
    found |= {END_PARENTS[end]: skeleton.end_offsets[i] for i, end in enumerate(ENDS)}
    rest = skeleton.rest_positions()
    middle = {part: 0.5 * (rest[INDEX["Left" + part]] + rest[INDEX["Right" + part]]) for line in _LINES.values() for part in line}
    return found | {name: middle[b] - middle[a] for name, (a, b) in _LINES.items()} | {"Neck": rest[INDEX["Head"]] - middle["Arm"]}


class _Directions:
    """Where the limbs of a rig point at rest, seen in its own frame (left, back, up).

    lines: `_LINES` -> (3,) unit vectors, those that the rig has; "Body" from the knees where there are no ankles.
    """

    def __init__(self, rig: Rig, mapping: Mapping, frame: np.ndarray) -> None:
        self.bones = {joint: rig.index(bone) for joint, bone in mapping.bones.items()}
        self._rig = rig
        self._heads = rig.heads_world @ frame
        self._tails = rig.to_world(rig.tails) @ frame
        both = {part for line in _LINES.values() for part in line if {"Left" + part, "Right" + part} <= self.bones.keys()}
        self.lines = {name: self._line(a, b) for name, (a, b) in _LINES.items() if {a, b} <= both}
        self.lines.setdefault("Body", self._line("Leg", "Arm"))

    def between(self, a: str, b: str) -> np.ndarray:
        """Unit vector from joint a's head to joint b's."""
        return _unit(self._heads[self.bones[b]] - self._heads[self.bones[a]])

    def across(self) -> np.ndarray:
        """Unit vector from the right hip joint to the left one, else, where they are one, as between the shoulder joints."""
        for part in ("UpLeg", "Arm"):
            across = self._heads[self.bones["Left" + part]] - self._heads[self.bones["Right" + part]]
            if across.any():
                return _unit(across)
        return np.array([1.0, 0.0, 0.0])

    def _middle(self, part: str) -> np.ndarray:
        return 0.5 * (self._heads[self.bones["Left" + part]] + self._heads[self.bones["Right" + part]])

    def _line(self, a: str, b: str) -> np.ndarray:
        return _unit(self._middle(b) - self._middle(a))

    def neck(self) -> np.ndarray:
        """Unit vector from the shoulder joints' middle to the head joint."""
        return _unit(self._heads[self.bones["Head"]] - self._middle("Arm"))

    def of(self, joint: str, expected: np.ndarray) -> np.ndarray:
        """Unit vector along the joint's segment: to the next joint, else what its children or its tail tell, else `expected` (3,)."""
        after = _NEXT.get(joint)
        if after in self.bones:
            return self.between(joint, after)
        # Elbows and knees bend by any angle and carry nothing but the limb.
        fingers, bends = (1, 180.0) if joint.endswith(("ForeArm", "Leg")) else (_FINGERS, _BENDS)
        children, tail = self._far_children(joint), self._tail(joint)
        there = _unit(children.mean(axis=0)) if len(children) else expected
        if len(children) >= fingers and _degrees(there, expected) < bends:
            return there
        if self._tails_tell(joint) and _degrees(tail, expected) < bends:
            return tail
        return there if _degrees(there, expected) < _NEARLY else expected

    def _far_children(self, joint: str) -> np.ndarray:
        """(N, 3) from the joint to those of its children that are knuckles, not the root of the thumb; and not twist bones that start
        where the joint is."""
        bone = self.bones[joint]
        children = self._heads[self._rig.children(bone)] - self._heads[bone]
        reach = np.linalg.norm(children, axis=-1)
        length = np.linalg.norm(self._tails[bone] - self._heads[bone])
        return children[reach > 0.5 * max(reach.max(initial=0.0), 0.5 * length)]

    def _tail(self, joint: str) -> np.ndarray:
        return _unit(self._tails[self.bones[joint]] - self._heads[self.bones[joint]])

    def _tails_tell(self, joint: str) -> bool:
        """Whether the bone above points to this joint: else tails lie along an axis of the world, of the joint or anywhere."""
        above = JOINT_PARENTS[joint] or joint
        return _degrees(self._tail(above), self.between(above, joint)) < _ALONG


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.array([0.0, 0.0, 1.0])

