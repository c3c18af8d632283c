"""The animated armature with its meshes as FBX, glTF or BVH, through Blender's own exporters.

Everything that an exporter looks at (selection, active object, mode, the scene's range) is put back afterwards. Limits: whole frames of
the scene's rate, as these exporters sample; BVH knows neither meshes nor where the armature object stands, only its size; an FBX without
a mesh has no rest pose of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from . import versions
from .bones import WithArmature
from .core.errors import InputError


def export_take(armature: Any, path: Path) -> None:
    """Writes the armature's present animation, from its first to its last key, and the meshes that it moves.

    The file's suffix says how: .fbx, .glb, .gltf or .bvh. Raises InputError with one sentence.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"{path.name} ends in none of {', '.join(_WRITERS)}; choose another name.")
    keys = [curve.range() for curve in versions.curves_of(armature)]
    if not keys:
        raise InputError(f"The armature '{armature.name}' has no action to export.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}; choose another one.")
    first, last = math.floor(min(k[0] for k in keys)), math.ceil(max(k[1] for k in keys))
    with _alone(armature, first, last):
        try:
            write(armature, path)
        except AttributeError as error:
            raise InputError(f"Blender's own add-on for {path.suffix} files is switched off; enable it in the preferences.") from error
        except RuntimeError as error:
            raise InputError(f"Blender could not write {path}: {' '.join(str(error).split())}") from error


@contextmanager
def _alone(armature: Any, first: int, last: int) -> Iterator[None]:
    """Only the armature and its meshes selected, in Object Mode, and the scene as long as the take, for a while."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    before = scene.frame_start, scene.frame_end, scene.frame_current, scene.frame_subframe
    active, selected = layer.objects.active, [o for o in layer.objects if o.select_get()]
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for thing in layer.objects:
        thing.select_set(thing == armature or (thing.type == "MESH" and thing.find_armature() == armature))
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
    """This take only, at every frame."""
    bpy.ops.export_scene.fbx(filepath=str(path), object_types={"ARMATURE", "MESH"}, add_leaf_bones=False, bake_anim_use_all_actions=False,
                             use_selection=True, bake_anim_use_nla_strips=False, bake_anim_simplify_factor=0.0)


def _write_gltf(armature: Any, path: Path) -> None:
    kind = "GLB" if path.suffix.lower() == ".glb" else "GLTF_SEPARATE"
    bpy.ops.export_scene.gltf(filepath=str(path), export_format=kind, use_selection=True, export_animation_mode="ACTIVE_ACTIONS",
                              export_optimize_animation_size=False)


def _write_bvh(armature: Any, path: Path) -> None:
    """In metres and Y up, as importers expect: the exporter leaves the object's scale out and writes Blender's own axes."""
    scene = bpy.context.scene
    scale = abs(armature.matrix_world.determinant()) ** (1 / 3)
    bpy.ops.export_anim.bvh(filepath=str(path), global_scale=scale, frame_start=scene.frame_start, frame_end=scene.frame_end)
    path.write_text(y_up(path.read_text(encoding="utf-8")), encoding="utf-8")


def y_up(bvh: str) -> str:
    """The text of a BVH with Z up as one with Y up: Blender's (x, y, z) is (x, z, -y) there, so that no number changes but signs."""
    renamed = {"Yposition": "Zposition", "Zposition": "Yposition", "Yrotation": "Zrotation", "Zrotation": "Yrotation"}
    lines: list[str] = []
    signs: list[int] = []
    moving = False
    for line in bvh.splitlines():
        words = line.split()
        if moving and len(words) == len(signs) and words[0] != "Frames:":
            line = " ".join(word if sign > 0 else _negated(word) for word, sign in zip(words, signs))
        elif words[:1] == ["OFFSET"]:
            line = line.replace(" ".join(words), f"OFFSET {words[1]} {words[3]} {_negated(words[2])}")
        elif words[:1] == ["CHANNELS"]:
            signs += [-1 if word in ("Yposition", "Yrotation") else 1 for word in words[2:]]
            line = line.replace(" ".join(words), " ".join(renamed.get(word, word) for word in words))
        moving = moving or words[:1] == ["MOTION"]
        lines.append(line)
    return "\n".join(lines) + "\n"


def _negated(number: str) -> str:
    return number[1:] if number.startswith("-") else f"-{number}"


_WRITERS: dict[str, Callable[[Any, Path], None]] = {".fbx": _write_fbx, ".glb": _write_gltf, ".gltf": _write_gltf, ".bvh": _write_bvh}


class ExportTake(WithArmature, bpy.types.Operator):
    """Write the selected armature, its meshes and its present animation as FBX, glTF or BVH"""

    bl_idname = "video_mocap.export_take"
    bl_label = "Export Take"
    __annotations__ = {"filepath": StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"}),
                       "filter_glob": StringProperty(default="*.fbx;*.glb;*.gltf;*.bvh", options={"HIDDEN"})}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Opens the file browser; the suffix of the name says which format."""
        self.filepath = "take.fbx"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def work(self, context: Any, armature: Any) -> None:
        """Writes the file."""
        export_take(armature, Path(bpy.path.abspath(self.filepath)))


CLASSES = (ExportTake,)
