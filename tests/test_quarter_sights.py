"""Looks in other quarter turns of the picture: where they are asked for, what they show, which sight counts; a recorded push-up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detect import extract_keypoints
from core.detect.detector import BLAZEPOSE, Detection
from core.detect.quarter_sights import in_doubt, nearest_in_time, of_one, one_person, picked, turned_sights
from core.events import Reporter
from core.video import open_source

FRAME = 1 / 30
HEIGHTS = {"nose": 0.0, "shoulder": 0.2, "elbow": 0.35, "wrist": 0.5, "hip": 0.5, "knee": 0.75, "ankle": 0.95}


def standing(size: float = 100.0, x: float = 200.0, y: float = 50.0, confidence: float = 0.8) -> Detection:
    """Somebody upright, seen from the front; y: the nose's, pixels."""
    xy = np.zeros((33, 2))
    for i, name in enumerate(BLAZEPOSE):
        part = name.removeprefix("l_").removeprefix("r_")
        aside = 0.0 if part == name else 0.15 if name.startswith("l_") else -0.15
        xy[i] = x + aside * size, y + HEIGHTS.get(part, 0.05) * size
    return Detection(xy, np.full(33, confidence), np.zeros(33), np.zeros((33, 3)))


def turned_about(d: Detection, degrees: float) -> Detection:
    angle, middle = np.radians(degrees), 0.5 * (d.xy.min(axis=0) + d.xy.max(axis=0))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return dataclasses.replace(d, xy=(d.xy - middle) @ turn.T + middle)


def shaken(d: Detection, rng: np.random.Generator, pixels: float = 2.0) -> Detection:
    return dataclasses.replace(d, xy=d.xy + pixels * rng.normal(size=d.xy.shape))


def times(count: int) -> np.ndarray:
    return FRAME * np.arange(count)


def test_who_stands_and_walks_is_looked_at_once() -> None:
    rows = [standing(x=200.0 + 5 * t) for t in range(30)]
    assert not in_doubt(rows, times(30)).any()
    assert not in_doubt([None] * 5 + rows + [None] * 5, times(40)).any()


def test_who_lies_jumps_about_or_is_missing_in_between_is_looked_at_again() -> None:
    assert in_doubt([turned_about(standing(), 90.0)] * 60, times(60)).all()
    rows: list[Detection | None] = [standing() for _ in range(60)]
    jump = [*rows[:30], turned_about(standing(), 40.0), *rows[31:]]
    assert in_doubt(jump, times(60))[25:35].all() and not in_doubt(jump, times(60))[[0, 15, 45, 59]].any()
    gap = [*rows[:20], *[None] * 5, *rows[25:]]
    assert in_doubt(gap, times(60))[15:29].all() and not in_doubt(gap, times(60))[[0, 59]].any()
    assert not in_doubt([*rows[:10], *[None] * 40, *rows[50:]], times(60))[20:40].any()  # away


@given(st.integers(0, 1000), st.integers(0, 60), st.integers(0, 60))
def test_what_a_turned_picture_shows_is_told_in_the_picture_as_it_was(seed: int, x: int, y: int) -> None:
    """A finder that sees 33 lights, and tells where they are from the middle of what it is shown."""
    rng = np.random.default_rng(seed)
    there = np.stack([rng.permutation(60)[:33] + x, rng.permutation(50)[:33] + y], axis=-1)
    rgb = np.zeros((140, 150, 3), np.uint8)
    rgb[there[:, 1], there[:, 0], 0] = 10 + np.arange(33)

    def finder(picture: np.ndarray) -> list[Detection]:
        rows, columns = np.nonzero(picture[..., 0])
        order = np.argsort(picture[rows, columns, 0])
        xy = np.stack([columns, rows], axis=-1)[order] + 0.5
        if len(xy) < 33:
            return []
        world = np.column_stack([xy - xy.mean(axis=0), np.arange(33)])
        return [Detection(xy, np.full(33, 0.5), np.zeros(33), world)]

    found = turned_sights(finder, rgb, there.astype(float))
    assert len(found) == 3
    for d in found:
        np.testing.assert_allclose(d.xy, there + 0.5)
        np.testing.assert_allclose(d.world[:, :2], there - there.mean(axis=0), atol=1e-9)
        assert d.world[:, 2].tolist() == list(range(33))


