"""Damage that shows only when the networks run: a video that breaks off and a model file that is none, through the command line."""

from __future__ import annotations

import json
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
    assert "pose.task" in error["text"] and word in error["text"] and "build.py setup" in error["text"] and "\n" not in error["text"]
    assert not (tmp_path / "out" / "motion.npz").exists()
