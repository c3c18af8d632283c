"""A take on somebody's rig as FBX, glTF and BVH: read again, it has the same joints, rest pose and length; the file stays as it was."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.retarget.choices import Choices
from helpers import CANONICAL, MIXAMO, joints_in_blender, make_rig, open_rig, snapshot, synthetic_motion
from mathutils import Matrix

from blender_addon import versions
from blender_addon.apply import apply_motion
from blender_addon.exports import export_take

READERS = {".fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path), ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
           ".bvh": lambda path: bpy.ops.import_anim.bvh(filepath=path, use_fps_scale=False, update_scene_fps=False)}
ROWS = (1, 9, 20)


def needs(kind: str) -> None:
    if kind == ".glb" and bpy.app.version < (4, 3) and not bpy.app.binary_path:
        pytest.skip("bpy 4.2 crashes at its exit after a glTF export")


def rest(armature: Any, names: dict[str, str]) -> np.ndarray:
    return np.array([armature.matrix_world @ armature.data.bones[bone].head_local for bone in names.values() if bone])


def read_again(path: Path) -> Any:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 25
    READERS[path.suffix](str(path))
    (armature,) = (o for o in bpy.data.objects if o.type == "ARMATURE")
    return armature


def compare(armature: Any, names: dict[str, str], path: Path, at_rest: bool = True) -> None:
    """Exports, reads and compares; heads in the world, metres."""
    bpy.context.view_layer.update()
    still = rest(armature, names)
    moving = np.array([list(joints_in_blender(armature, names, row).values()) for row in ROWS])
    before = snapshot()
    export_take(armature, path)
    assert snapshot() == before
    there = read_again(path)
    keys = [k.co[0] for c in versions.curves_of(there) for k in c.keyframe_points]
    assert max(keys) - min(keys) == pytest.approx(29, abs=0.01)
    back = np.array([list(joints_in_blender(there, names, min(keys) + row - 1).values()) for row in ROWS])
    np.testing.assert_allclose(back, moving, atol=2e-3)
    if at_rest:
        np.testing.assert_allclose(rest(there, names), still, atol=2e-3)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("rig", ["mpfb_mixamo", "vrm1_names", "ue5_mannequin_names", "one_spine_low_poly", "rigify_generated"])
def test_a_rig_comes_back_with_its_motion(shared: Path, tmp_path: Path, rig: str, kind: str) -> None:
    needs(kind)
    armature, truth = open_rig(shared, rig)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 25, 1.0
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    compare(armature, truth["measure"], tmp_path / f"take{kind}")


@pytest.mark.parametrize("kind", READERS)
def test_a_take_in_a_strip_comes_along_beside_the_animators_own_action(tmp_path: Path, kind: str) -> None:
    needs(kind)
    bpy.context.scene.render.fps = 25
    armature = make_rig(MIXAMO)
    armature.pose.bones[MIXAMO["Head"]].keyframe_insert("scale", frame=5)  # which the take leaves alone
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(nla=True))
    bpy.context.scene.copy()  # everyday work, and not to be in the file
    compare(armature, MIXAMO, tmp_path / f"take{kind}", at_rest=kind != ".fbx")


@pytest.mark.parametrize("kind", [".fbx", ".bvh"])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_generated_rig_comes_back(tmp_path: Path, kind: str, scale: float) -> None:
    bpy.context.scene.render.fps = 25
    armature = make_rig(MIXAMO, scale=scale)
    other = bpy.data.objects.new("other", None)
    bpy.context.scene.collection.objects.link(other)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    bpy.context.scene.frame_set(7)
    bpy.ops.object.mode_set(mode="POSE")
    other.select_set(True)
    compare(armature, MIXAMO, tmp_path / f"take{kind}", at_rest=kind != ".fbx")  # there the rest pose is the skin's, and there is none


def test_an_fbx_calls_the_take_by_its_name(tmp_path: Path) -> None:
    """It was called "Scene", as every take of every file."""
    armature, name = make_rig(MIXAMO), bpy.context.scene.name
    apply_motion(bpy.context, synthetic_motion(), "somersault", armature)
    export_take(armature, tmp_path / "take.fbx")
    assert bpy.context.scene.name == name and bpy.data.actions["somersault"].users
    read_again(tmp_path / "take.fbx")
    assert any("somersault" in action.name for action in bpy.data.actions)


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    armature = make_rig(MIXAMO)
    with pytest.raises(InputError, match="has no action to export"):
        export_take(armature, tmp_path / "take.fbx")
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    with pytest.raises(InputError, match="ends in none of"):
        export_take(armature, tmp_path / "take.obj")
    with pytest.raises(InputError, match="no folder"):
        export_take(armature, tmp_path / "nowhere" / "take.fbx")
    with pytest.raises(RuntimeError, match="ends in none of"):
        bpy.ops.video_mocap.export_take(filepath=str(tmp_path / "take.obj"))
    assert bpy.ops.video_mocap.export_take(filepath=str(tmp_path / "take.bvh")) == {"FINISHED"} and (tmp_path / "take.bvh").exists()


def test_a_bvh_of_a_rig_that_lies_in_its_own_axes_stands(tmp_path: Path) -> None:
    """As Mixamo's FBX gives them: bones with Y up in an object that is turned and a hundredth in size."""
    bpy.context.scene.render.fps = 25
    armature = make_rig(MIXAMO)
    armature.data.transform(Matrix.Rotation(-math.pi / 2, 4, "X") @ Matrix.Scale(100, 4))
    armature.rotation_euler, armature.scale = (math.pi / 2, 0.0, 0.4), (0.01,) * 3
    bpy.context.view_layer.update()
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    compare(armature, MIXAMO, tmp_path / "take.bvh")


