"""The whole path on the sample video: files that agree with each other, keypoints that can be fed in again, a worker that obeys."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import synthetic

from core import cli
from core.errors import InputError
from core.events import Reporter
from core.export.bvh import read_bvh
from core.files import held
from core.jobs import run_job
from core.keypoints import CANONICAL, Keypoints, load_keypoints
from core.lift import Lifter
from core.motion import load_motion, project
from core.options import RunOptions
from core.pipeline import _LOCK, RunResult, _choices, _stature, run
from core.skeleton import ASSUMED_STATURE
from core.solve import Choices

REPO = Path(__file__).resolve().parent.parent
FIRST_SECOND = RunOptions(end=1.0, formats=("npz", "bvh"), overlay=True)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(cli.SAMPLE, tmp_path_factory.mktemp("Größe 1"), FIRST_SECOND, Reporter())


def test_every_file_is_there_and_covers_the_range(result: RunResult) -> None:
    assert set(result.files) == {"keypoints", "npz", "bvh", "overlay"}
    assert all(path.is_file() for path in result.files.values())
    assert {p.name for p in result.files["npz"].parent.iterdir()} == {"keypoints.npz", "motion.npz", "motion.bvh", "overlay.mp4"}
    assert len(result.motion) == 30 and result.problem is None
    assert result.motion.times[-1] == pytest.approx(29 / 30, abs=1e-3)


def test_motion_is_the_contract(result: RunResult) -> None:
    with np.load(result.files["npz"], allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files}
    motion = load_motion(result.files["npz"])
    assert all(np.isfinite(arrays[k]).all() for k in ("local_rotations", "root_translation", "joints_world", "confidence"))
    np.testing.assert_allclose(np.linalg.norm(arrays["local_rotations"], axis=-1), 1.0, atol=1e-5)
    assert (np.sum(arrays["local_rotations"][1:] * arrays["local_rotations"][:-1], axis=-1) > 0).all()
    np.testing.assert_allclose(motion.joints_world(), arrays["joints_world"], atol=1e-4)
    np.testing.assert_allclose(motion.joints_camera(), arrays["joints_camera"], atol=1e-4)
    meta = json.loads(str(arrays["meta"]))
    assert meta["options"]["end"] == 1.0 and meta["lifter"]["name"] and meta["source"].endswith("sample.mp4")


def test_skeleton_lies_on_the_person(result: RunResult) -> None:
    """The solved wrists, knees and ankles project to where they were detected, within 5 percent of the person's height."""
    motion = result.motion
    pixels = project(motion.joints_camera(), motion.camera.K)
    names = list(motion.keypoint_names)
    joints = {"l_wrist": "LeftHand", "r_wrist": "RightHand", "l_knee": "LeftLeg", "r_ankle": "RightFoot"}
    height = np.nanmedian(np.ptp(motion.keypoints_2d[..., 1], axis=1))
    from core.skeleton import INDEX
    for keypoint, joint in joints.items():
        off = np.linalg.norm(pixels[:, INDEX[joint]] - motion.keypoints_2d[:, names.index(keypoint), :2], axis=-1)
        assert np.nanmedian(off) < 0.05 * height, keypoint


def test_person_stands_on_the_floor(result: RunResult) -> None:
    feet = result.motion.joints_world()[:, [4, 8], 2]
    assert -0.03 < feet.min() < 0.10
    assert 0.7 < np.median(result.motion.root_translation[:, 2]) < 1.3


def test_bvh_holds_the_same_motion(result: RunResult) -> None:
    take = read_bvh(result.files["bvh"])
    positions, _ = take.skeleton().forward_kinematics(take.local_rotations, take.root_translation)
    np.testing.assert_allclose(positions, result.motion.joints_world(), atol=2e-3)


def test_overlay_plays(result: RunResult) -> None:
    with av.open(str(result.files["overlay"])) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 30 and frames[0].shape == (480, 640, 3)


def test_keypoints_feed_in_again_and_give_the_same_motion(result: RunResult, tmp_path: Path) -> None:
    reporter = Reporter()
    again = run(result.files["keypoints"], tmp_path, RunOptions(end=5.0), reporter)
    assert [w for w in reporter.warnings if "beyond the end of keypoints.npz (1.00 s)" in w]
    np.testing.assert_allclose(again.motion.joints_world(), result.motion.joints_world(), atol=0.01)


