"""What a take on somebody's rig is like: planted feet, few keys, strips, ways over the ground; and what it leaves untouched."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core import rotations
from blender_addon.core.errors import InputError
from blender_addon.core.motion import Motion
from blender_addon.core.retarget import map_rig, retarget
from blender_addon.core.retarget.choices import Choices
from blender_addon.core.retarget.pose import Pose
from blender_addon.core.skeleton import INDEX
from helpers import CANONICAL, MIXAMO, RIGIFY, joints_in_blender, limb_error, make_rig, open_rig, snapshot, synthetic_motion

from blender_addon import versions
from blender_addon.apply import apply_motion
from blender_addon.controls import switched_to_controls, with_constraints
from blender_addon.rigs import read_rig


def standing(frames: int = 40) -> Motion:
    """Somebody who sways, turns the hips and bends the knees with both feet on the ground; the left one is lifted at last."""
    motion = synthetic_motion(frames)
    time = motion.times
    turns = 0.3 * rotations.to_rotation_vector(motion.local_rotations)
    for side, sign in (("Left", 1), ("Right", -1)):
        bend = 0.25 + 0.15 * np.sin(2 * time + sign)
        for joint, share in (("UpLeg", -1.0), ("Leg", 2.0), ("Foot", -1.0)):
            turns[:, INDEX[side + joint]] = np.stack([share * bend, 0 * bend, 0 * bend], axis=-1)
    turns[:, 0] = np.stack([0 * time, 0.04 * np.sin(3 * time), 0.1 * np.sin(2 * time)], axis=-1)
    root = np.stack([0.02 * np.sin(2 * time), 0.01 * np.cos(time), 0.93 + 0.01 * np.sin(2 * time)], axis=-1)
    contacts = np.ones((frames, 4), bool)
    contacts[frames - 12:, :2] = False
    return dataclasses.replace(motion, local_rotations=rotations.from_rotation_vector(turns), root_translation=root, contacts=contacts)


def places(armature: Any, names: dict[str, str], motion: Motion) -> np.ndarray:
    """(T, J, 3) joints of the rig at the motion's times, by Blender's own evaluation."""
    render = bpy.context.scene.render
    frames = 1 + (motion.times - motion.times[0]) * render.fps / render.fps_base
    return np.array([list(joints_in_blender(armature, names, f).values()) for f in frames])


def test_feet_in_contact_stand_still_on_another_body() -> None:
    motion, armature = standing(), make_rig(MIXAMO)
    apply_motion(bpy.context, motion, "take", armature)
    feet = {j: MIXAMO[j] for j in ("LeftFoot", "LeftToe", "RightFoot", "RightToe")}
    there = places(armature, feet, motion)
    moves = np.linalg.norm(np.diff(there, axis=0), axis=-1)
    assert moves[:27, :2].max() < 1e-4 and moves[:, 2:].max() < 1e-4
    assert moves[28:, :2].max() > 1e-3 and moves[28:, :2].max() < 0.05
    bpy.context.scene.frame_set(1)
    apply_motion(bpy.context, motion, "loose", armature, choices=Choices(plant_feet=False))
    loose = places(armature, feet, motion)
    assert np.linalg.norm(np.diff(loose, axis=0), axis=-1)[:27].max() > 1e-3 and limb_error(armature, MIXAMO, motion) < 0.1


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_fewer_keys_stay_within_their_promise(mode: str) -> None:
    motion, armature = standing(), make_rig(RIGIFY)
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    apply_motion(bpy.context, motion, "dense", armature)
    dense, all_keys = places(armature, RIGIFY, motion), key_count(armature)
    apply_motion(bpy.context, motion, "few", armature, choices=Choices(simplify=True))
    few = places(armature, RIGIFY, motion)
    assert np.linalg.norm(few - dense, axis=-1).max() <= 0.002 + 1e-5
    assert key_count(armature) < 0.6 * all_keys
    curve = versions.curves_of(armature)[0]
    assert curve.keyframe_points[0].interpolation == "BEZIER" and curve.keyframe_points[0].handle_right_type == "ALIGNED"
    lifted = float(np.float32(1 + motion.times[27] * 24))
    assert all(any(abs(k.co[0] - lifted) < 1e-3 for k in c.keyframe_points) for c in versions.curves_of(armature))


def key_count(armature: Any) -> int:
    return sum(len(c.keyframe_points) for c in versions.curves_of(armature))


def test_a_strip_leaves_the_active_action_in_place() -> None:
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    apply_motion(bpy.context, motion, "own", armature)
    own = armature.animation_data.action
    take = apply_motion(bpy.context, motion, "strip", armature, start_frame=50, choices=Choices(nla=True))
    assert armature.animation_data.action == own
    (track,) = armature.animation_data.nla_tracks
    assert track.strips[0].action.name == take.action and round(track.strips[0].frame_start) == 50
    armature.animation_data.action = None
    there = joints_in_blender(armature, MIXAMO, 50.0)
    a, b = "LeftArm", "LeftForeArm"
    wanted = motion.joints_world()[0, INDEX[b]] - motion.joints_world()[0, INDEX[a]]
    got = there[b] - there[a]
    assert got @ wanted / np.linalg.norm(got) / np.linalg.norm(wanted) > 0.99999


def rig_with_root() -> Any:
    """A rig on whose floor lies a bone from which the hips hang."""
    armature = make_rig(CANONICAL)
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones.new("root")
    root.head, root.tail = (0, 0, 0), (0, 0.3, 0)
    armature.data.edit_bones["Hips"].parent = root
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def test_the_root_bone_carries_the_way() -> None:
    motion, armature = synthetic_motion(), rig_with_root()
    apply_motion(bpy.context, motion, "plain", armature)
    plain = places(armature, CANONICAL, motion)
    apply_motion(bpy.context, motion, "root", armature, choices=Choices(way="root"))
    np.testing.assert_allclose(places(armature, CANONICAL, motion), plain, atol=1e-5)
    way = places(armature, {"root": "root"}, motion)[:, 0]
    assert abs(way[:, 2]).max() < 1e-6 and np.linalg.norm(way[-1] - way[0]) > 0.3
    apply_motion(bpy.context, motion, "in place", armature, choices=Choices(way="in place"))
    still = places(armature, CANONICAL, motion)
    np.testing.assert_allclose(still[..., 2], plain[..., 2], atol=1e-5)
    assert np.linalg.norm(still[-1, 0, :2] - still[0, 0, :2]) < 0.1
    with pytest.raises(InputError, match="no bone above"):
        apply_motion(bpy.context, motion, "none", make_rig(MIXAMO), choices=Choices(way="root"))


def test_confidence_is_a_curve_with_marks() -> None:
    confidence = np.ones((30, 21))
    confidence[10:15] = 0.1
    motion = dataclasses.replace(synthetic_motion(), confidence=confidence)
    take = apply_motion(bpy.context, motion, "take", choices=Choices(confidence=True))
    armature = bpy.data.objects[take.armature]
    bpy.context.scene.frame_set(1 + round(12 * 24 / 25))
    assert armature.evaluated_get(bpy.context.evaluated_depsgraph_get())["Mocap Confidence"] < 0.2
    assert [m.name for m in bpy.context.scene.timeline_markers] == ["doubtful (Video Mocap)", "doubtful end (Video Mocap)"]


def test_a_doubtful_stretch_of_one_frame_has_one_mark() -> None:
    confidence = np.ones((30, 21))
    confidence[10] = confidence[20:22] = 0.1
    bpy.context.scene.render.fps = 25
    apply_motion(bpy.context, dataclasses.replace(synthetic_motion(), confidence=confidence), "take", choices=Choices(confidence=True))
    marks = [(m.name, m.frame) for m in bpy.context.scene.timeline_markers]
    assert marks == [("doubtful (Video Mocap)", 11), ("doubtful (Video Mocap)", 21), ("doubtful end (Video Mocap)", 22)]


@pytest.mark.parametrize("seed", range(12))
def test_generated_rigs_follow_through_blenders_evaluation(seed: int) -> None:
    """Random rest poses, rolls, modes, units, headings: every limb within a tenth of a degree, without and with connected bones."""
    rng = np.random.default_rng(seed)
    names = [CANONICAL, MIXAMO, RIGIFY][seed % 3]
    motion, armature = synthetic_motion(seed=seed), make_rig(names, rng.uniform(-20, 80), seed, float(rng.choice([1.0, 0.01])))
    for bone in armature.pose.bones:
        bone.rotation_mode = str(rng.choice(["QUATERNION", "XYZ", "ZXY", "AXIS_ANGLE"]))
        bone.bone.use_inherit_rotation = bool(rng.random() < 0.8)
        bone.bone.use_local_location = bool(rng.random() < 0.8)
    heading = rng.uniform(-3, 3)
    armature.rotation_euler[2] = heading
    bpy.context.view_layer.update()
    apply_motion(bpy.context, motion, "take", armature)
    turn = rotations.to_matrix(rotations.from_rotation_vector(np.array([0.0, 0.0, heading])))
    assert limb_error(armature, names, motion, turn) < 0.1


def everything(armature: Any) -> Any:
    """All of the file and of the rig that an import must leave bit for bit, its own keys aside."""
    armature.animation_data.action = None
    bones = armature.data.bones
    flags = {b.name: (tuple(b.head_local), tuple(b.tail_local), b.use_connect, b.use_inherit_rotation, b.use_local_location,
                      b.inherit_scale, b.use_deform, b.hide, tuple(map(tuple, b.matrix_local))) for b in bones}
    posed = {p.name: (p.rotation_mode, tuple(p.lock_rotation), tuple(p.lock_location), tuple(p.location), tuple(p.scale),
                      tuple(p.rotation_quaternion), tuple(p.rotation_euler), tuple(p.rotation_axis_angle),
                      [(c.type, c.influence, c.mute) for c in p.constraints]) for p in armature.pose.bones}
    return flags, posed, [t.name for t in armature.animation_data.nla_tracks]


@pytest.mark.parametrize("constrained", [False, True])
def test_nothing_else_is_touched(constrained: bool) -> None:
    armature = make_rig(RIGIFY)
    if constrained:
        hold = armature.pose.bones["forearm.R"].constraints.new("COPY_ROTATION")
        hold.target, hold.subtarget, hold.influence = armature, "upper_arm.L", 0.0
    armature.pose.bones["shin.L"].lock_rotation = (True, False, False)
    other = bpy.data.objects.new("other", None)
    bpy.context.scene.collection.objects.link(other)
    apply_motion(bpy.context, synthetic_motion(seed=5), "old", armature)
    old, scene = armature.animation_data.action, bpy.context.scene
    scene.frame_set(7)
    bpy.ops.object.mode_set(mode="POSE")
    other.select_set(True)
    before = snapshot()
    marks = [(c.data_path, c.array_index, [tuple(k.co) for k in c.keyframe_points]) for c in versions.curves_of(armature)]
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    after = snapshot()
    for part in ("scene", "mode", "active"):
        assert after[part] == before[part]
    assert {k: v[1:3] for k, v in after["objects"].items()} == {k: v[1:3] for k, v in before["objects"].items()}
    assert after["objects"]["rig"][3][0] == before["objects"]["rig"][3][0]
    assert set(after["blocks"]["actions"]) == {*before["blocks"]["actions"], "take"}
    versions.assign_take(armature, old)
    assert [(c.data_path, c.array_index, [tuple(k.co) for k in c.keyframe_points]) for c in versions.curves_of(armature)] == marks
    bpy.ops.object.mode_set(mode="OBJECT")


def test_reading_a_control_rig_leaves_its_pose(shared: Path) -> None:
    """The probing of constraints turns bones; all of it is put back to the last bit."""
    armature, _ = open_rig(shared, "rigify_generated")
    armature.animation_data_create()
    for i, bone in enumerate(armature.pose.bones):
        bone.rotation_euler, bone.location = (0.1 * (i % 5), 0.2, 0.3), (0.01 * (i % 3), 0.0, 0.0)
        bone.rotation_quaternion = (0.9, 0.1, 0.2, 0.3)
    bpy.context.view_layer.update()  # drivers of the rig turn bones of their own
    before = everything(armature)
    rig = read_rig(armature)
    mapping = map_rig(rig)
    held, overruled = with_constraints(armature, rig, mapping)
    assert everything(armature) == before and not overruled
    assert {rig.names[b] for b in np.flatnonzero(held.hold > 0)} == {"neck", "head", "upper_arm_fk.L", "upper_arm_fk.R"}


@pytest.mark.parametrize("inverse", [0.0, 1.0])
def test_a_control_rig_with_a_known_switch_is_asked_as_the_take_switches_it(shared: Path, inverse: float) -> None:
    """As it stands, on IK or FK, some of its controls move nothing; with the switch that the take keys all do."""
    armature, _ = open_rig(shared, "rigify_generated")
    _switch(armature, {"IK_FK": inverse})
    armature.update_tag()
    bpy.context.view_layer.update()
    before, rig = everything(armature), read_rig(armature)
    assert switched_to_controls(armature, rig, map_rig(rig)) == (rig, ()) and everything(armature) == before


def test_a_motion_that_is_not_finite_is_refused() -> None:
    motion = synthetic_motion()
    motion.root_translation[3] = np.nan
    armature = make_rig(MIXAMO)
    before = snapshot()
    with pytest.raises(InputError, match="not finite"):
        apply_motion(bpy.context, motion, "take", armature)
    assert snapshot() == before


def test_inverse_kinematics_on_mapped_bones_gives_way() -> None:
    armature, motion = make_rig(MIXAMO), synthetic_motion()
    target = bpy.data.objects.new("target", None)
    bpy.context.scene.collection.objects.link(target)
    target.location = (1.0, 1.0, 1.0)
    solver = armature.pose.bones[MIXAMO["LeftForeArm"]].constraints.new("IK")
    solver.target, solver.chain_count, solver.influence = target, 2, 0.75
    bpy.context.view_layer.update()
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, MIXAMO, motion) < 0.1 and not solver.mute
    (curve,) = (c for c in versions.curves_of(armature) if "constraints" in c.data_path)
    assert len(curve.keyframe_points) == 1 and curve.keyframe_points[0].co[1] == 0.0


@pytest.mark.parametrize("follow", [{}, {"FK_limb_follow": 1.0}, {"neck_follow": 1.0, "head_follow": 0.3}])
def test_a_control_rigs_bones_are_where_the_pose_says(shared: Path, follow: dict[str, float]) -> None:
    """Neck, head and arms turn with one bone and are carried by another, as the rig's own switches have it."""
    armature, _ = open_rig(shared, "rigify_generated")
    _switch(armature, follow)
    motion, rig = synthetic_motion(), read_rig(armature)
    mapping = map_rig(rig)
    held, _ = with_constraints(armature, rig, mapping)
    apply_motion(bpy.context, motion, "take", armature, choices=Choices(plant_feet=False))
    moved = retarget(motion, held, mapping, plant_feet=False)
    posed = Pose(held, {}, {rig.index(name): turns for name, turns in moved.rotations.items()},
                 {rig.index(name): path for name, path in moved.locations.items()})
    names = {name: name for name in (*mapping.joints.values(), *mapping.spine, *mapping.neck)}
    for i in range(0, len(motion), 5):
        there = joints_in_blender(armature, names, 1 + (motion.times[i] - motion.times[0]) * bpy.context.scene.render.fps)
        for name, point in there.items():
            said = rig.to_world(np.broadcast_to(posed.head(rig.index(name)), (len(motion), 3))[i])
            np.testing.assert_allclose(point, said, atol=2e-3, err_msg=f"{name} in frame {i}")


