"""The Blender scene as the engine sees it: a child process that may be missing, fail, or be cancelled. bpy itself: tests/blender."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from core.errors import Cancelled
from core.events import Reporter
from core.export import scene
from core.export.scene import SceneError, write_scene

SLEEPS = "open(request['motion'] + '.pid', 'w').write(str(os.getpid())); time.sleep(60)"


def stand_in(folder: Path, body: str) -> str:
    """An interpreter that does `body` whatever it is asked to run."""
    if os.name != "posix":
        pytest.skip("the stand-in is a script with a #! line")
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\nrequest = json.loads(sys.stdin.readline())\n{body}\n")
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


@pytest.mark.parametrize(("body", "sentence"), [
    ("print('Blender 5'); print(json.dumps({'event': 'error', 'kind': 'fault', 'text': 'The disk is full.'})); sys.exit(1)",
     "The disk is full."),
    ("os._exit(7)", "stopped with code 7")])
def test_a_failure_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, sentence: str) -> None:
    monkeypatch.setenv("VIDEO_MOCAP_BPY", stand_in(tmp_path, body))
    with pytest.raises(SceneError, match=sentence):
        write_scene(tmp_path / "motion.npz", None, {"blend"}, tmp_path, Reporter())


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