@pytest.mark.parametrize("formats", [("bvh",), ("npz",)])
def test_only_what_was_asked_for_is_left_in_the_folder(result: RunResult, tmp_path: Path, formats: tuple[str, ...]) -> None:
    (tmp_path / "error.log").write_text("of a run that failed")
    (tmp_path / "motion.partial").write_text("of a run that was killed")
    run(result.files["keypoints"], tmp_path, RunOptions(formats=formats, end=0.2), Reporter())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["keypoints.npz", f"motion.{formats[0]}"]


def test_dense_stretches_of_uneven_frames_are_told_where_they_are_lost(result: RunResult, tmp_path: Path) -> None:
    """A phone's video of 17 frames a second on average, 30 in places: its BVH left out half of them without a word (2026-11-24)."""
    k = load_keypoints(result.files["keypoints"])
    kept = np.r_[0:16, 16:len(k):3]
    fps = (len(kept) - 1) / (k.times[kept[-1]] - k.times[0])
    Keypoints(k.names, k.xy[kept], k.confidence[kept], k.times[kept], k.width, k.height, fps).save(tmp_path / "keypoints.npz")

    def said(formats: tuple[str, ...]) -> list[str]:
        listener = synthetic.Listener()
        run(tmp_path / "keypoints.npz", tmp_path / "out", RunOptions(formats=formats), listener)
        return [sentence for sentence in listener.said if "uneven times" in sentence]

    assert len(said(("bvh",))) == 1 and not said(("npz",))


def test_results_of_an_earlier_run_are_told_from_this_ones(result: RunResult, tmp_path: Path) -> None:
    """A stranger ran person 2 where person 1 had been, and looked at the first one's overlay (2026-11-24)."""
    first, second = Reporter(), Reporter()
    run(result.files["keypoints"], tmp_path, RunOptions(formats=("npz",)), first)
    run(result.files["keypoints"], tmp_path, RunOptions(formats=("bvh",)), second)
    assert not first.warnings and second.warnings == [f"motion.npz in {tmp_path.resolve()} is of an earlier run, not of this one."]


@pytest.mark.parametrize("options, choices", [
    (RunOptions(), Choices(stature_is_a_guess=True)),
    (RunOptions(camera_pitch=12.0, no_ground=True, smooth="strong"),
     Choices("strong", contacts=True, ground=False, camera_pitch=float(np.radians(12.0)), stature_is_a_guess=True)),
    (RunOptions(no_contacts=True, camera_height=1.4), Choices(contacts=False, camera_height=1.4)),
    (RunOptions(height=1.9), Choices())])
def test_options_reach_the_solver(options: RunOptions, choices: Choices) -> None:
    assert _choices(options) == choices


def test_the_stature_is_the_one_given_unless_the_cameras_height_tells_it() -> None:
    assert _stature(RunOptions(height=1.9)) == 1.9 and _stature(RunOptions()) == ASSUMED_STATURE
    assert _stature(RunOptions(camera_height=1.4)) is None


def test_a_height_that_is_given_is_the_skeletons(result: RunResult, tmp_path: Path) -> None:
    motion = run(result.files["keypoints"], tmp_path, RunOptions(height=1.9, end=0.3, formats=("npz",)), Reporter()).motion
    assert motion.skeleton.stature == pytest.approx(1.9, abs=0.01)
    assert result.motion.skeleton.stature == pytest.approx(ASSUMED_STATURE, abs=0.01)


def test_fps_changes_the_rate_and_not_the_length(result: RunResult, tmp_path: Path) -> None:
    motion = run(result.files["keypoints"], tmp_path, RunOptions(fps=12.0), Reporter()).motion
    assert motion.fps == 12.0 and motion.times[-1] == pytest.approx(result.motion.times[-1], abs=1 / 12)


