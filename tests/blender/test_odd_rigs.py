"""Rigs that are locked, hidden, broken or none at all: a take that works, or one sentence and nothing changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.motion import load_motion
from blender_addon.core.retarget import Mapping, map_rig
from blender_addon.core.retarget.choices import Choices
from blender_addon.core.retarget.transfer import WAYS
from helpers import CANONICAL, MIXAMO, RIGIFY, armature_in_edit_mode, limb_error, make_rig, snapshot, synthetic_motion

from blender_addon import versions
from blender_addon.apply import apply_motion
from blender_addon.controls import kept_from_the_way, kept_from_turning, switched_to_controls, with_constraints
from blender_addon.rigs import read_rig
from blender_addon.takes import Solved, Wanted

GAME = {"Hips": "pelvis", "Spine": "abdomen", "Spine1": "chest", "Neck": "neck", "Head": "head"} | {
    side + joint: f"{word}.{side[0]}" for side in ("Left", "Right") for joint, word in (
        ("UpLeg", "thigh"), ("Leg", "calf"), ("Foot", "foot"), ("Toe", "ball"), ("Shoulder", "clavicle"), ("Arm", "upperarm"),
        ("ForeArm", "lowerarm"), ("Hand", "hand"))}


def refused(armature: Any, sentence: str, mapping: Mapping | None = None) -> None:
    """The take is refused with this sentence and the file is what it was."""
    before = snapshot()
    with pytest.raises(InputError, match=sentence) as caught:
        apply_motion(bpy.context, synthetic_motion(), "take", armature, mapping=mapping)
    assert snapshot() == before and str(caught.value).count("\n") == 0
    assert "The armature" not in str(caught.value)[1:]  # a capital within the sentence


def test_locked_and_hidden_bones_follow_and_stay_locked() -> None:
    """Locks are for the user's hand: curves pass them, and they stay."""
    armature, motion = make_rig(RIGIFY), synthetic_motion()
    for bone in armature.pose.bones:
        bone.lock_rotation, bone.lock_location, bone.lock_rotation_w = (True, True, True), (True, True, True), True
        bone.lock_rotations_4d = True
        bone.bone.hide_select = True
    hidden = armature.pose.bones["forearm.L"]
    (hidden if bpy.app.version >= (5, 0) else hidden.bone).hide = True
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, RIGIFY, motion) < 0.1
    assert all(tuple(b.lock_rotation) == tuple(b.lock_location) == (True,) * 3 and b.bone.hide_select for b in armature.pose.bones)


def test_objects_without_a_pose_are_refused() -> None:
    refused(armature_with([]), "has no bones to pose")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    armature = armature_in_edit_mode()
    bone = armature.data.edit_bones.new("new")
    bone.tail = (0, 0, 1)
    refused(armature, "leave Edit Mode")


def armature_with(bones: list[tuple[str, tuple[float, float, float], tuple[float, float, float]]]) -> Any:
    armature = armature_in_edit_mode()
    for name, head, tail in bones:
        bone = armature.data.edit_bones.new(name)
        bone.head, bone.tail = head, tail
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def test_no_figure_and_two_figures_are_refused() -> None:
    refused(armature_with([("a", (0, 0, 0), (0, 0, 1)), ("b", (1, 0, 0), (1, 0, 1))]), "holds no figure")
    first, second = make_rig(MIXAMO), make_rig({j: f"second:{n}" for j, n in MIXAMO.items()}, seed=2)
    second.location.x = 3.0
    first.select_set(True)
    bpy.context.view_layer.objects.active = first
    bpy.ops.object.join()
    refused(first, "two figures")
    for i, bone in enumerate(first.data.bones):
        bone.name = f"word{i * 7919 % 1009}"
    refused(first, "two figures")


def test_limbs_without_length_are_refused_and_tiny_bones_are_not() -> None:
    armature = make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    tiny = bones.new("tiny")
    tiny.parent, tiny.head, tiny.tail = bones[MIXAMO["LeftHand"]], (0, 0, 1), (0, 0, 1 + 1e-5)
    bpy.ops.object.mode_set(mode="OBJECT")
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    assert limb_error(armature, MIXAMO, synthetic_motion()) < 0.1
    bpy.ops.object.mode_set(mode="EDIT")
    knee, hip = bones[MIXAMO["LeftLeg"]], bones[MIXAMO["LeftUpLeg"]]
    knee.use_connect = False
    knee.head = hip.head
    bpy.ops.object.mode_set(mode="OBJECT")
    refused(armature, "start at the same place, so the limb has no length")


