"""Invented poses: still rotations, hips and hinges as they were, and only for those who ask."""

from __future__ import annotations

import numpy as np
import pytest

from core.rotations import angle_between, from_matrix, from_rotation_vector, to_matrix, to_rotation_vector
from core.skeleton import INDEX, JOINTS, PARENTS
from core.solve.limits import HINGES, beyond_limits
from models.variety import _strike, tumbling, varied

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


def test_motion_stays_smooth() -> None:
    still = np.repeat(windows(7)[:, :1], FRAMES, axis=1)
    after = varied(np.random.default_rng(7), still)
    step = angle_between(from_matrix(after[:, 1:]), from_matrix(after[:, :-1]))
    assert step.max() < np.radians(60)


@pytest.mark.parametrize("seed", range(3))
def test_no_joint_goes_beyond_its_limits(seed: int) -> None:
    turns = np.tile(np.eye(3, dtype=np.float32), (300, 24, len(JOINTS), 1, 1))  # a T-pose, which is within them
    after = varied(np.random.default_rng(seed), turns)
    local = np.stack([after[:, :, 0], *(relative(after, joint) for joint in range(1, len(JOINTS)))], axis=2)
    assert beyond_limits(from_matrix(local)).max() < np.radians(10.1)


def standing(count: int = 400, frames: int = 32) -> np.ndarray:
    """Local rotations (N, T, 20, 3, 3) of people at rest, but for knees and elbows bent by 40 degrees, elbows in a plane of their own."""
    local = np.tile(np.eye(3, dtype=np.float32), (count, frames, len(JOINTS) - 1, 1, 1))
    for joint in HINGES:
        local[:, :, joint - 1] = to_matrix(from_rotation_vector(np.radians(40) * bend_axis(joint)))
    return local


def bend_axis(joint: int) -> np.ndarray:
    """The hinge's axis; elbows' is 30 degrees about the bone from it, as in motion capture."""
    hinge, side = HINGES[joint], 1.0 if "Left" in JOINTS[joint] else -1.0
    turn = np.radians(30) * hinge.bone * side if "ForeArm" in JOINTS[joint] else np.zeros(3)
    return to_matrix(from_rotation_vector(turn)) @ hinge.axis


@pytest.mark.parametrize("joint", HINGES)
def test_struck_hinges_stay_in_their_plane_and_range(joint: int) -> None:
    local = standing()
    _strike(np.random.default_rng(1), local)
    bone = local[:, :, joint - 1] @ HINGES[joint].bone
    axis = bend_axis(joint)
    assert np.abs(bone @ axis).max() < 1e-3
    bent = np.arctan2(bone @ np.cross(axis, HINGES[joint].bone), bone @ HINGES[joint].bone)
    assert bent.min() > -1e-3 and bent.max() < np.radians(HINGES[joint].largest) + 1e-3
    assert bent.min() < np.radians(10) and bent.max() > np.radians(120)


def test_limbs_and_trunk_strike_and_some_come_back() -> None:
    before = standing()
    after = before.copy()
    _strike(np.random.default_rng(3), after)
    away = angle_between(from_matrix(after), from_matrix(before))
    for name in ("LeftLeg", "RightForeArm", "LeftUpLeg", "RightArm", "Spine1", "Head"):
        mine = away[:, :, INDEX[name] - 1]
        moved = mine.max(1) > np.radians(5)
        assert 0.08 < moved.mean() < 0.4, name
        assert (moved & (mine[:, [0, -1]].max(1) < 0.2 * mine.max(1))).mean() > 0.02, name
    assert away[:, :, INDEX["LeftFoot"] - 1].max() < 1e-3


@pytest.mark.parametrize("name", ["Leg", "ForeArm", "UpLeg", "Arm"])
def test_both_sides_often_strike_alike(name: str) -> None:
    after = standing()
    _strike(np.random.default_rng(4), after)
    mirror = np.diag([-1.0, 1.0, 1.0])
    left, right = after[:, :, INDEX[f"Left{name}"] - 1], after[:, :, INDEX[f"Right{name}"] - 1]
    moved = np.abs(left - left[:, :1]).max((1, 2, 3)) > 0.05
    alike = np.abs(mirror @ left @ mirror - right).max((1, 2, 3)) < 1e-4
    assert 0.25 < alike[moved].mean() < 0.75


def test_knees_do_not_twist() -> None:
    turns = np.tile(np.eye(3, dtype=np.float32), (100, 8, len(JOINTS), 1, 1))
    after = varied(np.random.default_rng(8), turns)
    for name in ("LeftLeg", "RightLeg", "LeftToe"):
        assert np.abs(to_rotation_vector(from_matrix(relative(after, INDEX[name])))[..., 1:]).max() < 1e-3


def test_some_tumble_over_as_one_piece() -> None:
    turns = windows(5, 200)
    root = np.random.default_rng(5).normal(size=(200, FRAMES, 3))
    new_turns, new_root = tumbling(np.random.default_rng(5), turns, root)
    turned = (new_turns != turns).any((1, 2, 3, 4))
    assert 0.02 < turned.mean() < 0.2 and np.array_equal(turned, (new_root != root).any((1, 2)))
    turn = to_rotation_vector(from_matrix(new_turns[:, :, 0] @ np.swapaxes(turns[:, :, 0], -1, -2)))[turned]
    assert np.abs(turn[..., 2]).max() < 1e-3 * np.abs(turn).max()  # about a level axis
    assert angle_between(from_matrix(new_turns[turned][:, 0, 0]), from_matrix(new_turns[turned][:, -1, 0])).max() > 0.5
    local = [[relative(t, j) for j in range(1, len(JOINTS))] for t in (turns, new_turns)]
    assert np.abs(np.array(local[1]) - local[0]).max() < 1e-4
    away, new_away = (np.linalg.norm(r - root.mean(1, keepdims=True), axis=-1) for r in (root, new_root))
    assert np.allclose(away, new_away)
