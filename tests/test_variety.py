"""Invented poses: still rotations, hips and hinges as they were, and only for those who ask."""

from __future__ import annotations

import numpy as np
import pytest

from core.rotations import angle_between, from_matrix, from_rotation_vector, to_matrix
from core.skeleton import INDEX, JOINTS, PARENTS
from core.solve.limits import HINGES, flexion
from models.variety import tumbling, varied

FRAMES = 6


def relative(turns: np.ndarray, joint: int) -> np.ndarray:
    """(N, T, 3, 3) of a joint to its parent."""
    return np.swapaxes(turns[:, :, PARENTS[joint]], -1, -2) @ turns[:, :, joint]


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
    for joint, hinge in HINGES.items():
        bone = relative(after, joint) @ hinge.bone
        assert np.abs(bone @ hinge.axis).max() < 1e-3
        assert flexion(bone, hinge).max() < np.radians(hinge.largest) + 1e-3
    step = angle_between(from_matrix(after[:, 1:]), from_matrix(after[:, :-1]))
    assert step.max() < np.radians(60)


def test_limbs_strike_and_come_back() -> None:
    """Some knee bends by 40 degrees more within the window and is back at its end; most do nothing of the kind."""
    standing = np.broadcast_to(np.eye(3, dtype=np.float32), (200, 80, len(JOINTS), 3, 3))
    knee = INDEX["LeftLeg"]
    bent = flexion(relative(varied(np.random.default_rng(3), standing), knee) @ HINGES[knee].bone, HINGES[knee])
    back = bent.max(1) - np.maximum(bent[:, 0], bent[:, -1])
    assert 0.02 < (back > np.radians(40)).mean() < 0.2
    assert np.median(back) < np.radians(1)


def test_some_tumble_over_as_one_piece() -> None:
    turns = windows(5, 200)
    root = np.random.default_rng(5).normal(size=(200, FRAMES, 3))
    new_turns, new_root = tumbling(np.random.default_rng(5), turns, root)
    turned = (new_turns != turns).any((1, 2, 3, 4))
    assert 0.02 < turned.mean() < 0.2 and np.array_equal(turned, (new_root != root).any((1, 2)))
    local = [[relative(t, j) for j in range(1, len(JOINTS))] for t in (turns, new_turns)]
    assert np.abs(np.array(local[1]) - local[0]).max() < 1e-4
    away, new_away = (np.linalg.norm(r - root.mean(1, keepdims=True), axis=-1) for r in (root, new_root))
    assert np.allclose(away, new_away)