def test_what_is_said_of_frames_is_of_those_that_are_written(result: RunResult, tmp_path: Path) -> None:
    keypoints = load_keypoints(result.files["keypoints"])
    confidence = keypoints.confidence.copy()
    hidden = ("l_elbow", "l_wrist", "l_index", "l_pinky", "l_thumb")
    confidence[10:20, [i for i, n in enumerate(keypoints.names) if n in hidden]] = 0
    keypoints.replace(confidence=confidence).save(tmp_path / "k.npz")
    listener = synthetic.Listener()
    motion = run(tmp_path / "k.npz", tmp_path, RunOptions(fps=2 * keypoints.fps, formats=("npz",)), listener).motion
    (told,) = [s for s in motion.meta["quality"]["bad_ranges"] if "left arm not seen" in s]
    assert told.startswith("frames 21 to") and told in listener.said
    assert motion.meta["quality"]["contact_slide_cm"] < 0.5


def test_fps_is_kept_to_where_the_video_only_has_it_on_average(result: RunResult, tmp_path: Path) -> None:
    keypoints = load_keypoints(result.files["keypoints"])
    uneven = keypoints.times + 0.4 / keypoints.fps * (np.arange(len(keypoints)) % 2)
    keypoints.replace(times=uneven).save(tmp_path / "uneven.npz")
    motion = run(tmp_path / "uneven.npz", tmp_path, RunOptions(fps=keypoints.fps, formats=("npz",)), Reporter()).motion
    assert motion.fps == keypoints.fps
    np.testing.assert_allclose(np.diff(motion.times), 1.0 / keypoints.fps)


def test_millimetres_given_for_pixels_are_refused_before_the_work_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("core.detect.extract_keypoints", lambda *_, **__: pytest.fail("it began"))
    with pytest.raises(InputError, match=r"focal length of 28 pixels .* 640x480; if these are millimetres .* give 498\.$"):
        run(cli.SAMPLE, tmp_path / "out", RunOptions(focal=28.0), Reporter())
    write_keypoints(tmp_path / "k.npz")
    with pytest.raises(InputError, match=r"28 pixels .* 1280x720; .* give 996\.$"):
        run(tmp_path / "k.npz", tmp_path / "out", RunOptions(focal=28.0), Reporter())


def write_keypoints(path: Path) -> None:
    Keypoints(CANONICAL, np.ones((3, 27, 2)), np.ones((3, 27)), np.arange(3) / 30, 1280, 720, 30.0).save(path)


def test_a_second_run_in_the_same_folder_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    write_keypoints(tmp_path / "k.npz")
    theirs = {"keypoints.npz": "done", "motion.partial": "half written", "error.log": "of before"}
    for name, content in theirs.items():
        (tmp_path / name).write_text(content)
    listener = Listener()
    with held(tmp_path / _LOCK):
        assert run_job(str(tmp_path / "k.npz"), str(tmp_path), {}, listener) == 2
        assert (tmp_path / _LOCK).exists()
    assert {p.name for p in tmp_path.iterdir()} == {*theirs, "k.npz"}
    assert all((tmp_path / name).read_text() == content for name, content in theirs.items())
    assert len(listener.errors) == 1 and "Another run is at work" in listener.errors[0]


