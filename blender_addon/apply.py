"""A finished motion into the scene: curves on an armature, and the video's camera if wanted.

Everything is computed before anything is written, the armature gets its new action last, and when something fails all is put back
(`before`), so an error leaves the scene as it was. Time on the UI thread for a one-minute take (1,800 frames, 21 bones): about
0.1 s, once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import versions
from .before import Before
from .confidence import key_confidence
from .controls import kept_from_the_way, kept_from_turning, posable, switched_to_controls, with_constraints
from .core.errors import InputError
from .core.motion import Motion
from .core.retarget import Mapping, Rig, RigMotion, check_mapping, map_rig, retarget, rotation_channels
from .core.retarget.choices import DEFAULTS, Choices
from .core.retarget.decimate import simplify
from .core.retarget.inverse import with_controls
from .curves import bone_path, key_curves, key_few
from .footage import add_camera, replace_earlier
from .leftovers import Leftovers, find_leftovers
from .rigs import has_skeleton, new_armature, read_rig


@dataclass(frozen=True)
class Take:
    """What an import made, by name: Blender's own objects must not be held across frames.

    slide: see `RigMotion`, cm. overruled: bones that the rig's constraints or drivers turn, move or limit, whatever is keyed. unseen: one
    sentence, what is to be seen instead of the take; empty: it plays. stretch: see `Rig`. placed: bones above the hips that the user has
    moved or turned, of which the camera knows nothing.
    """

    armature: str
    action: str
    camera: str | None
    rig: str
    slide: float = 0.0
    overruled: tuple[str, ...] = ()
    unseen: str = ""
    stretch: float = 1.0
    placed: tuple[str, ...] = ()


def check_target(armature: Any, mapping: Mapping | None = None) -> str:
    """The name of the rig map that fits the armature. Raises InputError with one sentence when the armature cannot be used.

    mapping: the bones that the user has chosen, if any.
    """
    animation = armature.animation_data
    if animation is not None and animation.use_tweak_mode:
        raise InputError(f"The armature '{armature.name}' is in the NLA's tweak mode; leave it (Tab in the NLA editor) and try again.")
    rig = read_rig(armature)
    return (map_rig(rig) if mapping is None else check_mapping(rig, mapping)).map_name


def frames_of(motion: Motion, scene: Any, start_frame: float) -> np.ndarray:
    """(T,) scene frames of the motion's rows: true seconds times the scene's own rate, from `start_frame` on."""
    rate = scene.render.fps / scene.render.fps_base
    return start_frame + (motion.times - motion.times[0]) * rate


def apply_motion(context: Any, motion: Motion, name: str, armature: Any | None = None, start_frame: float = 1.0,
                 footage: Path | None = None, camera: bool = False, choices: Choices = DEFAULTS, mapping: Mapping | None = None) -> Take:
    """Puts the motion onto the armature (None: a new one) as a new action called `name`.

    camera: also make the camera that took the video, with `footage` (a video or a folder of numbered images) behind it if given; it takes
    the place of the one that was made for this take before.
    mapping: which bone is which joint (None: found). The old action, rest pose, rotation modes and the scene's settings stay as they
    are. Raises InputError with one sentence.
    """
    if not len(motion):
        raise InputError("The motion has no frames.")
    if armature is not None:
        check_target(armature, mapping)
    before = Before(context, armature)
    try:
        armature = armature or new_armature(context, motion.skeleton)
        with posable(armature):
            rig = read_rig(armature)
            # On a skeleton of the motion's own feet stand and hands touch as they do: it would only be moved away from the picture.
            foreign = not has_skeleton(rig, motion.skeleton, context.scene)
            mapping = map_rig(rig) if mapping is None else check_mapping(rig, mapping)
            rig, overruled = with_constraints(armature, rig, mapping)
            rig, idle = switched_to_controls(armature, rig, mapping)
            left = find_leftovers(armature, rig, mapping, choices.controls)
            rig = left.put_to_rest(rig)
            moved = retarget(motion, rig, mapping, choices.plant_feet and foreign, choices.way, choices.touch and foreign)
            overruled = tuple(sorted({*overruled, *kept_from_the_way(armature, rig, moved.locations),
                                      *kept_from_turning(armature, rig, moved.rotations)}))
        rig, moved = with_controls(rig, mapping, moved, choices.controls)
        frames = frames_of(motion, context.scene, start_frame)
        made = add_camera(context, motion, moved.placement, frames, footage, name) if camera else None
        action = _write(armature, rig, left, moved, frames, name, motion, choices)
        if made is not None:
            # Of a strip, which plays on beside a later one, the camera stays unless the later one is in its place.
            replace_earlier(context.scene, made, f"{name} on {armature.name}" + (f" at {start_frame:g}" if choices.nla else ""))
        return Take(armature.name, action.name, made.name if made else None, mapping.map_name, moved.slide, overruled,
                    _unseen(armature, moved, choices, idle), rig.stretch,
                    tuple(sorted(left.placed - moved.locations.keys() - moved.rotations.keys())))
    except BaseException:
        before.restore()
        raise


def _write(armature: Any, rig: Rig, left: Leftovers, moved: RigMotion, frames: np.ndarray, name: str, motion: Motion,
           choices: Choices) -> Any:
    keys = simplify(rig, moved, frames, motion.contacts) if choices.simplify else None
    action, curves = versions.new_take(armature, name)
    # A take that a later take replaces must not be lost when the file is saved.
    action.use_fake_user = True
    for bone, path in moved.locations.items():
        _key(curves, bone, "location", frames, path, keys.moved[bone] if keys else None)
    for bone, quaternions in moved.rotations.items():
        channel, values = rotation_channels(quaternions, rig.modes[rig.index(bone)])
        _key(curves, bone, channel, frames, values, keys.turned[bone] if keys else None)
    left.key(curves, rig, moved, frames[:1])
    for bone, switch, value in rig.switches:
        key_curves(curves, bone_path(bone) + switch, bone, frames[:1], np.array([[value]]), "CONSTANT")
    if choices.nla:
        versions.push_take(armature, action, frames[0])
    else:
        versions.assign_take(armature, action)
    if choices.confidence:
        key_confidence(armature, curves, frames, motion)
    return action


def _unseen(armature: Any, moved: RigMotion, choices: Choices, idle: tuple[str, ...]) -> str:
    """What is to be seen instead of the take, in one sentence; empty when the take plays. idle: controls that nothing follows."""
    if armature.data.pose_position == "REST":
        return f"The armature '{armature.name}' is in Rest Position; set it to Pose Position in its data properties to see the take."
    animation = armature.animation_data
    if animation.use_nla:
        alone = [track.name for track in animation.nla_tracks if track.is_solo]
        if alone:
            return f"The NLA track '{alone[0]}' of '{armature.name}' plays solo; switch off its star in the NLA editor to see the take."
    elif choices.nla:
        return f"The NLA of '{armature.name}' is switched off; switch it on to see the take in its strip."
    keyed = {curve.data_path for curve in versions.curves_of(armature)}
    ours = (*(f"{bone_path(bone)}.rotation" for bone in moved.rotations), *(f"{bone_path(bone)}.location" for bone in moved.locations))
    if choices.nla and any(path.startswith(ours) for path in keyed):
        return (f"The action '{animation.action.name}' of '{armature.name}' plays over the strip with the take; unlink that action to see "
                "the take.")
    if idle and choices.controls == "fk":
        others = f" and {len(idle) - 1} other control{'s' * (len(idle) > 2)}" if len(idle) > 1 else ""
        return (f"The control '{idle[0]}'{others} of '{armature.name}' move{'' if others else 's'} nothing that deforms; switch the rig's "
                "limbs from IK to FK to see the take.")
    return ""


def _key(curves: Any, bone: str, channel: str, frames: np.ndarray, values: np.ndarray, rows: np.ndarray | None) -> None:
    if rows is None:
        key_curves(curves, f"{bone_path(bone)}.{channel}", bone, frames, values)
    else:
        key_few(curves, f"{bone_path(bone)}.{channel}", bone, frames, values, rows)
