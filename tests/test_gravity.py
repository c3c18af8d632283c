"""core.solve.gravity: what falls tells how tall somebody is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Listener, Scene, film, jump, walk

from core import rotations
from core.skeleton import MEAN_STATURE, Skeleton
from core.solve import Choices, solve
from core.solve.body import point_of
from core.solve.bones import of_stature
from core.solve.fit import Evidence, State
from core.solve.footing import TOUCHING, footing
from core.solve.gravity import (
    _SEGMENTS,
    _TRUNK,
    STATURE_SPREAD,
    Flight,
    find_flights,
    measured_stature,
)
from core.solve.world import World

GUESS = Choices(stature_is_a_guess=True)


def flights_of(scene: Scene, stature: float, ground: float = 0.0, weight: np.ndarray | float = 1.0) -> list[Flight]:
    """What is found in a scene's truth when the person is taken to be `stature` metres tall and the ground to be `ground` metres higher,
    with keypoints that count `weight`, (T, K) or broadcast to it."""
    scale = (stature - 0.025) / (scene.skeleton.stature - 0.025)
    local = scene.local.copy()
    local[:, 0] = rotations.multiply(rotations.from_matrix(scene.view), local[:, 0])
    state = State(local, scale * (scene.root @ scene.view.T + scene.place))
    names = tuple(point_of(n) for n in scene.keypoints.names)
    image = (scene.keypoints.xy - scene.K[:2, 2]) / scene.K[[0, 1], [0, 1]]
    frames, times = len(image), scene.keypoints.times
    evidence = Evidence(np.zeros((frames, 0, 3)), np.zeros((frames, 0)), np.arange(len(names)), image, weight * np.ones(image.shape[:2]),
                        times, footing(np.zeros((frames, len(TOUCHING))), times))
    world = World(scene.view, scale * scene.place + ground * scene.view[:, 2])
    return find_flights(of_stature(scene.skeleton, stature), state, evidence, names, world)


@settings(max_examples=15, deadline=None)
@given(stature=st.floats(1.4, 2.1), fps=st.sampled_from([24.0, 30.0, 50.0, 60.0]), air=st.floats(0.42, 0.8), azimuth=st.floats(-3.1, 3.1),
       tilt=st.floats(-0.4, 0.7), distance=st.floats(3.0, 9.0))
def test_a_jump_tells_the_height(stature: float, fps: float, air: float, azimuth: float, tilt: float, distance: float) -> None:
    skeleton = Skeleton.mean(stature)
    scene = film(*jump(skeleton, fps, air), azimuth, tilt, distance, fps=fps, skeleton=skeleton)
    flights = flights_of(scene, MEAN_STATURE)
    assert len(flights) == 1
    found = measured_stature(flights, MEAN_STATURE)
    assert found is not None and found.plausible
    assert found.apparent == pytest.approx(stature, rel=0.03)
    assert abs(np.log(found.metres / stature)) <= abs(np.log(MEAN_STATURE / stature)) + 0.01
    assert found.error < STATURE_SPREAD * found.metres


def test_a_hip_that_is_seen_elsewhere_in_some_frames_does_not_bend_the_arc() -> None:
    scene = film(*jump(Skeleton.mean(), 30.0, 0.6))
    (flight,) = flights_of(scene, MEAN_STATURE)
    xy = scene.keypoints.xy.copy()
    rows = slice((flight.start + flight.stop) // 2 - 2, (flight.start + flight.stop) // 2 + 2)
    xy[rows, scene.keypoints.names.index("l_hip")] += [0.0, 0.3 * scene.K[0, 0] / 4.5]
    (found,) = flights_of(dataclasses.replace(scene, keypoints=scene.keypoints.replace(xy=xy)), MEAN_STATURE)
    assert found.gravity == pytest.approx(flight.gravity, rel=0.02)


def test_without_a_flight_there_is_nothing_to_tell() -> None:
    local, root = walk(90)
    assert flights_of(film(local, root), MEAN_STATURE) == []
    assert measured_stature([], MEAN_STATURE) is None


def test_hands_near_the_ground_hidden_bodies_bent_and_uneven_paths_are_no_flight() -> None:
    local, root = jump(Skeleton.mean(), 30.0, 0.6)
    scene = film(local, root)
    (flight,) = flights_of(scene, MEAN_STATURE)
    assert flights_of(scene, MEAN_STATURE, ground=0.9) == []
    hidden = np.ones((len(root), 1))
    hidden[flight.start + 3] = 0.2
    assert flights_of(scene, MEAN_STATURE, weight=hidden) == []
    no_feet = np.array([[not any(part in name for part in ("ankle", "heel", "toe")) for name in scene.keypoints.names]])
    assert flights_of(scene, MEAN_STATURE, weight=no_feet) == []  # who sways and is cut off at the hips was told of slow motion
    time = np.clip(np.arange(len(root)) / 30 - 0.7, 0.0, 0.6)
    across = np.stack([np.cos(0.6) * 4 * time * (0.6 - time), np.sin(0.6) * 4 * time * (0.6 - time), 0 * time], axis=-1)
    uneven = np.stack([0 * time, 0 * time, 0.06 * np.sin(3 * np.pi * time / 0.6)], axis=-1)
    for way in (across, uneven):
        assert flights_of(film(local, root + way), MEAN_STATURE) == []


@pytest.mark.parametrize(("tall", "said"), [(1.12, "a child"), (1.3, "a child"), (1.4, None), (2.1, None), (2.3, "slow motion"),
                                            (3.0, "slow motion")])
def test_beyond_adults_the_mean_is_kept_and_children_and_stretched_time_are_told_of(tall: float, said: str | None) -> None:
    found = measured_stature([Flight(0, 20, 9.81 * MEAN_STATURE / tall, 0.1)] * 2, MEAN_STATURE)
    assert found is not None and found.plausible == found.counts == (said is None) and found.apparent == pytest.approx(tall)
    if said:
        reporter = Listener()
        found.report(reporter)
        assert found.metres == MEAN_STATURE
        assert [said in s and f"{tall:.2f} m" in s for s in reporter.warnings] == [True]
        assert ("child" in reporter.warnings[0]) == (tall < MEAN_STATURE)


def test_one_jump_that_is_a_little_off_is_not_worth_a_warning() -> None:
    """Its own error may be as large; one that is far off is told of."""
    for tall, warns in ((1.3, False), (2.2, False), (0.8, True), (4.0, True)):
        found, reporter = measured_stature([Flight(0, 20, 9.81 * MEAN_STATURE / tall, 0.8)], MEAN_STATURE), Listener()
        assert found is not None and not found.counts and found.metres == MEAN_STATURE
        found.report(reporter)
        assert bool(reporter.warnings) == warns, tall


def test_masses_are_those_of_one_body() -> None:
    assert sum(share for share, _ in _SEGMENTS.values()) + _TRUNK[0] == pytest.approx(1.0, abs=0.001)


def test_flights_that_contradict_each_other_count_less() -> None:
    def answer(*gravity: float) -> float:
        found = measured_stature([Flight(0, 9, g, 0.1) for g in gravity], MEAN_STATURE)
        assert found is not None
        return found.error / found.metres

    assert answer(9.0, 9.0) < answer(9.0)
    assert answer(7.5, 10.8) > answer(9.0, 9.0)


def test_the_solver_gives_a_jumper_their_height() -> None:
    skeleton = Skeleton.mean(1.92)
    local, root = jump(skeleton, 30.0, 0.5)
    twice = np.concatenate([local, local]), np.concatenate([root, root + root[-1] - root[0]])
    scene = film(*twice, 0.7, 0.1, 5.0, skeleton=skeleton, noise=0.01, pixels=1.0)
    mean, reporter = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE), Listener()
    told = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE, reporter, GUESS)
    assert 1.75 < told.skeleton.stature < 1.95
    assert told.meta["stature"]["flights"] and "from 2 jumps;" in reporter.said[-1]
    assert "stature" not in mean.meta
    off = [np.median(np.linalg.norm(m.joints_camera() - scene.joints, axis=-1)) for m in (mean, told)]
    assert off[1] < 0.8 * off[0]  # away from the camera as well
    assert told.meta["quality"]["contact_slide_cm"] < 0.5
    assert told.contacts[:15].any() and not told.contacts[27:32].any()


def test_one_jump_is_told_and_not_gone_by() -> None:
    """val_jump_turn: a single arc, whose root had been scaled without its time, took a tall person for a short one."""
    skeleton = Skeleton.mean(1.92)
    scene = film(*jump(skeleton, 30.0, 0.5), skeleton=skeleton)
    reporter = Listener()
    motion = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE, reporter, GUESS)
    assert motion.skeleton.stature == pytest.approx(MEAN_STATURE)
    assert motion.meta["stature"]["from_flights_alone"] == pytest.approx(1.92, rel=0.05) and not motion.meta["stature"]["used"]
    assert "too little to go by" in reporter.said[-1]


def test_a_clip_without_flights_stays_as_it_is() -> None:
    scene = film(*walk(60), noise=0.01, pixels=1.0)
    mean = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE)
    told = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE, choices=GUESS)
    assert np.array_equal(mean.local_rotations, told.local_rotations) and np.array_equal(mean.root_translation, told.root_translation)


def test_slow_motion_is_said_and_the_mean_kept() -> None:
    skeleton = Skeleton.mean()
    scene = film(*jump(skeleton, 30.0, 0.45, stretched=2.0), skeleton=skeleton)
    reporter = Listener()
    motion = solve(scene.lifted, scene.keypoints, scene.K, MEAN_STATURE, reporter, GUESS)
    assert motion.skeleton.stature == pytest.approx(MEAN_STATURE)
    assert not motion.meta["stature"]["plausible"]
    assert ["time may be stretched" in s for s in reporter.warnings] == [True]
