"""The command line on bad input: one clear sentence, exit code 2, nothing lost. No networks run here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import cli


def run_json(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, list[dict]]:
    code = cli.main(["run", *args, "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def assert_one_sentence(events: list[dict], *words: str) -> None:
    errors = [e for e in events if e["event"] == "error"]
    assert len(errors) == 1 and errors[0]["kind"] == "input"
    text = errors[0]["text"]
    assert text.endswith(".") and "\n" not in text and "Error" not in text
    for word in words:
        assert word in text


def make_bad_inputs(folder: Path) -> dict[str, tuple[Path, str]]:
    """name -> (path, a word that the sentence must hold)."""
    (folder / "notes.txt").write_text("not a video")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "no images").mkdir()
    (folder / "broken json").mkdir()
    (folder / "broken json" / "a_keypoints.json").write_text('{"people": [')
    (folder / "coco.json").write_text("[1, 2")
    np.savez(folder / "other.npz", a=np.zeros(3))
    (folder / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    return {
        "no such file": (folder / "Übung läuft.mp4", "Übung läuft.mp4"),
        "not a video": (folder / "notes.txt", "notes.txt"),
        "an empty file": (folder / "empty.mp4", "empty.mp4"),
        "an empty image folder": (folder / "no images", "no images"),
        "malformed OpenPose JSON": (folder / "broken json", "a_keypoints.json"),
        "malformed COCO JSON": (folder / "coco.json", "coco.json"),
        "another npz": (folder / "other.npz", "other.npz"),
        "a torn npz": (folder / "torn.npz", "torn.npz"),
    }


@pytest.mark.parametrize("case", [
    "no such file", "not a video", "an empty file", "an empty image folder", "malformed OpenPose JSON", "malformed COCO JSON",
    "another npz", "a torn npz"])
def test_bad_input_gets_one_sentence_and_exit_code_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, word = make_bad_inputs(tmp_path)[case]
    code, events = run_json(capsys, str(path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert_one_sentence(events, word)


def test_empty_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, events = run_json(capsys, str(cli.SAMPLE), "--out", str(tmp_path), "--start", "2", "--end", "2")
    assert code == 2
    assert_one_sentence(events, "the end must be after the start")


def test_start_beyond_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, events = run_json(capsys, str(cli.SAMPLE), "--out", str(tmp_path), "--start", "1000")
    assert code == 2
    assert_one_sentence(events, "choose an earlier one")


def test_unknown_lifter_names_those_that_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, events = run_json(capsys, str(cli.SAMPLE), "--out", str(tmp_path), "--lifter", "magic")
    assert code == 2
    assert_one_sentence(events, "magic", "residual")


def test_evaluating_an_unknown_lifter_is_one_sentence_for_all_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", str(tmp_path), "--lifter", "magic"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "magic" in said and "residual" in said


def test_unwritable_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    code, events = run_json(capsys, str(cli.SAMPLE), "--out", str(tmp_path / "file" / "out"))
    assert code == 2
    assert_one_sentence(events, "out")


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fly"]) == 2
    assert "run" in capsys.readouterr().err


def test_the_input_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "overlay.mp4"
    video.write_bytes(cli.SAMPLE.read_bytes())
    code, events = run_json(capsys, str(video), "--out", str(tmp_path), "--overlay")
    assert code == 2 and video.read_bytes() == cli.SAMPLE.read_bytes()
    assert_one_sentence(events, "overlay.mp4", "choose another folder")
    link = tmp_path / "elsewhere" / "clip.mp4"
    link.parent.mkdir()
    link.symlink_to(video)
    code, events = run_json(capsys, str(link), "--out", str(tmp_path), "--overlay")
    assert code == 2 and video.read_bytes() == cli.SAMPLE.read_bytes()
    assert_one_sentence(events, "clip.mp4", "choose another folder")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_a_run_that_is_told_to_end_does_so_as_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "core.cli", "run", str(cli.SAMPLE), "--out", str(tmp_path / "out"), "--json"]
    variables = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=variables) as process:
        assert process.stdout is not None
        assert any('"progress"' in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGTERM)
        last = process.stdout.read().splitlines()[-1]
    assert process.returncode == 130 and json.loads(last)["kind"] == "cancelled"
    assert not (tmp_path / "out").exists()


def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, str(tmp_path / "none.mp4"), "--out", str(tmp_path / "new"))[0] == 2
    assert not (tmp_path / "new").exists()


def test_a_recording_without_its_index_is_told_from_no_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.mp4").write_bytes(cli.SAMPLE.read_bytes()[:2000])
    code, events = run_json(capsys, str(tmp_path / "cut.mp4"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert_one_sentence(events, "cut.mp4", "again")


def test_a_range_between_two_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, events = run_json(capsys, str(cli.SAMPLE), "--out", str(tmp_path), "--start", "4.52")
    assert code == 2
    assert_one_sentence(events, "no frame between 4.52 s and 4.53 s")
