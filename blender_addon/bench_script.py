"""How fast a take gets onto a rig inside Blender: `python -m blender_addon.bench_script` with a Python that has bpy; JSON on the last line.

Measured: 120,000 keys written in bulk against the same number by `keyframe_insert`, and a 10-minute
take (18,000 frames) onto a rig of 60 bones, from the motion to the finished action.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from . import versions
from .apply import apply_motion
from .core.motion import Camera, Motion
from .core.retarget.choices import Choices
from .core.rotations import from_rotation_vector
from .core.skeleton import JOINTS, Skeleton
from .curves import key_curves
from .rigs import new_armature

_BONES, _FRAMES = 60, 500  # times four channels: 120,000 keys
_ROUNDS = 5


def _timed(job: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def _best(job: Callable[[Any], Any], armature: Any) -> float:
    """Seconds of the fastest of `_ROUNDS` rounds, each on an armature without animation."""
    rounds = []
    for _ in range(_ROUNDS):
        armature.animation_data_clear()
        rounds.append(_timed(lambda: job(armature)))
    armature.animation_data_clear()
    return min(rounds)


def _rig(bones: int) -> Any:
    """The motion's own skeleton with fingers, so to speak: bones that are not mapped, up to the number asked for."""
    armature = new_armature(bpy.context, Skeleton.mean())
    bpy.ops.object.mode_set(mode="EDIT")
    edit = armature.data.edit_bones
    for i in range(bones - len(JOINTS)):
        bone = edit.new(f"extra {i}")
        bone.parent = edit["LeftHand" if i % 2 else "RightHand"]
        bone.head, bone.tail = bone.parent.tail, bone.parent.tail + bone.parent.vector * 0.1
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def _write_in_bulk(armature: Any) -> None:
    action, curves = versions.new_take(armature, "bulk")
    frames, values = np.arange(_FRAMES, dtype=float), np.random.default_rng(0).normal(size=(_FRAMES, 4))
    for bone in armature.pose.bones:
        key_curves(curves, f'pose.bones["{bone.name}"].rotation_quaternion', bone.name, frames, values)
    versions.assign_take(armature, action)


def _insert_one_by_one(armature: Any) -> None:
    values = np.random.default_rng(0).normal(size=(_FRAMES, 4))
    for frame in range(_FRAMES):
        for bone in armature.pose.bones:
            bone.rotation_quaternion = values[frame]
            bone.keyframe_insert("rotation_quaternion", frame=frame, group=bone.name)


def long_motion(frames: int) -> Motion:
    """Somebody who sways and steps from one foot to the other for `frames` frames at 30 a second."""
    times = np.arange(frames) / 30
    turns = 0.2 * np.sin(times[:, None, None] * np.linspace(1, 3, 21)[:, None] + np.arange(3))
    contacts = np.stack([np.sin(times) > 0, np.sin(times) > 0, np.sin(times) < 0, np.sin(times) < 0], axis=1)
    camera = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 640, 480)
    return Motion(Skeleton.mean(), from_rotation_vector(turns), np.tile([0.0, 0.0, 0.95], (frames, 1)), times, 30.0,
                  np.ones((frames, 21)), contacts, camera, (), np.zeros((frames, 0, 3)))


def measure() -> dict[str, Any]:
    """Seconds by name; both ways of writing keys as the best of as many rounds, the takes once."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    armature = _rig(_BONES)
    bulk, inserted = _best(_write_in_bulk, armature), _best(_insert_one_by_one, armature)
    motion = long_motion(18_000)
    take = _timed(lambda: apply_motion(bpy.context, motion, "long", armature))
    armature.animation_data_clear()
    few = _timed(lambda: apply_motion(bpy.context, motion, "few", armature, choices=Choices(simplify=True)))
    return {"blender": bpy.app.version_string, "keys": _BONES * _FRAMES * 4, "rounds": _ROUNDS, "bulk_s": bulk,
            "keyframe_insert_s": inserted, "take_s": take, "take_few_keys_s": few}


if __name__ == "__main__":
    print("\n" + json.dumps(measure()))
