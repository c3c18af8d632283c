"""Keypoints that somebody has put right by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.corrections import corrected
from core.keypoint_files import between
from core.keypoints import CANONICAL, Keypoints, load_keypoints
from core.skeleton import mirror_name

FRAMES = 5


def detected(seed: int = 0) -> Keypoints:
    """Somebody of whom some points are missing in some frames."""
    rng = np.random.default_rng(seed)
    shape = (FRAMES, len(CANONICAL))
    confidence = rng.uniform(0.1, 0.9, shape) * (rng.random(shape) > 0.2)
    return Keypoints(CANONICAL, rng.uniform(50, 400, (*shape, 2)), confidence, np.arange(FRAMES) / 30, 640, 480, 30.0,
                     rng.normal(0, 20, shape), rng.normal(0, 0.3, (*shape, 3)))


def same(a: Keypoints, b: Keypoints) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in ((a.xy, b.xy), (a.confidence, b.confidence), (a.depth, b.depth),
                                                                 (a.world, b.world)))


@given(st.integers(0, 1000))
def test_what_is_left_alone_keeps_its_numbers(seed: int) -> None:
    keypoints = detected(seed)
    nearly = keypoints.xy + 0.01
    assert same(corrected(keypoints, nearly), keypoints)


def test_what_was_moved_is_believed_and_what_was_taken_away_is_missing() -> None:
    keypoints = detected()
    xy, wrist, knee = keypoints.xy.copy(), CANONICAL.index("l_wrist"), CANONICAL.index("r_knee")
    xy[1, wrist], xy[2, knee] = (123.0, 45.0), np.nan
    result = corrected(keypoints, xy)
    assert result.confidence[1, wrist] == 1.0 and np.allclose(result.xy[1, wrist], (123, 45))
    assert result.confidence[2, knee] == 0.0 and np.isnan(result.xy[2, knee]).all()
    changed = result.confidence != keypoints.confidence
    assert changed.sum() <= 2 and np.array_equal(result.world, keypoints.world)


def test_a_point_that_was_missing_can_be_given() -> None:
    keypoints = detected()
    t, k = np.argwhere(keypoints.confidence == 0)[0]
    xy = keypoints.xy.copy()
    xy[t, k] = (300.0, 200.0)
    result = corrected(keypoints, xy)
    assert result.confidence[t, k] == 1.0 and (result.confidence != keypoints.confidence).sum() == 1


@given(st.integers(0, 1000), st.sampled_from(["l_wrist", "l_knee", "l_ear"]))
def test_exchanging_sides_takes_doubt_and_reflected_depth_along_and_twice_is_nothing(seed: int, name: str) -> None:
    keypoints = detected(seed)
    a, b = CANONICAL.index(name), CANONICAL.index(mirror_name(name))
    xy = keypoints.xy.copy()
    xy[:, [a, b]] = xy[:, [b, a]]
    result = corrected(keypoints, xy)
    assert np.array_equal(result.confidence[:, a], keypoints.confidence[:, b])
    seen = (keypoints.confidence[:, [a, b]] > 0).any(1)
    assert np.array_equal(result.world[seen, a], keypoints.world[seen, b] * (1, 1, -1))
    assert np.array_equal(result.depth[seen, b], -keypoints.depth[seen, a])
    others = [i for i in range(len(CANONICAL)) if i not in (a, b)]
    assert np.array_equal(result.confidence[:, others], keypoints.confidence[:, others])
    assert same(corrected(result, keypoints.xy), keypoints)


def test_what_is_done_to_one_of_an_exchanged_pair_says_nothing_of_the_other() -> None:
    """Exchanged, then the one switched off or moved a little: the other is still the detector's guess of that side."""
    keypoints = detected(3)
    a, b = CANONICAL.index("l_wrist"), CANONICAL.index("r_wrist")
    t = int(np.flatnonzero((keypoints.confidence[:, [a, b]] > 0).all(1))[0])
    for place in ((np.nan, np.nan), keypoints.xy[t, b] + 1.0):
        xy = keypoints.xy.copy()
        xy[t, a], xy[t, b] = place, keypoints.xy[t, a]
        result = corrected(keypoints, xy)
        assert result.confidence[t, b] == keypoints.confidence[t, a] and result.confidence[t, a] == (0.0 if np.isnan(place[0]) else 1.0)
        assert np.array_equal(result.world[t, b], keypoints.world[t, a] * (1, 1, -1))


def test_frames_that_share_a_picture() -> None:
    """Of two that do, the later one's places are before somebody's eyes: what is left there is left in both."""
    keypoints = detected(1)
    shown = np.array([1, 1, 2, 3, 4])
    assert same(corrected(keypoints, keypoints.xy[shown], shown), keypoints)
    xy = keypoints.xy[shown]
    xy[:2, 0] = (9.0, 9.0)
    assert np.argwhere(corrected(keypoints, xy, shown).by_hand).tolist() == [[0, 0], [1, 0]]


def test_what_was_done_by_hand_is_known_wherever_the_keypoints_go(tmp_path: Path) -> None:
    keypoints = detected()
    assert corrected(keypoints, keypoints.xy).by_hand is None
    xy, wrist = keypoints.xy.copy(), CANONICAL.index("l_wrist")
    xy[3, wrist] = (1.0, 2.0)
    result = corrected(keypoints, xy)
    assert np.argwhere(result.by_hand).tolist() == [[3, wrist]]
    result.save(tmp_path / "k.npz")
    for again in (load_keypoints(tmp_path / "k.npz"), result.canonical(), corrected(result, result.xy)):
        assert np.array_equal(again.by_hand, result.by_hand)
    assert np.argwhere(between(result, 2 / 30, None).by_hand).tolist() == [[1, wrist]]
    assert result.select(("nose", "l_wrist", "tail")).by_hand.sum(0).tolist() == [0, 1, 0]


def test_places_of_another_shape_are_refused() -> None:
    keypoints = detected()
    with pytest.raises(ValueError, match="places must be"):
        corrected(keypoints, keypoints.xy[:, :3])
