"""The operator in the background: what it leaves in the scene, and that it leaves nothing when it fails."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from blender_addon.core import environment
from blender_addon.core.errors import InputError
from blender_addon.core.options import RunOptions
from helpers import CANONICAL, MIXAMO, RIGIFY, joints_in_blender, limb_error, make_rig, snapshot, synthetic_motion

from blender_addon import engine, jobs, versions
from blender_addon.apply import apply_motion
from blender_addon.jobs import DESK
from blender_addon.settings import NOT_IN_THE_PANEL, run_options

Order = Callable[..., Path]


def import_video(path: Path, **options: Any) -> set[str]:
    return bpy.ops.video_mocap.import_video(filepath=str(path), **options)


def test_what_could_be_read_of_a_damaged_video_is_imported_and_told(order: Order) -> None:
    assert bpy.ops.video_mocap.import_video(filepath=str(order("incomplete"))) == {"FINISHED"}
    assert bpy.context.object.animation_data.action is not None and not DESK.status.error
    assert DESK.status.warnings.count("The video is damaged from frame 20 on.") == 1


def test_a_new_armature_moves_as_the_motion_does(order: Order) -> None:
    assert import_video(order()) == {"FINISHED"}
    armature, motion = bpy.context.object, synthetic_motion()
    assert armature.name == "Video Mocap" and armature.select_get() and bpy.context.mode == "OBJECT"
    assert [b.name for b in armature.data.bones if b.parent is None] == ["Hips"] and len(armature.data.bones) == 21
    for i in (0, 7, 29):
        there = joints_in_blender(armature, CANONICAL, 1 + motion.times[i] * 24)
        np.testing.assert_allclose(list(there.values()), motion.joints_world()[i], atol=1e-4)
    assert DESK.job is None and DESK.status.warnings == ["The person is far away."] and "30 frames" in DESK.status.message


def test_the_take_is_an_action_of_its_own_with_named_groups(order: Order) -> None:
    import_video(order())
    first = bpy.context.object.animation_data.action
    curves = versions.curves_of(bpy.context.object)
    assert first.name.startswith("walk") and len(curves) == 3 + 21 * 4
    assert {c.group.name for c in curves} == set(CANONICAL)
    assert all(len(c.keyframe_points) == 30 and c.keyframe_points[3].interpolation == "LINEAR" for c in curves)
    kept = [(c.data_path, c.array_index, c.keyframe_points[9].co[1]) for c in curves]
    import_video(order())  # onto the same armature: it is selected now
    assert len([o for o in bpy.data.objects if o.type == "ARMATURE"]) == 1
    assert bpy.context.object.animation_data.action != first and first.name in bpy.data.actions
    versions.assign_take(bpy.context.object, first)
    assert [(c.data_path, c.array_index, c.keyframe_points[9].co[1]) for c in versions.curves_of(bpy.context.object)] == kept


@pytest.mark.parametrize(("fps", "base"), [(24, 1.0), (60, 1.0), (30, 1.001)])
@pytest.mark.parametrize("uneven", [False, True])
def test_a_take_lasts_as_long_as_the_video_at_any_scene_rate(fps: int, base: float, uneven: bool) -> None:
    render, motion = bpy.context.scene.render, synthetic_motion(uneven=uneven)
    render.fps, render.fps_base = fps, base
    take = apply_motion(bpy.context, motion, "take", start_frame=11.0)
    curve = versions.curves_of(bpy.data.objects[take.armature])[0]
    frames = np.array([k.co[0] for k in curve.keyframe_points])
    np.testing.assert_allclose((frames - 11) / (fps / base), motion.times - motion.times[0], atol=1e-5)
    assert (render.fps, round(render.fps_base, 4)) == (fps, base)


@pytest.mark.parametrize("names", [CANONICAL, MIXAMO, RIGIFY], ids=["canonical", "mixamo", "rigify"])
@pytest.mark.parametrize("mode", ["QUATERNION", "YXZ", "AXIS_ANGLE"])
def test_other_rigs_follow_and_keep_what_they_are(order: Order, names: dict[str, str], mode: str) -> None:
    armature = make_rig(names)
    for bone in armature.pose.bones:
        bone.rotation_mode = mode
    before = snapshot()
    assert import_video(order()) == {"FINISHED"}
    after = snapshot()
    assert limb_error(armature, names, synthetic_motion()) < 0.1
    assert bpy.context.object == armature and after["scene"] == before["scene"] and after["mode"] == before["mode"]
    for name in before["objects"]["rig"][3][0]:
        assert after["objects"]["rig"][3][0][name] == before["objects"]["rig"][3][0][name]
    assert {p.rotation_mode for p in armature.pose.bones} == {mode}


def test_units_object_transform_and_parent_do_not_matter() -> None:
    armature, motion = make_rig(MIXAMO, scale=0.01), synthetic_motion()
    carrier = bpy.data.objects.new("carrier", None)
    bpy.context.scene.collection.objects.link(carrier)
    carrier.location, carrier.rotation_euler, carrier.scale = (3.0, 1.0, 0.5), (0.0, 0.0, 0.9), (2.0, 2.0, 2.0)
    armature.parent = carrier
    bpy.context.view_layer.update()
    apply_motion(bpy.context, motion, "take", armature)
    turn = np.array(carrier.matrix_world.to_3x3().normalized())
    assert limb_error(armature, MIXAMO, motion, turn) < 0.1
    there = joints_in_blender(armature, MIXAMO, 1.0)
    assert abs(0.5 * (there["LeftUpLeg"] + there["RightUpLeg"])[:2] - np.array([3.0, 1.0])).max() < 0.5


def test_bones_without_inherited_rotation_and_posed_parents() -> None:
    armature, motion = make_rig(RIGIFY), synthetic_motion()
    armature.data.bones["forearm.L"].use_inherit_rotation = False
    armature.data.bones["spine"].use_local_location = False
    armature.pose.bones["spine.005"].rotation_mode = "XYZ"
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, RIGIFY, motion) < 0.1


def test_one_undo_takes_it_all_back(order: Order) -> None:
    make_rig(MIXAMO)
    bpy.ops.ed.undo_push(message="before")
    before = snapshot()
    bpy.ops.video_mocap.import_video("EXEC_DEFAULT", True, filepath=str(order()), footage=False)
    assert snapshot() != before
    assert DESK.status.message and bpy.ops.video_mocap.apply_again.poll()
    bpy.ops.ed.undo()
    assert snapshot() == before
    assert not DESK.status.message
    assert bpy.ops.video_mocap.apply_again() == {"FINISHED"} and DESK.status.message  # what took minutes is not lost


@pytest.mark.parametrize(("behaviour", "sentence"), [
    ("bad input", "There is no person in this video."),
    ("killed", "ended before it was finished (code -9); the system may have run out of memory"),
    ("crash", "ended before it was finished (code 1: SystemError: out of order)"), ("damaged", "cannot be read as a motion file")])
@pytest.mark.parametrize("rig", [None, MIXAMO])
def test_a_failure_is_one_sentence_and_changes_nothing(order: Order, behaviour: str, sentence: str, rig: dict[str, str] | None) -> None:
    if rig:
        make_rig(rig)
    before = snapshot()
    with pytest.raises(RuntimeError) as caught:
        import_video(order(behaviour))
    assert sentence in str(caught.value) and sentence in DESK.status.error and "\n" not in DESK.status.error
    assert snapshot() == before and DESK.job is None


def test_what_cannot_work_is_refused_before_the_engine_starts(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JsonProcess", lambda *_: pytest.fail("the engine was started"))
    video = order()
    with pytest.raises(RuntimeError, match="no file"):
        import_video(video.with_name("nothing.mp4"))
    with pytest.raises(RuntimeError, match="Choose a video first"):
        bpy.ops.video_mocap.import_video()
    with pytest.raises(RuntimeError, match=r"holds videos, and one is imported at a time; choose one of them, such as walk\.mp4"):
        import_video(video.parent)
    with pytest.raises(RuntimeError, match=r"from 5 s to 2 s is empty: the end must be after the start\."):
        import_video(video, start=5.0, end=2.0)
    below_the_knees = ("Leg", "Foot", "Toe")
    armature = make_rig({j: j for j in CANONICAL if j.endswith("UpLeg") or not j.endswith(below_the_knees)})
    with pytest.raises(RuntimeError, match="looks like the canonical skeleton but has no bone for LeftLeg, RightLeg, and its shape"):
        import_video(video)
    for bone in armature.data.bones:
        bone.name = f"b{bone.name[::-1]}"
    with pytest.raises(RuntimeError, match="holds no figure that this add-on finds"):
        import_video(video)


def test_a_python_that_is_no_engine_is_told(tmp_path: Path, bpy_python: str) -> None:
    """Blender's own, for instance, has no torch."""
    request = json.dumps({"input": "a.mp4", "out": str(tmp_path)})
    answer = subprocess.run([bpy_python, "-m", "core.worker"], cwd=Path(__file__).parents[2], input=request, text=True,
                            capture_output=True, timeout=60)
    (event,) = map(json.loads, answer.stdout.splitlines())
    assert answer.returncode == 2 and "torch" in event["text"] and "is no engine; correct Engine Python" in event["text"]


