"""The error measures against cases whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import film, walk

from core import evaluate, rotations
from core.camera import assume_intrinsics
from core.events import Reporter
from core.keypoints import LIMB_KEYPOINTS
from core.motion import Camera, Motion
from core.options import RunOptions
from core.pipeline import RunResult
from core.skeleton import JOINTS, Skeleton
from core.solve.body import Body
from core.solve.contacts import SOLE, SOLE_POINTS


@pytest.fixture
def joints(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(40, 12, 3))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_mpjpe_ignores_where_the_person_stands_but_not_how_large(joints: np.ndarray) -> None:
    assert evaluate.mpjpe(joints + [1.0, 2.0, 3.0], joints) == pytest.approx(0.0, abs=1e-12)
    assert evaluate.mpjpe(1.1 * joints, joints) > 0.05


def test_pa_mpjpe_ignores_similarities_of_each_frame(joints: np.ndarray, rng: np.random.Generator) -> None:
    turned = rotations.rotate(rotations.normalise(rng.normal(size=(40, 1, 4))), joints)
    moved = rng.uniform(0.5, 2.0, (40, 1, 1)) * turned + rng.normal(size=(40, 1, 3))
    assert evaluate.pa_mpjpe(moved, joints) == pytest.approx(0.0, abs=1e-9)


def test_pa_mpjpe_does_not_forgive_a_mirror_image(joints: np.ndarray) -> None:
    assert evaluate.pa_mpjpe(joints * [-1.0, 1.0, 1.0], joints) > 0.1


def test_acceleration_error_of_a_known_acceleration() -> None:
    times = np.arange(50) / 60.0
    still = np.zeros((50, 12, 3))
    falling = still.copy()
    falling[:, LIMB_KEYPOINTS.index("l_wrist"), 2] = -0.5 * 9.81 * times**2
    assert evaluate.acceleration_error(falling, still, 60.0) == pytest.approx(9.81 / 12)


def test_floor_is_measured_at_the_sole() -> None:
    still = rotations.normalise(np.tile([1.0, 0.0, 0.0, 0.0], (3, len(JOINTS), 1)))
    skeleton = Skeleton.mean()
    feet = Body(skeleton, SOLE_POINTS).pose(still, np.zeros((3, 3))).points
    standing = float(-(feet[..., 2] - SOLE).min())
    empty = np.zeros((3, 0))
    camera = Camera(np.eye(3), np.tile(np.eye(3), (3, 1, 1)), np.zeros((3, 3)), 64, 48)
    for sunk in (0.0, 0.03):
        motion = Motion(skeleton, still, np.tile([0.0, 0.0, standing - sunk], (3, 1)), np.arange(3) / 30, 30.0, np.ones((3, len(JOINTS))),
                        np.zeros((3, 4), bool), camera, (), empty[..., None] * np.zeros(3))
        assert evaluate.below_floor(motion) == pytest.approx(100 * sunk, abs=1e-6)


def test_up_is_compared_in_degrees_and_whatever_the_heading() -> None:
    turned = rotations.to_matrix(rotations.from_rotation_vector(np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 0.0]])))
    assert evaluate.up_error(turned, np.eye(3)) == pytest.approx([0.0, np.degrees(0.1)], abs=1e-4)


def test_foot_skate_counts_contact_frames_only_and_is_per_thirtieth_of_a_second() -> None:
    truth = np.zeros((61, 12, 3))
    sliding = truth.copy()
    sliding[:, LIMB_KEYPOINTS.index("l_ankle"), 0] = np.arange(61) * 0.001
    contact = np.zeros((61, 2), bool)
    contact[10:20, 0] = True
    assert evaluate.foot_skate(sliding, truth, contact, 60.0) == pytest.approx(2.0)
    assert np.isnan(evaluate.foot_skate(sliding, truth, np.zeros((61, 2), bool), 60.0))


def test_bone_spread_is_zero_for_rigid_bones(joints: np.ndarray, rng: np.random.Generator) -> None:
    rigid = rotations.rotate(rotations.normalise(rng.normal(size=(40, 1, 4))), joints[:1])
    assert evaluate.bone_spread(rigid) == pytest.approx(0.0, abs=1e-9)
    assert evaluate.bone_spread(joints) > 5


def test_root_error_forgives_a_turn_and_a_shift_but_no_scale() -> None:
    truth = np.stack([np.linspace(0, 4, 50), np.sin(np.linspace(0, 3, 50)), np.full(50, 0.9)], axis=-1)
    turned = rotations.rotate(rotations.from_rotation_vector(np.array([0, 0, 2.0])), truth) + [3.0, -1.0, 0.2]
    assert evaluate.root_error(turned, truth) == pytest.approx(0.0, abs=1e-6)
    assert evaluate.root_error(rotations.rotate(rotations.from_rotation_vector(np.array([0.3, 0, 0])), truth), truth) > 1
    line = np.stack([np.linspace(0, 4, 1001), np.zeros(1001), np.zeros(1001)], axis=-1)
    assert evaluate.root_error(1.2 * line, line) == pytest.approx(5.0, rel=0.01)  # 0.2 x a mean distance of a quarter of the way
    assert np.isnan(evaluate.root_error(0 * line, 0 * line))


def test_peak_ratio_is_that_of_the_fast_point_that_is_furthest_off() -> None:
    truth = np.zeros((61, 12, 3))
    swing = 1 - np.cos(np.arange(61) / 60 * 2 * np.pi)
    for name, reach in (("l_wrist", 2.0), ("r_ankle", 2.0), ("r_wrist", 0.2)):  # peaks of 12.6, 12.6 and 1.3 m/s
        truth[:, LIMB_KEYPOINTS.index(name), 0] = reach * swing
    ours = truth.copy()
    ours[:, LIMB_KEYPOINTS.index("l_wrist")] *= 1.1
    ours[:, LIMB_KEYPOINTS.index("r_ankle")] *= 0.8
    ours[:, LIMB_KEYPOINTS.index("r_wrist")] *= 3.0  # not fast: nobody asks
    assert evaluate.peak_ratio(ours, truth, 60.0) == pytest.approx(0.8)
    assert np.isnan(evaluate.peak_ratio(ours, 0.1 * truth, 60.0))
    assert np.isnan(evaluate.peak_ratio(np.full_like(ours, np.nan), truth, 60.0))  # of a person whose height nobody knows


def test_nothing_is_differenced_across_frames_that_do_not_count() -> None:
    """A wrist at a steady 1.5 m/s, which is not fast, out of sight for a quarter of a second."""
    steady = np.zeros((61, 12, 3))
    steady[:, LIMB_KEYPOINTS.index("l_wrist"), 0] = 1.5 * np.arange(61) / 60
    counted = evaluate._counted(steady, np.abs(np.arange(61) - 30) > 7)
    assert np.isnan(evaluate.peak_ratio(counted, counted, 60.0))
    assert evaluate.acceleration_error(counted, 0.0 * counted, 60.0) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(evaluate.acceleration_error(0 * steady[:2], 0 * steady[:2], 60.0))


def test_a_clip_is_judged_by_the_frames_whose_truth_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the other half the truth is a metre off the result."""
    scene = film(*walk(20))
    lens = assume_intrinsics(1280, 720, float(scene.K[0, 0]))
    scene.keypoints.save(tmp_path / "keypoints.npz")
    view = Camera(lens, np.tile(scene.view, (20, 1, 1)), np.tile(scene.place, (20, 1)), 1280, 720)
    motion = Motion(scene.skeleton, scene.local, scene.root, np.arange(20) / 30, 30.0, np.ones((20, len(JOINTS))), np.zeros((20, 4), bool),
                    view, (), np.zeros((20, 0, 3)))
    camera, _ = evaluate.limb_joints(motion)
    valid = np.arange(20) % 2 == 0
    wrong = np.where(valid[:, None, None], 0.0, np.random.default_rng(0).choice([-1.0, 1.0], (1, 12, 3)))
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "video.mp4").touch()
    np.savez(tmp_path / "clip" / "gt.npz", names=np.array(LIMB_KEYPOINTS), joints3d_cam=camera + wrong, frame_valid=valid, R=view.R,
             t=view.t, contact=np.zeros((20, 2), bool), fps=30.0, K=lens)
    ours = RunResult(motion, {"keypoints": tmp_path / "keypoints.npz"}, None)
    monkeypatch.setattr("core.pipeline.run", lambda *_: ours)
    landmarks = camera - camera[:, evaluate._HIPS].mean(1, keepdims=True)
    monkeypatch.setattr(evaluate, "mediapipe_world", lambda *_: landmarks)
    row = evaluate.evaluate_clip(tmp_path / "clip", tmp_path / "out", RunOptions(), Reporter())
    assert row["frames"] == 10
    assert row["ours"]["MPJPE mm"] == pytest.approx(0.0, abs=1e-6) and row["mediapipe"]["MPJPE mm"] == pytest.approx(0.0, abs=1e-6)


