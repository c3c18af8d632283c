"""Invented poses: still rotations, hips and hinges as they were, and only for those who ask."""

from __future__ import annotations

import numpy as np
import pytest

from core.rotations import angle_between, from_matrix, from_rotation_vector, to_matrix, to_rotation_vector
from core.skeleton import INDEX, JOINTS, PARENTS
from models.variety import varied

FRAMES = 6


def windows(seed: int, count: int = 40) -> np.ndarray:
    """Global rotations of people who bend knees and elbows about one axis only."""
    rng = np.random.default_rng(seed)
    turn = 0.4 * rng.normal(size=(count, FRAMES, len(JOINTS), 3))
    for hinge in ("LeftLeg", "RightLeg", "LeftForeArm", "RightForeArm"):
        turn[:, :, INDEX[hinge], 1:] = 0.0
    local = to_matrix(from_rotation_vector(turn))
    turns = local.copy()
    for joint in range(1, len(JOINTS)):
        turns[:, :, joint] = turns[:, :, PARENTS[joint]] @ local[:, :, joint]
    return turns.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_poses_are_new_and_still_rotations(seed: int) -> None:
    before = windows(seed)
    after = varied(np.random.default_rng(seed), before)
    assert np.abs(after @ np.swapaxes(after, -1, -2) - np.eye(3)).max() < 1e-4
    assert np.array_equal(after[:, :, INDEX["Hips"]], before[:, :, INDEX["Hips"]])
    changed = np.array([not np.array_equal(a, b) for a, b in zip(after, before, strict=True)])
    assert 0.2 < changed.mean() < 0.8
    moved = angle_between(from_matrix(after[changed]), from_matrix(before[changed]))[:, :, 1:]
    assert np.median(moved) > np.radians(8)


def test_hinges_stay_hinges_and_motion_stays_smooth() -> None:
    still = np.repeat(windows(7)[:, :1], FRAMES, axis=1)
    after = varied(np.random.default_rng(7), still)
    for name in ("LeftLeg", "RightForeArm"):
        joint = INDEX[name]
        local = np.swapaxes(after[:, :, PARENTS[joint]], -1, -2) @ after[:, :, joint]
        assert np.abs(to_rotation_vector(from_matrix(local))[..., 1:]).max() < 1e-3
    step = angle_between(from_matrix(after[:, 1:]), from_matrix(after[:, :-1]))
    assert step.max() < np.radians(30)
