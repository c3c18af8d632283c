"""Left and right in the picture by the lifted body: exchanged steps are mended, what is right is left alone."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import Scene, film, walk, wander

from core.detect import sides
from core.detect.sides import against, mended
from core.errors import Cancelled
from core.events import Reporter
from core.flips import exchanged, find_flips, mend_flips
from core.keypoints import CANONICAL, Keypoints
from core.lift import Lifter, resolve_lifter

FRAMES = 90
LEGS, STEP = 3, slice(30, 47)


@pytest.fixture(scope="module")
def judge() -> Lifter:
    return resolve_lifter("default", "cpu")


def seen_from_the_side(pixels: float = 1.5) -> Scene:
    return film(*walk(FRAMES), azimuth=np.pi / 2, tilt=0.05, pixels=pixels)


def during(state: int, rows: slice) -> np.ndarray:
    states = np.zeros(FRAMES, dtype=int)
    states[rows] = state
    return states


def broken(keypoints: Keypoints, states: np.ndarray) -> Keypoints:
    return keypoints.replace(xy=exchanged(keypoints.xy, CANONICAL, states))


def as_before(a: Keypoints, b: Keypoints) -> np.ndarray:
    return np.isclose(a.xy, b.xy).all((1, 2))


@pytest.mark.parametrize("state", [1, 2, 3])
def test_the_body_tells_which_sides_are_exchanged(state: int) -> None:
    scene = film(*wander(3, FRAMES), azimuth=0.7, pixels=1.5)
    told = against(broken(scene.keypoints, during(state, STEP)), scene.lifted, scene.K)
    assert (told.argmin(axis=1) == during(state, STEP)).mean() > 0.95


def test_legs_that_are_exchanged_for_a_step_are_mended(judge: Lifter) -> None:
    clean = seen_from_the_side().keypoints
    wrong = broken(clean, during(LEGS, STEP))
    assert as_before(mended(wrong, judge, Reporter()), clean).mean() > 0.97


def test_a_step_from_one_crossing_of_the_legs_to_the_next(judge: Lifter) -> None:
    """The recorded failure: to continuity, legs that pass each other are legs that turn back. From 2D alone, without any depth, the
    body sees through some of such steps only; what it does not see through stays as it was."""
    clean = film(*walk(FRAMES), azimuth=np.pi / 2, tilt=0.05, pixels=1.0, distance=12.0).keypoints
    ahead = clean.xy[:, CANONICAL.index("l_ankle"), 0] - clean.xy[:, CANONICAL.index("r_ankle"), 0]
    crossings = np.flatnonzero(np.diff(np.sign(ahead))) + 1
    mended_steps = 0
    for first, after in pairwise(crossings):
        wrong = broken(clean, during(LEGS, slice(first, after)))
        assert not (find_flips(wrong)[first:after] == LEGS).any()
        result = mended(wrong, judge, Reporter())
        as_wrong = as_before(result, wrong)
        assert as_before(result, clean).all() or as_wrong.mean() > 0.97
        mended_steps += bool(as_before(result, clean).all())
    assert len(crossings) == 6 and mended_steps >= 2


def test_who_is_the_right_way_round_stays_so(judge: Lifter) -> None:
    for azimuth in (0.0, 0.8, np.pi / 2, 2.5):
        clean = film(*walk(FRAMES), azimuth=azimuth, pixels=1.5).keypoints
        assert as_before(mended(clean, judge, Reporter()), clean).mean() > 0.97


def test_a_whole_body_that_is_exchanged_without_3d_goes_by_continuity(judge: Lifter) -> None:
    clean = film(*walk(FRAMES), azimuth=0.5, pixels=1.5).keypoints
    assert clean.world is None
    assert as_before(mended(broken(clean, during(1, STEP)), judge, Reporter()), clean).mean() > 0.97


def test_of_two_beginnings_the_one_that_the_network_is_surer_of(monkeypatch: pytest.MonkeyPatch, judge: Lifter) -> None:
    clean = seen_from_the_side().keypoints
    wrong = broken(clean, during(LEGS, STEP))
    sure = {id(clean): 0.03, id(wrong): 0.09}

    def lifted(keypoints: Keypoints, *_: object) -> tuple[Keypoints, SimpleNamespace, None]:
        return keypoints, SimpleNamespace(sigma=np.full((FRAMES, 3), sure[id(keypoints)])), None

    monkeypatch.setattr(sides, "_lifted", lifted)
    for a, b in ((clean, wrong), (wrong, clean)):
        assert as_before(sides._surer(a, b, judge, Reporter()), clean).all()


def test_the_detectors_own_depth_goes_along(judge: Lifter) -> None:
    """Exchanged about the hips' middle, as `core.flips` takes an exchange for the body reflected in depth."""
    clean = seen_from_the_side().keypoints
    world = np.random.default_rng(0).normal(size=(*clean.xy.shape[:2], 3)) * 0.01
    known = clean.replace(world=world, depth=world[..., 2] * 100)
    states = during(LEGS, STEP)
    result = mended(mend_flips(known, states), judge, Reporter())
    right = as_before(result, clean)
    assert right.mean() > 0.97
    np.testing.assert_allclose(result.world[right], known.world[right])
    np.testing.assert_allclose(result.depth[right], known.depth[right])


def test_it_can_be_cancelled(judge: Lifter) -> None:
    reporter = Reporter()
    reporter.cancel()
    with pytest.raises(Cancelled):
        mended(seen_from_the_side().keypoints, judge, reporter)


def test_what_is_missing_stays_missing(judge: Lifter) -> None:
    clean = seen_from_the_side().keypoints
    xy, confidence = clean.xy.copy(), clean.confidence.copy()
    xy[20:40], confidence[20:40] = np.nan, 0.0
    xy[:, CANONICAL.index("l_wrist")], confidence[:, CANONICAL.index("l_wrist")] = np.nan, 0.0
    gone = clean.replace(xy=xy, confidence=confidence)
    np.testing.assert_array_equal(np.isnan(mended(gone, judge, Reporter()).xy).sum((1, 2)), np.isnan(xy).sum((1, 2)))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_takes(judge: Lifter, frames: int) -> None:
    clean = film(*walk(frames), azimuth=0.5).keypoints
    assert mended(clean, judge, Reporter()) is clean
