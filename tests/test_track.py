"""Tracks: identities last, copies go, the wanted person is picked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.keypoints import CONVENTIONS, Keypoints
from core.track import Pose, choose_person, distinct, follow, median_centre, mirror_order

NAMES = CONVENTIONS["coco17"]
SHAPE = np.random.default_rng(3).standard_normal((17, 2)) * (25, 60)


def pose(x: float, y: float = 300.0, scale: float = 1.0) -> Pose:
    return Pose(SHAPE * scale + (x, y), np.full(17, 0.9))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_walkers_keep_their_identity_in_any_order(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    frames, owners = [], []
    for t in range(30):
        order = [i for i in rng.permutation(count) if rng.random() > 0.15]
        frames.append([pose(150 + 400 * i + 3 * t * (-1) ** i + rng.normal(0, 2)) for i in order])
        owners.append(order)
    tracks = follow(frames, np.arange(30) / 30.0, NAMES)
    assert len(tracks) == count
    for track in tracks:
        assert len({owners[f][p] for f, p in zip(track.frames, track.picks, strict=True)}) == 1


def test_identity_lasts_through_a_gap() -> None:
    frames = [[pose(200 + 4 * t)] if not 20 <= t < 45 else [] for t in range(80)]
    assert [len(t.frames) for t in follow(frames, np.arange(80) / 30.0, NAMES)] == [55]


def test_people_who_pass_each_other() -> None:
    # One stands nearer (larger), so the boxes cross while size and velocity tell them apart.
    frames = [[pose(100 + 12 * t), pose(700 - 12 * t, 330, 1.3)] for t in range(50)]
    tracks = follow(frames, np.arange(50) / 30.0, NAMES)
    assert len(tracks) == 2 and all(len(set(t.picks)) == 1 for t in tracks)


def test_a_copy_is_dropped_even_with_its_sides_exchanged() -> None:
    mirror = mirror_order(NAMES)
    weak = Pose(pose(202).xy[mirror], np.full(17, 0.4))
    assert distinct([weak, pose(200), pose(600)], mirror) == [1, 2]


def test_a_flash_is_no_person() -> None:
    frames = [[pose(200)] + ([pose(900)] if t == 12 else []) for t in range(30)]
    assert len(follow(frames, np.arange(30) / 30.0, NAMES)) == 1
    assert len(follow([[], [pose(900)], []], np.arange(3) / 30.0, NAMES)) == 1  # but better than nothing


def person(x: float, scale: float, seen: int = 20) -> Keypoints:
    xy = np.full((20, 17, 2), np.nan)
    xy[:seen] = pose(x, 240, scale).xy
    return Keypoints(NAMES, xy, np.isfinite(xy[..., 0]) * 0.9, np.arange(20) / 30.0, 640, 480, 30.0)


def test_choose_person() -> None:
    people = [person(100, 1.0), person(320, 0.5), person(500, 1.2, seen=5)]
    assert choose_person(people, "largest") is people[0]
    assert choose_person(people, "central") is people[1]
    assert choose_person(people, "3") is people[2]
    with pytest.raises(InputError, match="3 people were found"):
        choose_person(people, "4")
    with pytest.raises(InputError, match="no person 0"):
        choose_person(people, "0")
    assert abs(median_centre(people[1])[0] - 320) < 60