def test_a_mapping_that_cannot_be_is_refused() -> None:
    armature = make_rig(CANONICAL)
    joints = {j: j for j in CANONICAL if j not in ("Spine", "Spine1", "Neck")}
    turned = joints | {"LeftUpLeg": "LeftLeg", "LeftLeg": "LeftUpLeg"}
    refused(armature, "runs in a circle", Mapping("mine", turned, ("Spine", "Spine1"), ("Neck",)))
    refused(armature, "for two joints", Mapping("mine", joints | {"LeftArm": "RightArm"}, ("Spine", "Spine1"), ("Neck",)))
    refused(armature, "has no bone 'Tail'", Mapping("mine", joints | {"Head": "Tail"}, ("Spine", "Spine1"), ("Neck",)))
    refused(armature, "has no bone for LeftLeg", Mapping("mine", {j: b for j, b in joints.items() if j != "LeftLeg"}))


def test_a_take_that_lacks_joints_is_refused(tmp_path: Path) -> None:
    path, lacking = tmp_path / "motion.npz", tmp_path / "lacking.npz"
    synthetic_motion().save(path)
    with np.load(path) as data:
        values = {key: data[key] for key in data.files}
    values["joint_names"] = values["joint_names"][:-1]
    np.savez(lacking, **values)
    with pytest.raises(InputError) as caught:
        load_motion(lacking)
    assert "\n" not in str(caught.value)


def test_a_take_without_frames_is_refused() -> None:
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    none = slice(0, 0)
    camera = dataclasses.replace(motion.camera, R=motion.camera.R[none], t=motion.camera.t[none])
    empty = dataclasses.replace(motion, camera=camera, **{name: getattr(motion, name)[none] for name in (
        "local_rotations", "root_translation", "times", "confidence", "contacts", "keypoints_2d")})
    before = snapshot()
    with pytest.raises(InputError, match="has no frames"):
        apply_motion(bpy.context, empty, "take", armature)
    assert snapshot() == before


def test_a_mirrored_object_is_refused() -> None:
    armature = make_rig(MIXAMO)
    armature.scale = (-1.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    refused(armature, "mirrored by a negative scale")


def test_a_vrm_model_says_its_bones_whether_its_add_on_is_enabled_or_not() -> None:
    """Since Blender 5.0 an enabled add-on's properties are no custom properties any more."""
    armature, said = make_rig({joint: f"bone {i}" for i, joint in enumerate(CANONICAL)}), {"spec_version": "1.0"}
    armature.data["vrm_addon_extension"] = said
    assert versions.extension_values(armature.data, "vrm_addon_extension") == said
    del armature.data["vrm_addon_extension"]
    kind = type("VrmStandIn", (bpy.types.PropertyGroup,), {"__annotations__": {"spec_version": bpy.props.StringProperty()}})
    bpy.utils.register_class(kind)
    bpy.types.Armature.vrm_addon_extension = bpy.props.PointerProperty(type=kind)
    try:
        armature.data.vrm_addon_extension.spec_version = "1.0"
        assert versions.extension_values(armature.data, "vrm_addon_extension") == said
        assert versions.extension_values(armature.data, "something else") == {}
    finally:
        del bpy.types.Armature.vrm_addon_extension
        bpy.utils.unregister_class(kind)


def rig_with_root() -> Any:
    armature = make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones.new("root")
    root.tail = (0.0, 0.2, 0.0)
    armature.data.edit_bones[MIXAMO["Hips"]].parent = root
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def constrain(armature: Any, bone: str, kind: str, **settings: Any) -> None:
    constraint = armature.pose.bones[bone].constraints.new(kind)
    if hasattr(constraint, "target"):
        constraint.target = bpy.data.objects.new("target", None)
        bpy.context.scene.collection.objects.link(constraint.target)
        constraint.target.rotation_euler[2] = 0.5
    for name, value in settings.items():
        setattr(constraint, name, value)


@pytest.mark.parametrize(("bone", "kind", "settings", "way", "told"), [
    (MIXAMO["Hips"], "COPY_LOCATION", {}, "hips", True),
    (MIXAMO["Hips"], "COPY_LOCATION", {"use_offset": True}, "hips", False),
    (MIXAMO["Hips"], "COPY_LOCATION", {"mute": True}, "hips", False),
    (MIXAMO["Hips"], "LIMIT_LOCATION", {"use_max_x": True}, "hips", True),
    (MIXAMO["Hips"], "LIMIT_LOCATION", {"use_max_x": True, "max_x": 2.0}, "hips", False),
    (MIXAMO["Hips"], "CHILD_OF", {}, "hips", False),
    ("root", "COPY_LOCATION", {}, "hips", False),
    ("root", "COPY_LOCATION", {}, "root", True),
])
def test_bones_that_are_kept_from_the_way_are_named(bone: str, kind: str, settings: dict[str, Any], way: str, told: bool) -> None:
    armature = rig_with_root()
    constrain(armature, bone, kind, **settings)
    armature.pose.bones[bone].location = (0.1, 0.2, 0.3)
    take = apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(way=way))
    assert take.overruled == ((bone,) if told else ())


