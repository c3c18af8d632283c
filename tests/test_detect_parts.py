"""Tiles cover the picture; confidence behaves as it says; clothes are known again."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detect.appearance import colours, looks_changed
from core.detect.close_up import CloseUp, follow_back, pose
from core.detect.confidence import honest_confidence, inside_picture, steadiness
from core.detect.detector import BLAZEPOSE, Detection
from core.detect.tiles import _starts, look_at, search
from core.looks import Looks, unlikeness


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


@pytest.mark.parametrize("fps", [30, 50, 60, 100, 120, 240])
def test_a_few_frames_of_a_fast_video_are_steady(fps: float) -> None:
    """Three frames at 60 fps ended in a ValueError until 2026-11-23."""
    for frames in range(1, 20):
        assert (steadiness(np.zeros((frames, 33, 2)), np.arange(frames) / fps) == 1.0).all()


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


@pytest.mark.parametrize("rate", [30, 60, 120, 240])
def test_a_jump_is_one_at_any_frame_rate(rate: int) -> None:
    """Of 50 ms, which are many frames of a fast video."""
    times = np.arange(rate) / rate
    xy = np.tile(np.random.default_rng(2).uniform(0, 200, (33, 2)), (rate, 1, 1))
    away = (times > 0.5) & (times < 0.55)
    xy[away, 5] += 60
    factor = steadiness(xy, times)
    assert factor[away, 5].max() < 0.1 and np.delete(factor, 5, axis=1).min() > 0.9


def dressed(rgb: np.ndarray, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> np.ndarray:
    """The picture with a person's clothes painted in; they stand where `STANDING` says."""
    rgb = rgb.copy()
    rgb[30:80, 40:80], rgb[80:140, 40:80] = top, bottom
    return rgb


STANDING = np.full((33, 2), 60.0)
for name, place in {"l_shoulder": (75, 30), "r_shoulder": (45, 30), "l_hip": (70, 80), "r_hip": (50, 80), "l_knee": (70, 130),
                    "r_knee": (50, 130)}.items():
    STANDING[BLAZEPOSE.index(name)] = place


def test_clothes_are_known_again_in_other_light_and_others_are_not() -> None:
    wall = np.random.default_rng(0).integers(0, 255, (160, 120, 3)).astype(np.uint8)
    red, dim, blue = (colours(dressed(wall, top, (60, 60, 70)), STANDING) for top in ((190, 40, 40), (130, 30, 30), (40, 40, 190)))
    assert unlikeness(red, red) == 0 and unlikeness(red, dim) < 22 < 40 < unlikeness(red, blue)
    half = colours(dressed(wall, (190, 40, 40), (60, 60, 70))[:, 60:], STANDING - (60, 0))
    assert unlikeness(half, red) < 1
    away = colours(wall, STANDING + 500)
    assert np.isnan(away).all() and np.isnan(unlikeness(red, away))


def test_colours_change_where_somebody_else_comes_after_a_gap_or_takes_the_place() -> None:
    times = np.arange(90) / 10.0
    rows = np.full((90, 3, 3), np.nan)
    rows[:20], rows[25:40], rows[45:60] = (50, 60, 40), (60, 62, 38), (50, 20, -60)
    rows[60:72] = (50, 60, 40)  # without a gap
    rows[75:] = (50, 60, 40)
    rows[80:83] = (50, 20, -60)  # a thing in front of them
    assert list(np.flatnonzero(looks_changed(rows, times))) == [45, 60]
    assert list(np.flatnonzero(looks_changed(rows, times / 20))) == [45, 60]  # gaps of 25 ms, but surely somebody else
    rows[45:60] = (50, 60, 15)
    assert list(np.flatnonzero(looks_changed(rows, times))) == [45] and not looks_changed(rows, times / 20).any()
    assert not looks_changed(np.full((5, 3, 3), np.nan), times[:5]).any() and not looks_changed(rows[:1], times[:1]).any()


@pytest.mark.parametrize("fps", [10, 30, 120])
def test_who_turns_round_is_still_known_by_what_they_wore_just_now(fps: int) -> None:
    front, back = np.full((3, 3), (50.0, 40.0, 30.0)), np.full((3, 3), (50.0, -20.0, 0.0))
    looks = Looks()
    assert np.isnan(looks.unlikeness(front)) and np.isnan(looks.unlikeness(None))
    apart = []
    for turn in [0.0] * fps + list(np.linspace(0, 1, 2 * fps)):
        sight = (1 - turn) * front + turn * back
        apart.append(looks.unlikeness(sight))
        looks.add(sight, 1 / fps)
    assert 4 < np.nanmax(apart) < 13 < 60 < unlikeness(front, back)
    for _ in range(fps // 5):
        looks.add(back, 1 / fps)
    assert 13 < looks.unlikeness(front) < unlikeness(front, back)  # still remembered a little
    looks.add(None, 1 / fps)
    looks.add(np.full((3, 3), np.nan), 1 / fps)
    assert looks.unlikeness(back) < 13 and np.isnan(looks.unlikeness(np.full((3, 3), np.nan)))


def test_what_a_detection_wears_goes_with_its_pose() -> None:
    worn = np.full((3, 3), 7.0)
    detection = Detection(np.zeros((33, 2)), np.ones(33), np.zeros(33), np.zeros((33, 3)), colours=worn)
    assert pose(detection).colours is worn


def test_who_is_alone_is_followed_back_into_other_light_and_who_is_not_is_told_from_others() -> None:
    red, blue = (dressed(np.zeros((160, 120, 3), np.uint8), top, top) for top in ((190, 40, 40), (40, 40, 190)))
    frames = [SimpleNamespace(index=i, time=i / 30, rgb=red if i >= 30 else blue) for i in range(60)]
    source = SimpleNamespace(frames_before=lambda first: reversed(frames[:first]))
    person = Detection(STANDING, np.ones(33), np.zeros(33), np.zeros((33, 3)))
    later = [(50 / 30, dataclasses.replace(person, colours=colours(red, STANDING)))]

    def found(by_colours: bool) -> list[int]:
        return [i for i, d in follow_back(lambda rgb: [person], source, 50, 0, later, {}, by_colours) if d is not None]

    assert found(by_colours=False) == list(range(49, -1, -1))
    assert found(by_colours=True) == list(range(49, 29, -1))


@pytest.mark.parametrize(("seen_for", "frames", "until"), [(10, 30, 30), (2, 30, 0), (10, 200, 9 + 5 * 30 + 1)])
def test_who_is_lost_beside_others_is_looked_for_in_cut_outs(seen_for: int, frames: int, until: int) -> None:
    """Recorded: of a woman before a mirror and her image MediaPipe saw, in half of the frames, only the image. Who was seen for a moment
    only is not looked for, nor anybody for more than five seconds: by then it may be a thing."""
    def person(x: float, y: float) -> Detection:
        return Detection(STANDING + (x, y), np.ones(33), np.zeros(33), np.zeros((33, 3)))

    def finder(cut: np.ndarray) -> list[Detection]:
        return [person(x, y) for y, x in np.argwhere(cut[..., 0])]

    close_up = CloseUp(finder)
    added = []
    for frame in range(frames):
        picture, x = np.zeros((480, 640, 3), np.uint8), 20 + frame // 2
        picture[100, x] = 255  # where the finder sees somebody
        seen = [person(300, 100), person(x, 100)][: 2 if frame < seen_for else 1]
        for detection in close_up.missed(picture, frame / 30, seen):
            np.testing.assert_allclose(detection.xy, STANDING + (x, 100))
            added.append(frame)
    assert added == list(range(seen_for, until))
