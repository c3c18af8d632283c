"""The camera that took the video, with the video behind it.

The camera follows the figure's `Placement`, so that the figure covers the person in the picture on any rig in any place, and zooms where
the video's did. The scene's frame rate is the user's: where it is not the video's, the picture's frame offset is keyed, so that film and
motion run together; where Blender ignores a phone's rotation flag, the picture is turned. Limits: lens distortion is not modelled,
Blender's cameras have square pixels, and a turned picture fits the frame that the scene had at the import.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import bpy
import numpy as np

from . import versions
from .core import rotations
from .core.errors import InputError
from .core.inputs import images_in
from .core.motion import Camera, Motion
from .core.retarget import Placement
from .curves import key_curves
from .rigs import metres_per_unit

SENSOR = 36.0  # millimetres, full frame
_NEAR, _FAR = 0.1, 1000.0  # metres from the camera: what it shows
_FILMS = ("MOVIE", "SEQUENCE")  # images that Blender loads anew for each camera
_TAKE = "Mocap Take"  # custom property of what is made here: of which take it is
_MADE = "Mocap Camera"  # custom property of a camera: its `_stance` when it was made
_LOOKS = ("show_background_images", "show_passepartout", "passepartout_alpha", "display_size", "show_limits", "show_name", "show_sensor")
_LOOKS_OF_FILM = ("alpha", "display_depth", "show_background_image", "show_on_foreground")
_STILL = 1e-6  # metres and radians: a camera that moves less is not keyed


class _Curve(NamedTuple):
    """What changes of the camera's lens and picture. frames, values: (K,)."""

    path: str
    frames: np.ndarray
    values: np.ndarray
    interpolation: str


def add_camera(context: Any, motion: Motion, placement: Placement, frames: np.ndarray, footage: Path | None, name: str) -> Any:
    """A camera in the scene that sees what the video's camera saw, the footage behind it; the scene's active camera only if it had none."""
    data = bpy.data.cameras.new(f"{name} camera")
    camera = bpy.data.objects.new(f"{name} camera", data)
    context.scene.collection.objects.link(camera)
    render = context.scene.render
    aspect = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    set_lens(data, motion.camera, aspect)
    # A metre of the motion may be longer or shorter on this rig than the scene says of its own.
    metres = placement.scale, 1 / metres_per_unit(context.scene)
    data.clip_start, data.clip_end = _NEAR * min(metres), _FAR * max(metres)
    _place(camera, motion.camera, placement, frames, name)
    changes = [] if motion.camera.zooms is None else [_Curve("lens", frames, data.lens * motion.camera.zooms, "LINEAR")]
    if footage is not None:
        changes += _show_footage(data, footage, motion, frames, aspect)
    if changes:
        action, curves = versions.new_take(data, f"{name} film")
        action[_TAKE] = name
        for change in changes:
            key_curves(curves, change.path, "Film", change.frames, change.values[:, None], change.interpolation)
        versions.assign_take(data, action)
    if context.scene.camera is None:
        context.scene.camera = camera
    return camera


def replace_earlier(scene: Any, camera: Any, take: str) -> None:
    """Puts the camera wherever the one is that was made for the same take before, under its name, and removes that one; where the user has
    made copies or another camera of it, these stay and the new one stands beside them."""
    camera[_TAKE], camera[_MADE] = take, _stance(camera)
    candidates = [o for o in scene.objects if o.type == "CAMERA" and o != camera and o.get(_TAKE) == take and o.library is None]
    if len(candidates) != 1 or not _is_as_made(candidates[0]):
        return
    (earlier,) = candidates
    _keep_looks(earlier, camera)
    names = earlier.name, earlier.data.name
    for collection in camera.users_collection:
        collection.objects.unlink(camera)  # or Blender 5.2 has it twice where both were
    earlier.user_remap(camera)
    _remove(earlier)
    camera.name, camera.data.name = names