def _switch(armature: Any, values: dict[str, float]) -> None:
    """Sets the rig's switches of these names, wherever they are."""
    for bone in armature.pose.bones:
        for name in values.keys() & bone.keys():
            bone[name] = values[name]
    bpy.context.view_layer.update()


@pytest.mark.parametrize("follow", [0.0, 1.0])
@pytest.mark.parametrize("controls", ["ik", "both"])
def test_the_rigify_rig_follows_with_its_ik_controls(shared: Path, controls: str, follow: float) -> None:
    path = shared / "rigs" / "rigify_generated.blend"
    if not path.exists():
        pytest.skip(f"no rigs in {shared}")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    truth, motion = json.loads(path.with_suffix(".json").read_text()), synthetic_motion()
    armature = bpy.data.objects[truth["armature_object"]]
    _switch(armature, {"FK_limb_follow": follow})
    apply_motion(bpy.context, motion, "take", armature, choices=Choices(controls=controls))
    paths = {c.data_path for c in versions.curves_of(armature)}
    assert 'pose.bones["foot_ik.L"].location' in paths and 'pose.bones["hand_ik.R"].rotation_quaternion' in paths
    assert ('pose.bones["thigh_fk.L"].rotation_quaternion' in paths) == (controls == "both")
    assert limb_error(armature, truth["measure"], motion) < 0.1
    ends = {j: truth["measure"][j] for j in ("LeftFoot", "RightFoot", "LeftHand", "RightHand")}
    there, toes = places(armature, ends, motion), _toes(armature, motion)
    if controls == "both":  # as when the user switches
        for curve in versions.curves_of(armature):
            if curve.data_path.endswith('["IK_FK"]'):
                curve.keyframe_points[0].co[1] = 0.0
                curve.update()
        assert limb_error(armature, truth["measure"], motion) < 0.1
        assert rotations.angle_between(toes, _toes(armature, motion)).max() < 2e-3
    apply_motion(bpy.context, motion, "turned", armature)
    np.testing.assert_allclose(there, places(armature, ends, motion), atol=2e-3)
    assert rotations.angle_between(toes, _toes(armature, motion)).max() < 2e-3
    assert rotations.angle_between(toes[0], toes[-1]).min() > 0.1  # they do turn


