"""The detector that sees every picture and its mirror image."""

from __future__ import annotations

import dataclasses
import threading

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
    return Detection(rng.uniform(20, 80, (33, 2)) + jitter * noise.normal(size=(33, 2)), rng.uniform(0.2, 1, 33),
                     rng.normal(0, 10, 33) + jitter * noise.normal(size=33), rng.normal(0, 0.5, (33, 3)))


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


@given(st.integers(0, 1000))
def test_what_both_see_alike_stays_as_it_is(seed: int) -> None:
    assert same(joined([sight(seed)], [sight(seed)])[0], sight(seed))


def test_people_get_the_mean_of_both_sights_whatever_their_order() -> None:
    people, again = [sight(1), sight(2)], [sight(2, 1.0), sight(1, 1.0)]
    for person, one, other in zip(joined(people, again), people, again[::-1], strict=True):
        assert np.allclose(person.xy, (one.xy + other.xy) / 2) and np.allclose(person.depth, (one.depth + other.depth) / 2)
        assert not np.allclose(one.xy, other.xy)


@pytest.mark.parametrize("state", [1, 2, 3])
def test_where_sides_differ_the_picture_as_it_is_decides(state: int) -> None:
    person = sight(5)
    order = state_orders(BLAZEPOSE)[0][state]
    exchanged = dataclasses.replace(person, xy=person.xy[order] + (2.0, 0.0), confidence=person.confidence[order])
    assert np.allclose(joined([person], [exchanged])[0].xy, person.xy + (1.0, 0.0))


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


class Eye:
    """Sees one person at the picture's bright column, from a thread of its own or not."""

    log: list[str] = []

    def __init__(self) -> None:
        self.thread: int | None = None

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        self.thread = threading.get_ident()
        if time < 0:
            raise RuntimeError("broken")
        column = int(rgb[0, :, 0].argmax())
        return [dataclasses.replace(sight(3), xy=sight(3).xy * 0 + (column + 0.5, 10.0) + np.linspace(0, 9, 33)[:, None] * (0, 1))]

    def close(self) -> None:
        Eye.log.append("closed")


def test_the_mirror_image_is_looked_at_beside_the_picture() -> None:
    Eye.log.clear()
    picture = np.zeros((4, WIDTH, 3), np.uint8)
    picture[:, 17] = 255
    with BothWays(Eye) as eyes:
        (found,) = eyes.detect(picture, 0.0)
        assert np.allclose(found.xy[:, 0], 17.5)  # the mirror shows column 82
        assert isinstance(eyes._mirror, Eye) and eyes._mirror.thread not in (None, threading.get_ident())
        with pytest.raises(RuntimeError, match="broken"):
            eyes.detect(picture, -1.0)
    assert Eye.log == ["closed", "closed"]
