"""A finished motion into the scene: curves on an armature, and the video's camera if wanted.

Everything is computed before anything is written, the armature gets its new action last, and when something fails all is put back
(`before`), so an error leaves the scene as it was. Time on the UI thread for a one-minute take (1,800 frames, 21 bones): about
0.1 s, once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import versions
from .before import Before
from .controls import with_constraints
from .core.errors import InputError
from .core.motion import Motion
from .core.retarget import Rig, RigMotion, map_rig, retarget, rotation_channels
from .curves import key_curves
from .footage import add_camera
from .rigs import new_armature, read_rig


@dataclass(frozen=True)
class Take:
    """What an import made, by name: Blender's own objects must not be held across frames."""

    armature: str
    action: str
    camera: str | None
    rig: str


def check_target(armature: Any) -> str:
    """The name of the rig map that fits the armature. Raises InputError with one sentence when the armature cannot be used."""
    animation = armature.animation_data
    if animation is not None and animation.use_tweak_mode:
        raise InputError(f"The armature '{armature.name}' is in the NLA's tweak mode; leave it (Tab in the NLA editor) and try again.")
    return map_rig(read_rig(armature)).map_name


def frames_of(motion: Motion, scene: Any, start_frame: float) -> np.ndarray:
    """(T,) scene frames of the motion's rows: true seconds times the scene's own rate, from `start_frame` on."""
    rate = scene.render.fps / scene.render.fps_base
    return start_frame + (motion.times - motion.times[0]) * rate


def apply_motion(context: Any, motion: Motion, name: str, armature: Any | None = None, start_frame: float = 1.0,
                 footage: Path | None = None, camera: bool = False) -> Take:
    """Puts the motion onto the armature (None: a new one) as a new action called `name`.

    camera: also make the camera that took the video, with `footage` (a video or a folder of numbered images) behind it if given.
    The old action, rest pose, rotation modes and the scene's settings stay as they are. Raises InputError with one sentence.
    """
    if not len(motion):
        raise InputError("The motion has no frames.")
    if armature is not None:
        check_target(armature)
    before = Before(context, armature)
    try:
        armature = armature or new_armature(context, motion.skeleton)
        rig = read_rig(armature)
        mapping = map_rig(rig)
        rig = with_constraints(armature, rig, mapping)
        moved = retarget(motion, rig, mapping)
        frames = frames_of(motion, context.scene, start_frame)
        made = add_camera(context, motion, moved.placement, frames, footage, name) if camera else None
        action = _write(armature, rig, moved, frames, name)
        return Take(armature.name, action.name, made.name if made else None, mapping.map_name)
    except BaseException:
        before.restore()
        raise


def _write(armature: Any, rig: Rig, moved: RigMotion, frames: np.ndarray, name: str) -> Any:
    action, curves = versions.new_take(armature, name)
    # A take that a later take replaces must not be lost when the file is saved.
    action.use_fake_user = True
    for bone, quaternions in moved.rotations.items():
        path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"].'
        if bone == moved.root_bone:
            key_curves(curves, path + "location", bone, frames, moved.root_location)
        channel, values = rotation_channels(quaternions, rig.modes[rig.index(bone)])
        key_curves(curves, path + channel, bone, frames, values)
    if moved.root_bone not in moved.rotations:
        path = f'pose.bones["{bpy.utils.escape_identifier(moved.root_bone)}"].location'
        key_curves(curves, path, moved.root_bone, frames, moved.root_location)
    for bone, switch, value in rig.switches:
        path = f'pose.bones["{bpy.utils.escape_identifier(bone)}"]["{bpy.utils.escape_identifier(switch)}"]'
        key_curves(curves, path, bone, frames[:1], np.array([[value]]), "CONSTANT")
    versions.assign_take(armature, action)
    return action