def row(name: str, value: float) -> dict:
    """Of a table."""
    return {"clip": name, "frames": 10, "problem": None, "ours": dict.fromkeys(evaluate.FIGURES, value),
            "lifted": dict.fromkeys(evaluate.FIGURES, 1.5 * value), "mediapipe": dict.fromkeys(evaluate.FIGURES, 2 * value),
            "way": dict.fromkeys(evaluate.WAY, value / 10)}


def test_errors_of_one_sign_do_not_make_up_for_those_of_the_other() -> None:
    text = evaluate.table([row("val_a", 10.0), row("val_b", -10.0)])
    (mean,) = [line for line in text.split("\n\n")[0].splitlines() if "**mean of 2**" in line]
    assert "| 10.0 / 15.0 / 20.0 |" in mean


def test_table_tells_what_was_trained_on_apart_and_keeps_failed_clips() -> None:
    text = evaluate.table([row("cmu_a", 10.0), row("val_b", 30.0), {"clip": "val_c", "frames": 0, "problem": "No person."}])
    body, way = ({line.split("|")[1].strip(): line for line in part.splitlines()} for part in text.split("\n\n"))
    assert "20.0 / 30.0 / 40.0 (0.50)" in body["**mean of 2**"]
    assert "30.0 / 45.0 / 60.0 (0.50)" in body["**mean of the 1 whose motion was not trained on**"]
    assert "No person." in body["val_c"] and "val_c" not in way
    assert "| 1.0 | 1.0 | 1.0 | 1.0 | 1.00 |" in way["cmu_a"]
    assert "| 2.0 | 2.0 | 2.0 | 2.0 | 1 of 2 within 15 % |" in way["**mean of 2**"] and "3.0 at most" in way["**mean of 2**"]
