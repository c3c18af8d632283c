"""Which bone is which joint, shown in the panel: what is doubtful, what the user corrects, and presets of it.

A preset of the user comes before anything that the add-on finds by itself; what stands in the panel's list for this armature comes
before both. The list is kept with the scene, so that the user's rig holds nothing of ours.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import CollectionProperty, FloatProperty, PointerProperty, StringProperty

from .core.errors import InputError
from .core.retarget import Mapping, check_mapping, map_rig
from .core.retarget.presets import fitting_preset, load_preset, save_preset
from .core.skeleton import JOINTS
from .rigs import chosen_armature, read_rig

_CHAINS = ("Spine", "Neck")
_SINGLE = tuple(j for j in JOINTS if j not in ("Spine", "Spine1", "Neck"))
_ENDS = ("LeftFoot", "RightFoot", "LeftHand", "RightHand")
_SURE = 0.5


class BoneOfJoint(bpy.types.PropertyGroup):
    """One row of the list: the chains of spine and neck have several with the same joint."""

    __annotations__ = {
        "joint": StringProperty(), "bone": StringProperty(name="Bone", description="The bone that moves as this joint does"),
        "score": FloatProperty(default=1.0)}


class BoneList(bpy.types.PropertyGroup):
    """The rows for one armature, whatever it is called by now; empty: the add-on finds the bones itself."""

    __annotations__ = {"armature": PointerProperty(type=bpy.types.Object), "rows": CollectionProperty(type=BoneOfJoint)}


def presets_folder() -> Path:
    """Where the user's presets are."""
    return Path(bpy.utils.user_resource("SCRIPTS", path="presets")) / "video_mocap"


def find_mapping(armature: Any) -> Mapping:
    """The user's preset for such bones, else what the add-on finds. Raises InputError with one sentence."""
    rig = read_rig(armature)
    preset = fitting_preset(presets_folder(), rig.names)
    return check_mapping(rig, preset) if preset is not None else map_rig(rig)


def chosen_mapping(scene: Any, armature: Any | None) -> Mapping | None:
    """What the panel's list says about this armature, or a preset; None when the add-on is to find the bones itself."""
    if armature is None:
        return None
    listed = scene.video_mocap.bones
    if _is_for(listed, armature):
        return _from_rows(_rows(listed))
    return fitting_preset(presets_folder(), tuple(b.name for b in armature.data.bones))


def mapping_in_force(scene: Any, armature: Any) -> tuple[Mapping | None, str]:
    """What an import onto the armature goes by, as `found_mapping`: the panel's list where that is filled for it, else what is found."""
    listed = scene.video_mocap.bones
    return _checked(_rows(listed), *_state(armature)) if _is_for(listed, armature) else found_mapping(armature)


def found_mapping(armature: Any) -> tuple[Mapping | None, str]:
    """(mapping, "") or (None, why there is none), kept for as long as the object stands as it does and the bones stay where they are: the
    panel is drawn often."""
    return _found(*_state(armature))


_Rows = tuple[tuple[str, str], ...]  # (joint, bone)
_State = tuple[int, tuple[str, ...], bytes, tuple[float, ...], bool]


def _state(armature: Any) -> _State:
    """Which armature this is, and what of it decides about its mapping."""
    places = np.empty(3 * len(armature.data.bones), dtype=np.float32)
    armature.data.bones.foreach_get("head_local", places)
    return (armature.session_uid, tuple(b.name for b in armature.data.bones), places.tobytes(),
            _stance(armature.matrix_world.to_3x3()), armature.library is None)


def _stance(matrix: Any) -> tuple[float, ...]:
    """What of how an object stands may change what is found: which way is up for it, roughly, and whether it has a size or is mirrored.

    Not all of the matrix, or an object that turns or grows would be searched again whenever the panel is drawn.
    """
    size = matrix.determinant()
    return *(round(v, 1) for v in matrix.row[2].normalized()), float(np.sign(size) if abs(size) > 1e-18 else 0.0)


@functools.lru_cache(maxsize=8)
def _found(uid: int, bones: tuple[str, ...], places: bytes, stance: tuple[float, ...], own: bool) -> tuple[Mapping | None, str]:
    try:
        return find_mapping(next(o for o in bpy.data.objects if o.session_uid == uid)), ""
    except InputError as error:
        return None, str(error)


@functools.lru_cache(maxsize=8)
def _checked(rows: _Rows, uid: int, bones: tuple[str, ...], places: bytes, stance: tuple[float, ...],
             own: bool) -> tuple[Mapping | None, str]:
    try:
        return check_mapping(read_rig(next(o for o in bpy.data.objects if o.session_uid == uid)), _from_rows(rows)), ""
    except InputError as error:
        return None, str(error)


def _is_for(listed: Any, armature: Any) -> bool:
    """Whether the panel's list says which bones of this armature are joints."""
    return listed.armature == armature and len(listed.rows) > 0


def _rows(listed: Any) -> _Rows:
    return tuple((row.joint, row.bone) for row in listed.rows)


def _from_rows(rows: _Rows) -> Mapping:
    chains = {chain: tuple(bone for joint, bone in rows if joint == chain and bone) for chain in _CHAINS}
    joints = {joint: bone for joint, bone in rows if joint in _SINGLE and bone}
    return Mapping("the list", joints, chains["Spine"], chains["Neck"])


