"""The background job, step by step as the window's timer drives it: progress, Cancel, a worker that does not listen, another file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest
from blender_addon.core.errors import Cancelled
from helpers import MIXAMO, make_rig, snapshot

from blender_addon import engine, operators, process, versions
from blender_addon.jobs import DESK, ImportJob, SetupJob
from blender_addon.settings import run_options
from blender_addon.takes import Wanted

Order = Callable[..., Path]


def start(video: Path, armature: object = None) -> ImportJob:
    job = ImportJob(video, run_options(bpy.context.scene.video_mocap), bpy.context.scene, armature, Wanted())
    DESK.start(job)
    return job


def step_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Steps until the condition holds; whether the job has ended on the way."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        if DESK.step(bpy.context):
            return True
        time.sleep(0.01)
    return False


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_progress_counts_frames_and_the_buttons_know(order: Order) -> None:
    job = start(order("slow", frames=5, pause=0.05))
    assert not bpy.ops.video_mocap.import_video.poll() and bpy.ops.video_mocap.cancel.poll()
    seen = set()
    while not DESK.step(bpy.context):
        seen.add((DESK.status.done, DESK.status.total))
        time.sleep(0.01)
    assert len(seen) > 2 and (5, 5) in seen and job.take is not None
    assert bpy.ops.video_mocap.import_video.poll() and not bpy.ops.video_mocap.cancel.poll()


@pytest.mark.parametrize("behaviour", ["waits", "deaf"])
def test_cancel_stops_the_worker_and_changes_nothing(order: Order, behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    make_rig(MIXAMO)
    before = snapshot()
    job = start(order(behaviour, very=True), bpy.context.object)
    step_until(lambda: job.status.done == 30)
    bpy.ops.video_mocap.cancel()
    with pytest.raises(Cancelled):
        step_until(lambda: False)
    assert not is_alive(job.process.pid) and snapshot() == before
    assert DESK.job is None and DESK.status.message == "Cancelled; nothing was changed." and not DESK.status.error


def test_another_file_ends_the_worker(order: Order) -> None:
    job = start(order("waits"))
    step_until(lambda: job.status.done > 0)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert DESK.job is None and not is_alive(job.process.pid)
    assert DESK.status.error == "The import was ended because another file was opened."
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not DESK.status.error  # nor what else is said of a file that is gone


@pytest.mark.parametrize("namesake", [False, True])
def test_the_armature_may_vanish_meanwhile(order: Order, namesake: bool) -> None:
    armature = make_rig(MIXAMO)
    start(order(), armature)
    bpy.data.objects.remove(armature)
    if namesake:
        bpy.context.scene.collection.objects.link(bpy.data.objects.new("rig", bpy.data.meshes.new("rig")))
    assert step_until(lambda: False)
    assert bpy.context.object.name == "Video Mocap" and "gone" in " ".join(DESK.status.warnings)


def test_an_armature_that_only_the_list_of_bones_keeps_is_gone(order: Order) -> None:
    armature = make_rig(MIXAMO)
    bpy.ops.video_mocap.show_bones()
    start(order(), armature)
    bpy.ops.object.delete()
    assert step_until(lambda: False)
    assert bpy.context.object.name == "Video Mocap" and "gone" in " ".join(DESK.status.warnings)


def test_the_armature_may_be_renamed_meanwhile(order: Order) -> None:
    armature = make_rig(MIXAMO)
    start(order(), armature)
    armature.name = "Hero"
    namesake = bpy.data.objects.new("rig", armature.data)
    bpy.context.scene.collection.objects.link(namesake)
    assert step_until(lambda: False)
    assert versions.curves_of(armature) and not versions.curves_of(namesake) and "gone" not in " ".join(DESK.status.warnings)


@pytest.mark.parametrize("rig", [None, MIXAMO])
def test_the_take_goes_into_the_scene_that_it_was_started_in(order: Order, rig: dict[str, str] | None) -> None:
    first = bpy.context.scene
    first.render.fps = 50
    start(order(), make_rig(rig) if rig else None)
    second = bpy.data.scenes.new("another")
    bpy.context.window.scene = second
    mesh = bpy.data.objects.new("mesh", bpy.data.meshes.new("mesh"))
    second.collection.objects.link(mesh)
    bpy.context.view_layer.objects.active = mesh
    bpy.ops.object.mode_set(mode="EDIT")
    assert step_until(lambda: False)
    (armature,) = (o for o in bpy.data.objects if o.type == "ARMATURE")
    assert armature.name in first.objects and list(second.objects) == [mesh]
    assert (bpy.context.scene, bpy.context.object, bpy.context.mode) == (second, mesh, "EDIT_MESH")
    frames = [k.co[0] for k in versions.curves_of(armature)[0].keyframe_points]
    assert frames[-1] == pytest.approx(1 + 29 / 25 * 50)
    if rig is None:
        assert len(armature.data.bones) == 21 and armature.mode == "OBJECT"


def test_the_scene_may_vanish_meanwhile(order: Order) -> None:
    first = bpy.context.scene
    start(order())
    bpy.context.window.scene = bpy.data.scenes.new("another")
    bpy.data.scenes.remove(first)
    assert step_until(lambda: False)
    assert "The scene 'Scene' is gone; the motion is in 'another'." in DESK.status.warnings
    assert bpy.context.scene.objects[0].type == "ARMATURE"


def test_set_up_runs_in_the_background_and_the_panel_learns_of_it(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "setup.py"
    script.write_text("import json\nfor i in range(4): print(json.dumps({'event': 'progress', 'stage': 'torch', 'done': i, 'total': 3}))\n"
                      "print(json.dumps({'event': 'result', 'files': {}, 'summary': {}}))")
    monkeypatch.setattr(engine, "setup_command", lambda: [sys.executable, str(script)])
    assert bpy.ops.video_mocap.setup_engine() == {"FINISHED"}
    assert DESK.status.message == "The engine is ready." and (DESK.status.stage, DESK.status.done) == ("torch", 3)
    script.write_text("import sys, time\nprint('no network', file=sys.stderr)\nsys.exit(3)")
    with pytest.raises(RuntimeError, match=r"The set-up ended before it was finished \(code 3: no network\)"):
        bpy.ops.video_mocap.setup_engine()


def test_a_set_up_goes_on_when_another_file_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its clock is Blender's own and survives the file, unlike an operator."""
    script = tmp_path / "setup.py"
    script.write_text("import json, sys\nprint(json.dumps({'event': 'progress', 'stage': 'torch', 'done': 1, 'total': 3}), flush=True)\n"
                      f"while not __import__('os').path.exists({str(tmp_path / 'go')!r}): __import__('time').sleep(0.01)\n"
                      "print(json.dumps({'event': 'result', 'files': {}, 'summary': {}}))")
    monkeypatch.setattr(engine, "setup_command", lambda: [sys.executable, str(script)])
    job = SetupJob()
    DESK.start(job)
    operators.keep_going()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert DESK.job is job and is_alive(job.process.pid) and bpy.app.timers.is_registered(operators._carry_on)
    (tmp_path / "go").touch()
    limit = time.monotonic() + 30
    while operators._carry_on() is not None:
        assert time.monotonic() < limit
    operators.stop_going()
    assert DESK.job is None and DESK.status.message == "The engine is ready."


def test_a_set_up_is_cancelled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "setup_command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
    job = SetupJob()
    DESK.start(job)
    bpy.ops.video_mocap.cancel()
    with pytest.raises(Cancelled):
        step_until(lambda: False)
    assert not is_alive(job.process.pid)


def test_register_again(addon: object) -> None:
    addon.unregister()  # type: ignore[attr-defined]
    assert not hasattr(bpy.types.Scene, "video_mocap")
    addon.register()  # type: ignore[attr-defined]
    assert bpy.context.scene.video_mocap.video == ""