@pytest.mark.parametrize("controls", ["fk", "ik", "both"])
def test_the_rigify_rigs_root_carries_the_way(shared: Path, controls: str) -> None:
    """It went to the hidden bone that a constraint hangs on the root (2026-11-24)."""
    armature, truth = open_rig(shared, "rigify_generated")
    motion = synthetic_motion()
    ends = {j: truth["measure"][j] for j in ("LeftFoot", "RightFoot", "LeftHand", "RightHand")}
    apply_motion(bpy.context, motion, "hips", armature, choices=Choices(controls=controls))
    there = places(armature, ends, motion)
    apply_motion(bpy.context, motion, "root", armature, choices=Choices(controls=controls, way="root"))
    paths = {c.data_path for c in versions.curves_of(armature)}
    assert 'pose.bones["root"].location' in paths and 'pose.bones["MCH-torso.parent"].location' not in paths
    assert limb_error(armature, truth["measure"], motion) < 0.1
    np.testing.assert_allclose(there, places(armature, ends, motion), atol=2e-3)


def _toes(armature: Any, motion: Motion) -> np.ndarray:
    """(T, 2, 4) how the deforming bones of the toes are turned, by Blender's own evaluation at every fifth frame of the scene."""
    found = []
    for frame in range(1, len(motion) - 1, 5):
        bpy.context.scene.frame_set(frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append([rotations.from_matrix(np.array(posed.pose.bones[f"DEF-toe.{side}"].matrix.normalized())[:3, :3]) for side in "LR"])
    return np.array(found)


def test_ik_is_refused_where_there_is_none() -> None:
    armature = make_rig(MIXAMO)
    with pytest.raises(InputError, match="no inverse-kinematics controls that this add-on knows"):
        apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(controls="ik"))