def test_without_an_engine_the_sentence_says_what_to_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CODE", tmp_path)
    monkeypatch.setattr(engine, "own_directory", lambda: tmp_path / "engine")
    monkeypatch.delenv("VIDEO_MOCAP_ENV", raising=False)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(RuntimeError, match="press 'Set up engine'"):
        import_video(tmp_path / "a.mp4")


def test_the_preference_takes_an_environment_or_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = environment.interpreter(tmp_path / "venv")
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    text = tmp_path / "notes.txt"
    text.touch(0o644)
    for chosen in (python, tmp_path / "venv", f"{tmp_path / 'venv'}/"):
        monkeypatch.setattr(engine, "_preferred_python", lambda chosen=chosen: str(chosen))
        assert engine.find_python() == python
    for chosen, sentence in ((tmp_path / "gone", "does not exist"), (tmp_path, "is no Python; give"), (text, "is no Python; give")):
        monkeypatch.setattr(engine, "_preferred_python", lambda chosen=chosen: str(chosen))
        if chosen == text and os.name != "posix":
            continue  # there every file may be started
        with pytest.raises(InputError, match=sentence):
            engine.find_python()


@pytest.mark.skipif(os.name != "posix", reason="an empty file is a program nowhere else")
def test_a_program_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.touch(0o755)
    monkeypatch.setattr(engine, "_preferred_python", lambda: str(program))
    with pytest.raises(RuntimeError, match=r"cannot be started .* correct Engine Python in the add-on's preferences"):
        import_video(program)


