"""Exchanges of left and right: inserted ones are mended, clean motion is left alone."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.flips import by_continuity, find_flips, mend_flips
from core.keypoints import CONVENTIONS, Keypoints
from core.track import mirror_order

NAMES = CONVENTIONS["blazepose33"]
MIRROR = mirror_order(NAMES)
_HEIGHT = {"shoulder": -0.5, "elbow": -0.25, "wrist": 0.0, "pinky": 0.06, "index": 0.08, "thumb": 0.06, "hip": 0.0, "knee": 0.42,
           "ankle": 0.84, "heel": 0.88, "toe": 0.9}
_WIDTH = {"shoulder": 0.18, "elbow": 0.24, "wrist": 0.26, "pinky": 0.27, "index": 0.26, "thumb": 0.24, "hip": 0.1, "knee": 0.11,
          "ankle": 0.12, "heel": 0.12, "toe": 0.14}


def walker(rng: np.random.Generator, frames: int, fps: float, world: bool = True) -> Keypoints:
    """A person who walks on the spot, swings arms and legs and turns, seen by a distant camera, with a detector's jitter."""
    times = np.arange(frames) / fps
    heading = rng.uniform(0, 2 * np.pi) + rng.uniform(-2.0, 2.0) * times
    stride = rng.uniform(0.5, 1.2) * np.sin(2 * np.pi * rng.uniform(0.6, 1.2) * times + rng.uniform(0, 6))
    points = np.zeros((frames, len(NAMES), 3))
    for i, name in enumerate(NAMES):
        part = name[2:].split("_")[0]
        side = {"l_": 1.0, "r_": -1.0}.get(name[:2], 0.0)
        across = side * _WIDTH.get(part, 0.04)
        up = _HEIGHT.get(part, -0.65)
        forward = np.full(frames, 0.09) if part not in _HEIGHT else np.zeros(frames)
        if part in ("elbow", "wrist", "pinky", "index", "thumb"):
            forward = -side * stride * 0.6 * (up + 0.5)
        if part in ("knee", "ankle", "heel", "toe"):
            forward = side * stride * 0.5 * up
        # Facing the camera (heading 0): the person's left is at the image's right, forward is towards the camera (-z).
        points[:, i] = np.stack([across * np.cos(heading) + forward * np.sin(heading), np.full(frames, up),
                                 across * np.sin(heading) - forward * np.cos(heading)], axis=-1)
    noisy = points + rng.normal(0, 0.02, points.shape)
    xy = 200 * points[..., :2] + (320, 240) + rng.normal(0, 1.2, (frames, len(NAMES), 2))
    return Keypoints(NAMES, xy, np.full((frames, len(NAMES)), 0.9), times, 640, 480, fps, 200 * points[..., 2], noisy if world else None)


def exchange(keypoints: Keypoints, rows: slice) -> Keypoints:
    """What a detector that takes the front for the back makes of these frames."""
    xy, depth = keypoints.xy.copy(), keypoints.depth.copy()
    xy[rows], depth[rows] = xy[rows][:, MIRROR], -depth[rows][:, MIRROR]
    world = None if keypoints.world is None else keypoints.world.copy()
    if world is not None:
        world[rows] = world[rows][:, MIRROR] * (1, 1, -1)
    return keypoints.replace(xy=xy, depth=depth, world=world)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([24.0, 30.0, 60.0]))
def test_clean_motion_is_not_touched(seed: int, fps: float) -> None:
    clean = walker(np.random.default_rng(seed), 90, fps)
    assert not find_flips(clean).any() and by_continuity(clean) is clean


def test_exchanges_of_random_length_are_mended() -> None:
    rng = np.random.default_rng(11)
    right = wrong = harmed = 0
    for _ in range(40):
        clean = walker(rng, 90, 30.0)
        first = int(rng.integers(2, 70))
        rows = slice(first, first + int(rng.integers(1, 16)))
        broken = exchange(clean, rows)
        states = find_flips(broken)
        mended, changed = mend_flips(broken, states), states > 0
        truth = np.zeros(90, dtype=bool)
        truth[rows] = True
        same = np.isclose(mended.xy, clean.xy).all((1, 2)) & np.isclose(mended.world, clean.world).all((1, 2)) \
            & np.isclose(mended.depth, clean.depth).all(1)
        right += int((same & truth).sum())
        wrong += int((~same & truth).sum())
        harmed += int((changed & ~truth).sum())
    assert right / (right + wrong) >= 0.95 and harmed == 0


