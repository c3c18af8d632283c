"""What an earlier pose, action or strip has left on a rig does not bend a take; what is none of its business stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.retarget.choices import Choices
from helpers import MIXAMO, joints_in_blender, make_rig, open_rig, synthetic_motion
from mathutils import Vector

from blender_addon import versions
from blender_addon.apply import apply_motion

TWIST, HAIR, ROOT, ROLL = "twist", "hair", "root", " roll"
ROWS = (1, 12, 28)


def rig_with_bones_between() -> Any:
    """Between upper arm and forearm lies a bone that is no joint, and from the head hangs one."""
    armature = make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    arm, forearm, head = (bones[MIXAMO[joint]] for joint in ("LeftArm", "LeftForeArm", "Head"))
    twist, hair = bones.new(TWIST), bones.new(HAIR)
    twist.parent, twist.head, twist.tail = arm, 0.5 * (arm.head + forearm.head), forearm.head
    hair.parent, hair.head, hair.tail = head, head.tail, 2 * head.tail - head.head
    forearm.parent = twist
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def left_over(armature: Any) -> None:
    """Big hips, a stretched arm, a bent bone between, and a head and hair that are meant so."""
    bones = armature.pose.bones
    bones[MIXAMO["Hips"]].scale = (1.3,) * 3
    bones[MIXAMO["LeftArm"]].scale, bones[MIXAMO["RightLeg"]].location = (1.0, 1.7, 1.0), (0.0, 0.2, 0.0)
    bones[TWIST].rotation_quaternion, bones[TWIST].location, bones[TWIST].scale = (0.8, 0.6, 0.0, 0.0), (0.1, 0.0, 0.0), (2.0,) * 3
    bones[HAIR].rotation_quaternion, bones[HAIR].scale, bones[MIXAMO["Head"]].scale = (0.8, 0.6, 0.0, 0.0), (1.2,) * 3, (1.4,) * 3


def turn_by(armature: Any, mode: str) -> None:
    for bone in armature.pose.bones:
        bone.rotation_mode = mode


def places(armature: Any, names: dict[str, str] = MIXAMO) -> np.ndarray:
    """(T, J, 3) joints of the rig at `ROWS`, by Blender's own evaluation."""
    return np.array([list(joints_in_blender(armature, names, row).values()) for row in ROWS])


def wanted(mode: str = "QUATERNION") -> np.ndarray:
    """Where a rig is that nobody has posed."""
    armature = rig_with_bones_between()
    turn_by(armature, mode)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    assert all(len(curve.keyframe_points) > 1 for curve in versions.curves_of(armature))  # where all is at rest nothing is put there
    return places(armature)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_a_pose(mode: str) -> None:
    there, armature = wanted(mode), rig_with_bones_between()
    left_over(armature)
    turn_by(armature, mode)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    np.testing.assert_allclose(places(armature), there, atol=1e-5)
    bones = armature.pose.bones
    assert tuple(bones[HAIR].scale) == pytest.approx((1.2,) * 3) and tuple(bones[MIXAMO["Head"]].scale) == pytest.approx((1.4,) * 3)
    assert not [c for c in versions.curves_of(armature) if HAIR in c.data_path]


def rig_with_feet_from_elsewhere() -> Any:
    """Each foot hangs from a control of its own, which hangs from the root, as the hips do."""
    armature = make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    root = bones.new(ROOT)
    root.head, root.tail = (0, 0, 0), (0, 0.3, 0)
    bones[MIXAMO["Hips"]].parent = root
    for side in ("Left", "Right"):
        roll, foot = bones.new(side + ROLL), bones[MIXAMO[side + "Foot"]]
        roll.head, roll.tail, roll.parent, foot.parent = foot.head, foot.head + Vector((0, 0, 0.1)), root, roll
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


@pytest.mark.parametrize(("channel", "value"), [
    ("location", (0.05, 0.0, 0.02)), ("scale", (1.2,) * 3), ("rotation_quaternion", (0.8, 0.6, 0.0, 0.0))])
def test_a_pose_above_feet_that_hang_from_elsewhere(channel: str, value: tuple[float, ...]) -> None:
    """Only what lies below a mapped bone was put to rest; what places the figure, above the hips, stays."""
    results = []
    for posed in (False, True):
        armature = rig_with_feet_from_elsewhere()
        armature.pose.bones[ROOT].scale = (1.1,) * 3
        if posed:
            setattr(armature.pose.bones["Left" + ROLL], channel, value)
        apply_motion(bpy.context, synthetic_motion(), "take", armature)
        results.append(places(armature))
        assert tuple(armature.pose.bones[ROOT].scale) == pytest.approx((1.1,) * 3)
    np.testing.assert_allclose(*results, atol=1e-5)


def keyed(armature: Any) -> None:
    """What is left over, as an action at frame 1; at frame 50 all is at rest."""
    left_over(armature)
    for frame in (1, 50):
        for bone in armature.pose.bones:
            for channel in ("location", "rotation_quaternion", "scale"):
                bone.keyframe_insert(channel, frame=frame)
            bone.matrix_basis.identity()


@pytest.mark.parametrize("frame", [1, 20])
def test_an_action(frame: int) -> None:
    there, armature = wanted(), rig_with_bones_between()
    keyed(armature)
    bpy.context.scene.frame_set(frame)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    np.testing.assert_allclose(places(armature), there, atol=1e-5)


@pytest.mark.parametrize("frame", [1, 50])
@pytest.mark.parametrize("nla", [False, True])
def test_a_strip_that_goes_on_below(nla: bool, frame: int) -> None:
    there, armature = wanted(), rig_with_bones_between()
    keyed(armature)
    animation = armature.animation_data
    versions.push_take(armature, animation.action, 1.0)
    animation.action = None
    bpy.context.scene.frame_set(frame)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(nla=nla))
    np.testing.assert_allclose(places(armature), there, atol=1e-5)


@pytest.mark.parametrize("controls", ["fk", "ik"])
def test_a_control_rig(shared: Path, controls: str) -> None:
    """Hips, an arm, a leg's handle and the chest, which lies between the joints; where the root is put stays."""
    armature, truth = open_rig(shared, "rigify_generated")
    choices = Choices(controls=controls)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=choices)
    there = places(armature, truth["measure"])
    armature.animation_data.action = None
    bones = armature.pose.bones
    bones["torso"].scale, bones["upper_arm_fk.L"].scale, bones["foot_ik.R"].scale = (1.3,) * 3, (1.0, 1.5, 1.0), (1.5,) * 3
    bones["chest"].rotation_mode, bones["chest"].rotation_euler, bones["chest"].location = "XYZ", (0.4, 0.0, 0.2), (0.0, 0.1, 0.0)
    bones["root"].location = (0.0, 0.5, 0.0)
    bpy.context.view_layer.update()
    apply_motion(bpy.context, synthetic_motion(), "again", armature, choices=choices)
    moved = np.array(bones["root"].matrix.translation) - np.array(bones["root"].bone.head_local)
    assert np.linalg.norm(moved) == pytest.approx(0.5)
    np.testing.assert_allclose(places(armature, truth["measure"]), there + moved, atol=1e-3)
