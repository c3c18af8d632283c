"""core.solve.levels: boxes and stairs are floors of their own."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import film, jump, walk

from core import rotations
from core.motion import Motion
from core.skeleton import INDEX, Skeleton
from core.solve import Choices, levels, solve, solver
from core.solve.body import Body
from core.solve.levels import _groups, levels_beneath
from core.solve.rests import Rests
from core.solve.world import GROUND_POINTS, find_world

UP = np.array([0.0, 0.0, 1.0])


def climb(steps: int, rise: float, going: float = 0.28, fps: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Foot points (T, 4, 3), hips (T, 3), times of somebody who goes up stairs, one foot after the other, half a second a step."""
    half = fps // 2
    time = np.arange((steps + 2) * half) / fps
    feet = np.zeros((len(time), 4, 3))
    for foot in range(2):
        stand = np.array([max(0, n - (n + foot) % 2) for n in range(steps + 2)])  # the step that the foot is on in each half second
        for frame in range(len(time)):
            n, share = divmod(frame, half)
            after = stand[min(n + 1, len(stand) - 1)]
            move = np.clip((share - 0.2 * half) / (0.6 * half), 0.0, 1.0)
            on = stand[n] + (after - stand[n]) * move
            feet[frame, 2 * foot:2 * foot + 2, 1:] = -going * on, rise * on + 0.15 * (after > stand[n]) * np.sin(np.pi * move)
        feet[:, 2 * foot + 1, 1] -= 0.15
    return feet, feet.mean(1) + [0.0, 0.0, 0.9], time


@given(turn=st.tuples(*[st.floats(-1.5, 1.5)] * 3), rise=st.floats(0.17, 0.3))
@settings(max_examples=20, deadline=None)
def test_stairs_are_levels_however_the_camera_stands(turn: tuple[float, float, float], rise: float) -> None:
    feet, hips, times = climb(6, rise)
    R = rotations.to_matrix(rotations.from_rotation_vector(np.array(turn)))
    beneath = levels_beneath(feet @ R.T, hips @ R.T, times, R @ UP)
    assert beneath is not None
    levels = np.unique(np.round(beneath, 6))
    assert levels[0] == 0 and np.allclose(np.diff(levels) / rise, np.round(np.diff(levels) / rise), atol=0.02)
    assert levels[-1] == pytest.approx(6 * rise, rel=0.02)
    assert (beneath <= feet[..., 2] + 1e-6).all()


def test_a_slope_and_a_floor_are_one_level() -> None:
    feet, hips, times = climb(8, 0.03)
    assert levels_beneath(feet, hips, times, UP) is None
    assert levels_beneath(feet[:1], hips[:1], times[:1], UP) is None


def test_feet_that_hang_or_stand_in_the_air_are_no_floor() -> None:
    feet, hips, times = climb(6, 0.2)
    assert levels_beneath(feet, hips - [0.0, 0.0, 0.9], times, UP) is None