def test_wide_joint_limits_change_nothing() -> None:
    """They clip the turn that asks what a bone follows, and none of the motion."""
    armature, motion = make_rig(MIXAMO, arms_down=0.0), synthetic_motion()
    hold = armature.pose.bones[MIXAMO["LeftHand"]].constraints.new("COPY_ROTATION")  # so that bones are asked
    hold.target, hold.subtarget, hold.influence = armature, MIXAMO["RightHand"], 0.0
    for joint in ("LeftUpLeg", "RightUpLeg", "Spine"):
        limit = armature.pose.bones[MIXAMO[joint]].constraints.new("LIMIT_ROTATION")
        limit.owner_space = "LOCAL"
        limit.use_limit_y, limit.min_y, limit.max_y = True, -0.02, 0.02
    apply_motion(bpy.context, motion, "take", armature)
    for constraint in (c for bone in armature.pose.bones for c in bone.constraints):
        assert not constraint.mute
        constraint.mute = True  # what they clip at run time is theirs to say
    assert limb_error(armature, MIXAMO, motion) < 0.1


@pytest.mark.parametrize("state", ["rest", "edit", "hidden", "eye", "excluded"])
def test_constraints_are_asked_however_the_rig_is_shown(shared: Path, state: str) -> None:
    """In Rest Position, Edit Mode or out of sight nothing moves by itself: the rig comes out as it does in Pose Mode, left as it was."""
    (armature, truth), motion = open_rig(shared, "rigify_generated"), synthetic_motion()
    layer = bpy.context.view_layer
    layer.objects.active = armature
    if state == "rest":
        armature.data.pose_position = "REST"
    elif state == "edit":
        bpy.ops.object.mode_set(mode="EDIT")
    elif state == "hidden":
        armature.hide_viewport = True
    elif state == "eye":
        armature.hide_set(True)
    else:
        away = bpy.data.collections.new("away")
        bpy.context.scene.collection.children.link(away)
        for collection in list(armature.users_collection):
            collection.objects.unlink(armature)
        away.objects.link(armature)
        layer.layer_collection.children["away"].exclude = True
    shown = armature.data.pose_position, armature.mode, armature.hide_viewport, [c.name for c in armature.users_collection]
    apply_motion(bpy.context, motion, "take", armature)
    assert shown == (armature.data.pose_position, armature.mode, armature.hide_viewport, [c.name for c in armature.users_collection])
    if state == "edit":
        bpy.ops.object.mode_set(mode="OBJECT")
    armature.data.pose_position, armature.hide_viewport = "POSE", False
    if state == "excluded":
        layer.layer_collection.children["away"].exclude = False
    else:
        armature.hide_set(False)
    assert limb_error(armature, truth["measure"], motion) < 0.1