@pytest.mark.parametrize(("least", "mute", "told"), [(-3.0, False, False), (-0.01, False, True), (-0.01, True, False)])
def test_bones_whose_rotation_is_clipped_are_named(least: float, mute: bool, told: bool) -> None:
    armature, shin = make_rig(MIXAMO), MIXAMO["LeftLeg"]
    limit = armature.pose.bones[shin].constraints.new("LIMIT_ROTATION")
    limit.owner_space, limit.mute = "LOCAL", mute
    for axis in "xyz":
        setattr(limit, f"use_limit_{axis}", True)
        setattr(limit, f"min_{axis}", least)
        setattr(limit, f"max_{axis}", -least)
    armature.pose.bones[shin].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    before = tuple(armature.pose.bones[shin].rotation_quaternion)
    turns = {shin: np.array([[1.0, 0, 0, 0], [0.8, 0.6, 0, 0]])}
    assert kept_from_turning(armature, read_rig(armature), turns) == ((shin,) if told else ())
    assert tuple(armature.pose.bones[shin].rotation_quaternion) == before and limit.mute == mute
    assert (shin in apply_motion(bpy.context, synthetic_motion(), "take", armature).overruled) == told


def test_limits_are_judged_as_the_take_switches_the_rig() -> None:
    """With the IK at work no key turned the shin, so no limit seemed to clip it; MMD Tools' own limit goes with the IK."""
    armature, shin, motion = make_rig(MIXAMO), MIXAMO["LeftLeg"], synthetic_motion()
    constrain(armature, shin, "IK", chain_count=2)
    constrain(armature, shin, "LIMIT_ROTATION", owner_space="LOCAL", use_limit_x=True, use_limit_y=True, use_limit_z=True)
    limit = armature.pose.bones[shin].constraints[1]
    take = apply_motion(bpy.context, motion, "take", armature)
    assert take.overruled == (shin,) and limb_error(armature, MIXAMO, motion) > 5.0
    limit.name = "mmd_ik_limit_override"
    take = apply_motion(bpy.context, motion, "take", armature)
    bpy.context.view_layer.update()
    assert not take.overruled and limit.influence == 0.0 and not limit.mute and limb_error(armature, MIXAMO, motion) < 0.1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("simplify", [False, True])
def test_feet_and_hands_that_hang_from_the_root_go_along(way: str, simplify: bool) -> None:
    """Deforming feet at which the shins' IK aims, as many low-poly rigs have them: they stayed at the origin while the body walked off."""
    names = {joint: name for joint, name in GAME.items() if not joint.endswith("Toe")}
    armature, motion = make_rig(names), synthetic_motion()
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    root = bones.new("Root")
    root.tail = (0.0, 0.3, 0.0)
    for end in ("Hips", "LeftFoot", "RightFoot", "LeftHand"):
        bones[names[end]].parent = root
    bpy.ops.object.mode_set(mode="OBJECT")
    for side in ("Left", "Right"):
        solver = armature.pose.bones[names[side + "Leg"]].constraints.new("IK")
        solver.target, solver.subtarget, solver.chain_count = armature, names[side + "Foot"], 2
    assert map_rig(read_rig(armature)).bones == names
    take = apply_motion(bpy.context, motion, "take", armature, choices=Choices(way=way, simplify=simplify))
    assert limb_error(armature, names, motion) < (1.5 if simplify else 0.1) and not take.overruled


