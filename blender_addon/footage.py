"""The camera that took the video, with the video behind it.

The camera follows the figure's `Placement`, so that the figure covers the person in the picture on any rig in any place. The
scene's frame rate is the user's: where it is not the video's, the picture's frame offset is keyed, so that film and motion run
together. Limits: lens distortion is not modelled, and Blender's cameras have square pixels.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import versions
from .core import rotations
from .core.errors import InputError
from .core.motion import Camera, Motion
from .core.retarget import Placement
from .curves import key_curves

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".exr"}
SENSOR = 36.0  # millimetres, full frame
_STILL = 1e-6  # metres and radians: a camera that moves less is not keyed


def add_camera(context: Any, motion: Motion, placement: Placement, frames: np.ndarray, footage: Path | None, name: str) -> Any:
    """A camera in the scene that sees what the video's camera saw, the footage behind it; the scene's active camera only if it had none."""
    data = bpy.data.cameras.new(f"{name} camera")
    camera = bpy.data.objects.new(f"{name} camera", data)
    context.scene.collection.objects.link(camera)
    render = context.scene.render
    set_lens(data, motion.camera, render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y))
    _place(camera, motion.camera, placement, frames, name)
    if footage is not None:
        _show_footage(data, footage, motion, frames, name)
    if context.scene.camera is None:
        context.scene.camera = camera
    return camera


def set_lens(data: Any, camera: Camera, aspect: float) -> None:
    """Focal length, shift and sensor of Blender's camera from K; `aspect`: width over height of the render frame."""
    # The video is fitted into the frame: the side that touches the frame's edges is the one that the field of view belongs to.
    wide = camera.width / camera.height >= aspect
    size, focal = (camera.width, camera.K[0, 0]) if wide else (camera.height, camera.K[1, 1])
    data.sensor_fit = "HORIZONTAL" if wide else "VERTICAL"
    data.sensor_width = data.sensor_height = SENSOR
    data.lens = SENSOR * float(focal) / size
    data.shift_x = (0.5 * camera.width - float(camera.K[0, 2])) / size
    data.shift_y = (float(camera.K[1, 2]) - 0.5 * camera.height) / size


def _place(camera: Any, source: Camera, placement: Placement, frames: np.ndarray, name: str) -> None:
    places = placement(np.einsum("tji,tj->ti", source.R, -source.t))
    # From OpenCV's axes (y down, z forward) to Blender's camera (y up, looking along -z).
    turns = rotations.continuous(rotations.from_matrix(
        placement.turn @ np.swapaxes(source.R, 1, 2) @ np.diag([1.0, -1.0, -1.0])))
    camera.rotation_mode = "QUATERNION"
    camera.location, camera.rotation_quaternion = places[0], turns[0]
    if np.ptp(places, axis=0).max() < _STILL and rotations.angle_between(turns[0], turns).max() < _STILL:
        return
    action, curves = versions.new_take(camera, f"{name} camera")
    key_curves(curves, "location", "Camera", frames, places)
    key_curves(curves, "rotation_quaternion", "Camera", frames, turns)
    versions.assign_take(camera, action)


def _show_footage(data: Any, footage: Path, motion: Motion, frames: np.ndarray, name: str) -> None:
    image, first = _load(footage)
    data.show_background_images = True
    behind = data.background_images.new()
    behind.image, behind.alpha, behind.display_depth, behind.frame_method = image, 1.0, "BACK", "FIT"
    user = behind.image_user
    user.frame_start = round(float(frames[0]))
    user.use_auto_refresh = True
    scene_frames = np.arange(user.frame_start, int(np.ceil(frames[-1])) + 1)
    shown = first + np.round(np.interp(scene_frames, frames, motion.times) * _rate(footage, motion)).astype(int)
    user.frame_duration = max(int(image.frame_duration), int(shown[-1]), 1)
    # Blender shows the picture with the number (scene frame - start + 1 + offset).
    offsets = shown - (scene_frames - user.frame_start + 1)
    user.frame_offset = int(offsets[0])
    changes = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1))
    if len(changes) > 1:
        action, curves = versions.new_take(data, f"{name} footage")
        key_curves(curves, "background_images[0].image_user.frame_offset", "Footage", scene_frames[changes].astype(float),
                   offsets[changes, None].astype(float), "CONSTANT")
        versions.assign_take(data, action)


def _load(footage: Path) -> tuple[Any, int]:
    """Blender's image of a video file or a folder of numbered images, and the number of its first picture."""
    if not footage.is_dir():
        return bpy.data.images.load(str(footage), check_existing=True), 1
    numbered = [(int(found[-1]), file) for file in footage.iterdir()
                if file.suffix.lower() in _IMAGE_SUFFIXES and (found := re.findall(r"\d+", file.stem))]
    if not numbered:
        raise InputError(f"There are no numbered images in {footage} to show behind the camera.")
    first, file = min(numbered)
    image = bpy.data.images.load(str(file), check_existing=True)
    image.source = "SEQUENCE"
    return image, first


def _rate(footage: Path, motion: Motion) -> float:
    """Pictures a second of the footage; a motion may have been resampled to another rate."""
    if footage.is_dir():
        return motion.fps
    clip = bpy.data.movieclips.load(str(footage))
    try:
        return float(clip.fps) or motion.fps
    finally:
        bpy.data.movieclips.remove(clip)