def test_an_armature_in_edit_mode_beside_the_active_object_stays_there() -> None:
    armature, motion = make_rig(MIXAMO), synthetic_motion()
    other = make_rig(MIXAMO, seed=2)
    thing = bpy.data.objects.new("thing", None)
    bpy.context.scene.collection.objects.link(thing)
    hold = armature.pose.bones[MIXAMO["LeftHand"]].constraints.new("COPY_ROTATION")  # so that bones are asked
    hold.target, hold.subtarget, hold.influence = armature, MIXAMO["RightHand"], 0.0
    armature.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    armature.select_set(False)
    bpy.context.view_layer.objects.active = thing
    apply_motion(bpy.context, motion, "take", armature)
    assert armature.mode == other.mode == "EDIT" and bpy.context.view_layer.objects.active == thing
    assert other.select_get() and not armature.select_get()


def aim(armature: Any, bone: str, chain: int) -> Any:
    """An inverse-kinematics constraint on the bone, towards somewhere else."""
    target = bpy.data.objects.new("target", None)
    bpy.context.scene.collection.objects.link(target)
    target.location = (1.0, 1.0, 1.0)
    solver = armature.pose.bones[bone].constraints.new("IK")
    solver.target, solver.chain_count = target, chain
    return solver


def test_inverse_kinematics_below_mapped_bones_gives_way() -> None:
    armature, motion = make_rig(MIXAMO), synthetic_motion()
    bpy.ops.object.mode_set(mode="EDIT")
    hand, tip = armature.data.edit_bones[MIXAMO["LeftHand"]], armature.data.edit_bones.new("tip")
    tip.parent, tip.head, tip.tail = hand, hand.tail, hand.tail + (hand.tail - hand.head)
    bpy.ops.object.mode_set(mode="OBJECT")
    aim(armature, "tip", 4)
    take = apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, MIXAMO, motion) < 0.1 and not take.overruled


