"""core.motion: the npz contract, resampling, projection."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rotations
from core.errors import InputError
from core.motion import Camera, Motion, load_motion, project, to_camera
from core.pipeline import _resampled
from core.skeleton import JOINTS, Skeleton


def random_motion(seed: int, frames: int = 20, fps: float = 30.0, uneven: bool = False) -> Motion:
    """A smooth random motion in front of a camera."""
    generator = np.random.default_rng(seed)
    turns = np.cumsum(0.08 * generator.normal(size=(frames, len(JOINTS), 3)), axis=0) + 0.3 * generator.normal(size=(1, len(JOINTS), 3))
    steps = generator.uniform(0.5, 1.5, frames) / fps if uneven else np.full(frames, 1 / fps)
    times = 1.0 + np.cumsum(steps) - steps[0]
    view = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = Camera(np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]), np.tile(view, (frames, 1, 1)),
                    np.tile([0.0, 1.0, 4.0], (frames, 1)), 1280, 720)
    return Motion(
        Skeleton.mean(1.8), rotations.continuous(rotations.from_rotation_vector(turns)),
        np.cumsum(0.02 * generator.normal(size=(frames, 3)), axis=0) + [0, 0, 0.9], times, fps, generator.uniform(size=(frames, 21)),
        generator.uniform(size=(frames, 4)) > 0.5, camera, ("nose", "l_ear"), generator.uniform(size=(frames, 2, 3)), {"source": "x.mp4"})


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 20]))
def test_npz_round_trip(tmp_path_factory: pytest.TempPathFactory, seed: int, frames: int) -> None:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    motion = random_motion(seed, frames)
    motion.save(path)
    again = load_motion(path)
    assert rotations.angle_between(again.local_rotations, motion.local_rotations).max() < 1e-5
    assert np.allclose(again.joints_world(), motion.joints_world(), atol=1e-5)
    assert np.allclose(again.joints_camera(), motion.joints_camera(), atol=1e-5)
    assert np.array_equal(again.times, motion.times) and again.fps == motion.fps and again.meta == motion.meta
    assert np.array_equal(again.contacts, motion.contacts) and again.keypoint_names == motion.keypoint_names
    with np.load(path, allow_pickle=False) as data:
        assert np.allclose(data["joints_world"], motion.joints_world(), atol=1e-5)
    assert [p.name for p in path.parent.iterdir()] == ["motion.npz"]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([12.0, 23.976, 30.0, 50.0, 120.0]), st.booleans())
def test_resampling_keeps_the_length(seed: int, fps: float, uneven: bool) -> None:
    motion = random_motion(seed, 40, uneven=uneven)
    again = motion.resampled(fps)
    assert again.times[0] == motion.times[0]
    assert abs((len(again) - 1) / fps - (motion.times[-1] - motion.times[0])) <= 0.5 / fps + 1e-9
    assert np.allclose(np.linalg.norm(again.local_rotations, axis=-1), 1)
    assert (np.sum(again.local_rotations[1:] * again.local_rotations[:-1], axis=-1) > 0).all()


def test_resampling_at_the_own_rate_changes_nothing() -> None:
    motion = random_motion(3, 30)
    again = motion.resampled(motion.fps)
    assert np.allclose(again.joints_world(), motion.joints_world(), atol=1e-6)


def test_a_foot_is_on_the_ground_between_two_frames_if_it_is_in_both() -> None:
    """At twice the rate: the frame between the last one on the ground and the first one in the air is in the air."""
    motion = random_motion(5, 40)
    again = motion.resampled(2 * motion.fps)
    assert np.array_equal(again.contacts[::2], motion.contacts)
    assert np.array_equal(again.contacts[1::2], motion.contacts[1:] & motion.contacts[:-1])


def test_resampling_one_frame() -> None:
    assert len(random_motion(0, 1).resampled(60.0)) == 1


def test_projection_of_what_is_behind_the_camera_is_missing() -> None:
    camera = random_motion(0, 1).camera
    pixels = project(np.array([[[0.0, 0, 2], [0, 0, -2]]]), camera.K)
    assert pixels[0, 0].tolist() == [640, 360] and np.isnan(pixels[0, 1]).all()
    assert np.allclose(to_camera(np.array([[[0.0, 0, 1]]]), camera), [[[0, 0, 4]]])


def test_wrong_shapes_are_named() -> None:
    motion = random_motion(0, 5)
    with pytest.raises(ValueError, match="confidence"):
        Motion(**{**vars(motion), "confidence": np.zeros((4, 21))})


@pytest.mark.parametrize("content", [None, b"", b"no zip", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_motion_gets_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "motion.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="motion"):
        load_motion(path)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("times", np.array([0.0, np.nan, 0.2]), "holds times that are no numbers"), ("times", np.array([0.2, 0.1, 0.0]), "times .* fall"),
    ("rest_offsets", np.full((21, 3), np.nan), "rest_offsets"), ("camera_R", np.tile(np.eye(3), (2, 1, 1)), r"camera\.R must be"),
    ("local_rotations", np.zeros((3, 21, 4)), "local_rotations that are no"), ("confidence", np.full((3, 21), np.nan), "confidence"),
    ("meta", "[]", "meta must be a dict"), ("fps", np.inf, "fps of inf"), ("fps", -3.0, "fps of -3"), ("camera_zooms", np.ones(2), "zooms"),
    ("camera_zooms", np.zeros(3), "camera_zooms of 0"), ("image_size", np.array([np.inf, 3]), "not what it should be"),
    ("image_size", np.array([0, 0]), "image_size of 0"), ("camera_K", np.zeros((3, 3)), "camera_K of 0"),
    ("fps", np.array([30.0, 30.0]), "one of its arrays is not what it should be")])
def test_a_motion_that_cannot_be_gets_a_sentence(tmp_path: Path, name: str, value: object, words: str) -> None:
    random_motion(0, 3).save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz") as data:
        np.savez(tmp_path / "motion.npz", **(dict(data) | {name: value}))
    with pytest.raises(InputError, match=words):
        load_motion(tmp_path / "motion.npz")


def test_another_npz_is_no_motion(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match="not a motion file"):
        load_motion(tmp_path / "other.npz")


def test_frames_that_the_report_names_are_those_of_the_new_rate() -> None:
    said = ["frame 1: left arm not seen", "frames 31 to 50: nobody seen", "frames 59 to 60: right leg not seen"]
    meta = {"quality": {"bad_ranges": said, "reprojection_px": 3.0}, "stature": {"flights": [[31, 46]], "metres": 1.7}}
    again = _resampled(dataclasses.replace(random_motion(0, 60), meta=meta), 12.0).meta
    now = ["frame 1: left arm not seen", "frames 13 to 21: nobody seen", "frames 24 to 25: right leg not seen"]
    assert again["quality"]["bad_ranges"] == now
    assert again["stature"] == {"flights": [[13, 19]], "metres": 1.7} and again["quality"]["reprojection_px"] == 3.0