def control_rig(switch: str) -> tuple[Any, dict[str, str]]:
    """A rig whose controls lead deforming bones as long as nothing else leads their limbs, which the switch, a path on the armature, says;
    and joint -> deforming bone."""
    armature = make_rig(CANONICAL)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    for prefix in ("DEF-", "IK-"):
        for name in CANONICAL:
            copy = bones.new(prefix + name)
            copy.head, copy.tail, copy.roll = bones[name].head, bones[name].tail, bones[name].roll
        for name in CANONICAL:
            bones[prefix + name].parent = bones[prefix + bones[name].parent.name] if bones[name].parent else None
    bones.new("Properties").tail = (0.0, 0.3, 0.0)
    bpy.ops.object.mode_set(mode="OBJECT")
    shape = bpy.data.objects.new("shape", bpy.data.meshes.new("shape"))
    posed = armature.pose.bones
    posed["Properties"]["ik"] = 1
    armature["ik"] = 1
    for name in CANONICAL:
        posed[name].custom_shape = shape
        posed["IK-" + name].bone.use_deform = False
        for leader in (name, *(["IK-" + name] if name.startswith(("Left", "Right")) else [])):
            copied = posed["DEF-" + name].constraints.new("COPY_TRANSFORMS")
            copied.target, copied.subtarget = armature, leader
        if name.startswith(("Left", "Right")):
            driver = copied.driver_add("influence").driver
            variable = driver.variables.new()
            variable.targets[0].id, variable.targets[0].data_path = armature, switch
            driver.expression = variable.name
    bpy.context.view_layer.update()
    return armature, {joint: "DEF-" + joint for joint in CANONICAL}


def test_a_control_rig_is_switched_to_its_controls_by_the_property_that_does_it() -> None:
    """Standing on inverse kinematics, its limbs stayed as they were and not a word was said."""
    (armature, deforming), motion = control_rig('pose.bones["Properties"]["ik"]'), synthetic_motion()
    take = apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, deforming, motion) < 0.1 and not take.unseen and not take.overruled
    (curve,) = (c for c in versions.curves_of(armature) if c.data_path.endswith('["ik"]'))
    assert [tuple(key.co) for key in curve.keyframe_points] == [(1.0, 0.0)]


@pytest.mark.parametrize("standing", [0, 1, 0.5])
def test_a_switch_belongs_to_every_take_wherever_it_stands(standing: float) -> None:
    """A second take found it where the first had put it, and lacked it: with another action in between its limbs were 140 degrees off."""
    (armature, deforming), motion = control_rig('pose.bones["Properties"]["ik"]'), synthetic_motion()
    armature.pose.bones["Properties"]["ik"] = standing
    take = apply_motion(bpy.context, motion, "take", armature)
    armature.pose.bones["Properties"]["ik"] = type(standing)(1)
    assert limb_error(armature, deforming, motion) < 0.1 and not take.unseen
    again = apply_motion(bpy.context, motion, "again", armature)
    armature.pose.bones["Properties"]["ik"] = type(standing)(1)
    assert limb_error(armature, deforming, motion) < 0.1 and not again.unseen


def test_a_driver_that_asks_for_what_is_gone_is_no_harm() -> None:
    armature, _ = control_rig('["ik"]')
    driver = armature.pose.bones["DEF-LeftArm"].constraints[0].driver_add("influence").driver
    target = driver.variables.new().targets[0]
    target.id, target.data_path = armature, 'pose.bones["Properties"]["gone"]'
    assert "switch the rig's limbs from IK to FK" in apply_motion(bpy.context, synthetic_motion(), "take", armature).unseen


