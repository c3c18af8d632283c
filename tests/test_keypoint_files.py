"""Keypoint files: what is read, who is who, and one clear sentence for each kind of damage."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from synthetic import film, walk

from core.errors import InputError
from core.events import Reporter
from core.inputs import is_keypoint_input
from core.keypoint_files import between, read_people
from core.keypoints import CONVENTIONS, Keypoints
from core.lift import resolve_lifter
from core.options import RunOptions
from core.pipeline import _keypoints
from core.skeleton import mirror_order


def body(count: int, x: float, y: float = 300.0) -> np.ndarray:
    """(count, 3) keypoints of a made-up person about (x, y), all different."""
    rng = np.random.default_rng(5)
    return np.column_stack([x + 60 * rng.standard_normal(count), y + 100 * rng.standard_normal(count), np.full(count, 0.8)])


def write_openpose(folder: Path, frames: list[list[np.ndarray]], first: int = 0) -> Path:
    folder.mkdir()
    for number, people in enumerate(frames, first):
        content = {"version": 1.3, "people": [{"pose_keypoints_2d": p.ravel().tolist()} for p in people]}
        (folder / f"clip_{number:012d}_keypoints.json").write_text(json.dumps(content))
    return folder


def points(text: str) -> tuple[str, ...]:
    """Names of a file's documentation (0 Nose 1 Neck ... of OpenPose) in ours; its numbers must count from 0."""
    words = text.split()
    assert [int(w) for w in words[::2]] == list(range(len(words) // 2))
    return tuple(words[1::2])


def test_points_of_files_are_those_of_their_documentation() -> None:
    """OpenPose's output documentation (BODY_25, COCO) and COCO's keypoint annotations, number by number."""
    arms = "0 nose 1 neck 2 r_shoulder 3 r_elbow 4 r_wrist 5 l_shoulder 6 l_elbow 7 l_wrist "
    assert CONVENTIONS["openpose25"] == points(
        arms + "8 mid_hip 9 r_hip 10 r_knee 11 r_ankle 12 l_hip 13 l_knee 14 l_ankle 15 r_eye 16 l_eye 17 r_ear 18 l_ear "
        "19 l_toe 20 l_small_toe 21 l_heel 22 r_toe 23 r_small_toe 24 r_heel")
    assert CONVENTIONS["openpose18"] == points(
        arms + "8 r_hip 9 r_knee 10 r_ankle 11 l_hip 12 l_knee 13 l_ankle 14 r_eye 15 l_eye 16 r_ear 17 l_ear")
    assert CONVENTIONS["coco17"] == points(
        "0 nose 1 l_eye 2 r_eye 3 l_ear 4 r_ear 5 l_shoulder 6 r_shoulder 7 l_elbow 8 r_elbow 9 l_wrist 10 r_wrist "
        "11 l_hip 12 r_hip 13 l_knee 14 r_knee 15 l_ankle 16 r_ankle")


@pytest.mark.parametrize("count, convention", [(18, "openpose18"), (25, "openpose25")])
def test_openpose_is_told_apart_by_count(tmp_path: Path, count: int, convention: str) -> None:
    folder = write_openpose(tmp_path / "poses", [[body(count, 200 + t)] for t in range(6)])
    people = read_people(folder, fps=25.0)
    assert is_keypoint_input(folder) and len(people) == 1
    assert people[0].names == CONVENTIONS[convention] and people[0].fps == 25.0
    np.testing.assert_allclose(people[0].times, np.arange(6) / 25.0)
    np.testing.assert_allclose(people[0].xy[3], body(count, 203)[:, :2])


def test_openpose_zeros_are_missing(tmp_path: Path) -> None:
    rows = body(25, 200)
    rows[4] = 0.0
    keypoints = read_people(write_openpose(tmp_path / "poses", [[rows]] * 8))[0]
    assert np.isnan(keypoints.xy[:, 4]).all() and (keypoints.confidence[:, 4] == 0).all()
    assert np.isfinite(keypoints.xy[:, 5]).all()


def test_openpose_people_keep_their_identity_when_the_order_changes(tmp_path: Path) -> None:
    frames = [[body(25, 200 + t), body(25, 900 - t)][:: 1 if t % 3 else -1] for t in range(20)]
    frames[7] = [body(25, 893)]  # the first is not seen for a frame
    frames[8] = []
    left, right = sorted(read_people(write_openpose(tmp_path / "poses", frames)), key=lambda k: np.nanmedian(k.xy[..., 0]))
    assert list(np.flatnonzero(~left.seen)) == [7, 8] and list(np.flatnonzero(~right.seen)) == [8]
    assert np.nanmax(left.xy[..., 0]) < np.nanmin(right.xy[..., 0])


@pytest.mark.parametrize("person, x", [("1", 200), ("2", 900)])
def test_the_wanted_person_of_a_keypoint_file_is_taken(tmp_path: Path, person: str, x: float) -> None:
    folder = write_openpose(tmp_path / "poses", [[body(25, 200 + t), body(25, 900 + t)] for t in range(20)])
    _, keypoints = _keypoints(folder, RunOptions(person=person), resolve_lifter("default", "cpu"), Reporter())
    assert abs(np.nanmedian(keypoints.xy[..., 0]) - x) < 100


def test_openpose_sides_that_change_for_a_moment_are_mended(tmp_path: Path) -> None:
    seen = film(*walk(40), azimuth=0.4, stature=1.7).keypoints
    names = CONVENTIONS["openpose25"]
    rows = np.zeros((2, 40, len(names), 3))
    for column, name in enumerate(names):
        if name in seen.names:
            rows[:, :, column] = np.column_stack([seen.xy[:, seen.names.index(name)], np.full(40, 0.9)])
    judge = resolve_lifter("default", "cpu")
    rows[1, 18:21] = rows[1, 18:21][:, mirror_order(names)]
    right, mended = (_keypoints(write_openpose(tmp_path / kind, [[frame] for frame in poses]), RunOptions(fps=30.0), judge, Reporter())[1]
                     for kind, poses in zip(("right", "exchanged"), rows, strict=True))
    np.testing.assert_allclose(mended.xy, right.xy)


def test_openpose_missing_file_is_a_frame_without_people(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path / "poses", [[body(25, 200)]] * 10, first=40)
    (folder / "clip_000000000043_keypoints.json").unlink()
    assert list(np.flatnonzero(~read_people(folder)[0].seen)) == [3]


def in_order(names: list[str], folder: Path) -> list[float]:
    """Where somebody who goes to the right is in the frames of a folder, of which they were written in the order of `names`."""
    folder.mkdir()
    for step, name in enumerate(names):
        content = {"people": [{"pose_keypoints_2d": body(25, 200 + step).ravel().tolist()}]}
        (folder / f"{name}_keypoints.json").write_text(json.dumps(content))
    (folder / f"._{names[0]}_keypoints.json").write_bytes(b"macOS leaves such files on other systems' disks")
    (keypoints,) = read_people(folder)
    return (keypoints.xy[:, 0, 0] - body(25, 200)[0, 0]).round(6).tolist()


@pytest.mark.parametrize("pattern", ["walk_{0}_1080p", "{0}", "take2.{0:04d}", "stamp{0}.5", "t_{1:02d}_{2:03d}"])
def test_openpose_files_follow_each_other_by_the_numbers_in_their_names(tmp_path: Path, pattern: str) -> None:
    names = [pattern.format(step, step // 6, step % 6 * 100) for step in range(12)]  # 10 comes after 9
    assert in_order(names, tmp_path / "poses") == list(range(12))


def test_openpose_files_may_be_named_by_time(tmp_path: Path) -> None:
    names = [f"{1305031102.533333 + step / 30:.6f}" for step in range(40)]
    assert in_order(names, tmp_path / "poses") == list(range(40))


def test_openpose_files_of_two_videos_are_no_take(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds the keypoints of several videos \(a_\.\.\., b_\.\.\.\); give a folder of one"):
        in_order([f"{video}_{step:03d}" for video in "ab" for step in range(5)], tmp_path / "poses")


def test_openpose_people_without_a_body_are_left_out(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path / "poses", [[np.empty((0, 3)), body(25, 200 + t)] for t in range(6)])
    assert len(read_people(folder)) == 1
    with pytest.raises(InputError, match="No person is in the 2 frames"):
        read_people(write_openpose(tmp_path / "nobody", [[np.empty((0, 3))]] * 2))


def test_openpose_size_is_guessed_and_told(tmp_path: Path) -> None:
    folder = write_openpose(tmp_path / "poses", [[body(25, 900, 500)]] * 5)
    reporter = Reporter()
    keypoints = read_people(folder, reporter=reporter)[0]
    assert (keypoints.width, keypoints.height) == (1280, 720)
    assert any("1280x720" in w for w in reporter.warnings) and any("30 frames a second" in w for w in reporter.warnings)


@pytest.mark.parametrize("content, words", [
    ("{not json", "not valid JSON"),
    ("[]", "no list 'people'"),
    ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "list of numbers"),
    ('{"people": [{"pose_keypoints_2d": [1, "a", 2]}]}', "list of numbers"),
    ('{"people": [{"pose_keypoints_2d": [1, 2, 0.5, 3, 4, 0.5]}]}', "2 keypoints"),
    ('{"people": [7]}', "list of numbers"),
    ('{"people": []}', "No person"),
    (json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}), "No person"),
    (json.dumps({"people": [{"pose_keypoints_2d": [0.5, 0.5, 0.9] * 25}]}), "between 0 and 1"),
])
def test_openpose_damage_is_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a_000_keypoints.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_people(tmp_path)


def test_folder_with_other_json(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(InputError, match=r"keypoints\.json"):
        read_people(tmp_path)


def coco_annotations() -> dict:
    images = [{"id": i, "file_name": f"{i:04d}.jpg", "width": 1000, "height": 600} for i in (3, 1, 2, 0)]
    rows = body(17, 400)
    rows[:, 2] = 2
    rows[0] = 0
    rows[1, 2] = 1
    entries = [{"image_id": i, "category_id": 1, "keypoints": rows.ravel().tolist()} for i in (2, 0, 1)]
    return {"images": images, "annotations": entries}


def test_coco_annotations(tmp_path: Path) -> None:
    file = tmp_path / "person keypoints é.json"
    file.write_text(json.dumps(coco_annotations()))
    reporter = Reporter()
    (keypoints,) = read_people(file, fps=10, reporter=reporter)
    assert keypoints.names == CONVENTIONS["coco17"] and (keypoints.width, keypoints.height) == (1000, 600)
    assert list(keypoints.seen) == [True, True, True, False] and not reporter.warnings
    assert list(keypoints.confidence[0, :3]) == [0.0, 0.5, 1.0]


def test_coco_results_ordered_by_image_id(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    entries = [{"image_id": i, "category_id": 1, "keypoints": body(17, 300 + i).ravel().tolist(), "score": 0.9} for i in (12, 10, 11)]
    file.write_text(json.dumps(entries))
    (keypoints,) = read_people(file)
    np.testing.assert_allclose(np.diff(keypoints.xy[:, 5, 0]), 1.0)


def write_named(file: Path, ids: list) -> Path:
    """COCO results of one person who goes a pixel to the right from one id to the next."""
    entries = [{"image_id": name, "keypoints": body(17, 300 + i).ravel().tolist()} for i, name in enumerate(ids)]
    file.write_text(json.dumps(entries[::-1]))
    return file


@pytest.mark.parametrize("ids", [
    [f"walk_{i:04d}_1080p.jpg" for i in range(12)], [f"frame_{i:04d}.jp2" for i in range(12)], [f"frame_{i}.jp2" for i in range(12)],
    [float(i) for i in range(12)], [f"frame_{i:04d}.jpg" for i in range(12)], [i - 6 for i in range(12)]])
def test_coco_image_ids_are_frames_in_their_order(tmp_path: Path, ids: list) -> None:
    (keypoints,) = read_people(write_named(tmp_path / "k.json", ids))
    np.testing.assert_allclose(np.diff(keypoints.xy[:, 5, 0]), np.ones(11))


def test_coco_ids_may_be_seconds(tmp_path: Path) -> None:
    ids = [round(step / 30, 4) for step in range(40)]
    (keypoints,) = read_people(write_named(tmp_path / "k.json", ids))
    assert (np.diff(keypoints.xy[:, 0, 0]) > 0).all() and len(keypoints) == 40


def test_coco_images_count_by_their_file_names_where_ids_are_in_another_order(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).permutation(12).tolist()
    bodies = [{"image_id": ids[step], "keypoints": body(17, 200 + 5 * step).ravel().tolist()} for step in range(12)]
    boxes = [{"image_id": ids[0], "bbox": [0, 0, 5, 5], "category_id": 3}, {"image_id": ids[1], "keypoints": []}]
    images = [{"id": ids[step], "file_name": f"walk/frame_{step:03d}.jpg", "width": 640.0, "height": 480.0} for step in range(12)]
    (tmp_path / "k.json").write_text(json.dumps({"annotations": [*boxes, *bodies[::-1]], "images": images}))
    (keypoints,) = read_people(tmp_path / "k.json")
    np.testing.assert_allclose(np.diff(keypoints.xy[:, 0, 0]), 5.0)
    assert (keypoints.width, keypoints.height) == (640, 480)
    for names in ([f"2024-05-01_12-30-{55 + s}.png" if s < 5 else f"2024-05-01_12-31-{s - 5:02d}.png" for s in range(12)],
                  [f"t_{s // 6}_{s % 6}.png" for s in range(12)]):  # whose last numbers begin anew: the ids count
        for step, image in enumerate(images):
            image["file_name"], image["id"] = names[step], step
        named = [body | {"image_id": step} for step, body in enumerate(bodies)]
        (tmp_path / "k.json").write_text(json.dumps({"annotations": named, "images": images}))
        np.testing.assert_allclose(np.diff(read_people(tmp_path / "k.json")[0].xy[:, 0, 0]), 5.0)
    for step, image in enumerate(images):
        image["id"] = ids[step]
    for image in images:  # names that say nothing
        image["file_name"] = "walk.jpg"
    (tmp_path / "k.json").write_text(json.dumps({"annotations": bodies, "images": images}))
    assert (np.diff(read_people(tmp_path / "k.json")[0].xy[:, 0, 0]) < 0).any()


def test_coco_ids_of_images_may_be_written_otherwise_than_those_of_people(tmp_path: Path) -> None:
    content = coco_annotations()
    for entry in content["annotations"]:
        entry["image_id"] = float(entry["image_id"])
    content["images"][0]["id"], content["images"][1]["id"] = "3", f"{content['images'][1]['id']:06d}"
    (tmp_path / "k.json").write_text(json.dumps(content))
    (keypoints,) = read_people(tmp_path / "k.json")
    assert list(keypoints.seen) == [True, True, True, False]


def write_scores(file: Path, scores: list[float], as_dict: bool) -> Path:
    """COCO keypoints of one person in four frames, with these values in the third place."""
    rows = body(17, 400)
    rows[:, 2] = scores
    entries = [{"image_id": i, "category_id": 1, "keypoints": rows.ravel().tolist()} for i in range(4)]
    file.write_text(json.dumps({"images": [{"id": i} for i in range(4)], "annotations": entries} if as_dict else entries))
    return file


@pytest.mark.parametrize("as_dict", [True, False])
@pytest.mark.parametrize("scores, expected", [
    ([0.93] * 16 + [1.0], [0.93] * 16 + [1.0]),  # scores, one of them full
    ([1.0] * 16 + [0.0], [1.0] * 16 + [0.0]),  # full scores: labels without a single visible point are not meant
    ([2.0] * 15 + [1.0, 0.0], [1.0] * 15 + [0.5, 0.0]),  # labels
])
def test_coco_scores_are_not_taken_for_labels(tmp_path: Path, as_dict: bool, scores: list[float], expected: list[float]) -> None:
    (keypoints,) = read_people(write_scores(tmp_path / "k.json", scores, as_dict))
    np.testing.assert_allclose(keypoints.confidence, np.tile(expected, (4, 1)))


@pytest.mark.parametrize("content, words", [
    ("{", "not valid JSON"), ('{"a": 1}', "neither COCO"), ('[{"image_id": 1}]', "no 'keypoints'"), ("[3]", "no 'image_id'"),
    ('[{"image_id": 1, "keypoints": [1, 2, 3]}]', "COCO has 17"), ("[]", "No person"), ("3", "neither COCO"),
    (json.dumps([{"image_id": "x", "keypoints": [1, 2, 1] * 17}]), "no number"),
    (json.dumps([{"image_id": 1, "keypoints": [0.4, 0.5, 0.9] * 17}]), "between 0 and 1; write them in pixels"),
])
def test_coco_damage_is_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "k.json"
    file.write_text(content)
    with pytest.raises(InputError, match=words):
        read_people(file)


def test_own_npz(tmp_path: Path) -> None:
    names = CONVENTIONS["coco17"]
    kept = Keypoints(names, np.ones((4, 17, 2)), np.ones((4, 17)), np.arange(4.0), 640, 480, 1.0)
    kept.save(tmp_path / "k.npz")
    np.testing.assert_array_equal(read_people(tmp_path / "k.npz")[0].xy, kept.xy)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.npz cannot be read as a keypoint file \(it is not an npz file\)"):
        read_people(tmp_path / "bad.npz")


def test_a_clock_that_begins_before_zero_loses_nothing(tmp_path: Path) -> None:
    names = CONVENTIONS["coco17"]
    Keypoints(names, np.ones((4, 17, 2)), np.ones((4, 17)), np.arange(4.0) - 2.0, 640, 480, 1.0).save(tmp_path / "k.npz")
    (keypoints,) = read_people(tmp_path / "k.npz")
    assert len(between(keypoints, None, None)) == 4 and len(between(keypoints, 0.0, None)) == 2
    with pytest.raises(InputError, match=r"are of -2\.00 s to 1\.00 s; there is nothing up to -3 s\."):
        between(keypoints, None, -3.0)


def damaged(good: bytes, how: str) -> bytes:
    """An npz with one fault, which some library beneath numpy meets in its own way."""
    if how == "torn header":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("kind.npy", b"\x93NUMPY\x01\x00\x06\x00{'a':\n")
        return buffer.getvalue()
    data = bytearray(good)
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    if how == "torn data":
        start = local + 30 + int.from_bytes(data[local + 26:local + 28], "little") + int.from_bytes(data[local + 28:local + 30], "little")
        data[start:start + 8] = b"\xff" * 8
    elif how == "unknown compression":
        data[local + 8] = data[central + 10] = 99
    else:
        data[local + 6] |= 1
        data[central + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("how", ["torn header", "torn data", "unknown compression", "encrypted"])
def test_own_npz_that_is_damaged_is_one_sentence(tmp_path: Path, how: str) -> None:
    path = tmp_path / "k.npz"
    Keypoints(CONVENTIONS["coco17"], np.ones((4, 17, 2)), np.ones((4, 17)), np.arange(4.0), 640, 480, 1.0).save(path)
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(InputError, match=r"k\.npz cannot be read"):
        read_people(path)


@pytest.mark.parametrize("times, words", [([], "no frames"), ([0.0, 0.1, 0.1], "do not increase"), ([0.0, 0.2, 0.1], "do not increase"),
                                          ([0.0, np.nan, 0.1], "do not increase")])
def test_own_npz_without_frames_or_order(tmp_path: Path, times: list[float], words: str) -> None:
    count = len(times)
    Keypoints(CONVENTIONS["coco17"], np.ones((count, 17, 2)), np.ones((count, 17)), np.array(times), 640, 480, 1.0).save(tmp_path / "k.npz")
    with pytest.raises(InputError, match=words):
        read_people(tmp_path / "k.npz")


@pytest.mark.parametrize("fps", [0.0, -30.0, np.nan, np.inf])
def test_own_npz_with_an_impossible_frame_rate(tmp_path: Path, fps: float) -> None:
    Keypoints(CONVENTIONS["coco17"], np.ones((2, 17, 2)), np.ones((2, 17)), np.array([0.0, 0.1]), 640, 480, fps).save(tmp_path / "k.npz")
    with pytest.raises(InputError, match=r"frame rate in .*k\.npz is"):
        read_people(tmp_path / "k.npz")


def test_a_folder_of_frames_may_hold_other_json(tmp_path: Path) -> None:
    (tmp_path / "export settings.json").write_text("{}")
    assert is_keypoint_input(tmp_path)  # and is told what it lacks
    (tmp_path / "frame_0001.PNG").write_bytes(b"")
    assert not is_keypoint_input(tmp_path)
    (tmp_path / "frame_0001_keypoints.json").write_text("{}")
    assert is_keypoint_input(tmp_path)  # OpenPose writes its pictures beside its files


def test_what_is_a_keypoint_input(tmp_path: Path) -> None:
    assert not is_keypoint_input(tmp_path) and not is_keypoint_input("clip.mp4")
    assert is_keypoint_input("a.json") and is_keypoint_input("a.NPZ")
    with pytest.raises(InputError, match="no file"):
        read_people(tmp_path / "none.json")
