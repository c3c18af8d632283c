"""core.quarter_turns: whoever is not upright is lifted in a picture that is turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import film, wander

from core.camera import pixel_rays
from core.lift import lift, resolve_lifter
from core.motion import project
from core.quarter_turns import UNSURE, around_doubt, blended, turned, turned_points

TIMES = np.arange(40) / 30


@settings(max_examples=20, deadline=None)
@given(st.integers(-5, 5), st.integers(0, 99))
def test_a_turned_take_is_what_a_turned_camera_sees(quarters: int, seed: int) -> None:
    """Points that are turned about the line of sight lie where the turned picture has them; no principal point is central."""
    points = np.random.default_rng(seed).uniform((-1, -1, 2), (1, 1, 5), (3, 33, 3))
    K = np.array([[700.0, 0, 300.0], [0, 800.0, 250.0], [0, 0, 1]])
    scene = film(*wander(seed, 3))
    names = tuple(map(str, range(33)))
    take = scene.keypoints.replace(names=names, xy=project(points, K), confidence=np.ones((3, 33)), depth=points[..., 2], world=points)
    other, K_other = turned(take, K, quarters)
    np.testing.assert_allclose(project(turned_points(points, quarters), K_other), other.xy, atol=1e-9)
    np.testing.assert_allclose(other.world, turned_points(points, quarters))
    np.testing.assert_allclose(np.linalg.norm(pixel_rays(other.xy, K_other), axis=-1), np.linalg.norm(pixel_rays(take.xy, K), axis=-1))
    assert (other.width, other.height) == ((take.height, take.width) if quarters % 2 else (take.width, take.height))
    back = turned(other, K_other, -quarters)
    np.testing.assert_allclose(back[0].xy, take.xy, atol=1e-9)
    np.testing.assert_allclose(back[1], K)


def answers(*errors: float) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.full((40, 5, 3), float(i)), np.full((40, 5), error)) for i, error in enumerate(errors)]


def test_where_the_upright_answer_is_sure_it_stands() -> None:
    positions, sigma = blended(answers(0.9 * UNSURE, 0.1 * UNSURE, 0.5 * UNSURE, UNSURE), TIMES)
    assert (positions == 0.0).all()
    np.testing.assert_allclose(sigma, 0.9 * UNSURE)


def test_where_it_is_not_the_turn_with_the_least_expected_error_counts() -> None:
    positions, sigma = blended(answers(0.3, 0.3, 0.15, 0.3), TIMES)
    np.testing.assert_allclose(positions, 2.0, atol=0.01)
    np.testing.assert_allclose(sigma, 0.15, rtol=0.01)
    positions, _ = blended(answers(0.3, 0.3, 0.3, 0.3), TIMES)
    assert (positions < 1.5).all()  # upright people are known best


def test_the_turn_does_not_come_and_go_from_frame_to_frame() -> None:
    both = answers(0.3, 0.5)
    both[1][1][20] = 0.1
    positions, _ = blended(both, TIMES)
    assert (positions < 0.1).all()
    both[1][1][15:] = 0.1
    positions, _ = blended(both, TIMES)
    assert np.abs(np.diff(positions[:, 0, 0])).max() < 0.5
    assert positions[-1, 0, 0] > 0.9
    both = answers(0.3, 0.05)
    both[0][1][:] = np.linspace(0.9, 1.3, 40)[:, None] * UNSURE
    positions, _ = blended(both, TIMES)
    assert positions[0, 0, 0] == 0.0
    assert positions[-1, 0, 0] > 0.9
    assert np.abs(np.diff(positions[:, 0, 0])).max() < 0.1


def test_only_what_is_unsure_is_lifted_in_other_turns() -> None:
    times, sigma = np.arange(600) / 30, np.full((600, 5), 0.05)
    assert not around_doubt(sigma, times).any()
    sigma[300:330] = 0.3
    near = around_doubt(sigma, times)
    assert near[300:330].all()
    assert 30 < near.sum() < 30 + 2 * 30 * 3
    assert not near[:200].any()
    assert not near[-200:].any()
    assert around_doubt(sigma[310:311], times[:1]).all()


@pytest.mark.parametrize("seed", [0, 4])
def test_a_take_of_a_turned_camera_is_lifted_as_well_as_an_upright_one(seed: int) -> None:
    """Nobody tells which way is up. Without the turns the worst errors are 1.5 times as large."""
    scene, lifter = film(*wander(seed, 30)), resolve_lifter("default", "cpu")
    errors = []
    for quarters in range(4):
        take, K = turned(scene.keypoints, scene.K, quarters)
        back = turned_points(lift(take, K, lifter).positions, -quarters)
        errors.append(np.linalg.norm(back - scene.lifted.positions, axis=-1).mean())
    assert max(errors) < 1.15 * errors[0]