@pytest.mark.parametrize("kind", ["LIMIT_ROTATION", "MAINTAIN_VOLUME", "COPY_ROTATION"])
def test_what_deforms_a_mesh_itself_leads_nothing(kind: str) -> None:
    """A helper in the armpit was taken for what a deforming arm should lead, and its property for a switch."""
    armature, motion = make_rig(MIXAMO), synthetic_motion()
    mesh = bpy.data.objects.new("body", bpy.data.meshes.new("body"))
    bpy.context.scene.collection.objects.link(mesh)
    mesh.modifiers.new("rig", "ARMATURE").object = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    helper = bones.new("Armpit")
    helper.head, helper.tail, helper.parent = bones[MIXAMO["LeftArm"]].head, bones[MIXAMO["LeftArm"]].tail, bones[MIXAMO["Spine1"]]
    bpy.ops.object.mode_set(mode="OBJECT")
    for name in MIXAMO.values():
        armature.pose.bones[name].custom_shape = mesh
        mesh.vertex_groups.new(name=name)
    constraint = armature.pose.bones["Armpit"].constraints.new(kind)
    if kind == "COPY_ROTATION":
        armature.pose.bones["Armpit"]["corrective"] = 0.0
        constraint.target, constraint.subtarget = armature, MIXAMO["LeftArm"]
        driver = constraint.driver_add("influence").driver
        target = driver.variables.new().targets[0]
        target.id, target.data_path = armature, 'pose.bones["Armpit"]["corrective"]'
        driver.expression = driver.variables[0].name
    take = apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, MIXAMO, motion) < 0.1 and not take.unseen
    assert not any("corrective" in curve.data_path for curve in versions.curves_of(armature))


def test_controls_that_move_nothing_are_named() -> None:
    """A switch that is no bone's property is not tried."""
    armature, _ = control_rig('["ik"]')
    take = apply_motion(bpy.context, synthetic_motion(), "take", armature)
    assert take.unseen == ("The control 'LeftUpLeg' and 11 other controls of 'rig' move nothing that deforms; switch the rig's limbs from "
                           "IK to FK to see the take.")


def test_asking_what_follows_a_control_leaves_the_rig_as_it_was() -> None:
    armature, _ = control_rig('pose.bones["Properties"]["ik"]')
    for bone in armature.pose.bones:
        bone.rotation_quaternion, bone.location = (0.9, 0.1, 0.2, 0.3), (0.01, 0.0, 0.02)
    bpy.context.view_layer.update()
    before = snapshot()
    rig = read_rig(armature)
    switched, idle = switched_to_controls(armature, rig, map_rig(rig))
    assert switched.switches == (("Properties", '["ik"]', 0.0),) and not idle
    assert snapshot() == before and armature.pose.bones["Properties"]["ik"] == 1


@pytest.mark.parametrize("plays", [True, False])
def test_asking_what_a_constraint_does_leaves_strips_playing_or_not(plays: bool) -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "strip", armature, choices=Choices(nla=True))
    constrain(armature, MIXAMO["LeftForeArm"], "COPY_ROTATION", influence=0.5)
    armature.animation_data.use_nla = plays
    rig = read_rig(armature)
    with_constraints(armature, rig, map_rig(rig))
    assert armature.animation_data.use_nla == plays


def test_finding_what_keeps_a_bone_leaves_it_where_it_is() -> None:
    armature = rig_with_root()
    constrain(armature, "root", "COPY_LOCATION")
    armature.pose.bones["root"].location = (0.1, 0.2, 0.3)
    bpy.context.view_layer.update()
    before = snapshot()
    assert kept_from_the_way(armature, read_rig(armature), {"root": np.ones((3, 1)) * np.arange(3)}) == ("root",)
    assert snapshot() == before and not armature.pose.bones["root"].constraints[0].mute


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_driver_on_a_location_or_a_switch_is_told(value: float) -> None:
    """A driver that sets the switch as the take would is none that overrules it."""
    armature = make_rig(MIXAMO)
    armature.pose.bones[MIXAMO["LeftHand"]]["IK_FK"] = 0.0
    armature.pose.bones[MIXAMO["LeftHand"]].driver_add('["IK_FK"]').driver.expression = str(value)
    armature.pose.bones[MIXAMO["Hips"]].driver_add("location", 0).driver.expression = "0.0"
    take = apply_motion(bpy.context, synthetic_motion(), "take", armature)
    assert take.overruled == (MIXAMO["Hips"], *([MIXAMO["LeftHand"]] if value == 0.0 else []))