def test_inverse_kinematics_whose_influence_a_driver_has_gives_way() -> None:
    armature, motion = make_rig(MIXAMO), synthetic_motion()
    solver = aim(armature, MIXAMO["LeftForeArm"], 2)
    solver.driver_add("influence").driver.expression = "1.0"
    bpy.context.view_layer.update()
    take = apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, MIXAMO, motion) < 0.1 and not take.overruled


def test_bones_that_the_rig_turns_itself_are_named() -> None:
    armature = make_rig(MIXAMO)
    hold = armature.pose.bones[MIXAMO["LeftArm"]].constraints.new("COPY_ROTATION")
    hold.target, hold.subtarget = armature, MIXAMO["RightArm"]
    leg = armature.pose.bones[MIXAMO["RightLeg"]]
    leg.driver_add("rotation_quaternion", 0).driver.expression = "1.0"
    take = apply_motion(bpy.context, synthetic_motion(), "take", armature)
    assert take.overruled == (MIXAMO["LeftArm"], MIXAMO["RightLeg"])
    for bone in armature.pose.bones:
        hold = bone.constraints.new("COPY_ROTATION")
        hold.target, hold.subtarget = armature, MIXAMO["RightHand"] if bone.name != MIXAMO["RightHand"] else MIXAMO["Head"]
    bpy.context.view_layer.update()
    before = snapshot()
    with pytest.raises(InputError, match="None of the bones"):
        apply_motion(bpy.context, synthetic_motion(), "second", armature)
    assert snapshot() == before


