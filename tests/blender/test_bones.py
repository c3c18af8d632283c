"""The list of bones in the panel: found, corrected, used by an import, kept as a preset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest
from blender_addon.core.retarget import check_mapping, map_rig
from blender_addon.core.retarget.choices import Choices
from blender_addon.core.retarget.presets import fitting_preset, load_preset
from helpers import CANONICAL, MIXAMO, armature_in_edit_mode, limb_error, make_rig, open_rig, synthetic_motion

from blender_addon import bones
from blender_addon.apply import apply_motion
from blender_addon.rigs import read_rig

Order = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bones, "presets_folder", lambda: tmp_path / "presets")
    bones._found.cache_clear()


def rows() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in bpy.context.scene.video_mocap.bones.rows:
        found.setdefault(row.joint, []).append(row.bone)
    return found


def test_the_list_shows_what_is_found_and_gives_it_back() -> None:
    armature = make_rig(MIXAMO)
    assert bones.chosen_mapping(bpy.context.scene, armature) is None
    assert bpy.ops.video_mocap.show_bones() == {"FINISHED"}
    assert rows()["LeftArm"] == ["mixamorig7:LeftArm"] and rows()["Spine"][-2:] == ["mixamorig7:Spine2", ""]
    found, chosen = map_rig(read_rig(armature)), bones.chosen_mapping(bpy.context.scene, armature)
    assert chosen is not None and chosen.bones == found.bones and chosen.spine == found.spine
    bpy.ops.video_mocap.forget_bones()
    assert bones.chosen_mapping(bpy.context.scene, armature) is None


def test_an_import_uses_the_corrected_list(order: Order) -> None:
    armature = make_rig(CANONICAL)
    extra = {"LeftLeg": "Weird", "Weird": "LeftLeg"}
    armature.data.bones["LeftLeg"].name = "Weird"
    bpy.ops.video_mocap.show_bones()
    for row in bpy.context.scene.video_mocap.bones.rows:
        row.bone = extra.get(row.joint, row.bone)
    names = {**CANONICAL, "LeftLeg": "Weird"}
    assert bpy.ops.video_mocap.import_video(filepath=str(order())) == {"FINISHED"}
    assert limb_error(armature, names, synthetic_motion()) < 0.1
    for row in bpy.context.scene.video_mocap.bones.rows:
        if row.joint == "LeftArm":
            row.bone = "RightArm"
    with pytest.raises(RuntimeError, match="for two joints"):
        bpy.ops.video_mocap.import_video(filepath=str(order()))


def test_a_preset_is_kept_and_found_again() -> None:
    armature = make_rig(MIXAMO)
    bpy.ops.video_mocap.show_bones()
    for row in bpy.context.scene.video_mocap.bones.rows:
        row.bone = "" if row.joint == "LeftToe" else row.bone
    with pytest.raises(RuntimeError, match="Give the preset a name"):
        bpy.ops.video_mocap.save_bones()
    bpy.ops.video_mocap.save_bones(name="my rig / two")
    (path,) = bones.presets_folder().glob("*.json")
    assert path.name == "my rig _ two.json" and "LeftToe" not in load_preset(path).bones
    bpy.ops.video_mocap.forget_bones()
    found, problem = bones.found_mapping(armature)
    assert not problem and found is not None and found.map_name == "my rig _ two" and "LeftToe" not in found.bones
    assert fitting_preset(bones.presets_folder(), ("other",)) is None
    bpy.ops.video_mocap.load_bones(filepath=str(path))
    assert rows()["LeftToe"] == [""]
    path.write_text("{}")
    with pytest.raises(RuntimeError, match="cannot be read as a preset"):
        bpy.ops.video_mocap.load_bones(filepath=str(path))
    assert fitting_preset(bones.presets_folder(), read_rig(armature).names) is None


def test_an_armature_without_a_figure_gets_rows_to_fill() -> None:
    armature = armature_in_edit_mode()
    armature.data.edit_bones.new("only").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(RuntimeError, match="holds no figure"):
        bpy.ops.video_mocap.show_bones()
    assert rows()["LeftArm"] == [""]


def test_a_listed_rig_keeps_its_inverse_kinematics(shared: Path) -> None:
    """The list and presets hold joints' bones only; what a known rig has beside them is found again."""
    armature, _ = open_rig(shared, "rigify_generated")
    bpy.context.view_layer.objects.active = armature
    armature.select_set(True)
    bpy.ops.video_mocap.show_bones()
    listed = bones.chosen_mapping(bpy.context.scene, armature)
    assert listed is not None and not listed.ik
    found = map_rig(read_rig(armature))
    assert check_mapping(read_rig(armature), listed).ik == found.ik and found.ik
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(controls="both"), mapping=listed)
    other = dataclasses.replace(listed, joints=listed.joints | {"LeftHand": "hand_ik.L"})
    assert set(found.ik) - set(check_mapping(read_rig(armature), other).ik) == {"LeftHand"}


def test_what_is_found_follows_the_rig() -> None:
    """A rig without names that lies down holds no figure; once it stands it does, in the panel, too."""
    armature = make_rig({joint: f"word{i * 7919 % 1009}" for i, joint in enumerate(CANONICAL)})
    armature.rotation_euler[0] = 1.57
    bpy.context.view_layer.update()
    assert bones.found_mapping(armature)[0] is None
    armature.rotation_euler[0] = 0.0
    bpy.context.view_layer.update()
    assert bones.found_mapping(armature)[0] is not None
