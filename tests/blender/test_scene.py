"""The exported scene: rate, size, camera and footage of the video; FBX and glTF that come back with the motion."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.motion import Motion, project
from helpers import CANONICAL, MIXAMO, joints_in_blender, limb_error, make_rig, synthetic_motion

from blender_addon import versions
from blender_addon.apply import apply_motion
from blender_addon.exports import export_take
from blender_addon.scene_script import build_scene, save_blend

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "core" / "assets" / "sample.mp4"


def seen_by_camera(camera: Any, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of the world as pixels (N, 2) of the render frame, by Blender's own projection."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector
    render = bpy.context.scene.render
    views = [world_to_camera_view(bpy.context.scene, camera, Vector(p)) for p in points]
    return np.array([(v.x * render.resolution_x, (1 - v.y) * render.resolution_y) for v in views])


def expected_pixels(motion: Motion, row: int) -> np.ndarray:
    return project(motion.joints_camera()[row], motion.camera.lenses[row])


def test_the_figure_covers_the_person_in_the_picture(tmp_path: Path) -> None:
    motion = synthetic_motion()
    take = build_scene(motion, SAMPLE, "walk")
    scene = bpy.context.scene
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (25, 1, 30)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (640, 480)
    save_blend(tmp_path / "scene.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    scene, armature = bpy.context.scene, bpy.data.objects[take.armature]
    for row in (0, 12, 29):
        there = np.array(list(joints_in_blender(armature, CANONICAL, 1 + row).values()))
        np.testing.assert_allclose(seen_by_camera(scene.camera, there), expected_pixels(motion, row), atol=0.1)
    (behind,) = scene.camera.data.background_images
    assert behind.image.filepath.startswith("//") and Path(bpy.path.abspath(behind.image.filepath)).resolve() == SAMPLE.resolve()


def test_a_camera_that_turned_and_zoomed_does_so_in_the_scene() -> None:
    still = synthetic_motion()
    angles = np.linspace(-0.2, 0.2, len(still))
    turns = np.stack([np.stack([np.cos(angles), 0 * angles, np.sin(angles)], -1), np.tile([0.0, 1.0, 0.0], (len(still), 1)),
                      np.stack([-np.sin(angles), 0 * angles, np.cos(angles)], -1)], axis=1)
    camera = dataclasses.replace(still.camera, R=turns @ still.camera.R, t=np.einsum("tij,tj->ti", turns, still.camera.t),
                                 zooms=np.geomspace(1.0, 1.5, len(still)))
    motion = dataclasses.replace(still, camera=camera)
    take = build_scene(motion, SAMPLE, "pan")
    armature = bpy.data.objects[take.armature]
    for row in (0, 12, 29):
        there = np.array(list(joints_in_blender(armature, CANONICAL, 1 + row).values()))
        np.testing.assert_allclose(seen_by_camera(bpy.context.scene.camera, there), expected_pixels(motion, row), atol=0.1)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)])
def test_the_camera_fits_a_users_scene_of_another_shape(size: tuple[int, int]) -> None:
    """On a rig that is smaller, elsewhere and turned, the joints still cover the picture's, which Blender fits into the frame."""
    motion, armature = synthetic_motion(), make_rig(MIXAMO)
    armature.location, armature.rotation_euler = (2.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    bpy.context.view_layer.update()
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = size
    take = apply_motion(bpy.context, motion, "walk", armature, 1.0, SAMPLE, camera=True)
    assert (render.resolution_x, render.resolution_y, render.fps) == (*size, 24)
    hips = ("LeftUpLeg", "RightUpLeg")
    there = joints_in_blender(armature, MIXAMO, 1.0)
    camera = motion.camera
    zoom = min(size[0] / camera.width, size[1] / camera.height)
    middle = 0.5 * (np.array(size) - zoom * np.array([camera.width, camera.height]))
    wanted = middle + zoom * project(motion.joints_camera()[0], camera.K)[[list(CANONICAL).index(j) for j in hips]].mean(0)
    got = seen_by_camera(bpy.data.objects[take.camera], np.array([there[j] for j in hips])).mean(0)
    np.testing.assert_allclose(got, wanted, atol=3.0)  # the middle of the hips; the rig's own width differs


@pytest.mark.parametrize(("system", "unit"), [("METRIC", 0.01), ("METRIC", 1.0), ("IMPERIAL", 0.3048), ("NONE", 0.01)])
def test_a_new_armature_is_as_tall_as_the_person_in_the_scenes_own_unit(system: str, unit: float) -> None:
    """And still covers it in the picture."""
    motion, scene = synthetic_motion(), bpy.context.scene
    scene.unit_settings.system, scene.unit_settings.scale_length = system, unit
    unit = 1.0 if system == "NONE" else unit
    scene.render.fps, scene.render.resolution_x, scene.render.resolution_y = 25, 640, 480
    take = apply_motion(bpy.context, motion, "walk", None, 1.0, SAMPLE, camera=True)
    armature, camera = bpy.data.objects[take.armature], bpy.data.objects[take.camera or ""]
    assert unit * max(bone.tail_local.z for bone in armature.data.bones) == pytest.approx(motion.skeleton.stature, abs=0.01)
    for row in (0, 12, 29):
        there = np.array(list(joints_in_blender(armature, CANONICAL, 1 + row).values()))
        np.testing.assert_allclose(unit * there, motion.joints_world()[row], atol=2e-3)
        np.testing.assert_allclose(seen_by_camera(camera, there), expected_pixels(motion, row), atol=0.1)


def test_film_and_motion_run_together_at_another_rate() -> None:
    bpy.context.scene.render.fps = 60
    motion = synthetic_motion(fps=30.0)
    take = apply_motion(bpy.context, motion, "walk", None, 1.0, SAMPLE, camera=True)
    data = bpy.data.objects[take.camera].data
    (curve,) = versions.curves_of(data)
    user = data.background_images[0].image_user
    for frame in (1, 2, 20, 59):
        shown = frame - user.frame_start + 1 + round(curve.evaluate(frame))
        assert abs((shown - 1) / 30.0 - (frame - 1) / 60.0) <= 0.5 / 30.0 + 1e-6


def export_both(motion: Motion, folder: Path) -> None:
    """scene.fbx and scene.glb; with pip's bpy in a process of its own, because bpy 4.2 crashes at its exit after a glTF export."""
    if bpy.app.binary_path:
        take = build_scene(motion, None, "walk")  # a fresh file, so `bpy.data` must be asked after it
        for kind in ("fbx", "glb"):
            export_take(bpy.data.objects[take.armature], folder / f"scene.{kind}")
        return
    motion.save(folder / "motion.npz")
    request = {"motion": str(folder / "motion.npz"), "footage": None, "files": {k: str(folder / f"scene.{k}") for k in ("fbx", "glb")}}
    subprocess.run([sys.executable, "-m", "blender_addon.scene_script"], cwd=REPO, input=json.dumps(request), text=True,
                   capture_output=True, check=False, timeout=120)


def test_fbx_and_gltf_come_back_with_the_motion(tmp_path: Path) -> None:
    motion = synthetic_motion()
    export_both(motion, tmp_path)
    for kind, read in (("fbx", bpy.ops.import_scene.fbx), ("glb", bpy.ops.import_scene.gltf)):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        bpy.context.scene.render.fps = 25
        read(filepath=str(tmp_path / f"scene.{kind}"))
        (armature,) = (o for o in bpy.data.objects if o.type == "ARMATURE")
        assert not any(o.name.startswith("Floor") for o in bpy.data.objects), "the scenery is not part of the take"
        first = min(k.co[0] for c in versions.curves_of(armature) for k in c.keyframe_points)
        for row in (0, 13, 29):
            there = np.array(list(joints_in_blender(armature, CANONICAL, first + row).values()))
            np.testing.assert_allclose(there, motion.joints_world()[row], atol=2e-3, err_msg=f"{kind}, row {row}")


def test_the_script_says_in_one_sentence_what_is_wrong(tmp_path: Path, bpy_python: str) -> None:
    (tmp_path / "motion.npz").write_text("no motion")
    request = {"motion": str(tmp_path / "motion.npz"), "footage": None, "files": {"blend": str(tmp_path / "scene.blend")}}
    answer = subprocess.run([bpy_python, "-m", "blender_addon.scene_script"], cwd=REPO, input=json.dumps(request), text=True,
                            capture_output=True, check=False, timeout=120)
    event = json.loads(answer.stdout.splitlines()[-1])
    assert answer.returncode == 1 and event["event"] == "error" and "cannot be read as a motion file" in event["text"]
    assert not (tmp_path / "scene.blend").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX stand in for a full disk")
@pytest.mark.parametrize("kind", ["blend", "fbx"])
def test_a_file_that_has_no_room_leaves_the_older_one(kind: str, tmp_path: Path, bpy_python: str) -> None:
    """Blender says that it saved, and the end of the file is missing (2026-11-23)."""
    import resource

    synthetic_motion().save(tmp_path / "motion.npz")
    older = tmp_path / f"scene.{kind}"
    older.write_text("an older one")
    request = {"motion": str(tmp_path / "motion.npz"), "footage": None, "files": {kind: str(older)}}
    answer = subprocess.run([bpy_python, "-m", "blender_addon.scene_script"], cwd=REPO, input=json.dumps(request), text=True,
                            capture_output=True, check=False, timeout=120,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    (event,) = (json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{"))
    assert answer.returncode == 1 and event["event"] == "error" and older.name in event["text"]
    assert older.read_text() == "an older one" and {p.name for p in tmp_path.iterdir()} == {"motion.npz", older.name}


def test_the_scenes_take_can_be_applied_and_corrected(tmp_path: Path, bpy_python: str) -> None:
    dataclasses.replace(synthetic_motion(), meta={"source": str(SAMPLE)}).save(tmp_path / "motion.npz")
    request = {"motion": str(tmp_path / "motion.npz"), "footage": None, "files": {"blend": str(tmp_path / "scene.blend")}}
    subprocess.run([bpy_python, "-m", "blender_addon.scene_script"], cwd=REPO, input=json.dumps(request), text=True,
                   capture_output=True, check=True, timeout=120)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.object.select_all(action="DESELECT")
    rig = make_rig(MIXAMO)
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"} and limb_error(rig, MIXAMO, synthetic_motion()) < 0.1
    assert not bpy.ops.video_mocap.edit_keypoints.poll()  # there were none beside the motion


def test_images_that_cannot_be_shown_are_left_out_with_a_warning(tmp_path: Path, bpy_python: str) -> None:
    synthetic_motion().save(tmp_path / "motion.npz")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    request = {"motion": str(tmp_path / "motion.npz"), "footage": str(tmp_path / "images"),
               "files": {"blend": str(tmp_path / "scene.blend")}}
    answer = subprocess.run([bpy_python, "-m", "blender_addon.scene_script"], cwd=REPO, input=json.dumps(request), text=True,
                            capture_output=True, check=True, timeout=120)
    (event,) = (json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{"))
    assert event["event"] == "warning" and "a.png has no number" in event["text"]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert not bpy.context.scene.camera.data.background_images