def _keep_looks(earlier: Any, camera: Any) -> None:
    """Gives the camera what was chosen on the earlier one that does not change what it sees."""
    for name in _LOOKS:
        setattr(camera.data, name, getattr(earlier.data, name))
    for old, new in zip(earlier.data.background_images, camera.data.background_images):
        for name in _LOOKS_OF_FILM:
            setattr(new, name, getattr(old, name))
    for old, new in ((earlier, camera), (earlier.data, camera.data)):
        for name in set(old.keys()) - set(new.keys()):
            new[name] = old[name]


def _stance(camera: Any) -> str:
    """By which it is known whether the camera still stands, looks and moves as it was made: where it stands and how it is turned, its focal
    length, and the keys of both."""
    whole = hashlib.sha256()
    for owner, still in ((camera, [*camera.location, *camera.rotation_quaternion]), (camera.data, [camera.data.lens])):
        curves = versions.curves_of(owner)
        for curve in curves:
            keys = np.zeros(2 * len(curve.keyframe_points), np.float32)
            curve.keyframe_points.foreach_get("co", keys)
            whole.update(f"{curve.data_path} {curve.array_index}".encode() + keys.tobytes())
        whole.update(b"" if curves else np.array(still, np.float32).tobytes())  # what is animated stands elsewhere in each frame
    return whole.hexdigest()


def _is_as_made(camera: Any) -> bool:
    """Whether the user has left the camera alone but for its name, its collections and what points to it."""
    moving = [owner.animation_data for owner in (camera, camera.data) if owner.animation_data]
    own = any(m.drivers or m.nla_tracks or (m.action and m.action.get(_TAKE) is None) for m in moving)
    more = camera.parent or camera.children or camera.constraints or camera.data.dof.use_dof or camera.data.users > 1
    return not own and not more and camera.get(_MADE) == _stance(camera)


def _remove(camera: Any) -> None:
    """Takes the camera out of the file, with what was made for it and serves nothing else."""
    data = camera.data
    actions = [owner.animation_data.action for owner in (camera, data) if owner.animation_data and owner.animation_data.action]
    films = [behind.image for behind in data.background_images if behind.image and behind.image.source in _FILMS]
    bpy.data.objects.remove(camera)
    if not data.users:
        bpy.data.cameras.remove(data)
    for action in actions:
        if not action.users:
            bpy.data.actions.remove(action)
    for image in films:
        if not image.users:
            bpy.data.images.remove(image)


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
    action[_TAKE] = name
    key_curves(curves, "location", "Camera", frames, places)
    key_curves(curves, "rotation_quaternion", "Camera", frames, turns)
    versions.assign_take(camera, action)


def _show_footage(data: Any, footage: Path, motion: Motion, frames: np.ndarray, aspect: float) -> list[_Curve]:
    """Puts the footage behind the camera; what must be keyed for it."""
    image, size = _load(footage)
    data.show_background_images = True
    behind = data.background_images.new()
    behind.image, behind.alpha, behind.display_depth, behind.frame_method = image, 1.0, "BACK", "FIT"
    _set_upright(behind, size[0] / size[1], motion, aspect)
    user = behind.image_user
    user.frame_start = round(float(frames[0]))
    user.use_auto_refresh = True
    scene_frames = np.arange(user.frame_start, int(np.ceil(frames[-1])) + 1)
    shown = picture_numbers(footage, np.interp(scene_frames, frames, motion.times), _rate(footage, motion))
    # Blender shows the picture with the number (scene frame - start + 1, at most the duration) + offset.
    user.frame_duration = max(int(image.frame_duration), len(scene_frames))
    offsets = shown - (scene_frames - user.frame_start + 1)
    user.frame_offset = int(offsets[0])
    changes = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1))
    if len(changes) <= 1:
        return []
    path = "background_images[0].image_user.frame_offset"
    return [_Curve(path, scene_frames[changes].astype(float), offsets[changes].astype(float), "CONSTANT")]


def check_footage(footage: Path) -> None:
    """Raises InputError with one sentence when the footage is a folder whose images Blender cannot show as one sequence."""
    try:
        first_picture(footage)
    except InputError as error:
        raise InputError(f"{str(error).removesuffix('.')}, or switch off Camera with Footage.") from error


