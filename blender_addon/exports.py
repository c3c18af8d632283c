"""The animated armature with its meshes as FBX, glTF or BVH, through Blender's own exporters.

Everything that an exporter looks at (selection and what keeps from it, active object, mode, Rest Position, the scene's range and rate,
the action's range) is put back afterwards. Limits: whole frames of the scene's rate from 0 on, as these exporters sample; meshes that are
hidden stay behind; BVH knows neither meshes nor where the armature object stands, only how it is turned and its size; an FBX without a
mesh has no rest pose of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, StringProperty

from . import versions
from .bones import WithArmature
from .core.errors import InputError
from .core.export.scale_gltf import scale_gltf
from .core.export.turn_bvh import turned
from .core.rotations import to_matrix
from .rigs import metres_per_unit, read_rig

_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def export_take(armature: Any, path: Path) -> None:
    """Writes the armature's present animation (its action and its NLA strips), from first to last key, and the meshes that it moves.

    The file's suffix says how: .fbx, .glb, .gltf or .bvh. Raises InputError with one sentence.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path.name} ends in none of {', '.join(_WRITERS)}; choose another name.")
    keys = [tuple(curve.range()) for curve in versions.curves_of(armature)] + [
        (strip.frame_start, strip.frame_end) for strip in _strips(armature)]
    if not keys:
        raise InputError(f"The armature '{armature.name}' has no action to export.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; choose another one.")
    first, last = math.floor(min(k[0] for k in keys)), math.ceil(max(k[1] for k in keys))
    if first < 0:
        raise InputError(f"The take begins at frame {first}, and Blender's exporters at 0; move its keys there or later.")
    with _selectable(armature), _posing(armature.data), _alone(armature, first, last):
        try:
            write(armature, path)
        except AttributeError as error:
            raise InputError(f"Blender's own add-on for {path.suffix} files is switched off; enable it in the preferences.") from error
        except RuntimeError as error:
            raise InputError(f"Blender could not write {path}: {_reason(error)}.") from error


def _strips(armature: Any) -> list[Any]:
    """The NLA strips that play."""
    return versions.strips_of(armature) if armature.animation_data is not None and armature.animation_data.use_nla else []


def _reason(error: RuntimeError) -> str:
    """The last line that says something: before it stands the exporter's traceback, after it where Blender called it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")]
    return (lines or ["no reason was given"])[-1].rstrip(".")


def _meshes(armature: Any) -> list[Any]:
    """The meshes that the armature moves."""
    return [thing for thing in bpy.context.view_layer.objects if thing.type == "MESH" and armature in (thing.find_armature(), thing.parent)]


@contextmanager
def _selectable(armature: Any) -> Iterator[None]:
    """The armature is shown, and neither it nor its meshes are locked, for a while. Raises InputError where that is not enough."""
    if armature not in bpy.context.view_layer.objects.values():
        raise InputError(f"The armature '{armature.name}' is not in the present view layer; bring its collection back and try again.")
    owners = armature, *_meshes(armature), *bpy.context.scene.collection.children_recursive
    locked, hidden, off = [owner for owner in owners if owner.hide_select], armature.hide_get(), armature.hide_viewport
    try:
        for owner in locked:
            owner.hide_select = False
        armature.hide_viewport = False
        armature.hide_set(False)
        if not armature.visible_get():
            raise InputError(f"The armature '{armature.name}' is in a hidden collection; show that and try again.")
        yield
    finally:
        for owner in locked:
            owner.hide_select = True
        armature.hide_set(hidden)
        armature.hide_viewport = off


@contextmanager
def _posing(data: Any) -> Iterator[None]:
    """The armature's data in Pose Position, for a while: in Rest Position no take moves it."""
    position = data.pose_position
    data.pose_position = "POSE"
    try:
        yield
    finally:
        data.pose_position = position


