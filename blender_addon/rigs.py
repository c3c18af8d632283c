"""Armatures: read one as plain arrays for `core.retarget`, or make a new one with the motion's own skeleton."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from . import versions
from .core.errors import InputError
from .core.retarget import Rig
from .core.retarget.maps.switches import FK_SWITCHES
from .core.retarget.placement import SOLE_BELOW_TOE
from .core.retarget.vrm import declared_bones
from .core.skeleton import END_PARENTS, ENDS, INDEX, JOINT_PARENTS, JOINTS, Skeleton

NEW_NAME = "Video Mocap"
_SAME_PLACE = 0.002  # metres: bones are no others for it
# The child that a bone points to; the others end at `ENDS`.
_POINTS_TO = {"Hips": "Spine", "Spine": "Spine1", "Spine1": "Neck", "Neck": "Head"} | {
    side + a: side + b for side in ("Left", "Right")
    for a, b in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Foot", "Toe"), ("Shoulder", "Arm"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))}


def chosen_armature(context: Any) -> Any | None:
    """The armature that an import goes onto: the active object if it is a selected one or is being posed, else the one that is selected,
    else the one that deforms the active and selected object, else None (a new one)."""
    active = context.view_layer.objects.active
    if active is not None and active.type == "ARMATURE" and (active.select_get() or active.mode != "OBJECT"):
        return active
    armatures = [thing for thing in context.view_layer.objects.selected if thing.type == "ARMATURE"]
    if len(armatures) == 1:
        return armatures[0]
    rig = active.find_armature() if active is not None and active.select_get() else None
    return rig if rig in context.view_layer.objects.values() else None


def read_rig(armature: Any) -> Rig:
    """The armature object as arrays. Raises InputError with one sentence when it cannot be animated."""
    label = f"The armature '{armature.name}'"
    if armature.library is not None:
        raise InputError(f"{label} is linked from another file; make a library override of it and try again.")
    bones = _parents_first(armature.data.bones)
    posed = [armature.pose.bones.get(b.name) for b in bones] if armature.pose else []
    if not bones or None in posed:
        raise InputError(f"{label} has no bones to pose; leave Edit Mode if you are in it, or select another armature.")
    index = {b.name: i for i, b in enumerate(bones)}
    return Rig(
        names=tuple(index), parents=np.array([index[b.parent.name] if b.parent else -1 for b in bones]),
        rest=np.array([b.matrix_local for b in bones]), tails=np.array([b.tail_local for b in bones]),
        world=np.array(armature.matrix_world), modes=tuple(p.rotation_mode for p in posed),
        connected=np.array([b.use_connect and b.parent is not None for b in bones]),
        inherits_rotation=np.array([b.use_inherit_rotation for b in bones]),
        local_location=np.array([b.use_local_location for b in bones]),
        basis=np.array([p.matrix_basis.to_quaternion() for p in posed]), label=label,
        controls=np.array([_is_control(p) for p in posed]), switches=_switches(posed), declared=_declared(armature.data))


def _is_control(bone: Any) -> bool:
    """Whether an animator is meant to turn the pose bone."""
    return bone.custom_shape is not None and sum(bone.lock_rotation) < 2 and not len(bone.constraints)


def _switches(posed: list[Any]) -> tuple[tuple[str, str, float], ...]:
    return tuple((p.name, f'["{name}"]', value) for p in posed for name, value in FK_SWITCHES.items() if name in p.keys())  # noqa: SIM118


def _declared(data: Any) -> dict[str, str]:
    """What a VRM model says of its bones."""
    return declared_bones(versions.extension_values(data, "vrm_addon_extension"))


def _parents_first(bones: Any) -> list[Any]:
    found = [b for b in bones if b.parent is None]
    for bone in found:  # grows while it is walked
        found.extend(bone.children)
    return found


def metres_per_unit(scene: Any) -> float:
    """How long the scene says that one of Blender's units is; without a unit system the scale means nothing."""
    return 1.0 if scene.unit_settings.system == "NONE" else float(scene.unit_settings.scale_length)


def new_armature(context: Any, skeleton: Skeleton) -> Any:
    """A new armature in the scene with the skeleton's bones in the rest T-pose on the floor, metres of the scene's own unit; selected,
    active, Object Mode."""
    if context.view_layer.objects.active is not None and context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    data = bpy.data.armatures.new(NEW_NAME)
    armature = bpy.data.objects.new(NEW_NAME, data)
    context.scene.collection.objects.link(armature)
    for other in context.selected_objects:
        other.select_set(False)
    armature.select_set(True)
    context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    _add_bones(data.edit_bones, skeleton, 1 / metres_per_unit(context.scene))
    bpy.ops.object.mode_set(mode="OBJECT")
    data.display_type = "OCTAHEDRAL"
    armature.show_in_front = True
    return armature


def has_skeleton(rig: Rig, skeleton: Skeleton, scene: Any) -> bool:
    """Whether the rig is what `new_armature` makes of the skeleton, wherever it stands and however it is turned: joints of the same names,
    as far apart. A motion that is solved again from corrected keypoints may have slightly other bones."""
    if not set(JOINTS) <= set(rig.names):
        return False
    size = np.linalg.norm(rig.world[:3, :3], axis=0) * metres_per_unit(scene)
    heads = rig.rest[[rig.index(name) for name in JOINTS], :3, 3] * size
    apart = [np.linalg.norm(places[:, None] - places, axis=-1) for places in (heads, skeleton.rest_positions())]
    return bool(np.abs(apart[0] - apart[1]).max() < _SAME_PLACE)


def _add_bones(edit_bones: Any, skeleton: Skeleton, scale: float) -> None:
    """scale: Blender's units in a metre."""
    heads = skeleton.rest_positions()
    heads[:, 2] += SOLE_BELOW_TOE - heads[[INDEX["LeftToe"], INDEX["RightToe"]], 2].min()
    for name in JOINTS:
        bone = edit_bones.new(name)
        bone.head = scale * heads[INDEX[name]]
        bone.tail = scale * _tail(name, heads, skeleton)
        # Local X is the axis about which knees and elbows bend: Z to the front, for bones that lie that way upwards.
        forward = abs(bone.vector.normalized().y) > 0.7
        bone.align_roll((0.0, 0.0, 1.0) if forward else (0.0, -1.0, 0.0))
        parent = JOINT_PARENTS[name]
        if parent is not None:
            bone.parent = edit_bones[parent]
            bone.use_connect = _POINTS_TO.get(parent) == name


def _tail(name: str, heads: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    if name in _POINTS_TO:
        return heads[INDEX[_POINTS_TO[name]]]
    end = next(e for e, parent in END_PARENTS.items() if parent == name)
    return heads[INDEX[name]] + skeleton.end_offsets[ENDS.index(end)]