class Listener(Reporter):
    """Keeps the errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def error(self, text: str, kind: str) -> None:
        self.errors.append(text)


def stop_at_the_keypoints(monkeypatch: pytest.MonkeyPatch, error: BaseException, leaves: Path | None = None) -> None:
    def stop(*_: object) -> None:
        if leaves:
            leaves.write_text("something")
        raise error

    monkeypatch.setattr("core.pipeline._keypoints", stop)


@pytest.mark.parametrize("number, words", [(errno.EACCES, "read or written"), (errno.EPERM, "read or written"), (errno.ENOSPC, "make room"),
                                           (errno.EDQUOT, "make room"), (errno.EROFS, "cannot be written")])
@pytest.mark.parametrize("named", [True, False])
def test_what_the_machine_refuses_is_one_sentence(number: int, words: str, named: bool, monkeypatch: pytest.MonkeyPatch,
                                                  tmp_path: Path) -> None:
    file, out = tmp_path / "walk.mp4", tmp_path / "out"
    stop_at_the_keypoints(monkeypatch, OSError(number, "as it is", *([str(file)] if named else [])))
    listener = Listener()
    assert run_job(str(file), str(out), {}, listener) == 2 and not out.exists()
    (text,) = listener.errors
    assert text.startswith(str(file if named else out)) and words in text and text.endswith(".") and "Errno" not in text


def test_a_folder_of_images_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()

    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    listener = Listener()
    assert run_job(str(tmp_path / "frames"), str(tmp_path / "out"), {}, listener) == 2
    assert "frames cannot be read" in listener.errors[0] and not (tmp_path / "out").exists()


def test_a_fault_of_ours_stays_one_and_leaves_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop_at_the_keypoints(monkeypatch, OSError(errno.EBADF, "closed too early"))
    listener = Listener()
    assert run_job("walk.mp4", str(tmp_path / "out"), {}, listener) == 1
    assert "closed too early" in (tmp_path / "out" / "error.log").read_text() and "error.log" in listener.errors[0]


def test_ctrl_c_leaves_no_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop_at_the_keypoints(monkeypatch, KeyboardInterrupt())
    assert run_job("walk.mp4", str(tmp_path / "out"), {}, Reporter()) == 130
    assert not (tmp_path / "out").exists()


def test_a_new_folder_in_which_something_is_stays_and_the_sentence_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stop_at_the_keypoints(monkeypatch, InputError("Nobody is there."), tmp_path / "out" / "notes.txt")
    listener = Listener()
    assert run_job("walk.mp4", str(tmp_path / "out"), {}, listener) == 2
    assert listener.errors == ["Nobody is there."] and [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


def write_black_video(path: Path, frames: int = 20) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((96, 128, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


def test_a_video_without_a_person_is_one_sentence(tmp_path: Path) -> None:
    write_black_video(tmp_path / "night.mp4")
    with pytest.raises(InputError, match="No person"):
        run(tmp_path / "night.mp4", tmp_path / "out", RunOptions(), Reporter())


def start_worker(out: Path, **request: object) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-m", "core.worker"], cwd=REPO, text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(json.dumps({"input": str(cli.SAMPLE), "out": str(out), "options": {}} | request) + "\n")
    process.stdin.flush()
    return process


def test_worker_says_nothing_but_events_and_ends_with_a_result(result: RunResult, tmp_path: Path) -> None:
    process = start_worker(tmp_path, input=str(result.files["keypoints"]))
    assert process.stdin and process.stdout
    events = [json.loads(line) for line in process.stdout]
    assert process.wait(30) == 0 and events[-1]["event"] == "result"
    assert load_motion(events[-1]["files"]["npz"]).fps == pytest.approx(30.0)
    process.stdin.close()


@pytest.mark.parametrize("how", ["a cancel line", "the end of stdin"])
def test_worker_stops_when_told_or_left_alone(how: str, tmp_path: Path) -> None:
    process = start_worker(tmp_path)
    assert process.stdin and process.stdout
    while json.loads(process.stdout.readline())["event"] != "progress":
        pass
    if how == "a cancel line":
        process.stdin.write('{"cancel": true}\n')
        process.stdin.flush()
    else:
        process.stdin.close()
    last = [json.loads(line) for line in process.stdout][-1]
    assert last["event"] == "error" and last["kind"] == "cancelled"
    assert process.wait(30) == 130
    assert not (tmp_path / "motion.npz").exists()


def test_a_run_killed_while_it_writes_leaves_no_half_written_result(result: RunResult, tmp_path: Path) -> None:
    """Killed at the moment when a file is half there: under the final names is nothing, or something whole."""
    process = start_worker(tmp_path, input=str(result.files["keypoints"]), options={"overlay": True, "formats": ["npz", "bvh"]})
    assert process.stdin
    until = time.monotonic() + 60
    while not list(tmp_path.glob("overlay.partial*")) and time.monotonic() < until:
        time.sleep(0.001)
    process.kill()
    process.wait(30)
    process.stdin.close()
    assert list(tmp_path.glob("*.partial*")), "it was not killed while it wrote"
    assert not (tmp_path / "overlay.mp4").exists()
    assert len(load_motion(tmp_path / "motion.npz")) == 30


def test_the_default_network_tells_left_from_right_in_a_video(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def stop(*_: object, judge: Lifter) -> None:
        asked.append(judge.name)
        raise InputError("enough")

    monkeypatch.setattr("core.detect.extract_keypoints", stop)
    with pytest.raises(InputError, match="enough"):
        run(cli.SAMPLE, tmp_path / "out", RunOptions(lifter="residual"), Reporter())
    assert asked == ["default"]