def test_an_hour_of_stances_on_one_spot_needs_little_memory() -> None:
    """Somebody steps onto a box and off it: every stance was compared with every other one at once."""
    places = np.random.default_rng(0).normal(0.0, 0.1, (4000, 3)) * [1.0, 1.0, 0.1] + (np.arange(4000) // 2 % 2)[:, None] * [0.0, 0.0, 0.4]
    tracemalloc.start()
    group = np.array(_groups(list(places), UP))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (group == np.arange(4000) // 2 % 2).all() and most < 100e6  # 512 MB with all at once


@given(seed=st.integers(0, 2**31), spread=st.sampled_from([0.3, 1.0, 4.0]))
@settings(max_examples=40, deadline=None)
def test_groups_are_what_hangs_together(seed: int, spread: float) -> None:
    """Against the plain search from each stance, over several blocks."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1, 1, (int(rng.integers(0, 30)), 3)) * [spread, spread, 0.6]
    todo, expected = set(range(len(places))), []
    while todo:
        group, edge = set(), [min(todo)]
        while edge:
            a = edge.pop()
            group.add(a)
            todo.discard(a)
            for b in todo - set(edge):
                far, rise = np.linalg.norm((places[a] - places[b])[:2]), abs(places[a, 2] - places[b, 2])
                if (abs(a - b) == 1 or far < 1.0) and rise < 0.12 + 0.1 * far:
                    edge.append(b)
        expected.append(group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "_BLOCK", 4)
        found = np.array(_groups(list(places), UP))
    assert [set(np.flatnonzero(found == k)) for k in range(len(expected))] == expected and found.max(initial=-1) + 1 == len(expected)


def soles(motion: Motion) -> np.ndarray:
    return Body(motion.skeleton, GROUND_POINTS).pose(motion.local_rotations, motion.root_translation).points


@pytest.mark.parametrize("drop", [0.4, -0.3])
def test_who_jumps_off_a_box_or_onto_it_stands_still_on_both_levels(drop: float) -> None:
    """Before: the camera's tilt was bent until both levels lay in one plane, and only one had contacts."""
    skeleton = Skeleton.mean()
    local, root = jump(skeleton, 30.0, 0.5, forwards=1.6, drop=drop)
    root = root + [0.0, 0.0, max(0.0, -drop)]
    scene = film(local, root, 1.2, 0.15, 5.0, skeleton=skeleton, noise=0.01, pixels=1.0)
    motion = solve(scene.lifted, scene.keypoints, scene.K, 1.7)
    feet = soles(motion)
    before, after = feet[:18, :, 2].mean(), feet[-18:, :, 2].mean()
    assert before - after == pytest.approx(drop, abs=0.04)
    assert motion.meta["floors_m"] == pytest.approx([0.0, abs(drop)], abs=0.04)
    assert feet[..., 2].min() > -0.03 and min(before, after) < 0.08
    up = motion.camera.R[0, :, 2]
    assert up @ scene.view[:, 2] > np.cos(np.radians(4.0))
    for stand in (slice(3, 15), slice(-15, -3)):
        assert motion.contacts[stand].all(1).mean() > 0.8
        assert np.ptp(feet[stand], axis=0).max() < 0.01


def test_floors_grow_with_the_person_until_the_camera_is_as_high_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of it after the first fit, the rest at last; that is little, so here it is more."""
    scales = iter((1.0, 1.25))
    monkeypatch.setattr(solver, "_scale_at", lambda *_: next(scales))
    scene = film(*jump(Skeleton.mean(), 30.0, 0.5, forwards=1.6, drop=0.4), 1.2, 0.15, 5.0, noise=0.01, pixels=1.0)
    motion = solve(scene.lifted, scene.keypoints, scene.K, choices=Choices(camera_pitch=0.15, camera_height=2.5))
    feet = soles(motion)
    rise = feet[:18, :, 2].mean() - feet[-18:, :, 2].mean()
    assert rise == pytest.approx(1.25 * 0.4, abs=0.04) and motion.meta["floors_m"] == pytest.approx([0.0, rise], abs=0.02)


def test_one_floor_is_not_spoken_of() -> None:
    scene = film(*walk(60), noise=0.01, pixels=1.0)
    motion = solve(scene.lifted, scene.keypoints, scene.K, 1.7)
    assert "floors_m" not in motion.meta
    assert np.abs(motion.joints_world()[:, [INDEX["LeftToe"], INDEX["RightToe"]], 2].min(1)).max() < 0.12


def test_stairs_of_which_feet_are_seen_now_and_then_are_floors() -> None:
    """Frames in which no foot is seen counted as ones in which nobody is upright."""
    feet, hips, times = climb(12, 0.18)
    feet, hips = feet + [0.0, 8.0, -1.3], hips + [0.1, 8.0, -1.3]
    feet[:, 2:, 0] += 0.2
    view = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    neck, ankles, forward = hips + [0.0, 0.0, 0.5], feet.mean(1) + [0.0, 0.0, 0.08], np.tile([0.0, -1.0, 0.0], (len(times), 1))
    seen = np.repeat((np.arange(len(times)) % 30 < 12)[:, None], 2, axis=1)
    rests = Rests(np.zeros((len(times), 0, 3)), np.zeros(0))
    world = find_world(feet @ view.T, rests, ankles @ view.T, neck @ view.T, hips @ view.T, forward @ view.T, times, seen_feet=seen)
    assert world.beneath is not None and np.ptp(world.beneath) == pytest.approx(12 * 0.18, abs=0.02)