def add_hat(armature: Any, collection: Any) -> Any:
    """A mesh that hangs from the head."""
    mesh = bpy.data.meshes.new("hat")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    hat = bpy.data.objects.new("hat", mesh)
    collection.objects.link(hat)
    hat.parent, hat.parent_type, hat.parent_bone = armature, "BONE", MIXAMO["Head"]
    return hat


def test_what_hangs_from_a_bone_goes_along(tmp_path: Path) -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    add_hat(armature, bpy.context.scene.collection)
    export_take(armature, tmp_path / "take.fbx")
    read_again(tmp_path / "take.fbx")
    assert "hat" in bpy.data.objects


@pytest.mark.parametrize("kind", READERS)
def test_a_take_in_a_strip_is_exported(tmp_path: Path, kind: str) -> None:
    needs(kind)
    bpy.context.scene.render.fps = 25
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(nla=True))
    compare(armature, MIXAMO, tmp_path / f"take{kind}", at_rest=kind == ".bvh")


def test_a_take_that_begins_before_frame_0_is_refused(tmp_path: Path) -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, start_frame=-20)
    with pytest.raises(InputError, match="begins at frame -20"):
        export_take(armature, tmp_path / "take.bvh")


@pytest.mark.parametrize("kind", READERS)
def test_what_is_locked_and_an_armature_that_is_hidden_go_along(tmp_path: Path, kind: str) -> None:
    needs(kind)
    bpy.context.scene.render.fps = 25
    armature, away = make_rig(MIXAMO), bpy.data.collections.new("away")
    bpy.context.scene.collection.children.link(away)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    hat = add_hat(armature, away)
    away.hide_select = hat.hide_select = armature.hide_select = armature.hide_viewport = True
    armature.hide_set(True)
    export_take(armature, tmp_path / f"take{kind}")
    assert away.hide_select and hat.hide_select and armature.hide_select and armature.hide_viewport and armature.hide_get()
    there = read_again(tmp_path / f"take{kind}")
    assert kind == ".bvh" or "hat" in bpy.data.objects
    first, last = (joints_in_blender(there, MIXAMO, row)["Hips"] for row in (2, 28))
    assert np.linalg.norm(last - first) > 0.4


@pytest.mark.parametrize("kind", READERS)
def test_an_armature_in_rest_position_is_exported_with_its_take(tmp_path: Path, kind: str) -> None:
    needs(kind)
    bpy.context.scene.render.fps = 25
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    armature.data.pose_position = "REST"
    export_take(armature, tmp_path / f"take{kind}")
    assert armature.data.pose_position == "REST"
    there = read_again(tmp_path / f"take{kind}")
    first, last = (joints_in_blender(there, MIXAMO, row)["Hips"] for row in (2, 28))
    assert np.linalg.norm(last - first) > 0.4


@pytest.mark.parametrize("how", ["excluded", "hidden"])
def test_an_armature_that_cannot_be_selected_is_one_sentence(tmp_path: Path, how: str) -> None:
    armature, away = make_rig(MIXAMO), bpy.data.collections.new("away")
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    bpy.context.scene.collection.children.link(away)
    away.objects.link(armature)
    bpy.context.scene.collection.objects.unlink(armature)
    if how == "excluded":
        bpy.context.view_layer.layer_collection.children["away"].exclude = True
    else:
        away.hide_viewport = True
    armature.hide_select = True
    before = snapshot()
    with pytest.raises(InputError, match="view layer" if how == "excluded" else "hidden collection"):
        export_take(armature, tmp_path / "take.fbx")
    assert snapshot() == before and armature.hide_select and not (tmp_path / "take.fbx").exists()


