"""The solver's parts: derivatives against finite differences, the banded system, first place, contacts, gaps, bones."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from synthetic import MARKERS, about_hips, film, walk, wander

from core import rotations
from core.place import locate
from core.skeleton import INDEX, JOINTS, Skeleton
from core.solve.banded import empty_chain, solve_chain
from core.solve.body import DOF, Body
from core.solve.bones import estimate_skeleton, weighted_median
from core.solve.contacts import detect_contacts, of_seen_feet
from core.solve.fit import State, _Problem, residuals
from core.solve.footing import TOUCHING, Footing
from core.solve.gaps import bridged, fill
from core.solve.limits import HINGES, MEAN, NEUTRAL, beyond_limits, prior_rows
from core.solve.smoothness import smoothness
from core.solve.solver import _windows, posed
from core.solve.start import first_rotations

STEP = 1e-6


def moved(local: np.ndarray, root: np.ndarray, frame: int, unknown: int) -> State:
    step = np.zeros((len(root), DOF))
    step[frame, unknown] = STEP
    return State(local, root).moved(step)


def test_derivatives_of_points() -> None:
    body = Body(Skeleton.mean(), MARKERS)
    local, root = wander(1, 2)
    pose = body.pose(local, root)
    analytic = body.jacobian(pose)
    for unknown in range(DOF):
        state = moved(local, root, 1, unknown)
        numeric = (body.pose(state.local, state.root).points - pose.points) / STEP
        assert np.allclose(analytic[1, :, :, unknown], numeric[1], atol=1e-5)


def test_derivatives_of_priors() -> None:
    local, root = wander(2, 1)
    local[0, INDEX["LeftFoot"]] = rotations.from_rotation_vector(np.array([1.3, 0.2, -1.1]))  # beyond what feet can do
    local[0, INDEX["RightArm"]] = rotations.from_rotation_vector(np.array([0.1, -2.1, 0.4]))
    assert np.flatnonzero(beyond_limits(local)[0] > 0.05).tolist() == [INDEX["LeftFoot"], INDEX["RightArm"]]
    rows = prior_rows(local)
    for unknown in range(3, DOF):
        state = moved(local, root, 0, unknown)
        numeric = (prior_rows(state.local).residual - rows.residual)[0] / STEP
        joint, axis = divmod(unknown - 3, 3)
        expected = np.where(rows.joint == joint, rows.derivative[0, :, axis], 0.0)
        assert np.allclose(numeric, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


def test_derivatives_of_smoothness() -> None:
    local, root = wander(3, 3)
    turns = 0.5 * np.random.default_rng(3).normal(size=(2, len(JOINTS), 3))
    local[1:] = rotations.multiply(local[1:], rotations.from_rotation_vector(turns))
    times = np.array([0.0, 0.03, 0.07])
    rows = smoothness(local, root, times)
    for frame, derivative in enumerate((rows.before, rows.at, rows.after)):
        for unknown in range(DOF):
            node, axis = divmod(unknown, 3)
            state = moved(local, root, frame, unknown)
            numeric = (smoothness(state.local, state.root, times).residual - rows.residual)[0] / STEP
            expected = np.zeros_like(numeric)
            expected[node] = derivative[0, node, :, axis]
            assert np.allclose(numeric, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("floor", [-0.7, 0.5])
def test_cost_and_gradient_of_the_whole_problem(floor: float) -> None:
    """Evidence that disagrees with the pose, feet that slide, sink and are held, and of what else may rest some parts that do and some
    that do not, above a floor and all beneath it, some keypoints put right by hand: the normal equations' gradient is the cost's."""
    scene = film(*wander(4, 5), noise=0.01, pixels=2.0)
    problem = posed(scene.lifted, scene.keypoints, scene.K, None)
    generator, shape = np.random.default_rng(0), (5, len(TOUCHING))
    feet = generator.normal(size=(5, 4, 3))
    rests = np.arange(len(TOUCHING)) % 3 != 1
    footing = Footing(np.full((4, len(TOUCHING)), 30.0) * rests, np.full(shape, 20.0) * rests, np.array([0.0, -1.0, 0.0]),
                      np.full(shape, -0.8), floor, 50.0, np.full((5, 4), 5.0), feet)
    certain = generator.random(problem.evidence.weight_2d.shape) < 0.3
    evidence = dataclasses.replace(problem.evidence, footing=footing, independence=0.6, certain=certain)
    state = problem.start.moved(0.05 * generator.normal(size=(5, DOF)))
    normal = _Problem(problem.body, evidence)
    terms = normal.terms(state)
    residual = residuals(problem.body, evidence, state)
    assert 0.5 * residual @ residual == pytest.approx(terms.cost)
    _, gradient = normal.system(terms)
    for frame, unknown in [(0, 0), (1, 2), (2, 4), (2, 7), (3, 11), (4, 40), (1, 65), (2, 20)]:
        step = np.zeros((5, DOF))
        step[frame, unknown] = 1e-5
        numeric = (normal.terms(state.moved(step)).cost - normal.terms(state.moved(-step)).cost) / 2e-5
        assert gradient[frame, unknown] == pytest.approx(numeric, rel=1e-3, abs=1e-4 * np.abs(gradient).max())


def test_a_foot_that_comes_back_after_a_long_hole_stands_anew() -> None:
    times = np.concatenate([np.arange(60), 150 + np.arange(45)]) / 30
    feet = np.zeros((105, 4, 3))
    feet[60:, :, 0], feet[:, 1::2, 1] = 0.4, 0.25
    contacts = detect_contacts(feet, times)
    contacts[60:, 2:] = False
    free = np.zeros((105, 4))
    before = Footing(free[1:], free, np.array([0.0, 0.0, 1.0]), free, -1.0, 50.0, free, feet)
    after = before.planted(feet, contacts, np.full(2, 0.25), times)
    assert after.held[:, 0].all() and np.ptp(after.anchor[:60, 0], axis=0).max() == 0 and (after.anchor[60:, 0, 0] == 0.4).all()
    seen = np.array([[True, True]] * 60 + [[False, False]] * 45)
    assert of_seen_feet(contacts, seen, times)[:, 0].tolist() == [True] * 60 + [False] * 45


def test_a_foot_that_is_hidden_takes_its_own_contacts_along() -> None:
    for seen, kept in (([True, False], [True, True, False, False]), ([False, True], [False, False, True, True])):
        assert (of_seen_feet(np.ones((9, 4), bool), np.array([seen] * 9), np.arange(9) / 30) == kept).all()


def test_a_heel_and_a_tip_that_are_down_together_are_a_straight_foot_apart() -> None:
    """cmu_bend, 2026-11-21: held 5 mm too close to each other, they bent the toes by 25 degrees, which snapped from down to up."""
    shape, sole = (30, 4), 0.25
    feet = np.zeros((*shape, 3))
    feet[:, ::2, 0], feet[:, 1::2, 0] = [[0.0, 1.0]], [[0.24, 1.4]]
    feet[:, 3, 1] = np.linspace(0, 0.03, 30)
    contacts = np.zeros(shape, dtype=bool)
    contacts[5:20, 0] = contacts[10:28, 1] = contacts[22:28, 0] = contacts[:, 2] = contacts[:, 3] = True
    free = np.zeros(shape)
    before = Footing(free[1:], free, np.array([0.0, 0.0, 1.0]), free, -1.0, 50.0, free, feet)
    after = before.planted(feet, contacts, np.full(2, sole), np.arange(30) / 30)
    assert after.anchor[5:20, 0].tolist() == feet[5:20, 0].tolist()  # the first to come stays where it is
    apart = np.linalg.norm(after.anchor[:, 1] - after.anchor[:, 0], axis=-1)
    assert np.allclose(apart[10:20], sole) and np.allclose(apart[22:28], sole)
    assert np.ptp(after.anchor[10:28, 1], axis=0).max() == 0
    assert after.firm().hardness > before.hardness and ((after.held[:, :2] > 0) == contacts[:, :2]).all()
    assert (after.anchor[:, 2] == feet[:, 2]).all()  # 40 cm are no foot: it turns on its heel, which moves less
    assert (after.held[:, 2] > 0).all() and (after.held[:, 3] == 0).all()


def test_smoothness_does_not_depend_on_the_frame_rate() -> None:
    costs = [smoothness(*walk(int(2 * fps), fps), np.arange(int(2 * fps)) / fps).cost for fps in (30.0, 60.0)]
    assert costs[1] == pytest.approx(costs[0], rel=0.15)


def test_a_body_rather_gathers_speed_than_jumps() -> None:
    """3 m/s at once cost more than over a third of a second; limbs may strike (val_soccer_kick: hips leapt 0.9 m between two contacts)."""
    times = np.arange(40) / 30
    local = np.tile(rotations.IDENTITY, (40, 21, 1))

    def cost(velocity: np.ndarray) -> float:
        root = np.zeros((40, 3))
        root[1:, 0] = np.cumsum(velocity[1:]) / 30
        return smoothness(local, root, times).cost

    assert cost(3.0 * (times > 0.6)) > 2 * cost(3.0 * np.clip((times - 0.5) / 0.33, 0, 1))


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_chain_against_a_dense_solve(frames: int) -> None:
    generator, n = np.random.default_rng(frames), 4
    dense = np.zeros((frames * n, frames * n))
    for t in range(frames):
        rows = generator.normal(size=(6, n * min(3, frames - t)))
        cut = slice(t * n, t * n + rows.shape[1])
        dense[cut, cut] += rows.T @ rows
    dense += 0.1 * np.eye(len(dense))
    padded = np.vstack([dense, np.zeros((3 * n, frames * n))])
    columns = empty_chain(frames, n)
    for t in range(frames):
        columns[t, :, :3 * n] = padded[t * n:(t + 3) * n, t * n:(t + 1) * n].T
    b = generator.normal(size=(frames, n))
    damped = dense + 0.01 * np.diag(np.diag(dense))
    assert np.allclose(solve_chain(columns, b, 0.01).ravel(), np.linalg.solve(damped, b.ravel()))


def test_chain_names_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4, 12\)"):
        solve_chain(np.zeros((3, 4, 12)), np.zeros((3, 4)), 0.0)


def test_first_pose_is_near() -> None:
    scene = film(*wander(5, 20))
    body = Body(scene.skeleton, MARKERS)
    local = first_rotations(scene.lifted.names, scene.lifted.positions, body)
    joints, _ = scene.skeleton.forward_kinematics(local, np.zeros((20, 3)))
    assert np.linalg.norm(about_hips(joints) - about_hips(scene.joints), axis=-1).mean() < 0.04


def test_first_pose_without_markers_is_neutral() -> None:
    body = Body(Skeleton.mean(), MARKERS)
    local = first_rotations(MARKERS, np.full((2, len(MARKERS), 3), np.nan), body)
    arms = [INDEX["LeftArm"], INDEX["RightArm"], INDEX["Head"], INDEX["LeftUpLeg"]]
    assert rotations.angle_between(local[:, arms], NEUTRAL[arms]).max() < 0.1


def test_neutral_pose_is_symmetric_and_within_the_hinges() -> None:
    for name in JOINTS:
        if name.startswith("Left"):
            assert np.allclose(MEAN[INDEX[name]] * [1, -1, -1], MEAN[INDEX[name.replace("Left", "Right")]])
    for joint, hinge in HINGES.items():
        assert rotations.rotate(NEUTRAL[joint], hinge.bone) @ hinge.bend >= 0


def test_place_in_front_of_the_camera() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(12, 20, 3)) * 0.4
    truth = np.stack([np.linspace(-1, 1, 12), np.full(12, 0.2), np.linspace(4, 6, 12)], axis=-1)
    image = (points + truth[:, None])[..., :2] / (points + truth[:, None])[..., 2:]
    image[3, :2] += 0.5  # two wild keypoints
    image[5, 4:] = np.nan
    weight = np.ones((12, 20))
    assert np.abs(locate(points, image, weight, 4.0) - truth).max() < 0.05
    assert np.allclose(locate(points, image, 0 * weight, 4.0), [0, 0, 4])


@pytest.mark.parametrize("rate", [10.0, 30.0, 240.0])
@pytest.mark.parametrize("seconds", [0.2, 8.5, 9.5, 40.0])
def test_windows_cover_a_take_and_meet_where_it_is_seen(rate: float, seconds: float) -> None:
    frames = round(seconds * rate)
    times = np.arange(frames) / rate
    whole = _windows(times, np.ones(frames, bool))
    gap = np.zeros(frames, bool)
    if len(whole) > 1:  # the worst place: half a second at the end of the first overlap
        gap[max(whole[0][1] - round(0.5 * rate), 0) : whole[0][1] + round(0.1 * rate)] = True
    for windows in (whole, _windows(times, ~gap), _windows(times, np.zeros(frames, bool))):
        assert windows[0][0] == 0 and windows[-1][1] == frames
        for (_, end), (start, after) in pairwise(windows):
            assert start < end < after and end - start <= 2 * rate
        assert max(b - a for a, b in windows) <= 1.5 * max(8 * rate, 80)
    for (_, end), (start, _) in pairwise(_windows(times, ~gap)):
        assert rate > 60 or not gap[start:end].any()


def test_contacts() -> None:
    times = np.arange(90) / 30
    points = np.zeros((90, 4, 3))
    points[:, 0, 2] = np.where((times > 1) & (times < 2), 0.2, 0.02)  # lifted for a second
    points[:, 1, 1] = -2 * times  # slides
    points[40, 2, 2] = 0.2  # a flicker
    points[:, 3, 2] = 0.3  # in the air
    contacts = detect_contacts(points, times)
    assert contacts[:28, 0].all() and not contacts[33:58, 0].any() and contacts[63:, 0].all()
    assert not contacts[:, 1].any() and contacts[:, 2].all() and not contacts[:, 3].any()
    assert detect_contacts(points[:1], times[:1]).shape == (1, 4)


def test_gaps() -> None:
    times = np.arange(100) / 30
    seen = np.ones(100, bool)
    seen[10:20] = seen[40:80] = False
    local = rotations.continuous(rotations.from_rotation_vector(np.linspace(0, 1, 100)[:, None, None] * np.ones((100, 21, 3))))
    root = np.linspace([0, 0, 0], [1, 2, 3], 100)
    filled, moved_root = fill(local[seen], root[seen], seen, times)
    assert np.allclose(moved_root[:40], root[:40]) and rotations.angle_between(filled[:40], local[:40]).max() < 1e-3
    assert np.allclose(moved_root[40:50], root[39]) and np.linalg.norm(np.diff(moved_root[39:81], axis=0), axis=-1).max() < 0.11
    assert np.array_equal(np.flatnonzero(bridged(seen, times) & ~seen), np.arange(10, 20))


def test_bones_of_nobody_are_the_mean_adults() -> None:
    nothing = np.full((3, len(MARKERS), 3), np.nan), np.full((3, len(MARKERS)), np.inf)
    assert np.allclose(estimate_skeleton(MARKERS, *nothing, None).rest_offsets, Skeleton.mean().rest_offsets)
    assert estimate_skeleton(MARKERS, *nothing, 1.5).stature == pytest.approx(1.5)


def test_weighted_median() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0])) == 3.0
    assert weighted_median(np.array([0.97, 1.03] * 50), np.ones(100)) == pytest.approx(1.0)
