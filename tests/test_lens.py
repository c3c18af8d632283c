"""core.solve.lens: feet that walk tell how long the lens is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Scene, film, wander
from walking import planted_walk

from core.events import Reporter
from core.options import RunOptions
from core.pipeline import run
from core.solve.lens import MeasuredLens, measured_lens

WALK = planted_walk(150, rolling=True)


def walked(focal: float, azimuth: float = 0.0, **options: float) -> Scene:
    """Somebody who walks 4.5 m, as a lens of `focal` pixels sees it that fills the picture."""
    return film(WALK.local_rotations, WALK.root_translation, azimuth, distance=4.0 + focal / 220, focal=focal, **options)


def measured(scene: Scene, off: float = 1.0, hole: slice | None = None) -> MeasuredLens | None:
    """What is measured where the lens is taken for `off` times the true one; hole: frames in which nobody is seen."""
    positions, k = scene.lifted.positions.copy(), scene.keypoints
    confidence = k.confidence.copy()
    if hole:
        positions[hole], confidence[hole] = np.nan, 0.0
    K = scene.K.copy()
    K[[0, 1], [0, 1]] *= off
    return measured_lens(scene.lifted.names, positions, k.replace(confidence=confidence), K)


@settings(max_examples=25, deadline=None)
@given(st.floats(800, 3000), st.floats(-0.6, 0.6), st.booleans(), st.floats(0.4, 2.5), st.integers(0, 9))
def test_walking_feet_tell_the_lens(focal: float, azimuth: float, away: bool, off: float, seed: int) -> None:
    """The truth, whatever was assumed, from in front and from behind, with noise."""
    lens = measured(walked(focal, azimuth + np.pi * away, noise=0.01, pixels=2.0, seed=seed), off)
    assert lens is not None
    assert abs(np.log(lens.apparent * off)) < 0.2
    assert lens.walked > 2.5


def test_it_is_gone_by_only_where_the_assumed_lens_is_out_of_the_question() -> None:
    scene = walked(1280.0, noise=0.01, pixels=2.0)
    right, near, short, long = (measured(scene, off) for off in (1.0, 1.25, 0.45, 2.2))
    assert right and near and short and long
    assert (right.counts, near.counts, short.counts, long.counts) == (False, False, True, True)
    assert 1.0 < short.factor < short.apparent
    assert long.apparent < long.factor < 1.0
    assert short.intrinsics(scene.K)[0, 0] == short.factor * 1280
    np.testing.assert_array_equal(short.intrinsics(scene.K)[:, 2], scene.K[:, 2])


def test_how_tall_the_body_was_lifted_does_not_matter() -> None:
    scene = walked(2000.0)
    small, large = (measured_lens(scene.lifted.names, size * scene.lifted.positions, scene.keypoints, scene.K) for size in (0.8, 1.2))
    assert small and large
    assert small.apparent == pytest.approx(large.apparent, rel=0.05)


@pytest.mark.parametrize(("azimuth", "frames"), [(np.pi / 2, 150), (0.0, 40)])
def test_who_walks_across_the_picture_or_hardly_at_all_tells_nothing(azimuth: float, frames: int) -> None:
    scene = film(WALK.local_rotations[:frames], WALK.root_translation[:frames], azimuth, distance=6.0)
    assert measured(scene, 0.5) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_treadmill_is_no_lens(seed: int) -> None:
    in_place = WALK.root_translation * [1, 0, 1]
    for azimuth in (0.0, np.pi):
        lens = measured(film(WALK.local_rotations, in_place, azimuth, distance=5.0, noise=0.01, pixels=2.0, seed=seed))
        assert lens is None or not lens.counts


def test_feet_that_never_stand_and_frames_that_are_too_few_tell_nothing() -> None:
    local, root = wander(3, 120)
    assert measured(film(local, root + np.linspace([0, 0, 0], [0, -4, 0.0], 120), 0.0, distance=7.0), 0.5) is None
    for frames in (0, 1, 2, 9):
        assert measured(walked(1280.0), hole=slice(frames, None)) is None


def test_a_hole_does_not_count_as_a_walk() -> None:
    """Who is lost for two seconds may have gone anywhere: both sides of the hole are lines of their own."""
    root = WALK.root_translation
    scene = film(np.concatenate([WALK.local_rotations] * 2), np.concatenate([root, root - [0, 9, 0]]), 0.0, distance=14.0, focal=2000.0)
    lens = measured(scene, 0.5, slice(120, 180))
    assert lens is not None
    assert abs(np.log(lens.apparent * 0.5)) < 0.2


def test_a_run_takes_the_lens_from_the_walk_and_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The path of a take through a long lens has its true length; a focal length that is given is not measured."""
    scene = walked(2800.0)
    scene.keypoints.save(tmp_path / "take.npz")
    said: list[str] = []

    class Listener(Reporter):
        def _emit(self, event: dict) -> None:
            said.extend([event["text"]] if event["event"] == "log" else [])

    told = run(tmp_path / "take.npz", tmp_path / "told", RunOptions(focal=2800.0), Reporter()).motion
    assumed = run(tmp_path / "take.npz", tmp_path / "assumed", RunOptions(focal=1280.0), Reporter()).motion
    ours = run(tmp_path / "take.npz", tmp_path / "ours", RunOptions(), Listener()).motion
    assert "lens" not in told.meta
    assert json.loads(json.dumps(ours.meta["lens"]))["used"]
    assert [s for s in said if "times as long as usual" in s and f"{ours.camera.K[0, 0]:.0f} pixels" in s]
    ways = [np.linalg.norm(m.root_translation[-1] - m.root_translation[0]) for m in (assumed, ours, told)]
    assert abs(np.log(ways[1] / 4.5)) < 0.3 < abs(np.log(ways[0] / 4.5))
    assert abs(np.log(ways[2] / 4.5)) < 0.15
