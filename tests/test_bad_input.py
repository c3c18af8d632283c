"""Damage that shows only when the networks run: a video that breaks off and a model file that is none, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from core import cli
from core.detect.mediapipe_detector import default_bundle

needs_model = pytest.mark.skipif(not default_bundle().is_file(), reason="MediaPipe's bundle is not set up")


def run_json(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, list[dict]]:
    code = cli.main(["run", *args, "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def write_broken_end(path: Path, frames: int = 20) -> None:
    """The sample's first frames as an MP4 whose last frame lacks its end."""
    with av.open(str(cli.SAMPLE)) as sample, av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for _, frame in zip(range(frames), sample.decode(video=0), strict=False):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:-20])


@needs_model
def test_a_broken_last_frame_is_told_and_the_rest_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_broken_end(tmp_path / "cut off.mp4")
    code, events = run_json(capsys, str(tmp_path / "cut off.mp4"), "--out", str(tmp_path / "out"))
    assert code == 2
    (error,) = [e for e in events if e["event"] == "error"]
    assert error["kind"] == "input" and "cut off.mp4" in error["text"] and error["text"].endswith(".") and "\n" not in error["text"]
    with np.load(tmp_path / "out" / "motion.npz") as motion:
        assert 18 <= len(motion["times"]) <= 20 and (motion["confidence"].max(axis=1) > 0).all()
    assert (tmp_path / "out" / "motion.bvh").is_file()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of POSIX")
@pytest.mark.parametrize(("video", "out", "word"), [
    ("", "out", "is empty"), (str(cli.SAMPLE), "", "is empty"), ("/dev/zero", "out", "neither a file nor a folder"),
    (str(cli.SAMPLE), 300 * "z", "too long"), (300 * "z", "out", "too long")])
def test_names_that_are_none_end_in_one_sentence(video: str, out: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """2026-11-23: an empty name took the current folder, /dev/zero all the memory, a long name three tracebacks."""
    monkeypatch.chdir(tmp_path)
    code, events = run_json(capsys, video, "--out", out)
    (error,) = [e for e in events if e["event"] == "error"]
    assert code == 2 and error["kind"] == "input" and word in error["text"] and "\n" not in error["text"]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
@needs_model
@pytest.mark.parametrize("terminal", [True, False])
def test_a_reader_that_leaves_ends_the_run_quietly(terminal: bool, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.cli", "run", str(cli.SAMPLE), "--end", "0.3", "--out", str(tmp_path / "out"), "--json"]
    both = {"stderr": subprocess.STDOUT} if terminal else {"stderr": subprocess.PIPE}
    run = subprocess.Popen(command[:-1] if terminal else command, cwd=Path(cli.__file__).parents[1], stdout=subprocess.PIPE, **both)
    assert run.stdout is not None
    run.stdout.readline()
    run.stdout.close()
    assert terminal or b"Traceback" not in (run.stderr or run.stdout).read()
    assert run.wait(120) == 130 and not (tmp_path / "out" / "error.log").exists()


@pytest.mark.parametrize("content, word", [(b"damaged", "damaged"), (None, "missing")])
def test_a_model_file_that_is_none(content: bytes | None, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "pose.task"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("VIDEO_MOCAP_BUNDLE", str(bundle))
    code, events = run_json(capsys, str(cli.SAMPLE), "--end", "0.2", "--out", str(tmp_path / "out"))
    (error,) = [e for e in events if e["event"] == "error"]
    assert code == 2 and error["kind"] == "input"
    assert "pose.task" in error["text"] and word in error["text"] and "\n" not in error["text"]
    assert "VIDEO_MOCAP_BUNDLE" in error["text"] and "setup" not in error["text"]  # which makes the usual one only
    assert not (tmp_path / "out" / "motion.npz").exists()