def test_a_take_does_not_inherit_where_the_one_before_it_was() -> None:
    """A root that carried the way, and a spine that somebody moved out of place, would stay where they are when nothing keys them."""
    motion, armature = synthetic_motion(), rig_with_root()
    apply_motion(bpy.context, motion, "plain", armature)
    plain = places(armature, CANONICAL, motion)
    apply_motion(bpy.context, motion, "root", armature, choices=Choices(way="root"))
    bpy.context.scene.frame_set(28)
    armature.pose.bones["Spine1"].location = (0.0, 0.3, 0.0)
    apply_motion(bpy.context, motion, "again", armature)
    np.testing.assert_allclose(places(armature, CANONICAL, motion), plain, atol=1e-5)


def test_marks_are_those_of_the_present_take() -> None:
    confidence = np.ones((30, 21))
    confidence[10:15] = 0.1
    motion, armature = dataclasses.replace(synthetic_motion(), confidence=confidence), make_rig(MIXAMO)
    other = make_rig(MIXAMO)
    for rig in (other, armature, armature):
        apply_motion(bpy.context, motion, "take", rig, choices=Choices(confidence=True))
    assert [m.name for m in bpy.context.scene.timeline_markers] == [
        f"{mark} ({rig.name})" for rig in (other, armature) for mark in ("doubtful", "doubtful end")]


@pytest.mark.parametrize("strip", [False, True])
def test_a_take_does_not_inherit_the_way_of_a_strip(strip: bool) -> None:
    """One whose root carries the way goes on below the new take."""
    motion, armature = synthetic_motion(), rig_with_root()
    apply_motion(bpy.context, motion, "plain", armature)
    plain = places(armature, CANONICAL, motion)[:28]  # the last row lies between two frames
    armature.animation_data.action = None
    apply_motion(bpy.context, motion, "root", armature, choices=Choices(nla=True, way="root"))
    apply_motion(bpy.context, motion, "hips", armature, choices=Choices(nla=strip))
    np.testing.assert_allclose(places(armature, CANONICAL, motion)[:28], plain, atol=1e-5)