@pytest.mark.parametrize("names", [MIXAMO, RIGIFY])
def test_sides_that_are_named_as_whoever_looks_at_the_figure_sees_them(names: dict[str, str]) -> None:
    armature, motion = make_rig(names), synthetic_motion()
    truth = dict(names)
    bones = armature.data.bones
    for joint in (j for j in names if j.startswith("Left")):
        left, right = names[joint], names["Right" + joint[len("Left"):]]
        bones[left].name, bones[right].name = "a", "b"
        bones["a"].name, bones["b"].name = right, left
        truth[joint], truth["Right" + joint[len("Left"):]] = right, left
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, truth, motion) < 0.1


def test_an_uneven_scale_is_told() -> None:
    armature = make_rig(MIXAMO)
    armature.scale = (1.0, 1.0, 1.1)
    bpy.context.view_layer.update()
    said = Solved(synthetic_motion(), Path("walk.mp4")).put(bpy.context, armature, Wanted()).warnings
    assert len(said) == 1 and "not the same in all directions" in said[0]
    armature.scale = (2.0, 2.0, 2.0)
    bpy.context.view_layer.update()
    assert not Solved(synthetic_motion(), Path("walk.mp4")).put(bpy.context, armature, Wanted()).warnings


def test_a_figure_that_is_placed_by_its_root_bone_is_told_of_beside_a_camera() -> None:
    armature = make_rig(MIXAMO)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    root = armature.data.edit_bones.new("root")
    root.head, root.tail = (0, 0, 0), (0, 0.2, 0)
    armature.data.edit_bones[MIXAMO["Hips"]].parent = root
    bpy.ops.object.mode_set(mode="OBJECT")
    solved = Solved(synthetic_motion(), Path("walk.mp4"))
    for location, camera, told in ((2.0, True, 1), (2.0, False, 0), (0.0, True, 0)):
        armature.pose.bones["root"].location.x = location
        bpy.context.view_layer.update()
        warnings = [w for w in solved.put(bpy.context, armature, Wanted(camera=camera)).warnings if "by its bone 'root'" in w]
        assert len(warnings) == told


@pytest.mark.parametrize(("kind", "pair", "influence"), [
    ("PIVOT", ("LeftUpLeg", "LeftLeg"), 1.0), ("COPY_ROTATION", ("Spine1", "Neck"), 0.3)])
def test_bones_that_constraints_tie_both_ways_are_not_carried_in_a_circle(kind: str, pair: tuple[str, str], influence: float) -> None:
    """Blender only warns of such a rig; asking who carries whom went on for ever (2026-11-23)."""
    armature = make_rig(MIXAMO)
    for a, b in (pair, pair[::-1]):
        constraint = armature.pose.bones[MIXAMO[a]].constraints.new(kind)
        constraint.target, constraint.subtarget, constraint.influence = armature, MIXAMO[b], influence
    rig = read_rig(armature)
    held, _ = with_constraints(armature, rig, map_rig(rig))
    for bone in range(len(rig.names)):
        carrier, passed = held.carrier(bone), {bone}
        while carrier >= 0:
            assert carrier not in passed, f"{rig.names[bone]} is carried in a circle"
            passed.add(carrier)
            carrier = held.carrier(carrier)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(touch=True))


def test_of_bones_that_begin_at_one_point_the_nearest_carries() -> None:
    """Spine1 hung from the hips where these begin where Spine does: the whole upper body was 9 cm off (2026-11-23)."""
    armature = make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = armature.data.edit_bones
    bones[MIXAMO["Spine"]].use_connect = False
    bones[MIXAMO["Spine"]].head = bones[MIXAMO["Hips"]].head
    bpy.ops.object.mode_set(mode="OBJECT")
    constraint = armature.pose.bones[MIXAMO["Head"]].constraints.new("COPY_ROTATION")  # so that the rig is asked at all
    constraint.target, constraint.subtarget, constraint.influence = armature, MIXAMO["Neck"], 0.05
    rig = read_rig(armature)
    held, _ = with_constraints(armature, rig, map_rig(rig))
    assert (held.placed_by < 0).all()
