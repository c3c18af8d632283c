"""The error measures against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from core import evaluate, rotations
from core.keypoints import LIMB_KEYPOINTS


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


def test_table_tells_what_was_trained_on_apart_and_keeps_failed_clips() -> None:
    def row(name: str, value: float) -> dict:
        return {"clip": name, "frames": 10, "problem": None, "ours": dict.fromkeys(evaluate.FIGURES, value),
                "mediapipe": dict.fromkeys(evaluate.FIGURES, 2 * value)}

    text = evaluate.table([row("cmu_a", 10.0), row("val_b", 30.0), {"clip": "val_c", "frames": 0, "problem": "No person."}])
    lines = {line.split("|")[1].strip(): line for line in text.splitlines()}
    assert "20.0 / 40.0" in lines["**mean of 2**"]
    assert "30.0 / 60.0" in lines["**mean of the 1 whose motion was not trained on**"]
    assert "No person." in lines["val_c"]
