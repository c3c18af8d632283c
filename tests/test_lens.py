"""core.solve.lens: feet that walk tell how long the lens is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Listener, Scene, film, wander
from walking import planted_walk

from core import rotations
from core.camera_motion import TURNING, CameraMotion
from core.events import Reporter
from core.keypoints import CANONICAL
from core.options import RunOptions
from core.pipeline import run
from core.solve.lens import MeasuredLens, measured_lens
from models.judge_lens import table

WALK = planted_walk(150, rolling=True)


def walked(focal: float, azimuth: float = 0.0, **options: float) -> Scene:
    """Somebody who walks 4.5 m, as a lens of `focal` pixels sees it that fills the picture."""
    return film(WALK.local_rotations, WALK.root_translation, azimuth, distance=4.0 + focal / 220, focal=focal, **options)


def slid(*speeds: float) -> Scene:
    """As many walks one after the other, who all step alike but get on at so many times the speed of their feet."""
    step = np.gradient(WALK.root_translation[:, 1])
    root = np.tile(WALK.root_translation, (len(speeds), 1))
    root[:, 1] = np.cumsum(np.concatenate([speed * step for speed in speeds]))
    return film(np.concatenate([WALK.local_rotations] * len(speeds)), root, 0.0, distance=8.0, focal=1280.0, noise=0.01, pixels=2.0)


def measured(scene: Scene, off: float = 1.0, lost: np.ndarray | slice = slice(0), unseen: tuple[str, ...] = ()) -> MeasuredLens | None:
    """What is measured where the lens is taken for `off` times the true one; lost: frames in which nobody is seen; unseen: keypoints."""
    positions, confidence = scene.lifted.positions.copy(), scene.keypoints.confidence.copy()
    positions[lost], confidence[lost] = np.nan, 0.0
    confidence[:, [CANONICAL.index(n) for n in unseen]] = 0.0
    K = scene.K.copy()
    K[[0, 1], [0, 1]] *= off
    return measured_lens(scene.lifted.names, positions, scene.keypoints.replace(confidence=confidence), K)


@settings(max_examples=25, deadline=None)
@given(st.floats(800, 3000), st.floats(-0.6, 0.6), st.booleans(), st.floats(0.45, 2.2), st.integers(0, 9))
def test_walking_feet_tell_the_lens(focal: float, azimuth: float, away: bool, off: float, seed: int) -> None:
    """The truth, whatever was assumed, from in front and from behind, with noise."""
    lens = measured(walked(focal, azimuth + np.pi * away, noise=0.01, pixels=2.0, seed=seed), off)
    assert lens is not None
    assert abs(np.log(lens.apparent * off)) < 0.2
    assert lens.walked > 2.5


def test_the_measured_lens_lies_between_the_assumed_and_the_apparent_one() -> None:
    scene = walked(1280.0, noise=0.01, pixels=2.0)
    short, long = measured(scene, 0.45), measured(scene, 2.2)
    assert short and long
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


@pytest.mark.parametrize("speed", [0.0, 0.2])
@pytest.mark.parametrize("azimuth", [0.0, np.pi])
def test_a_treadmill_is_no_lens(speed: float, azimuth: float) -> None:
    scene = film(WALK.local_rotations, WALK.root_translation * [1, speed, 1], azimuth, distance=5.0, noise=0.01, pixels=1.0)
    assert measured(scene) is None


def test_parts_that_contradict_each_other_tell_nothing() -> None:
    assert measured(slid(1.0, 1.0)) is not None
    assert measured(slid(1.0, 0.45)) is None


def test_feet_that_never_stand_and_frames_that_are_too_few_tell_nothing() -> None:
    local, root = wander(3, 120)
    assert measured(film(local, root + np.linspace([0, 0, 0], [0, -4, 0.0], 120), 0.0, distance=7.0), 0.5) is None
    for frames in (0, 1, 2, 9):
        assert measured(walked(1280.0), lost=slice(frames, None)) is None


@pytest.mark.parametrize("unseen", [("l_heel", "l_toe"), ("r_heel", "r_toe"), ("l_heel", "l_toe", "r_heel", "r_toe")])
def test_of_two_feet_both_must_be_seen(unseen: tuple[str, ...]) -> None:
    """Else the one that swings is taken for the one that stands."""
    assert measured(walked(1280.0), unseen=unseen) is None


@pytest.mark.parametrize(("seen", "hidden"), [(30, 9), (9, 9), (36, 14)])
def test_short_losses_do_not_shorten_the_walk(seen: int, hidden: int) -> None:
    lens = measured(walked(1280.0, noise=0.01, pixels=2.0), lost=np.arange(150) % (seen + hidden) >= seen)
    assert lens is not None
    assert abs(np.log(lens.apparent)) < 0.15


def test_over_a_long_hole_nobody_knows_the_way() -> None:
    """Who is lost for a second may have come nearer by 4 m: both sides of the hole are lines of their own."""
    root = WALK.root_translation.copy()
    root[75:, 1] -= 4.0
    lens = measured(film(WALK.local_rotations, root, 0.0, distance=12.0, focal=2000.0), 0.5, slice(60, 90))
    assert lens is not None
    assert abs(np.log(lens.apparent * 0.5)) < 0.2


def test_frames_in_which_the_size_is_wrong_hardly_count() -> None:
    scene = walked(1280.0)
    xy = scene.keypoints.xy.copy()
    middle = xy.mean(1, keepdims=True)
    bad = slice(138, 150)
    xy[bad] = middle[bad] + 1.6 * (xy[bad] - middle[bad])
    lens = measured_lens(scene.lifted.names, scene.lifted.positions, scene.keypoints.replace(xy=xy), scene.K)
    assert lens is not None
    assert abs(np.log(lens.apparent)) < 0.2


@pytest.mark.parametrize("fps", [15.0, 60.0, 240.0])
def test_the_frame_rate_does_not_matter(fps: float) -> None:
    walk = planted_walk(round(5 * fps), fps, rolling=True)
    lens = measured(film(walk.local_rotations, walk.root_translation, 0.0, distance=9.0, focal=1280.0, fps=fps, noise=0.01, pixels=2.0))
    assert lens is not None
    assert abs(np.log(lens.apparent)) < 0.2


def test_too_few_frames_a_second_tell_nothing() -> None:
    walk = planted_walk(60, 6.0, rolling=True)
    assert measured(film(walk.local_rotations, walk.root_translation, 0.0, distance=12.0, focal=1280.0, fps=6.0)) is None


def test_stamps_that_repeat_or_swap_do_no_harm() -> None:
    scene = walked(1280.0)
    times = scene.keypoints.times.copy()
    times[40], times[80], times[81] = times[39], times[81], times[80]
    lens = measured_lens(scene.lifted.names, scene.lifted.positions, scene.keypoints.replace(times=times), scene.K)
    assert lens is not None
    assert abs(np.log(lens.apparent)) < 0.2


def test_a_run_takes_the_lens_from_the_walk_and_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The path of a take through a long lens has its true length; a focal length that is given is not measured."""
    scene = walked(2800.0)
    scene.keypoints.save(tmp_path / "take.npz")
    listener = Listener()
    told = run(tmp_path / "take.npz", tmp_path / "told", RunOptions(focal=2800.0), Reporter()).motion
    assumed = run(tmp_path / "take.npz", tmp_path / "assumed", RunOptions(focal=1280.0), Reporter()).motion
    ours = run(tmp_path / "take.npz", tmp_path / "ours", RunOptions(), listener).motion
    assert "lens" not in told.meta
    assert json.loads(json.dumps(ours.meta["lens"]))["measured_px"] == pytest.approx(ours.camera.K[0, 0], abs=0.1)
    assert [s for s in listener.said if f"The focal length is {ours.camera.K[0, 0]:.0f} pixels" in s]
    ways = [np.linalg.norm(m.root_translation[-1] - m.root_translation[0]) for m in (assumed, ours, told)]
    assert abs(np.log(ways[1] / 4.5)) < 0.3 < abs(np.log(ways[0] / 4.5))
    assert abs(np.log(ways[2] / 4.5)) < 0.15