@pytest.mark.parametrize("kind", READERS)
def test_what_the_system_refuses_is_one_sentence(tmp_path: Path, kind: str) -> None:
    needs(kind)
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    (tmp_path / f"take{kind}").mkdir()
    bpy.context.scene.frame_set(1)
    before = snapshot()
    with pytest.raises(InputError, match=f"could not write .*take{kind}: [^:]*: .*take{kind}'\\.$") as told:
        export_take(armature, tmp_path / f"take{kind}")
    assert "Traceback" not in str(told.value) and "Location" not in str(told.value) and snapshot() == before


@pytest.mark.parametrize("kind", READERS)
def test_a_scene_in_centimetres_comes_out_in_metres(tmp_path: Path, kind: str) -> None:
    needs(kind)
    scene, armature = bpy.context.scene, make_rig(MIXAMO)
    scene.render.fps, scene.unit_settings.scale_length = 25, 0.01
    armature.scale = (100.0,) * 3
    bpy.context.view_layer.update()
    apply_motion(bpy.context, synthetic_motion(), "take", armature)
    moving = np.array([list(joints_in_blender(armature, MIXAMO, row).values()) for row in ROWS])
    export_take(armature, tmp_path / f"take{kind}")
    there = read_again(tmp_path / f"take{kind}")
    first = min(k.co[0] for c in versions.curves_of(there) for k in c.keyframe_points)
    back = np.array([list(joints_in_blender(there, MIXAMO, first + row - 1).values()) for row in ROWS])
    np.testing.assert_allclose(back, 0.01 * moving, atol=2e-3)


@pytest.mark.parametrize("nla", [False, True])
@pytest.mark.parametrize("rate", [29.6, 12.5, 30.0])
def test_a_glb_lasts_as_long_as_the_take(tmp_path: Path, rate: float, nla: bool) -> None:
    """By the file's own seconds: Blender's importer takes the rate as wrongly as its exporter."""
    needs(".glb")
    render, motion = bpy.context.scene.render, synthetic_motion(60, rate)
    render.fps, render.fps_base = round(rate), round(rate) / rate
    take = apply_motion(bpy.context, motion, "take", choices=Choices(nla=nla))
    armature, action = bpy.data.objects[take.armature], bpy.data.actions[take.action]
    bpy.context.scene.frame_set(1)
    before, played = snapshot(), (action.use_frame_range, action.frame_start, action.frame_end)
    export_take(armature, tmp_path / "take.glb")
    assert snapshot() == before and (action.use_frame_range, action.frame_start, action.frame_end) == played
    data = (tmp_path / "take.glb").read_bytes()
    tree = json.loads(data[20:20 + struct.unpack_from("<I", data, 12)[0]])
    times = [tree["accessors"][sampler["input"]] for animation in tree["animations"] for sampler in animation["samplers"]]
    lasts = max(t["max"][0] for t in times) - min(t["min"][0] for t in times)
    assert lasts == pytest.approx(motion.times[-1], abs=1e-3)
    assert nla or [animation["name"] for animation in tree["animations"]] == [take.action]


@pytest.mark.parametrize("kind", [".fbx", ".bvh"])
def test_a_strip_that_ends_between_frames_is_not_at_rest_there(tmp_path: Path, kind: str) -> None:
    """At 24 frames a second a take of 25 ends between two."""
    armature = make_rig(CANONICAL)
    apply_motion(bpy.context, synthetic_motion(), "take", armature, choices=Choices(nla=True))
    way = joints_in_blender(armature, CANONICAL, 28.0)["Hips"]
    last = joints_in_blender(armature, CANONICAL, 29.0)["Hips"]
    assert np.linalg.norm(last - way) < 0.05
    export_take(armature, tmp_path / f"take{kind}")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    READERS[kind](str(tmp_path / f"take{kind}"))
    (there,) = (o for o in bpy.data.objects if o.type == "ARMATURE")
    end = max(k.co[0] for c in versions.curves_of(there) for k in c.keyframe_points)
    np.testing.assert_allclose(joints_in_blender(there, CANONICAL, end)["Hips"], last, atol=2e-3)