def test_what_plays_instead_of_the_take_is_told() -> None:
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    assert apply_motion(bpy.context, motion, "own", armature).unseen == ""
    assert "The action 'own' of 'rig' plays over" in apply_motion(bpy.context, motion, "strip", armature, choices=Choices(nla=True)).unseen
    animation = armature.animation_data
    animation.action = None
    armature.pose.bones[MIXAMO["Hips"]].keyframe_insert("location")
    assert "plays over" in apply_motion(bpy.context, motion, "way", armature, choices=Choices(nla=True)).unseen
    animation.action = None
    animation.use_nla = False
    assert "switched off" in apply_motion(bpy.context, motion, "off", armature, choices=Choices(nla=True)).unseen
    animation.use_nla = True
    assert apply_motion(bpy.context, motion, "seen", armature, choices=Choices(nla=True)).unseen == ""
    animation.nla_tracks[0].is_solo = True
    for nla in (True, False):
        take = apply_motion(bpy.context, motion, "alone", armature, choices=Choices(nla=nla))
        assert "The NLA track 'strip' of 'rig' plays solo" in take.unseen


def test_rest_position_is_told() -> None:
    armature = make_rig(MIXAMO)
    armature.data.pose_position = "REST"
    for nla in (True, False):
        take = apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(nla=nla))
        assert take.unseen.startswith("The armature 'rig' is in Rest Position; set it to Pose Position")
    armature.data.pose_position = "POSE"
    assert apply_motion(bpy.context, synthetic_motion(), "take", armature).unseen == ""


def test_an_action_that_turns_none_of_the_takes_bones_hides_no_strip() -> None:
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    armature.keyframe_insert("location", frame=1)
    assert apply_motion(bpy.context, motion, "strip", armature, choices=Choices(nla=True)).unseen == ""
    assert limb_error(armature, MIXAMO, motion) < 0.1


def test_a_single_key_has_handles_beside_it() -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(1), "take", armature, choices=Choices(simplify=True))
    for curve in versions.curves_of(armature):
        (key,) = curve.keyframe_points
        assert key.handle_left[0] < key.co[0] < key.handle_right[0]
        assert key.handle_left[1] == pytest.approx(key.co[1]) == pytest.approx(key.handle_right[1])


def test_the_users_action_is_in_the_saved_file(tmp_path: Path) -> None:
    """An appended rig's action has no fake user, and the armature was all that used it; one that something else uses needs none."""
    for name in ("mine", "shared"):
        armature, action = make_rig(MIXAMO), bpy.data.actions.new(name)
        armature.animation_data_create().action = action
        if name == "shared":
            armature.copy().animation_data.action = action
        apply_motion(bpy.context, synthetic_motion(), "take", armature)
        assert action.use_fake_user == (name == "mine")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert "mine" in bpy.data.actions


def test_takes_that_nothing_uses_any_more_are_in_the_saved_file(tmp_path: Path) -> None:
    armature = make_rig(MIXAMO)
    for name in ("first", "second"):
        apply_motion(bpy.context, synthetic_motion(), name, armature)
    armature.animation_data.action = None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert {"first", "second"} <= set(bpy.data.actions.keys())


def test_a_take_plays_fully_whatever_the_action_before_it_did() -> None:
    """Influence and blending belong to the armature, not to its action, and count where there is a strip."""
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(seed=3), "strip", armature, choices=Choices(nla=True))
    animation = armature.animation_data
    animation.action_influence, animation.action_blend_type, animation.action_extrapolation = 0.3, "ADD", "NOTHING"
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, MIXAMO, motion) < 0.1
    assert (animation.action_influence, animation.action_blend_type, animation.action_extrapolation) == (1.0, "REPLACE", "HOLD")
