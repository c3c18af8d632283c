"""The Blender scene as the engine sees it: a child process that may be missing, fail, or be cancelled. bpy itself: tests/blender."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from core import cli
from core.errors import Cancelled
from core.events import Reporter
from core.export import scene
from core.export.scene import SceneError, write_scene
from core.options import RunOptions
from core.pipeline import run

SLEEPS = "open(request['motion'] + '.pid', 'w').write(str(os.getpid())); time.sleep(60)"


def stand_in(folder: Path, body: str) -> str:
    """An interpreter that does `body` whatever it is asked to run."""
    if os.name != "posix":
        pytest.skip("the stand-in is a shell script")
    path, does = folder / "python", folder / "does.py"
    does.write_text(f"import json, os, sys, time\nrequest = json.loads(sys.stdin.readline())\n{body}\n")
    # A shell in between: a #! line cannot name a Python whose path holds a space.
    path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(does))}\n")
    path.chmod(0o755)
    return str(path)


def test_without_bpy_one_sentence_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEO_MOCAP_BPY", raising=False)
    monkeypatch.setattr(scene, "blender_python", lambda root: None)
    reporter = Reporter()
    assert write_scene(tmp_path / "motion.npz", None, {"blend"}, tmp_path, reporter) == {}
    assert len(reporter.warnings) == 1 and "bpy" in reporter.warnings[0] and "verything else works" in reporter.warnings[0]


def test_only_what_is_wanted_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, "[open(p, 'w').write('x') for p in request['files'].values()]"))
    files = write_scene(tmp_path / "motion.npz", tmp_path / "a.mp4", {"glb", "blend"}, tmp_path, Reporter())
    assert files == {"blend": tmp_path / "scene.blend", "glb": tmp_path / "scene.glb"} and all(f.exists() for f in files.values())
    assert not (tmp_path / "scene.fbx").exists()


def test_a_warning_of_the_child_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, "print(json.dumps({'event': 'warning', 'text': 'No numbers.'}))"))
    reporter = Reporter()
    write_scene(tmp_path / "motion.npz", tmp_path, {"blend"}, tmp_path, reporter)
    assert reporter.warnings == ["No numbers."]


@pytest.mark.parametrize(("body", "sentence"), [
    ("print('Blender 5'); print(json.dumps({'event': 'error', 'kind': 'fault', 'text': 'The disk is full.'})); sys.exit(1)",
     "The disk is full."),
    ("os._exit(7)", "stopped with code 7")])
def test_a_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, sentence: str) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, body))
    with pytest.raises(SceneError, match=sentence):
        write_scene(tmp_path / "motion.npz", None, {"blend"}, tmp_path, Reporter())


def test_what_was_written_before_a_failure_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "print(json.dumps({'event': 'error', 'kind': 'input', 'text': 'No room.'})); sys.exit(1)"
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, f"open(request['files']['blend'], 'w').write('x')\n{said}"))
    (tmp_path / "scene.fbx").write_text("an older one")
    with pytest.raises(SceneError, match="No room") as caught:
        write_scene(tmp_path / "motion.npz", None, {"blend", "fbx"}, tmp_path, Reporter())
    assert caught.value.written == {"blend": tmp_path / "scene.blend"} and not caught.value.ours


def test_a_child_that_is_killed_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, "os._exit(9)"))
    (tmp_path / "scene.partial.blend@").touch()
    with pytest.raises(SceneError, match="code 9"):
        write_scene(tmp_path / "motion.npz", None, {"blend"}, tmp_path, Reporter())
    assert not list(tmp_path.glob("*.partial*"))


def test_a_name_that_blender_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, "pass"))
    with pytest.raises(SceneError, match=r"udcff.*rename it") as caught:
        write_scene(tmp_path / "motion.npz", Path(os.fsdecode(b"bad\xff.mp4")), {"blend"}, tmp_path, Reporter())
    assert not caught.value.ours


def test_cancel_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, SLEEPS))
    pid_file = tmp_path / "motion.npz.pid"

    class CancelsLater(Reporter):
        def progress(self, stage: str, done: int, total: int | None) -> None:
            if pid_file.exists() and pid_file.read_text():
                self.cancel()
            super().progress(stage, done, total)

    with pytest.raises(Cancelled):
        write_scene(tmp_path / "motion.npz", None, {"blend"}, tmp_path, CancelsLater())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


LOOK = """
import bpy, os, sys
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
(armature,) = (o for o in scene.objects if o.type == "ARMATURE")
(behind,) = scene.camera.data.background_images
print("FOUND", scene.render.fps, scene.frame_start, scene.frame_end, len(armature.data.bones), armature.animation_data.action.name,
      os.path.realpath(bpy.path.abspath(behind.image.filepath)))
for frame in (1, 8, 15):
    scene.frame_set(frame)
    print("SHOWN", frame, behind.image_user.frame_current)
"""


def test_a_run_leaves_all_three_scene_files(tmp_path: Path) -> None:
    """Half a second out of the middle of the sample: the picture behind the camera is that of the motion's own time."""
    python = scene._interpreter()
    if python is None:
        pytest.skip("Blender's module is not set up")
    reporter = Reporter()
    result = run(cli.SAMPLE, tmp_path, RunOptions(start=1.0, end=1.5, formats=("npz", "blend", "fbx", "glb")), reporter)
    assert result.problem is None and {"npz", "blend", "fbx", "glb"} <= set(result.files)
    assert all(result.files[name].stat().st_size > 10_000 for name in ("blend", "fbx", "glb"))
    assert result.files["fbx"].read_bytes().startswith(b"Kaydara FBX") and result.files["glb"].read_bytes().startswith(b"glTF")
    answer = subprocess.run([str(python), "-c", LOOK, str(result.files["blend"])], capture_output=True, text=True, check=True, timeout=120)
    said = [line.split(" ", 1) for line in answer.stdout.splitlines() if line.startswith(("FOUND", "SHOWN"))]
    assert said[0][1] == f"30 1 15 21 sample {os.path.realpath(cli.SAMPLE)}"
    assert [line[1] for line in said[1:]] == ["1 31", "8 38", "15 45"]
