"""The list of bones in the panel: found, corrected, used by an import, kept as a preset."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.retarget import check_mapping, map_rig
from blender_addon.core.retarget.choices import Choices
from blender_addon.core.retarget.presets import fitting_preset, load_preset
from helpers import CANONICAL, MIXAMO, armature_in_edit_mode, limb_error, make_rig, open_rig, synthetic_motion

from blender_addon import bones, panel
from blender_addon.apply import apply_motion
from blender_addon.rigs import chosen_armature, read_rig

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


def panel_says(armature: Any) -> list[str]:
    """The lines about the armature at the top of the panel, drawn on a stand-in for Blender's layout."""
    said: list[str] = []
    layout = SimpleNamespace(label=lambda text, icon: said.append(text), column=lambda align: layout)
    bpy.context.view_layer.objects.active = armature
    panel._draw_target(layout, bpy.context)
    return said


def test_feet_and_hands_that_are_not_found_are_named() -> None:
    """Without the list a rig whose hands nobody found looked as one whose bones are all known."""
    said: list[str] = []
    layout = SimpleNamespace(row=lambda align: layout, operator=lambda *_, **__: None, label=lambda text, icon: said.append(text))
    bones.draw_bones(layout, bpy.context, make_rig(MIXAMO))
    bones.draw_bones(layout, bpy.context, make_rig({joint: name for joint, name in MIXAMO.items() if "Hand" not in joint}))
    assert said == ["Not found: LeftHand, RightHand"]


def test_the_panel_says_what_an_import_goes_by() -> None:
    """A rig that is not recognised: once the list is filled in by hand it can be used, and the panel says so."""
    names = {joint: f"word{i * 7919 % 1009}" for i, joint in enumerate(CANONICAL)}
    armature, rows = make_rig(names), bpy.context.scene.video_mocap.bones.rows
    armature.rotation_euler[0] = 1.57
    bpy.context.view_layer.update()
    said = " ".join(panel_says(armature))
    assert "holds no figure" in said and "say under Bones which bone is which joint" in said
    with pytest.raises(RuntimeError, match="holds no figure"):
        bpy.ops.video_mocap.show_bones()
    assert "has no bone for Hips" in " ".join(panel_says(armature))
    for row in rows:
        row.bone = names[row.joint]
    assert panel_says(armature) == ["Onto: rig", "Bones of the list"]
    apply_motion(bpy.context, synthetic_motion(), "take", armature, mapping=bones.chosen_mapping(bpy.context.scene, armature))
    rows[0].bone = "gone"
    assert "has no bone 'gone'" in " ".join(panel_says(armature))
    assert "Bones of the list" not in panel_says(make_rig(MIXAMO))


def test_the_preset_that_was_saved_last_counts() -> None:
    armature = make_rig(MIXAMO)
    bpy.ops.video_mocap.show_bones()
    for age, name in ((0, "b"), (2, "a"), (1, "c")):
        bpy.ops.video_mocap.save_bones(name=name)
        saved = bones.presets_folder() / f"{name}.json"
        os.utime(saved, (saved.stat().st_atime, saved.stat().st_mtime - 10 * age))
    found = fitting_preset(bones.presets_folder(), read_rig(armature).names)
    assert found is not None and found.map_name == "b"


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


def test_the_list_stays_with_a_renamed_armature(tmp_path: Path) -> None:
    armature, other = make_rig(MIXAMO), make_rig(MIXAMO)
    bpy.ops.video_mocap.show_bones()
    other.name = "Bob"
    armature.name = "rig.001"  # what the other one was called
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert bones.chosen_mapping(bpy.context.scene, bpy.data.objects["Bob"]) is not None
    assert bones.chosen_mapping(bpy.context.scene, bpy.data.objects["rig.001"]) is None


def test_an_armature_that_is_deleted_stays_so(tmp_path: Path) -> None:
    """Its list counts as a user of it, until it is forgotten; no scene shows it any more."""
    for forget in (False, True):
        armature = make_rig(MIXAMO)
        bpy.ops.video_mocap.show_bones()
        if forget:
            bpy.ops.video_mocap.forget_bones()
        name = armature.name
        bpy.ops.object.delete()
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
        assert not bpy.context.scene.objects
    assert name not in bpy.data.objects


def test_marks_stay_with_a_renamed_armature() -> None:
    """Those of an armature that it is a copy of are left alone."""
    confidence = np.ones((30, 21))
    confidence[10:15] = 0.1
    motion, armature, confident = synthetic_motion(), make_rig(MIXAMO), Choices(confidence=True)
    motion = dataclasses.replace(motion, confidence=confidence)
    apply_motion(bpy.context, motion, "take", armature, choices=confident)
    copy = armature.copy()
    bpy.context.scene.collection.objects.link(copy)
    apply_motion(bpy.context, motion, "copy", copy, choices=confident)
    armature.name = "Bob"
    apply_motion(bpy.context, motion, "again", armature, start_frame=100.0, choices=confident)
    apply_motion(bpy.context, motion, "again", armature, choices=confident)
    assert sorted(m.name for m in bpy.context.scene.timeline_markers) == sorted(
        2 * ["doubtful (Bob)", "doubtful end (Bob)"] + [f"doubtful ({copy.name})", f"doubtful end ({copy.name})"])


def test_the_mesh_of_a_figure_chooses_its_armature() -> None:
    armature, other = make_rig(MIXAMO), make_rig(MIXAMO)
    mesh = bpy.data.objects.new("body", bpy.data.meshes.new("body"))
    bpy.context.scene.collection.objects.link(mesh)
    mesh.modifiers.new("Armature", "ARMATURE").object = armature
    bpy.context.view_layer.objects.active = mesh
    for selected, chosen in (([], None), ([mesh], armature), ([mesh, armature], armature), ([mesh, other], other), ([other], other),
                             ([mesh, armature, other], armature)):
        for thing in (mesh, armature, other):
            thing.select_set(thing in selected)
        assert chosen_armature(bpy.context) == chosen
    armature.select_set(False)
    bpy.context.scene.collection.objects.unlink(armature)  # nobody would see the take there
    mesh.select_set(True)
    other.select_set(False)
    assert chosen_armature(bpy.context) is None
