"""core.rotations: round trips and conventions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rotations

seeds = st.integers(0, 2**32 - 1)


def random_quaternions(seed: int, *shape: int) -> np.ndarray:
    return rotations.normalise(np.random.default_rng(seed).normal(size=(*shape, 4)))


@given(seeds)
def test_matrix_round_trip_and_action(seed: int) -> None:
    q = random_quaternions(seed, 5, 3)
    v = np.random.default_rng(seed + 1).normal(size=(5, 3, 3))
    m = rotations.to_matrix(q)
    assert np.allclose(rotations.to_matrix(rotations.from_matrix(m)), m, atol=1e-12)
    assert np.allclose(rotations.rotate(q, v), np.einsum("...ij,...j->...i", m, v), atol=1e-12)


def test_matrix_of_half_turns() -> None:
    half_turns = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0.6, 0.8, 0]])
    assert rotations.angle_between(rotations.from_matrix(rotations.to_matrix(half_turns)), half_turns) == pytest.approx(0, abs=1e-7)


@given(seeds)
def test_product_is_the_product_of_matrices(seed: int) -> None:
    a, b = random_quaternions(seed, 2, 7)
    assert np.allclose(rotations.to_matrix(rotations.multiply(a, b)), rotations.to_matrix(a) @ rotations.to_matrix(b), atol=1e-12)
    assert np.allclose(rotations.multiply(a, rotations.inverse(a)), rotations.IDENTITY, atol=1e-12)


@given(seeds)
def test_rotation_vector_round_trip(seed: int) -> None:
    q = random_quaternions(seed, 9)
    again = rotations.from_rotation_vector(rotations.to_rotation_vector(q))
    assert rotations.angle_between(q, again) == pytest.approx(0, abs=1e-7)
    assert (np.linalg.norm(rotations.to_rotation_vector(q), axis=-1) <= np.pi + 1e-12).all()


def test_rotation_vector_of_tiny_turns() -> None:
    tiny = np.array([[1e-9, 0, 0], [0, 0, 0], [0, -1e-13, 1e-12]])
    assert np.allclose(rotations.to_rotation_vector(rotations.from_rotation_vector(tiny)), tiny, atol=1e-15)


@given(seeds)
def test_between_vectors(seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 6, 3))
    turned = rotations.rotate(rotations.between_vectors(a, b), a / np.linalg.norm(a, axis=-1, keepdims=True))
    assert np.allclose(turned, b / np.linalg.norm(b, axis=-1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("axis", list(np.eye(3)))
def test_between_opposite_vectors(axis: np.ndarray) -> None:
    assert np.allclose(rotations.rotate(rotations.between_vectors(axis, -axis), axis), -axis, atol=1e-9)


@given(seeds, st.sampled_from(["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]))
def test_euler_round_trip(seed: int, order: str) -> None:
    q = random_quaternions(seed, 4, 2)
    again = rotations.from_euler(rotations.to_euler(q, order), order)
    assert rotations.angle_between(q, again) == pytest.approx(0, abs=1e-6)


def test_euler_in_gimbal_lock() -> None:
    angles = np.array([[0.3, np.pi / 2, 0.4], [1.0, -np.pi / 2, -0.2]])
    q = rotations.from_euler(angles, "ZXY")
    assert rotations.angle_between(rotations.from_euler(rotations.to_euler(q, "ZXY"), "ZXY"), q) == pytest.approx(0, abs=1e-6)


def test_euler_is_unwrapped() -> None:
    spin = np.linspace(0, 6 * np.pi, 60)
    q = rotations.from_rotation_vector(spin[:, None] * np.array([0.0, 0, 1]))
    assert np.allclose(rotations.to_euler(q, "ZXY")[:, 0], spin, atol=1e-9)


@given(st.sampled_from(["ZXY", "XYZ", "YZX", "XZY"]), st.floats(-3, 3), st.floats(-3, 3))
def test_euler_does_not_jump_where_the_middle_angle_passes_90_degrees(order: str, first: float, last: float) -> None:
    bend = np.concatenate([np.linspace(0, 140, 60), np.linspace(140, -140, 120)])  # a knee, and what bends both ways
    angles = np.radians(np.stack([np.full(180, first), bend, np.full(180, last)], axis=-1))
    found = rotations.to_euler(rotations.from_euler(angles, order)[:, None], order)[:, 0]
    assert np.allclose(found, angles, atol=1e-6)


@given(seeds, st.floats(0, 1))
def test_slerp(seed: int, share: float) -> None:
    a, b = random_quaternions(seed, 2, 5)
    middle = rotations.slerp(a, b, np.full(5, share))
    whole = rotations.angle_between(a, b)
    assert rotations.angle_between(a, middle) == pytest.approx(share * whole, abs=1e-6)
    assert rotations.angle_between(middle, b) == pytest.approx((1 - share) * whole, abs=1e-6)


@settings(max_examples=30)
@given(seeds)
def test_continuous(seed: int) -> None:
    generator = np.random.default_rng(seed)
    q = random_quaternions(seed, 1, 3) + np.cumsum(0.05 * generator.normal(size=(40, 3, 4)), axis=0)
    q = rotations.normalise(q) * generator.choice([-1.0, 1.0], size=(40, 3, 1))
    smooth = rotations.continuous(q)
    assert (np.sum(smooth[1:] * smooth[:-1], axis=-1) >= 0).all()
    assert rotations.angle_between(smooth, q) == pytest.approx(0, abs=1e-6)
    assert np.array_equal(smooth[0], q[0])


@given(seeds)
def test_nearest_rotation_is_proper_and_the_mean_of_two(seed: int) -> None:
    a, b = rotations.to_matrix(random_quaternions(seed, 2))
    near = rotations.nearest(np.random.default_rng(seed).normal(size=(4, 3, 3)))
    assert np.allclose(near @ np.swapaxes(near, -1, -2), np.eye(3), atol=1e-9) and np.allclose(np.linalg.det(near), 1.0)
    assert np.allclose(rotations.nearest(3.0 * a), a, atol=1e-9)
    first, mean, second = (rotations.from_matrix(m) for m in (a, rotations.nearest(a + b), b))
    half = rotations.angle_between(first, second) / 2
    if half < 1.5:  # opposite ones have no mean
        assert rotations.angle_between(mean, first) == pytest.approx(half, abs=1e-6)
