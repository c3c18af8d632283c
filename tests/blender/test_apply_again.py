"""A motion that is solved already goes onto other rigs, with other choices, without the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.skeleton import Skeleton
from helpers import CANONICAL, MIXAMO, joints_in_blender, limb_error, make_rig, snapshot, synthetic_motion

from blender_addon import jobs, takes, versions
from blender_addon.jobs import DESK
from blender_addon.rigs import has_skeleton, read_rig

Order = Callable[..., Path]


@pytest.fixture
def imported(order: Order, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video that was imported onto a new armature; from then on the engine must not be started."""
    video = order()
    bpy.ops.video_mocap.import_video(filepath=str(video))
    monkeypatch.setattr(jobs, "JsonProcess", lambda *_: pytest.fail("the engine was started"))
    return video


def test_the_last_import_goes_onto_another_rig_with_other_choices(imported: Path) -> None:
    first = bpy.context.object
    action = first.animation_data.action
    rig = make_rig(MIXAMO)
    bpy.context.scene.video_mocap.simplify = True
    assert bpy.ops.video_mocap.apply_again(start_frame=11) == {"FINISHED"}
    assert first.animation_data.action == action and rig.animation_data.action.name.startswith("walk")
    curve = versions.curves_of(rig)[0]
    assert curve.range()[0] == 11.0 and any(len(c.keyframe_points) < 30 for c in versions.curves_of(rig))
    assert "30 frames" in DESK.status.message and rig.name in DESK.status.message
    bpy.ops.video_mocap.apply_again(simplify=False)
    assert limb_error(rig, MIXAMO, synthetic_motion()) < 0.1


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_on_the_motions_own_skeleton_a_take_stays_as_it_was_solved(scale: float) -> None:
    """Feet that glide a little in the solved motion were planted at the second go, which moved the figure off the footage."""
    bpy.context.scene.unit_settings.scale_length = scale
    motion = dataclasses.replace(synthetic_motion(), contacts=np.ones((30, 4), bool))
    DESK.keep(takes.Solved(motion, Path("walk.mp4")), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()
    first, armature = curves_of(bpy.context.object), bpy.context.object
    solved = motion.resampled(24.0).joints_world()  # the scene's rate
    for row in range(0, len(solved), 7):
        np.testing.assert_allclose(scale * np.array(list(joints_in_blender(armature, CANONICAL, 1 + row).values())), solved[row], atol=2e-3)
    bpy.ops.video_mocap.apply_again()
    again = curves_of(armature)
    assert again.keys() == first.keys()
    for curve, values in again.items():
        np.testing.assert_allclose(values, first[curve], rtol=1e-5, atol=1e-5)  # the take is kept in single precision
    armature.rotation_euler = (0.0, 0.0, 1.0)
    bpy.ops.object.transform_apply(location=False, rotation=True, scale=False)
    assert has_skeleton(read_rig(armature), motion.skeleton, bpy.context.scene)
    armature.scale = (1.1, 1.1, 1.1)
    bpy.context.view_layer.update()
    assert not has_skeleton(read_rig(armature), motion.skeleton, bpy.context.scene)
    armature.scale = (1.0, 1.0, 1.0)
    DESK.keep(takes.Solved(dataclasses.replace(motion, skeleton=Skeleton.mean(1.6)), Path("walk.mp4")), bpy.context.scene)
    bpy.ops.video_mocap.apply_again()  # somebody else's motion
    smaller = curves_of(bpy.context.object)
    bpy.ops.video_mocap.apply_again(plant_feet=False)
    assert curves_of(bpy.context.object) != smaller


def curves_of(armature: object) -> dict[tuple[str, int], list[float]]:
    return {(c.data_path, c.array_index): [round(k.co[1], 5) for k in c.keyframe_points] for c in versions.curves_of(armature)}


def refuse(*_: object) -> None:
    raise InputError("The armature is locked.")


def test_of_several_takes_the_armatures_own_is_meant_unless_another_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    armatures = []
    for name in ("anna", "ben"):
        bpy.ops.object.select_all(action="DESELECT")
        DESK.keep(takes.Solved(synthetic_motion(), Path(f"{name}.mp4")), bpy.context.scene)
        bpy.ops.video_mocap.apply_again()
        armatures.append(bpy.context.object)
    select(armatures[0])
    bpy.ops.video_mocap.apply_again()
    assert armatures[0].animation_data.action.name == "anna.001"
    bpy.context.scene.video_mocap.take = bpy.data.actions["ben"]
    bpy.ops.video_mocap.apply_again()
    assert armatures[0].animation_data.action.name == "ben.001"
    dataclasses.replace(synthetic_motion(), meta={"source": "carl.mp4"}).save(tmp_path / "motion.npz")
    with monkeypatch.context() as broken:
        broken.setattr(takes, "apply_motion", refuse)
        with pytest.raises(RuntimeError, match="locked"):
            bpy.ops.video_mocap.import_motion(filepath=str(tmp_path / "motion.npz"))
    with pytest.raises(RuntimeError, match="Cannot read file"):
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "absent.blend"))
    bpy.ops.video_mocap.apply_again()  # what came last and is on no armature yet, whatever was chosen before
    assert armatures[0].animation_data.action.name == "carl"
    bpy.ops.video_mocap.apply_again(nla=True)
    armatures[0].animation_data.action = bpy.data.actions["anna"]
    bpy.ops.video_mocap.apply_again()
    assert armatures[0].animation_data.action.name == "anna.002"


