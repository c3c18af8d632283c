"""The detector that sees every picture and its mirror image."""

from __future__ import annotations

import dataclasses
import threading
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detect.both_ways import BothWays, joined, mirrored
from core.detect.detector import BLAZEPOSE, Detection
from core.flips import state_orders
from core.skeleton import mirror_order

WIDTH = 100
SIDED = mirror_order(BLAZEPOSE) != np.arange(33)


def sight(seed: int, jitter: float = 0.0) -> Detection:
    """Somebody about 60 pixels tall; other seeds are other poses."""
    rng, noise = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return Detection(rng.uniform(20, 80, (33, 2)) + jitter * noise.normal(size=(33, 2)),
                     rng.uniform(0.2, 0.8, 33) + 0.1 * jitter * noise.uniform(size=33),
                     rng.normal(0, 10, 33) + jitter * noise.normal(size=33),
                     rng.normal(0, 0.5, (33, 3)) + 0.1 * jitter * noise.normal(size=(33, 3)))


def moved(d: Detection, x: float) -> Detection:
    return dataclasses.replace(d, xy=d.xy + (x, 0.0))


def same(a: Detection, b: Detection) -> bool:
    return all(np.allclose(getattr(a, f), getattr(b, f)) for f in ("xy", "confidence", "depth", "world"))


@given(st.integers(0, 1000))
def test_a_mirror_in_a_mirror_shows_what_is_there(seed: int) -> None:
    there = sight(seed)
    image = mirrored(there, WIDTH)
    assert same(mirrored(image, WIDTH), there)
    wrist, other = BLAZEPOSE.index("l_wrist"), BLAZEPOSE.index("r_wrist")
    assert image.xy[other].tolist() == [WIDTH - there.xy[wrist, 0], there.xy[wrist, 1]] and image.depth[other] == there.depth[wrist]
    assert image.world[other].tolist() == [-there.world[wrist, 0], *there.world[wrist, 1:]]
    assert image.confidence[other] == there.confidence[wrist]


@given(st.integers(0, 1000))
def test_what_both_see_alike_stays_as_it_is(seed: int) -> None:
    assert same(joined([sight(seed)], [sight(seed)])[0], sight(seed))


def test_people_get_the_mean_of_both_sights_whatever_their_order() -> None:
    people, again = [sight(1), sight(2)], [sight(2, 1.0), sight(1, 1.0)]
    for person, one, other in zip(joined(people, again), people, again[::-1], strict=True):
        for field in ("xy", "confidence", "depth", "world"):
            a, b = getattr(one, field), getattr(other, field)
            assert np.allclose(getattr(person, field), (a + b) / 2) and not np.allclose(a, b)


@pytest.mark.parametrize("state", [1, 2, 3])
def test_where_sides_differ_the_picture_as_it_is_decides(state: int) -> None:
    person = sight(5)
    order = state_orders(BLAZEPOSE)[0][state]
    exchanged = dataclasses.replace(person, xy=person.xy[order] + (2.0, 0.0), confidence=person.confidence[order])
    (both,) = joined([person], [exchanged])
    assert np.allclose(both.xy, person.xy + (1.0, 0.0)) and np.allclose(both.confidence, person.confidence)


def test_a_side_that_neither_is_sure_of_decides_nothing() -> None:
    person, legs = sight(5), np.array([n[2:] in ("knee", "ankle", "heel", "toe", "hip") for n in BLAZEPOSE])
    again = dataclasses.replace(person, xy=person.xy.copy(), confidence=np.where(legs, 0.9, 0.001))
    again.xy[~legs] = person.xy[mirror_order(BLAZEPOSE)][~legs]  # the arms and the head may be anywhere
    (both,) = joined([dataclasses.replace(person, confidence=again.confidence)], [again])
    assert np.allclose(both.xy[legs], person.xy[legs])


def test_exchanged_sides_are_a_body_reflected_in_depth() -> None:
    person = sight(5)
    order = mirror_order(BLAZEPOSE)
    reflected = dataclasses.replace(person, xy=person.xy[order], confidence=person.confidence[order], depth=-person.depth[order],
                                    world=person.world[order] * [1, 1, -1])
    both = joined([person], [reflected])[0]
    assert np.allclose(both.depth[SIDED], person.depth[SIDED]) and np.allclose(both.world[SIDED], person.world[SIDED])


def test_whom_only_one_of_the_two_shows() -> None:
    seen, only_in_the_mirror = sight(1), sight(2)
    assert joined([seen], []) == [seen] and joined([seen], [only_in_the_mirror]) == [seen]
    assert joined([], [only_in_the_mirror]) == []
    size = np.ptp(seen.xy, axis=0).max()
    assert np.allclose(joined([seen], [moved(seen, 0.14 * size)])[0].xy, moved(seen, 0.07 * size).xy)
    assert joined([seen], [moved(seen, 0.2 * size)]) == [seen]


def test_one_image_is_not_taken_for_two_people() -> None:
    person = sight(1)
    beside = moved(person, 0.1 * np.ptp(person.xy, axis=0).max())
    both = joined([beside, person], [person])
    assert both[0] is beside and same(both[1], person)


class Eye:
    """Sees one person at the picture's bright column, and waits for the other eye to be looking, too; `Eye.broken`: the first one fails."""

    made: list[Eye] = []
    together = threading.Barrier(2)
    broken = False

    def __init__(self) -> None:
        self.at_work, self.closed, self.first = False, False, not Eye.made
        Eye.made.append(self)

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        self.at_work = True
        Eye.together.wait(5)  # BrokenBarrierError where one comes after the other
        if Eye.broken and self.first:
            raise RuntimeError("broken")
        if Eye.broken:
            sleep(0.2)
        column = int(rgb[0, :, 0].argmax())
        self.at_work = False
        return [dataclasses.replace(sight(3), xy=sight(3).xy * 0 + (column + 0.5, 10.0) + np.linspace(0, 9, 33)[:, None] * (0, 1))]

    def close(self) -> None:
        assert not self.at_work or self.first
        self.closed = True


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(Eye, "made", [])
    rgb = np.zeros((4, WIDTH, 3), np.uint8)
    rgb[:, 17] = 255
    return rgb


def test_the_mirror_image_is_looked_at_beside_the_picture(picture: np.ndarray) -> None:
    with BothWays(Eye) as eyes:
        (found,) = eyes.detect(picture, 0.0)
        assert np.allclose(found.xy[:, 0], 17.5)  # the mirror shows column 82
    assert [eye.closed for eye in Eye.made] == [True, True]


def test_an_error_of_one_eye_waits_for_the_other(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eye, "broken", True)
    with pytest.raises(RuntimeError, match="broken"), BothWays(Eye) as eyes:
        try:
            eyes.detect(picture, 0.0)
        finally:
            assert not Eye.made[1].at_work
    assert [eye.closed for eye in Eye.made] == [True, True]


def test_what_was_made_is_closed_when_the_other_cannot_be(picture: np.ndarray) -> None:
    def make() -> Eye:
        if Eye.made:
            raise OSError("no memory")
        return Eye()

    with pytest.raises(OSError, match="no memory"):
        BothWays(make)
    assert [eye.closed for eye in Eye.made] == [True]
