"""Sights of quite another size for a moment: what is no person is not seen, and what is one stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import Listener

from core.detect.misfits import misfits, without_misfits
from core.keypoints import CANONICAL, Keypoints

FPS = 30.0


def take(sizes: np.ndarray, seed: int = 0) -> Keypoints:
    """Somebody so many pixels tall in each frame; 0: not seen."""
    body = np.random.default_rng(seed).uniform(-0.5, 0.5, (len(CANONICAL), 2)) * [0.3, 1.0]
    confidence = np.where(sizes[:, None] > 0, 0.8, 0.0) * np.ones(len(CANONICAL))
    xy = np.where(sizes[:, None, None] > 0, 400.0 + sizes[:, None, None] * body, np.nan)
    return Keypoints(CANONICAL, xy, confidence, np.arange(len(sizes)) / FPS, 1280, 720, FPS)


def sizes(*parts: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(count, size, dtype=float) for count, size in parts])


def test_a_doll_on_the_shirt_of_somebody_behind_a_pillar_is_not_seen() -> None:
    """The body shrank to a face that the detector saw between the shoulder blades, feet 60 cm above the floor (2026-11-24)."""
    keypoints = take(sizes((50, 240), (13, 0), (4, 85), (1, 0), (3, 100), (8, 0), (12, 198)))
    listener = Listener()
    kept = without_misfits(keypoints, listener)
    np.testing.assert_array_equal(np.flatnonzero(keypoints.seen & ~kept.seen), [63, 64, 65, 66, 68, 69, 70])
    assert listener.said == ["In 7 frames between 64 and 71 the detector saw somebody of quite another size for a moment; they count as "
                             "not seen."]
    assert misfits(take(sizes((50, 80), (13, 0), (6, 240), (8, 0), (12, 90)))).sum() == 6  # a giant, likewise


@pytest.mark.parametrize("parts", [
    [(50, 240), (13, 0), (45, 85), (8, 0), (12, 198)],  # for more than a moment
    [(50, 240), (12, 85), (50, 240)],  # who crouches is seen on the way
    [(50, 240), (13, 0), (12, 85)],  # nobody knows what comes after
    [(12, 85), (13, 0), (50, 240)],
    [(50, 240), (13, 0), (12, 170), (8, 0), (12, 198)],
    [(50, 240), (13, 0), (12, 100), (8, 0), (50, 90)],  # who walks away behind something
    [(5, 0)], [(1, 100)], [(1, 100), (5, 0), (1, 200), (5, 0), (1, 400)],
], ids=["long", "crouch", "end", "beginning", "alike", "away", "nobody", "one", "growing"])
def test_what_may_be_a_person_stays(parts: list[tuple[int, float]]) -> None:
    keypoints = take(sizes(*parts))
    assert not misfits(keypoints).any()
    assert without_misfits(keypoints, Listener()) is keypoints


@given(st.integers(0, 1000), st.floats(0.0, 0.6))
def test_gaps_alone_make_no_misfits(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    size = 200.0 * np.exp(0.15 * np.sin(np.arange(120) / 20 + rng.uniform(0, 6)))
    assert not misfits(take(np.where(rng.random(120) < share, 0.0, size), seed)).any()
