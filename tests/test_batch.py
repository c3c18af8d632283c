"""Several videos in one call: who gets which folder, who is told of, and what the exit code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import batch, cli
from core.batch import takes_of
from core.errors import InputError


def files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_one_video_goes_where_it_always_went(tmp_path: Path) -> None:
    assert takes_of(["a/walk.mp4"], None) == [("a/walk.mp4", "walk-mocap")]
    assert takes_of(["a/walk.mp4"], "there") == [("a/walk.mp4", "there")]
    files(tmp_path / "frames", *(f"{n}.png" for n in range(12)), "making_of.mp4")
    files(tmp_path / "openpose", "1_keypoints.json", "source.mp4")
    for folder in ("frames", "openpose"):
        assert takes_of([str(tmp_path / folder)], "there") == [(str(tmp_path / folder), "there")]


def test_a_folder_of_videos_stands_for_them(tmp_path: Path) -> None:
    files(tmp_path, "take 10.mp4", "take 2.MOV", ".hidden.mp4", "notes.txt")
    takes = [(str(tmp_path / "take 2.MOV"), str(Path("out/take 2"))), (str(tmp_path / "take 10.mp4"), str(Path("out/take 10")))]
    assert takes_of([str(tmp_path)], "out") == takes
    assert takes_of([str(tmp_path), "b.mp4"], "out") == [*takes, ("b.mp4", str(Path("out/b")))]
    files(tmp_path / "one", "only.mp4")
    assert takes_of([str(tmp_path / "one")], None) == [(str(tmp_path / "one" / "only.mp4"), "only-mocap")]


def test_cameras_and_older_recorders_endings_are_videos(tmp_path: Path) -> None:
    names = ["00001.MTS", "a.m2ts", "b.wmv", "c.3gp", "d.flv", "e.VOB", "f.ts"]
    files(tmp_path, *names)
    assert sorted(Path(video).name for video, _ in takes_of([str(tmp_path)], "out")) == sorted(names)


def test_a_folders_whole_name_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("frames.v1", "frames.v2"):
        files(tmp_path / name, *(f"{n}.png" for n in range(12)))
    monkeypatch.chdir(tmp_path)
    assert takes_of(["frames.v1"], None) == [("frames.v1", "frames.v1-mocap")]
    assert [out for _, out in takes_of(["frames.v1", "frames.v2"], None)] == ["frames.v1-mocap", "frames.v2-mocap"]
    (tmp_path / "walk").symlink_to(tmp_path / "frames.v1")
    assert takes_of(["walk"], None) == [("walk", "walk-mocap")]
    monkeypatch.chdir(tmp_path / "frames.v1")
    assert takes_of(["."], None) == [(".", "frames.v1-mocap")]


def test_a_poster_or_a_stray_json_beside_videos_is_no_input(tmp_path: Path) -> None:
    files(tmp_path, "walk.mp4", "poster.jpg", "back.jpg", "info.json")
    assert takes_of([str(tmp_path)], "out") == [(str(tmp_path / "walk.mp4"), str(Path("out/walk")))]


def test_no_two_go_to_one_folder() -> None:
    with pytest.raises(InputError, match="would both leave"):
        takes_of(["a/Walk.mp4", "b/walk.mov"], "out")
    with pytest.raises(InputError, match=r"walk\.mp4 and b.walk\.mov would both leave their results in .*walk.*\.$"):
        takes_of(["a/walk.mp4", "b/walk.mov"], "out")
    assert takes_of(["a/walk.mp4", "a/walk.mp4", "c.mp4"], None) == [("a/walk.mp4", "walk-mocap"), ("c.mp4", "c-mocap")]


@pytest.mark.parametrize(("codes", "expected", "runs"), [((0, 0, 0), 0, 3), ((0, 2, 0), 2, 3), ((2, 1, 0), 1, 3), ((0, 130, 0), 130, 2)])
def test_the_worst_end_counts_and_a_cancel_ends_all(codes: tuple[int, ...], expected: int, runs: int, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    done: list[tuple[str, str]] = []

    def run_job(path: str, out: str, options: dict, reporter: object) -> int:
        done.append((path, out))
        return codes[len(done) - 1]

    monkeypatch.setattr(batch, "run_job", run_job)
    assert cli.main(["run", str(tmp_path), "--out", str(tmp_path / "out"), "--height", "1.8", "--json"]) == expected
    assert done == [(str(tmp_path / f"{n}.mp4"), str(tmp_path / "out" / n)) for n in "abc"][:runs]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(e["number"], e["total"], e["input"]) for e in events if e["event"] == "begin"] == [
        (i + 1, 3, path) for i, (path, _) in enumerate(done)]
    failed = [str(tmp_path / f"{n}.mp4") for n, code in zip("abc", codes, strict=True) if code]
    ends = [e for e in events if e["event"] == "end"]
    assert ends == ([] if expected == 130 else [{"event": "end", "failed": failed, "total": 3}])


def test_each_that_cannot_be_used_gets_its_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files(tmp_path, "empty.mp4", "nothing.mov")
    assert cli.main(["run", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.count("error:") == 2 and "1 of 2:" in told and "0 of 2 complete" in told
    assert not (tmp_path / "out").exists()