def test_set_up_asks_before_it_goes_online() -> None:
    if bpy.app.online_access:
        pytest.skip("online access is allowed here")
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.video_mocap.setup_engine()


def test_a_failure_while_writing_leaves_nothing_behind(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.apply.versions.assign_take", lambda *_: 1 / 0)
    before = snapshot()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        import_video(order())
    assert snapshot() == before and "nothing was changed" in DESK.status.error


def test_the_panel_gives_every_option_of_a_run(order: Order) -> None:
    settings, video = bpy.context.scene.video_mocap, order()
    given = {f.name for f in dataclasses.fields(RunOptions)} - set(NOT_IN_THE_PANEL)
    assert given <= set(settings.__annotations__)
    assert run_options(settings) == RunOptions(formats=("npz",))
    settings.person, settings.person_number, settings.focal = "number", 2, 1200.0
    settings.video = str(video)
    bpy.ops.video_mocap.import_video(start=1.0, height=1.75, start_frame=5)
    request = json.loads(video.with_name(video.name + ".request").read_text())
    wanted = RunOptions(person="2", focal=1200.0, start=1.0, height=1.75, formats=("npz",))
    assert RunOptions.from_json({**request["options"], "height": round(request["options"]["height"], 6)}) == wanted
    assert versions.curves_of(bpy.context.object)[0].keyframe_points[0].co[0] == 5.0
    assert not Path(request["out"]).exists()


def test_linked_rigs_are_refused_and_overridden_ones_work(order: Order, tmp_path: Path) -> None:
    make_rig(MIXAMO)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "rig.blend"), link=True) as (_, wanted):
        wanted.objects = ["rig"]
    linked = bpy.data.objects["rig"]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.view_layer.objects.active = linked
    linked.select_set(True)
    with pytest.raises(RuntimeError, match="is linked from another file; make a library override"):
        import_video(order())
    overridden = linked.override_create(remap_local_usages=True)
    bpy.context.view_layer.objects.active = overridden
    overridden.select_set(True)
    assert import_video(order()) == {"FINISHED"}
    assert limb_error(overridden, MIXAMO, synthetic_motion()) < 0.1


def test_tweak_mode_is_refused(order: Order) -> None:
    armature = make_rig(CANONICAL)
    apply_motion(bpy.context, synthetic_motion(), "old", armature)
    animation = armature.animation_data
    strip = animation.nla_tracks.new().strips.new("old", 1, animation.action)
    animation.action, strip.select = None, True
    animation.use_tweak_mode = True
    if not animation.use_tweak_mode:
        pytest.skip("this Blender does not enter tweak mode in the background")
    with pytest.raises(RuntimeError, match="tweak mode"):
        import_video(order())