def first_picture(footage: Path) -> Path:
    """The file that stands for the footage: a video itself, the first image of a folder. Raises InputError as `check_footage`."""
    if not footage.is_dir():
        return footage
    files = images_in(footage)
    _numbers(footage, files)
    return files[0]


def picture_numbers(footage: Path, seconds: np.ndarray, rate: float) -> np.ndarray:
    """Which picture of the footage is seen at `seconds` (N,): of a video its number from 1 on, of a folder the number in its name.

    rate: pictures a second.
    """
    shown = np.round(seconds * rate).astype(int)
    if not footage.is_dir():
        return shown + 1
    numbers = _numbers(footage, images_in(footage))
    return numbers[np.clip(shown, 0, len(numbers) - 1)]


def _load(footage: Path) -> tuple[Any, tuple[int, int]]:
    """Blender's image of a video file or of a folder of numbered images, and its size in pixels."""
    picture, is_sequence = first_picture(footage), footage.is_dir()
    try:
        # The user's own image of the first picture must not become a sequence.
        image = bpy.data.images.load(str(picture), check_existing=not is_sequence)
    except RuntimeError as error:
        raise InputError(f"{picture} cannot be opened to show it behind the camera; is it still there?") from error
    size = tuple(image.size)  # a sequence has none before its first picture is drawn
    if not all(size):
        raise InputError(f"Blender cannot read {picture} to show it behind the camera; switch off Camera with Footage.")
    if is_sequence:
        image.source = "SEQUENCE"
    return image, size


def _numbers(folder: Path, files: list[Path]) -> np.ndarray:
    """The images' numbers, by which Blender finds them: the last digits of the name, all else alike."""
    found = [re.fullmatch(r"(.*?)(\d+)(\D*)", file.stem) for file in files]
    first = found[0] if found else None
    for file, name in zip(files, found, strict=True):
        if first is None or name is None:
            raise InputError(f"The images in {folder} cannot be shown as a film: {file.name} has no number; number all of them.")
        if file.name != f"{first[1]}{int(name[2]):0{len(first[2])}d}{first[3]}{files[0].suffix}":
            raise InputError(f"The images in {folder} cannot be shown as a film: {files[0].name} and {file.name} are not named alike; "
                             "rename them.")
    if not files:
        raise InputError(f"There are no images in {folder} to show; put them back.")
    return np.array([int(name[2]) for name in found if name])


def _rate(footage: Path, motion: Motion) -> float:
    """Pictures a second of the footage; a motion may have been resampled to another rate."""
    if footage.is_dir():
        return float(motion.meta.get("source_fps") or motion.fps)
    clip = bpy.data.movieclips.load(str(footage))
    try:
        return float(clip.fps) or motion.fps
    finally:
        bpy.data.movieclips.remove(clip)


def _set_upright(behind: Any, lying: float, motion: Motion, frame: float) -> None:
    """Turns the picture and makes it fit the frame again where Blender shows a phone's video as it lies in the file.

    lying, frame: width over height of the picture as Blender reads it, and of the render frame.
    """
    turn = lacking_turn(lying, motion)
    behind.rotation = math.radians(turn)
    if turn in (90, 270):
        # Blender fits the lying picture into the frame, scales it, then turns it. Lengths in heights of the frame.
        length_as_fitted, height_wanted = min(frame, lying), min(1.0, frame * lying)
        behind.scale = height_wanted / length_as_fitted


def lacking_turn(aspect: float, motion: Motion) -> int:
    """Degrees clockwise from the picture as Blender reads it, width over height `aspect`, to the upright one that was analysed."""
    flag = int(motion.meta.get("source_rotation", 0))
    upright = motion.camera.width / motion.camera.height
    if abs(math.log(aspect / upright)) > abs(math.log(aspect * upright)) + 1e-3:
        return flag if flag in (90, 270) else 90
    looks_the_same = flag == 180 or abs(math.log(upright)) < 1e-3
    return flag if looks_the_same and not versions.turns_videos() else 0
