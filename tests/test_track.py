"""Tracks: identities last, copies go, the wanted person is picked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.keypoints import CONVENTIONS, Keypoints
from core.skeleton import mirror_order
from core.track import Pose, choose_person, distinct, follow, median_centre

NAMES = CONVENTIONS["coco17"]
SHAPE = np.random.default_rng(3).standard_normal((17, 2)) * (25, 60)


RED, BLUE = (np.full((3, 3), (50.0, a, b)) for a, b in ((50.0, 30.0), (10.0, -40.0)))


def pose(x: float, y: float = 300.0, scale: float = 1.0, colours: np.ndarray | None = None) -> Pose:
    return Pose(SHAPE * scale + (x, y), np.full(17, 0.9), colours)


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


def wander(t: int) -> Pose:
    return pose(300 + 2 * (t % 50))


@pytest.mark.parametrize("gap", [70, 400])
def test_one_who_leaves_for_long_and_returns_is_one_person(gap: int) -> None:
    frames = [[wander(t)] if t < 100 or t >= 100 + gap else [] for t in range(200 + gap)]
    assert [len(t.frames) for t in follow(frames, np.arange(len(frames)) / 30.0, NAMES)] == [200]


def test_one_who_returns_twice_is_one_person() -> None:
    frames = [[wander(t)] if t % 200 < 100 else [] for t in range(500)]
    assert [len(t.frames) for t in follow(frames, np.arange(500) / 30.0, NAMES)] == [300]


def test_one_who_returns_beside_somebody_else_is_one_person() -> None:
    frames = [([wander(t)] if t < 100 or t >= 170 else []) + [pose(900)] for t in range(300)]
    tracks = follow(frames, np.arange(300) / 30.0, NAMES)
    assert sorted(len(t.frames) for t in tracks) == [230, 300]


def test_who_returns_is_left_open_when_it_may_be_either_of_two() -> None:
    frames = [[pose(300), pose(700)] if t < 100 else [pose(500)] if t >= 200 else [] for t in range(300)]
    assert [t.frames[0] for t in follow(frames, np.arange(300) / 30.0, NAMES)] == [0, 0, 200]
    frames = [[pose(500)] if t < 100 else [pose(300), pose(700)] if t >= 200 else [] for t in range(300)]
    assert [t.frames[0] for t in follow(frames, np.arange(300) / 30.0, NAMES)] == [0, 200, 200]


@pytest.mark.parametrize("other", [pose(320, 300, 2.0), pose(320, 300, 0.5), pose(2600)])
def test_another_size_or_place_is_another_person(other: Pose) -> None:
    frames = [[pose(300)] if t < 100 else [other] if t >= 165 else [] for t in range(300)]
    assert [len(t.frames) for t in follow(frames, np.arange(300) / 30.0, NAMES)] == [100, 135]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(10, 120), st.sampled_from([250, 600, 950]), st.sampled_from([0.6, 1.0, 1.3])),
                min_size=1, max_size=5))
def test_joining_loses_nothing_and_never_takes_two_of_one_frame(visits: list[tuple[int, int, int, float]]) -> None:
    frames: list[list[Pose]] = [[pose(x, 300, scale) for first, length, x, scale in visits if first <= t < first + length]
                                for t in range(430)]
    kept = [set(distinct(row, mirror_order(NAMES))) for row in frames]
    tracks = follow(frames, np.arange(430) / 30.0, NAMES)
    sights = [(f, p) for t in tracks for f, p in zip(t.frames, t.picks, strict=True)]
    assert len(set(sights)) == len(sights) and all(p in kept[f] for f, p in sights)
    assert all(a < b for t in tracks for a, b in pairwise(t.frames))
    assert [t.frames[0] for t in tracks] == sorted(t.frames[0] for t in tracks)


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


def test_a_flash_does_not_become_who_comes_later() -> None:
    # As on a real video: two frames of a shadow, and a second later somebody two body heights away.
    frames = [[pose(200)] if t in (5, 6) else [pose(700)] if t >= 40 else [] for t in range(80)]
    assert [t.frames[0] for t in follow(frames, np.arange(80) / 30.0, NAMES)] == [40]


@pytest.mark.parametrize("fps", [1, 3, 30])
def test_two_people_in_a_time_lapse_are_two_tracks(fps: int) -> None:
    """At three frames a second and fewer every frame came later than a flash may wait, and two people fell into single frames."""
    frames = [[pose(200), pose(700)] if t % 2 else [pose(700), pose(200)] for t in range(20)]
    assert [len(t.frames) for t in follow(frames, np.arange(20) / fps, NAMES)] == [20, 20]


def test_one_who_was_lost_does_not_take_the_place_of_one_who_is_there() -> None:
    # A second after somebody was lost hardly anything is too far; the other one's worse pose must stay the other one's.
    size = pose(0).size
    frames = [([pose(700 - 1.7 * size)] if t < 30 else []) + [pose(700 + (0.3 * size if t == 60 else 0))] for t in range(90)]
    tracks = follow(frames, np.arange(90) / 30.0, NAMES)
    assert sorted(len(t.frames) for t in tracks) == [30, 90]


def person(x: float, scale: float, seen: int = 20) -> Keypoints:
    xy = np.full((20, 17, 2), np.nan)
    xy[:seen] = pose(x, 240, scale).xy
    return Keypoints(NAMES, xy, np.isfinite(xy[..., 0]) * 0.9, np.arange(20) / 30.0, 640, 480, 30.0)


def test_who_is_central_is_so_across_as_well() -> None:
    aside, near = person(40, 1.0), person(400, 1.0)
    near = near.replace(xy=near.xy + [0.0, 60.0])
    assert choose_person([aside, near], "central") is near


def test_what_is_seen_now_and_then_is_no_person() -> None:
    frames = [[pose(200)] + ([pose(900)] if t % 6 == 0 else []) for t in range(60)]
    assert [len(t.frames) for t in follow(frames, np.arange(60) / 30.0, NAMES)] == [60]


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


@pytest.mark.parametrize("seed", range(6))
def test_of_two_who_pass_each_other_none_becomes_a_mixture_where_only_one_is_seen_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, owners = [], []
    for t in range(90):
        both = [pose(200 + 3 * t, colours=RED + rng.normal(0, 2, (3, 3))), pose(470 - 3 * t, colours=BLUE + rng.normal(0, 2, (3, 3)))]
        seen = [0, 1] if not 30 <= t < 60 else [int(rng.integers(2))]  # now the one, now the other
        frames.append([both[i] for i in seen])
        owners.append(seen)
    tracks = follow(frames, np.arange(90) / 30.0, NAMES)
    assert len(tracks) == 2 and sum(len(t.frames) for t in tracks) == sum(map(len, owners))
    for track in tracks:
        assert len({owners[f][p] for f, p in zip(track.frames, track.picks, strict=True)}) == 1


def test_one_who_is_found_where_somebody_else_was_just_seen_is_told_by_the_colours() -> None:
    frames = [[pose(300, colours=RED)] if t < 20 else [pose(310, colours=BLUE)] if t < 60 else [pose(305, colours=RED)] for t in range(90)]
    for t in range(20, 40):
        frames[t].append(pose(240, colours=RED))
    assert [t.frames for t in follow(frames, np.arange(90) / 30.0, NAMES)] == [[*range(40), *range(60, 90)], [*range(20, 60)]]


def test_colours_that_differ_little_tell_who_is_meant_but_not_that_it_is_somebody_else() -> None:
    other = RED - (0.0, 11.0, 0.0)
    frames = [[pose(300, colours=RED), pose(340, colours=other)] if t < 40 else [pose(320, colours=other)] if t % 2 else
              [pose(320, colours=RED)] for t in range(80)]
    for track in follow(frames, np.arange(80) / 30.0, NAMES):
        assert len({bool(np.allclose(frames[f][p].colours, RED)) for f, p in zip(track.frames, track.picks, strict=True)}) == 1
    frames = [[pose(300, colours=RED if t < 40 else other), pose(900, colours=BLUE)] for t in range(80)]
    assert [len(t.frames) for t in follow(frames, np.arange(80) / 30.0, NAMES)] == [80, 80]


@pytest.mark.parametrize("aside", [160, 600])
def test_one_who_is_half_hidden_for_a_while_stays_one_person_beside_another(aside: int) -> None:
    desk = np.full((3, 3), (40.0, 0.0, 0.0))
    frames = [[pose(300, colours=desk if 40 <= t < 80 else RED), pose(300 + aside, colours=BLUE)] for t in range(160)]
    assert [len(t.frames) for t in follow(frames, np.arange(160) / 30.0, NAMES)] == [160, 160]


def test_a_few_ghosts_beside_one_person_do_not_make_them_two_where_the_light_changes() -> None:
    frames = [[pose(300, colours=RED if t // 10 % 2 else BLUE)] + [pose(800, colours=RED)] * (t in (3, 50, 90)) for t in range(160)]
    assert [len(t.frames) for t in follow(frames, np.arange(160) / 30.0, NAMES)] == [160]


@pytest.mark.parametrize("every", [40, 5])
def test_one_on_whom_the_light_changes_stays_one_person(every: int) -> None:
    frames = [[pose(300 + t, colours=RED if t // every % 2 else BLUE)] for t in range(80)]
    assert [len(t.frames) for t in follow(frames, np.arange(80) / 30.0, NAMES)] == [80]


def test_one_of_several_on_whom_the_light_changes_for_good_stays_one_person() -> None:
    frames = [[pose(300 + t, colours=RED if t < 40 else BLUE), pose(900, colours=RED if t < 40 else BLUE)] for t in range(80)]
    assert [len(t.frames) for t in follow(frames, np.arange(80) / 30.0, NAMES)] == [80, 80]