def _fill(listed: Any, armature: Any, mapping: Mapping) -> None:
    listed.rows.clear()
    listed.armature = armature
    for joint in JOINTS:
        if joint == "Spine1":
            continue
        chain = {"Spine": (*mapping.spine, ""), "Neck": (*mapping.neck, "")}.get(joint, (mapping.joints.get(joint, ""),))
        for bone in chain:
            row = listed.rows.add()
            row.joint, row.bone, row.score = joint, bone, mapping.scores.get(joint, 1.0)


class WithArmature:
    """For operators that need an armature to go onto."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """With an armature selected."""
        there = chosen_armature(context) is not None
        if not there:
            cls.poll_message_set("Select an armature")  # type: ignore[attr-defined]
        return there

    def execute(self, context: Any) -> set[str]:
        """Calls `work` and reports what is wrong."""
        try:
            self.work(context, chosen_armature(context))
            return {"FINISHED"}
        except InputError as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}

    def work(self, context: Any, armature: Any) -> None:
        """What the operator does. Raises InputError."""
        raise NotImplementedError


class ShowBones(WithArmature, bpy.types.Operator):
    """List which bone is which joint, to look at and to correct"""

    bl_idname = "video_mocap.show_bones"
    bl_label = "Find Bones"
    bl_options = {"UNDO"}

    def work(self, context: Any, armature: Any) -> None:
        """Fills the list; with nothing found, the rows are there to be filled in."""
        _found.cache_clear()  # the shapes of controls and a model's metadata may have changed: these are not asked for
        mapping, problem = found_mapping(armature)
        _fill(context.scene.video_mocap.bones, armature, mapping or Mapping("", {}))
        if problem:
            raise InputError(problem)


class ForgetBones(WithArmature, bpy.types.Operator):
    """Drop the list: the add-on finds the bones itself"""

    bl_idname = "video_mocap.forget_bones"
    bl_label = "Forget"
    bl_options = {"UNDO"}

    def work(self, context: Any, armature: Any) -> None:
        """Empties the list."""
        listed = context.scene.video_mocap.bones
        listed.rows.clear()
        listed.armature = None  # or the file would keep the object when it is deleted


class SavePreset(WithArmature, bpy.types.Operator):
    """Keep the listed bones as a preset; every rig with these bones is then mapped so"""

    bl_idname = "video_mocap.save_bones"
    bl_label = "Save as Preset"
    __annotations__ = {"name": StringProperty(name="Name", options={"SKIP_SAVE"})}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Asks for the name."""
        return context.window_manager.invoke_props_dialog(self)

    def work(self, context: Any, armature: Any) -> None:
        """Writes the preset, if it can be meant."""
        mapping = chosen_mapping(context.scene, armature)
        if mapping is None:
            raise InputError("There is no list of bones to save; press 'Find Bones' first.")
        save_preset(presets_folder(), self.name, check_mapping(read_rig(armature), mapping))
        _found.cache_clear()


class LoadPreset(WithArmature, bpy.types.Operator):
    """Take the bones from a preset file"""

    bl_idname = "video_mocap.load_bones"
    bl_label = "Load Preset"
    bl_options = {"UNDO"}
    __annotations__ = {"filepath": StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"}),
                       "filter_glob": StringProperty(default="*.json", options={"HIDDEN"})}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Opens the file browser where the presets are."""
        self.filepath = str(presets_folder()) + "/"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def work(self, context: Any, armature: Any) -> None:
        """Fills the list from the file."""
        mapping = load_preset(Path(bpy.path.abspath(self.filepath)))
        _fill(context.scene.video_mocap.bones, armature, check_mapping(read_rig(armature), mapping))


def draw_bones(layout: Any, context: Any, armature: Any) -> None:
    """The list with its buttons."""
    listed = context.scene.video_mocap.bones
    row = layout.row(align=True)
    row.operator("video_mocap.show_bones")
    row.operator("video_mocap.load_bones", text="", icon="FILE_FOLDER")
    if not _is_for(listed, armature):
        _draw_doubts(layout, armature)
        return
    row.operator("video_mocap.save_bones", text="", icon="FILE_TICK")
    row.operator("video_mocap.forget_bones", text="", icon="X")
    column = layout.column(align=True)
    for entry in listed.rows:
        doubtful = entry.score < _SURE or (not entry.bone and entry.joint in _SINGLE)
        column.prop_search(entry, "bone", armature.data, "bones", text=entry.joint, icon="ERROR" if doubtful else "BONE_DATA")


def _draw_doubts(layout: Any, armature: Any) -> None:
    """Which bones are worth a look, and which feet and hands have none: a figure without them is rare, a rig that hides them is not."""
    mapping, _ = found_mapping(armature)
    if mapping is None:
        return
    for title, joints in (("Doubtful", mapping.doubtful), ("Not found", tuple(j for j in _ENDS if j not in mapping.bones))):
        if joints:
            layout.label(text=f"{title}: " + ", ".join(joints[:4]) + (", ..." if len(joints) > 4 else ""), icon="ERROR")


CLASSES = (ShowBones, ForgetBones, SavePreset, LoadPreset)
PROPERTIES = (BoneOfJoint, BoneList)