def test_a_camera_that_turns_is_not_measured_by_a_walk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """How far it turned depends on the lens as well."""
    pan = np.linspace(-0.05, 0.05, 150)[:, None] * [0.0, 1.0, 0.0]
    turning = CameraMotion(TURNING, rotations.to_matrix(rotations.from_rotation_vector(pan)), 1.0)
    walked(2800.0).keypoints.replace(camera=turning).save(tmp_path / "take.npz")
    assert "lens" not in run(tmp_path / "take.npz", tmp_path / "out", RunOptions(), Reporter()).motion.meta


def test_the_table_of_lenses_counts_what_was_told() -> None:
    lines = table(np.array([26.0, 36.0, 72.0, 80.0]), np.array([26 / 36, 1.2, np.nan, 80 / 36 / np.e])).splitlines()
    assert lines[2] == "| 24 to 30 | 1 | 1 | 0.33 | 0.33 | 0.00 | 0.00 | 0 |"
    assert lines[3] == "| 30 to 43 | 1 | 1 | 0.00 | 0.00 | 0.18 | 0.18 | 1 |"
    assert lines[4] == "| 43 to 60 | 0 | 0 | - | - | - | - | 0 |"
    assert lines[5] == "| 60 to 85 | 2 | 1 | 0.80 | 0.80 | 1.00 | 1.00 | 1 |"
    assert lines[6].startswith("| 24 to 85 | 4 | 3 |")