def select(thing: Any) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing


def test_without_an_import_there_is_nothing_to_apply() -> None:
    assert not bpy.ops.video_mocap.apply_again.poll()
    with pytest.raises(RuntimeError, match="Nothing was imported"):
        bpy.ops.video_mocap.apply_again()


def test_a_motion_that_could_not_be_applied_is_kept(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(takes, "apply_motion", refuse)
        before = snapshot()
        with pytest.raises(RuntimeError, match=r"The armature is locked\. The motion is kept: press 'Apply Again'"):
            bpy.ops.video_mocap.import_video(filepath=str(order()))
        assert snapshot() == before
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"}
    assert limb_error(bpy.context.object, CANONICAL, synthetic_motion()) < 0.1


def test_a_runs_motion_file_comes_in_with_its_camera(tmp_path: Path) -> None:
    video = tmp_path / "gone.mp4"
    dataclasses.replace(synthetic_motion(), meta={"source": str(video)}).save(tmp_path / "motion.npz")
    assert bpy.ops.video_mocap.import_motion(filepath=str(tmp_path / "motion.npz"), footage=True) == {"FINISHED"}
    armature = bpy.context.object
    assert limb_error(armature, CANONICAL, synthetic_motion()) < 0.1 and armature.animation_data.action.name.startswith("gone")
    assert bpy.context.scene.camera is not None and not bpy.context.scene.camera.data.background_images
    assert DESK.status.warnings == [f"The video {video} is gone; there is nothing behind the camera."]
    rig = make_rig(MIXAMO)
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"} and limb_error(rig, MIXAMO, synthetic_motion()) < 0.1
    bpy.context.scene.video_mocap.footage = True
    assert {bpy.ops.video_mocap.apply_again().pop() for _ in range(2)} == {"FINISHED"}
    linked = [o.name for o in bpy.context.scene.collection.objects]  # Blender 5.2 had the camera twice where the former one had been
    assert len(linked) == len(set(linked)) and sum(o.type == "CAMERA" for o in bpy.context.scene.objects) == 2


@pytest.mark.parametrize(("content", "sentence"), [
    (None, "cannot be read"), (b"no", "cannot be read as a motion file"), ("keypoints", "is not a motion file of Video Mocap"),
    ("", "Choose the motion.npz")])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes | str | None, sentence: str) -> None:
    make_rig(MIXAMO)
    path = tmp_path / "motion.npz"
    if content == "keypoints":
        np.savez(path, kind="video-mocap keypoints")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    before = snapshot()
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.video_mocap.import_motion(filepath="" if content == "" else str(path))
    assert sentence in str(caught.value) and sentence in DESK.status.error
    assert snapshot() == before


def test_a_run_keeps_the_desk_to_itself(imported: Path) -> None:
    class AtWork(jobs.Job):
        def __init__(self) -> None:
            self.status = jobs.Status()

        def close(self) -> None:
            """Nothing was started."""

    DESK.start(AtWork())
    with pytest.raises(RuntimeError, match="at work"):
        bpy.ops.video_mocap.apply_again()