@contextmanager
def _alone(armature: Any, first: int, last: int) -> Iterator[None]:
    """Only the armature and its meshes selected, in Object Mode, and the scene as long as the take, for a while."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    before = scene.frame_start, scene.frame_end, scene.frame_current, scene.frame_subframe
    active, selected = layer.objects.active, [o for o in layer.objects if o.select_get()]
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    wanted = [armature, *_meshes(armature)]
    for thing in layer.objects:
        thing.select_set(thing in wanted)
    layer.objects.active = armature
    scene.frame_start, scene.frame_end = first, last
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = before[:2]
        scene.frame_set(before[2], subframe=before[3])
        for thing in layer.objects:
            thing.select_set(thing in selected)
        layer.objects.active = active
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)


def _write_fbx(armature: Any, path: Path) -> None:
    """This take only, at every frame, under its own name: the exporter calls what it bakes by the scene's."""
    scene, action = bpy.context.scene, armature.animation_data.action
    name = scene.name
    scene.name = (action or armature).name
    try:
        bpy.ops.export_scene.fbx(filepath=str(path), object_types={"ARMATURE", "MESH"}, add_leaf_bones=False,
                                 bake_anim_use_all_actions=False, use_selection=True, bake_anim_use_nla_strips=False,
                                 bake_anim_simplify_factor=0.0)
    finally:
        scene.name = name


def _write_gltf(armature: Any, path: Path) -> None:
    """In metres: the exporter writes Blender's own units."""
    kind = "GLB" if path.suffix.lower() == ".glb" else "GLTF_SEPARATE"
    mode = "NLA_TRACKS"
    if versions.curves_of(armature):  # what plays beside strips is none of the file's single animations
        mode = "SCENE" if _strips(armature) else "ACTIVE_ACTIONS"
    with _timed(armature):
        action = armature.animation_data.action
        bpy.ops.export_scene.gltf(filepath=str(path), export_format=kind, use_selection=True, use_active_scene=True,
                                  export_animation_mode=mode, export_optimize_animation_size=False,
                                  export_nla_strips_merged_animation_name=action.name if action is not None else armature.name)
    unit = metres_per_unit(bpy.context.scene)
    if unit != 1.0:
        scale_gltf(path, unit)


@contextmanager
def _timed(armature: Any) -> Iterator[None]:
    """The scene's rate as the glTF exporter takes it, and the action as long as the scene, for a while: the exporter cuts off what an
    action lasts beyond a whole frame."""
    scene, action = bpy.context.scene, armature.animation_data.action
    base = scene.render.fps_base
    before = (action.use_frame_range, action.frame_start, action.frame_end) if action is not None else None
    scene.render.fps_base = versions.gltf_fps_base(base)
    try:
        if action is not None:
            action.use_frame_range, action.frame_start, action.frame_end = True, scene.frame_start, scene.frame_end
        yield
    finally:
        scene.render.fps_base = base
        if before is not None:
            action.frame_start, action.frame_end = before[1:]
            action.use_frame_range = before[0]


def _write_bvh(armature: Any, path: Path) -> None:
    """In metres and Y up, as importers expect: the exporter leaves the object's matrix out and writes Blender's own units and axes."""
    scene = bpy.context.scene
    scale = abs(armature.matrix_world.determinant()) ** (1 / 3) * metres_per_unit(scene)
    bpy.ops.export_anim.bvh(filepath=str(path), global_scale=scale, frame_start=scene.frame_start, frame_end=scene.frame_end)
    path.write_text(turned(path.read_text(encoding="utf-8"), _Y_UP @ to_matrix(read_rig(armature).world_rotation)), encoding="utf-8")


_WRITERS: dict[str, Callable[[Any, Path], None]] = {".fbx": _write_fbx, ".glb": _write_gltf, ".gltf": _write_gltf, ".bvh": _write_bvh}


class ExportTake(WithArmature, bpy.types.Operator):
    """Write the selected armature, its meshes and its present animation as FBX, glTF or BVH"""

    bl_idname = "video_mocap.export_take"
    bl_label = "Export Take"
    __annotations__ = {"filepath": StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"}),
                       "filter_glob": StringProperty(default="*.fbx;*.glb;*.gltf;*.bvh", options={"HIDDEN"}),
                       # By this name the file browser knows that it must warn of a file that would be replaced.
                       "check_existing": BoolProperty(default=True, options={"HIDDEN"})}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Opens the file browser; the suffix of the name says which format."""
        self.filepath = "take.fbx"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def work(self, context: Any, armature: Any) -> None:
        """Writes the file."""
        export_take(armature, Path(bpy.path.abspath(self.filepath)))


CLASSES = (ExportTake,)
