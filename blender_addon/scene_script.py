"""Builds the scene of `core.export.scene` in a fresh file and saves or exports it: `python -m blender_addon.scene_script`.

stdin: {"motion": path, "footage": path or null, "files": {"blend": path, "fbx": path, "glb": path}}. stdout: warnings and a
failure as JSON events of core.events. Exit code 0, 1. Runs under pip's bpy, which prints what it likes to the same stdout.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .apply import Take, apply_motion
from .core.errors import InputError
from .core.events import JsonReporter
from .core.files import refusals_told
from .core.motion import Motion
from .exports import export_take
from .footage import check_footage
from .takes import Solved

_FLOOR = 10.0  # metres, side of the grid


def build_scene(motion: Motion, footage: Path | None, name: str) -> Take:
    """A fresh file with the motion at the video's own rate and size, its camera, the footage, a floor and a light."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = max(1, round(motion.fps))
    scene.render.fps_base = scene.render.fps / motion.fps
    scene.render.resolution_x, scene.render.resolution_y = motion.camera.width, motion.camera.height
    scene.render.resolution_percentage = 100
    take = apply_motion(bpy.context, motion, name, None, 1.0, footage, camera=True)
    scene.frame_start = 1
    scene.frame_end = max(1, round(1 + float(motion.times[-1] - motion.times[0]) * motion.fps))
    armature = bpy.data.objects[take.armature]
    _add_figure(armature)
    _add_floor(scene, armature)
    _look_through_camera()
    return take


def _add_figure(armature: Any) -> None:
    """A plain body to render and to carry the bones through glTF: an octahedron for each bone, moved by it alone."""
    vertices: list[np.ndarray] = []
    faces: list[tuple[int, ...]] = []
    owners: list[tuple[str, range]] = []
    for bone in armature.data.bones:
        head, along = np.array(bone.head_local), np.array(bone.tail_local - bone.head_local)
        x, z = np.array(bone.x_axis), np.array(bone.z_axis)
        waist, thick = head + 0.15 * along, min(0.12 * bone.length, 0.05)
        first = len(vertices)
        vertices += [head, *(waist + thick * side for side in (x, z, -x, -z)), head + along]
        faces += [(first, first + 1 + k, first + 1 + (k + 1) % 4) for k in range(4)]
        faces += [(first + 5, first + 1 + (k + 1) % 4, first + 1 + k) for k in range(4)]
        owners.append((bone.name, range(first, first + 6)))
    mesh = bpy.data.meshes.new("Figure")
    mesh.from_pydata([tuple(v) for v in vertices], [], faces)
    figure = bpy.data.objects.new("Figure", mesh)
    bpy.context.scene.collection.objects.link(figure)
    for name, members in owners:
        figure.vertex_groups.new(name=name).add(list(members), 1.0, "REPLACE")
    figure.parent = armature
    figure.modifiers.new("Armature", "ARMATURE").object = armature
    material = bpy.data.materials.new("Figure")
    material.diffuse_color = (0.9, 0.35, 0.08, 1.0)
    mesh.materials.append(material)


def _add_floor(scene: Any, armature: Any) -> None:
    """A metre grid on the ground, drawn as lines so that the footage shows through, a sun and a grey world."""
    steps = int(_FLOOR)
    line = np.arange(steps + 1) - _FLOOR / 2
    vertices = [(float(x), float(y), 0.0) for y in line for x in line]
    size = steps + 1
    edges = [(r * size + c, r * size + c + 1) for r in range(size) for c in range(steps)]
    edges += [(r * size + c, (r + 1) * size + c) for r in range(steps) for c in range(size)]
    mesh = bpy.data.meshes.new("Floor")
    mesh.from_pydata(vertices, edges, [])
    floor = bpy.data.objects.new("Floor", mesh)
    floor.hide_select = True
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy = 3.0
    sun.rotation_euler = (math.radians(40), math.radians(15), 0.0)
    for thing in (floor, sun):
        scene.collection.objects.link(thing)
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (0.25, 0.25, 0.25)


def _look_through_camera() -> None:
    """Every 3D view of the file opens in the camera's view."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"


@contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """Gives another name beside `path` to write to, and moves it there once all is written: a full disk costs no older file."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        with refusals_told(path):
            yield partial
            os.replace(partial, path)
    except (InputError, RuntimeError) as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise InputError(f"There is no room for {path}; make room, or choose another place.") from error
        said = str(error).replace(str(partial), str(path))
        raise type(error)(said if str(path) in said else f"{path} could not be written: {said}") from error
    finally:
        partial.unlink(missing_ok=True)


def save_blend(path: Path) -> None:
    """Saves the file with the footage's path relative to it, so that the folder can be moved. Raises OSError."""
    for image in bpy.data.images:
        if image.filepath:
            image.filepath = _relative(Path(bpy.path.abspath(image.filepath)), path.parent)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, relative_remap=False, copy=True)
    try:
        with bpy.data.libraries.load(str(path)):  # on a full disk Blender says that it saved, and the end is missing
            pass
    except OSError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def _relative(file: Path, folder: Path) -> str:
    try:
        return "//" + os.path.relpath(file, folder).replace(os.sep, "/")
    except ValueError:  # another drive on Windows
        return str(file)


def _that_can_be_shown(footage: str | None) -> Path | None:
    """The footage; None, with a warning, for a folder of images that Blender cannot show: the rest of the scene is as good."""
    try:
        if footage is not None:
            check_footage(Path(footage))
            return Path(footage)
    except InputError as error:
        print(flush=True)  # whatever bpy has left on the line before
        JsonReporter(sys.stdout).warning(str(error))
    return None


def main() -> int:
    """Does what stdin asks for; returns the exit code."""
    try:
        request = json.loads(sys.stdin.readline())
        solved, footage = Solved.load(Path(request["motion"])), request["footage"]
        name = Path(footage).stem if footage else "Take"
        take = build_scene(solved.motion, _that_can_be_shown(footage), name)
        solved.note_on(take, 1)
        files = {kind: Path(path) for kind, path in request["files"].items()}
        for kind, path in files.items():
            with in_place(path) as partial:
                if kind == "blend":
                    save_blend(partial)
                else:
                    export_take(bpy.data.objects[take.armature], partial)
        return 0
    except (InputError, RuntimeError, OSError) as error:
        print(flush=True)  # whatever bpy has left on the line before
        JsonReporter(sys.stdout).error(" ".join(str(error).split()), "input" if isinstance(error, InputError) else "fault")
        return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # bpy 4.2 crashes when it is taken down after a glTF export; everything is written by now