@pytest.mark.parametrize("seed", range(5))
def test_right_sights_win_over_wrong_ones_that_come_and_go(seed: int) -> None:
    """Two in five sights are wrong, for some frames all of them are: those are left out rather than believed."""
    rng = np.random.default_rng(seed)
    truth = [turned_about(standing(), 80.0 + 1.5 * t) for t in range(60)]
    sights = [[shaken(turned_about(truth[t], rng.uniform(90, 270)) if rng.random() < 0.4 or 30 <= t < 33 else truth[t], rng)
               for _ in range(4)] for t in range(60)]
    chosen = picked(sights, times(60))
    off = [np.linalg.norm(d.xy - truth[t].xy, axis=-1).mean() for t, d in enumerate(chosen) if d is not None]
    assert len(off) > 45 and max(off) < 5.0 and chosen[31] is None


def test_sights_of_one_mind_are_averaged_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    there = standing()
    (best,) = picked([[shaken(there, rng) for _ in range(3)] + [turned_about(there, 180.0)]], times(1))
    assert best is not None and np.linalg.norm(best.xy - there.xy, axis=-1).mean() < 2.0  # one alone: 2.5
    assert picked([[], []], times(2)) == [None, None]


def test_arms_that_one_sight_exchanges_do_not_meet_in_the_middle() -> None:
    """Most keypoints agree, so the sight counts; the mean of both wrists' places lay on the body's middle line."""
    there = turned_about(standing(), 90.0)
    arms = np.array([BLAZEPOSE.index(n.replace("l_", "r_") if n.startswith("l_") else n.replace("r_", "l_"))
                     if n[2:] in ("elbow", "wrist", "index", "pinky", "thumb") else i for i, n in enumerate(BLAZEPOSE)])
    exchanged = dataclasses.replace(there, xy=there.xy[arms])
    (best,) = picked([[there, there, exchanged, exchanged]], times(1))
    wrists = [BLAZEPOSE.index(n) for n in ("l_wrist", "r_wrist")]
    assert best is not None and np.linalg.norm(np.diff(best.xy[wrists], axis=0)) == pytest.approx(30.0)


def test_noise_of_a_fast_camera_is_no_doubt() -> None:
    rng = np.random.default_rng(0)
    assert not in_doubt([shaken(standing(300.0), rng) for _ in range(240)], np.arange(240) / 240).any()


def test_sights_of_somebody_else_are_left_out() -> None:
    here, there = standing(), standing(x=260.0)
    assert [d is here for d in of_one([here, there, turned_about(here, 180.0)], here, [])] == [True, False]
    crossing = standing(x=205.0)
    assert of_one([here, crossing], here, [crossing]) == [here] and of_one([crossing], standing(x=207.0), [crossing]) == []
    rows, nobody = [standing(x=200.0 + t) for t in range(20)], [None] * 10
    assert one_person(rows, [turned_about(d, 180.0) for d in rows])
    assert one_person([*rows[:10], *nobody], [*nobody, *rows[10:]])
    assert not one_person(rows, [standing(x=260.0 - 3 * t) for t in range(20)])
    assert nearest_in_time([None, here, None, None, there], 2) is here and nearest_in_time([None, here, there], 2) is there


def test_a_push_up_is_seen_for_what_it_is() -> None:
    """A rendered person (models/postures.py has the like) from the front: upright sights took legs for arms in four frames of five, and the
    keypoints were half a body off."""
    clip = Path(__file__).with_name("data") / "push_up.mp4"
    keypoints = extract_keypoints(open_source(clip), "largest", Reporter())
    names = list(keypoints.names)
    head, feet = (np.nanmean(keypoints.xy[:, [names.index(n) for n in wanted]], axis=(0, 1))
                  for wanted in (("nose", "l_ear", "r_ear"), ("l_ankle", "r_ankle")))
    assert keypoints.seen.mean() > 0.7
    assert np.linalg.norm(head - (283, 234)) < 25 and np.linalg.norm(feet - (441, 223)) < 25
