"""Tiles cover the picture; confidence behaves as it says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detect.confidence import honest_confidence, inside_picture, steadiness
from core.detect.detector import BLAZEPOSE, Detection
from core.detect.tiles import _starts, look_at, search


@given(st.integers(1, 5000), st.integers(96, 2000))
def test_tiles_cover_and_overlap(length: int, side: int) -> None:
    starts = _starts(length, side)
    assert starts[0] == 0 and starts[-1] == max(0, length - side)
    assert all(0 < b - a <= side / 2 + 1 for a, b in pairwise(starts))


@pytest.mark.parametrize("where", [(40, 30), (600, 330), (333, 200)])
def test_what_a_tile_shows_comes_back_in_the_pixels_of_the_picture(where: tuple[int, int]) -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[where[1], where[0]] = 255
    shape = np.random.default_rng(1).uniform(-12, 12, (33, 2))

    def finder(cut: np.ndarray) -> list[Detection]:
        rows, columns = np.nonzero(cut[..., 0])
        return [Detection(shape + (x, y), np.full(33, 0.9), np.zeros(33), np.zeros((33, 3))) for x, y in zip(columns, rows, strict=True)]

    (found,) = search(finder, picture)
    np.testing.assert_allclose(found.xy, shape + where)
    np.testing.assert_allclose(look_at(finder, picture, shape + where)[0].xy, shape + where)


def test_confidence_grows_with_what_the_detector_says() -> None:
    levels = np.linspace(0, 1, 20)[:, None] * np.ones(33)
    for rows in (honest_confidence(levels, np.full_like(levels, 0.9)), honest_confidence(np.full_like(levels, 0.9), levels)):
        assert ((rows > 0) & (rows < 1)).all() and (np.diff(rows, axis=0) >= 0).all()
    sure = dict(zip(BLAZEPOSE, honest_confidence(np.ones(33), np.ones(33)), strict=True))
    assert sure["l_thumb"] < sure["l_hip"] < sure["l_eye"]  # a sure hip is less right than a sure eye


def test_inside_the_picture() -> None:
    assert inside_picture(np.array([[0.0, 0.0], [639.9, 359.9], [640.0, 10.0], [10.0, -0.1], [np.nan, 3.0]]), 640, 360).tolist() \
        == [True, True, False, False, False]


def test_steadiness_finds_jumps_and_spares_even_motion() -> None:
    times = np.arange(30) / 30.0
    xy = np.random.default_rng(2).uniform(0, 200, (33, 2)) + 8.0 * np.arange(30)[:, None, None] * (1, 0)
    assert steadiness(xy, times).min() > 0.99
    xy[12, 5] += 60
    factor = steadiness(xy, times)
    assert factor[12, 5] < 0.1 and np.delete(factor.ravel(), 12 * 33 + 5).min() > 0.5
    long, long_times = np.tile(xy, (40, 1, 1)), np.arange(1200) / 30.0  # more than is compared at a time
    np.testing.assert_array_equal(steadiness(long, long_times)[490:510], steadiness(long[480:520], long_times[480:520])[10:30])
    xy[14] = np.nan
    assert np.isfinite(steadiness(xy, times)).all()
    assert (steadiness(xy[:3], times[:3]) == 1).all()
