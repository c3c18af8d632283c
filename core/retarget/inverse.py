"""The same motion on the inverse-kinematics controls of a rig: where hands and feet are, and which way knees and elbows point.

Method: an IK control moves rigidly with the FK bone that it stands for; its pole lies on the side to which the joint in the middle bends.
A toe's IK control hangs from the foot's and turns against it as the FK toe does against the FK foot.
Limits: only rigs whose map names these controls; what the controls hang from counts as it is posed now; a toe whose rig has no IK control
for it stays with its FK control.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .. import rotations
from ..errors import InputError
from .mapping import LIMB_OF, Mapping
from .pose import Pose
from .rig import Rig
from .transfer import RigMotion

CONTROLS = ("fk", "ik", "both")
"""What is keyed for arms and legs; with both, the FK controls act until the user switches."""

_STRAIGHT = 0.02  # of the limb's length: a middle joint nearer to the line than this bends as the upper bone's rest pose says


def with_controls(rig: Rig, mapping: Mapping, moved: RigMotion, controls: str) -> tuple[Rig, RigMotion]:
    """The motion with what `controls`, one of `CONTROLS`, asks for, and the rig with the switches that belong to it.

    Raises InputError when the rig has no IK controls that its map knows.
    """
    if controls == "fk":
        return rig, moved
    if not mapping.ik:
        raise InputError(f"{rig.label} has no inverse-kinematics controls that this add-on knows; choose FK.")
    pose = Pose(rig, {}, {rig.index(b): q for b, q in moved.rotations.items()}, {rig.index(b): p for b, p in moved.locations.items()})
    turned, places = dict(moved.rotations), dict(moved.travel)
    replaced = set()
    for end, (control, *poles) in mapping.ik.items():
        if end not in mapping.joints:
            continue
        bone = mapping.joints[end]
        replaced.add(bone)
        if end.endswith("Toe"):
            turned[control] = _toe_control(rig, pose, bone, mapping.joints[end[:-3] + "Foot"], control)
            continue
        turned[control], places[control] = _end_control(rig, pose, bone, control)
        upper, middle = (mapping.joints[joint] for joint in LIMB_OF[end][:2])
        for pole in poles:
            places[pole] = _pole(rig, pose, (upper, middle, bone), pole)
        replaced |= {upper, middle}
    if controls == "ik":
        turned = {bone: quaternions for bone, quaternions in turned.items() if bone not in replaced}
        rig = dataclasses.replace(rig, switches=mapping.ik_switches)
    else:
        # All but what makes FK act, so that the user needs to change nothing else.
        kept = {(bone, prop) for bone, prop, _ in rig.switches}
        rig = dataclasses.replace(rig, switches=(*rig.switches, *(s for s in mapping.ik_switches if s[:2] not in kept)))
    return rig, dataclasses.replace(moved, rotations=turned, travel=places)


def _toe_control(rig: Rig, pose: Pose, toe: str, foot: str, control: str) -> np.ndarray:
    """(T, 4) rotation of the toe's control, which goes along with the foot's."""
    t, f = rig.index(toe), rig.index(foot)
    turns = [rotations.multiply(pose.of(b), rotations.inverse(rig.rest_rotations[b])) for b in (f, t)]
    against = rotations.multiply(rotations.inverse(turns[0]), turns[1])
    rest = rig.rest_rotations[rig.index(control)]
    return rotations.continuous(rotations.multiply(rotations.inverse(rest), rotations.multiply(against, rest)))


def _end_control(rig: Rig, pose: Pose, bone: str, control: str) -> tuple[np.ndarray, np.ndarray]:
    """(T, 4) rotation and (T, 3) location of the control that stands for the bone."""
    b, c = rig.index(bone), rig.index(control)
    turn = rotations.multiply(pose.of(b), rotations.inverse(rig.rest_rotations[b]))
    head = pose.head(b) + rotations.rotate(turn, rig.rest[c, :3, 3] - rig.rest[b, :3, 3])
    turned = rotations.multiply(rotations.inverse(pose.before(c)), rotations.multiply(turn, rig.rest_rotations[c]))
    return rotations.continuous(turned), _location(pose, c, head)


def _pole(rig: Rig, pose: Pose, limb: tuple[str, str, str], pole: str) -> np.ndarray:
    """(T, 3) location of the pole of a limb's upper, middle and end bone."""
    a, b, c = (rig.index(bone) for bone in limb)
    p = rig.index(pole)
    start, middle, end = pose.head(a), pose.head(b), pose.head(c)
    along = (end - start) / np.maximum(np.linalg.norm(end - start, axis=-1, keepdims=True), 1e-12)
    rest_way = rig.rest[p, :3, 3] - rig.rest[b, :3, 3]
    own = rotations.rotate(rotations.multiply(pose.of(a), rotations.inverse(rig.rest_rotations[a])), rest_way)
    length = np.linalg.norm(middle - start, axis=-1, keepdims=True) + np.linalg.norm(end - middle, axis=-1, keepdims=True)
    bend = (middle - start) - np.sum((middle - start) * along, axis=-1, keepdims=True) * along
    aside = bend / (_STRAIGHT * length) + 0.01 * (own - np.sum(own * along, axis=-1, keepdims=True) * along) / np.linalg.norm(rest_way)
    way = aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-12)
    return _location(pose, p, middle + np.linalg.norm(rest_way) * way)


def _location(pose: Pose, bone: int, head: np.ndarray) -> np.ndarray:
    return rotations.rotate(rotations.inverse(pose.location_axes(bone)), head - pose.head(bone))
