"""core.probe on keypoint files: what `run` would take of them. Videos: tests of the detector."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic import Listener

from core.errors import InputError
from core.events import Reporter
from core.probe import describe, probe


def write_coco(file: Path, frames: int = 120) -> Path:
    """Two people 30 times a second; the second is there in the first 2 s only."""
    rng = np.random.default_rng(5)
    rows = np.column_stack([60 * rng.standard_normal(17), 300 + 100 * rng.standard_normal(17), np.full(17, 0.8)])
    file.write_text(json.dumps([{"image_id": t, "keypoints": (rows + [x, 0, 0]).ravel().tolist()}
                                for t in range(frames) for x in ((300,) if t >= 60 else (300, 900))]))
    return file


def test_the_length_counts_the_last_frame(tmp_path: Path) -> None:
    found = probe(write_coco(tmp_path / "k.json"), Reporter())
    assert found["input"]["duration"] == pytest.approx(4.0) and "120 frames, 4.00 s" in describe(found)
    assert [(p["number"], p["frames_seen"]) for p in found["people"]] == [(1, 120), (2, 60)]


def test_the_rate_of_what_tells_none_may_be_given(tmp_path: Path) -> None:
    found = probe(write_coco(tmp_path / "k.json"), Reporter(), 5.0, fps=10.0)
    assert found["input"]["duration"] == pytest.approx(12.0) and [p["frames_seen"] for p in found["people"]] == [70, 10]


@pytest.mark.parametrize("start, end, seen", [(1.0, 3.0, [(1, 60), (2, 30)]), (2.0, None, [(1, 60)]), (None, 0.5, [(1, 15), (2, 15)])])
def test_the_people_are_those_of_the_range(tmp_path: Path, start: float | None, end: float | None, seen: list[tuple[int, int]]) -> None:
    found = probe(write_coco(tmp_path / "k.json"), Reporter(), start, end)
    assert [(p["number"], p["frames_seen"]) for p in found["people"]] == seen


@pytest.mark.parametrize("start, end, words", [
    (10.0, None, "are of 0.00 s to 3.97 s; there is nothing from 10 s"), (2.0, 1.0, "end must be after"), (-1.0, None, "negative")])
def test_a_range_without_frames_is_one_sentence(tmp_path: Path, start: float, end: float | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        probe(write_coco(tmp_path / "k.json"), Reporter(), start, end)


def test_an_end_beyond_the_last_frame_is_told(tmp_path: Path) -> None:
    listener = Listener()
    probe(write_coco(tmp_path / "k.json"), listener, None, 9.0)
    assert any("beyond the end of k.json (4.00 s)" in said for said in listener.said)


def test_a_video_that_breaks_off_is_told(tmp_path: Path) -> None:
    """An AVI of 40 black frames, half of it there."""
    path = tmp_path / "torn.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (320, 240))
    for shade in range(40):
        writer.write(np.full((240, 320, 3), shade, np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    listener = Listener()
    assert probe(path, listener)["people"] == [] and any("torn.avi breaks off" in said for said in listener.said)


def test_people_are_told_by_where_and_when_they_are_seen() -> None:
    person = {"number": 2, "frames_seen": 40, "seconds": (1.0, 2.5), "height": 300.0, "centre": (900.0, 400.0)}
    info = {"path": "two.mp4", "kind": "video", "width": 1000, "height": 800, "frames": 90, "duration": 3.0, "fps": 30.0}
    said = describe({"input": info, "people": [person, person | {"centre": (500.0, 0.0)}, person | {"centre": (100.0, 0.0)}], "plan": ""})
    assert "person 2: seen in 40 of 90 frames, 300 px tall, at the right, from 1.0 to 2.5 s" in said
    assert "in the middle" in said and "at the left" in said