def test_a_long_take_seen_one_way_stays_so() -> None:
    clean = walker(np.random.default_rng(2), 120, 30.0)
    assert not find_flips(exchange(clean, slice(0, 120))).any()
    assert not find_flips(exchange(clean, slice(0, 40))).any()  # one change alone may be the person's own
    longer = walker(np.random.default_rng(2), 240, 30.0)
    assert not find_flips(exchange(longer, slice(80, 180))).any()


@pytest.mark.parametrize("fps", [10.0, 30.0])
def test_what_nobody_saw_begin_is_only_taken_for_an_exchange_when_short(fps: float) -> None:
    frames = round(8 * fps)
    clean = walker(np.random.default_rng(2), frames, fps)
    turned = exchange(clean, slice(round(3 * fps), round(4.5 * fps)))
    xy, confidence = turned.xy.copy(), turned.confidence.copy()
    gone = slice(round(3 * fps) - round(0.15 * fps), round(3 * fps))
    xy[gone], confidence[gone] = np.nan, 0.0
    assert not find_flips(turned.replace(xy=xy, confidence=confidence)).any()


def test_a_minority_of_a_take_goes_by_the_rest() -> None:
    clean = walker(np.random.default_rng(2), 120, 30.0)
    broken = exchange(clean, slice(40, 90))
    changed = find_flips(broken) > 0
    assert changed[40:90].all() and changed.sum() == 50
    np.testing.assert_allclose(by_continuity(broken).world, clean.world)


def test_arms_or_legs_alone() -> None:
    still = walker(np.random.default_rng(4), 1, 30.0)
    many = {f: np.repeat(getattr(still, f), 40, axis=0) for f in ("xy", "confidence", "depth", "world")}
    keypoints = still.replace(times=np.arange(40) / 30.0, **many)
    legs = np.array([n[2:] in ("hip", "knee", "ankle", "heel", "toe") for n in NAMES])
    xy = keypoints.xy.copy()
    xy[10:16] = np.where(legs[:, None], xy[10:16][:, MIRROR], xy[10:16])
    states = find_flips(keypoints.replace(xy=xy, world=None))
    assert (states[10:16] == 3).all() and (states[:10] == 0).all() and (states[16:] == 0).all()


def test_memory_is_that_of_the_result() -> None:
    take = exchange(walker(np.random.default_rng(0), 900, 30.0), slice(100, 110))
    tracemalloc.start()
    by_continuity(take)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = take.xy.nbytes + take.confidence.nbytes + take.depth.nbytes + take.world.nbytes
    assert peak < 2 * size


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_and_empty_takes(frames: int) -> None:
    clean = walker(np.random.default_rng(1), frames, 30.0)
    assert not find_flips(clean).any()
    empty = clean.replace(xy=np.full_like(clean.xy, np.nan), confidence=np.zeros_like(clean.confidence))
    assert not find_flips(empty).any()


def test_gaps_are_not_bridged() -> None:
    clean = exchange(walker(np.random.default_rng(3), 90, 30.0), slice(60, 90))
    xy, confidence = clean.xy.copy(), clean.confidence.copy()
    xy[40:60], confidence[40:60] = np.nan, 0.0
    assert not find_flips(clean.replace(xy=xy, confidence=confidence)).any()


@pytest.mark.parametrize("rows", [slice(15, 20), slice(70, 75)])
def test_exchanges_before_and_after_a_gap_are_mended(rows: slice) -> None:
    broken = exchange(walker(np.random.default_rng(3), 90, 30.0), rows)
    xy, confidence = broken.xy.copy(), broken.confidence.copy()
    xy[40:60], confidence[40:60] = np.nan, 0.0
    assert np.flatnonzero(find_flips(broken.replace(xy=xy, confidence=confidence))).tolist() == list(range(90))[rows]


def test_without_depth_and_with_other_conventions() -> None:
    rng = np.random.default_rng(9)
    for names in (CONVENTIONS["coco17"], CONVENTIONS["openpose25"]):
        clean = walker(rng, 60, 30.0, world=False).select(names)
        still_mirror = mirror_order(names)
        xy = clean.xy.copy()
        xy[20:25] = xy[20:25][:, still_mirror]
        broken = clean.replace(xy=xy, depth=None)
        changed = find_flips(broken) > 0
        assert changed[20:25].all() and changed.sum() == 5
        np.testing.assert_allclose(by_continuity(broken).xy, clean.xy)
