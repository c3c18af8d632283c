"""Feet that stand: two-bone inverse kinematics, and a walk with planted feet on rigs of any proportions, rest pose and roll."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_retarget import LIMBS, OPTIONAL, directions, pose_rig, some_motion, some_rig
from walking import SIDES, own_rig, planted_walk

from core import rotations
from core.keypoints import ATTACHMENTS
from core.motion import Motion
from core.retarget import Mapping, Rig, retarget
from core.retarget.planting import _agreed, _meetings, _solved
from core.retarget.reach import two_bones
from core.skeleton import INDEX, Skeleton


def steps(points: np.ndarray, down: np.ndarray) -> float:
    """Metres, the farthest that a point (T, 3) moves from one frame in contact to the next."""
    both = down[1:] & down[:-1]
    return float(np.linalg.norm(np.diff(points, axis=0), axis=-1)[both].max())


def degrees_off(rig: Rig, mapping: Mapping, motion: Motion, planted: bool) -> np.ndarray:
    """(limbs, T) degrees between the limbs of rig and motion."""
    moved = retarget(motion, rig, mapping, planted)
    heads, _ = pose_rig(rig, moved)
    there = {j: heads[:, rig.index(b)] for j, b in mapping.bones.items()}
    here = {joint: motion.joints_world()[:, i] for joint, i in INDEX.items()}
    cosines = [np.sum(directions(there, a, b) * (directions(here, a, b) @ moved.placement.turn.T), axis=-1) for a, b in LIMBS]
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_two_bones_reach_and_keep_their_lengths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hip, knee, ankle = np.zeros((1, 3)), rng.normal(0, 0.3, (1, 3)), rng.normal(0, 0.5, (1, 3))
    upper, lower = np.linalg.norm(knee), np.linalg.norm(ankle - knee)
    target = rng.normal(size=(1, 3))
    target *= rng.uniform(abs(upper - lower) + 1e-3, upper + lower - 1e-3) / np.linalg.norm(target)
    thigh, shin, end = two_bones(hip, knee, ankle, target, np.array([[0.0, -1.0, 0.0]]))
    bent = rotations.rotate(thigh, knee)
    np.testing.assert_allclose(bent + rotations.rotate(shin, ankle - knee), target, atol=1e-6)
    np.testing.assert_allclose(end, target, atol=1e-6)


def test_the_bone_that_carries_the_thighs_is_tilted_with_the_hips() -> None:
    """The hips alone were, where legs hang from the lowest bone of the spine. Feet half as long again make them tilt by a degree."""
    motion = planted_walk(rolling=True)
    rig, plain = own_rig(motion.skeleton)
    for side, _ in SIDES:
        ankle = rig.rest[rig.index(side + "Foot"), :3, 3]
        rig.rest[rig.index(side + "Toe"), :3, 3] += 0.5 * (rig.rest[rig.index(side + "Toe"), :3, 3] - ankle)
    rest, yes = np.concatenate([rig.rest[:1], rig.rest]), np.ones(1 + len(rig.names), bool)
    pelvis = Rig(("Pelvis", *rig.names), np.array([-1, *(rig.parents + 1)]), rest, np.concatenate([rig.tails[:1], rig.tails]), rig.world,
                 ("QUATERNION", *rig.modes), ~yes, yes, yes, np.tile(rotations.IDENTITY, (len(yes), 1)))
    mapping = dataclasses.replace(plain, joints=plain.joints | {"Hips": "Pelvis"}, spine=("Hips", *plain.spine))
    heads = [pose_rig(r, retarget(motion, r, m))[0] for r, m in ((rig, plain), (pelvis, mapping))]
    np.testing.assert_allclose(heads[1][:, 1:], heads[0], atol=1e-6)


def test_a_leg_that_is_too_short_points_at_its_target() -> None:
    down = np.array([[0.0, 0.0, -1.0]])
    thigh, shin, end = two_bones(0 * down, 0.4 * down, 0.8 * down, 2.0 * down, np.array([[0.0, -1.0, 0.0]]))
    assert np.allclose(end, 0.8 * down, atol=1e-4) and rotations.angle_between(thigh, shin).max() < 0.02
    _, _, there = two_bones(0 * down, 0.4 * down, 0.8 * down, 0.8 * down, np.array([[0.0, -1.0, 0.0]]))
    np.testing.assert_array_equal(there, 0.8 * down)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), missing=st.sets(st.sampled_from(OPTIONAL)), extra=st.integers(0, 1),
       scale=st.sampled_from([1.0, 0.01, 3.0]), heading=st.floats(-3, 3))
def test_feet_stand_on_any_rig(seed: int, missing: set[str], extra: int, scale: float, heading: float) -> None:
    """Any proportions, rest pose, roll, unit: feet in contact move less than 0.1 mm a frame, and no leg is bent far for it."""
    motion = planted_walk()
    rig, mapping = some_rig(np.random.default_rng(seed), tuple(missing), extra, 0.3, scale, heading)
    moved = retarget(motion, rig, mapping)
    heads, _ = pose_rig(rig, moved)
    assert moved.slide < 0.01
    for side, first in SIDES:
        for joint in {side + "Foot", side + "Toe"} & set(mapping.bones):
            assert steps(heads[:, rig.index(joint)], motion.contacts[:, first]) < 1e-4


@pytest.mark.parametrize("rolling", [False, True])
def test_limbs_follow_closely_while_feet_stand(rolling: bool) -> None:
    """One foot on the ground costs no limb anything; two do where the body is built differently, here up to 30% in every bone, and then
    the pelvis takes a share."""
    motion, worst = planted_walk(rolling=rolling), []
    for seed in range(20):
        rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
        assert degrees_off(rig, mapping, motion, planted=False).max() < 1e-3
        worst.append(degrees_off(rig, mapping, motion, planted=True))
    assert np.percentile(worst, 50) < 0.01 and np.percentile(worst, 90) < 1.3 and np.max(worst) < 6.5


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("stature", [1.5, 1.7, 2.1])
def test_what_stands_already_stays_as_it_is(stature: float, rolling: bool) -> None:
    motion = planted_walk(rolling=rolling)
    rig, mapping = own_rig(Skeleton.mean(stature))
    assert degrees_off(rig, mapping, motion, planted=True).max() < 0.01


def test_a_foot_rolls_over_heel_and_tip() -> None:
    """What touches the ground does not move: the heel first, then the tip of the toes."""
    motion = planted_walk(rolling=True)
    rig, mapping = own_rig(Skeleton.mean(1.5))
    heads, turned = pose_rig(rig, retarget(motion, rig, mapping))
    for side, first in SIDES:
        for name, joint, row in (("heel", "Foot", first), ("toe", "Toe", first + 1)):
            bone = rig.index(side + joint)
            point = heads[:, bone] + rotations.rotate(turned[:, bone], 1.5 / 1.7 * np.array(ATTACHMENTS[f"{side[0].lower()}_{name}"][1]))
            pivots = motion.contacts[:, row] & ((name == "toe") | ~motion.contacts[:, first + 1])
            assert steps(point, pivots) < 1e-4


def on_feet(legs: float, feet: float, share: float, toes: str) -> tuple[Rig, Mapping]:
    """The mean skeleton with legs and feet so much longer, the ball at this share of the way from ankle to tip, and toes that end in a
    tail, in a bone that begins at the tip, in two bones in a row, or in tails that all point up."""
    skeleton = Skeleton.mean()
    rest, joints = skeleton.rest_offsets.copy(), [INDEX[side + part] for side, _ in SIDES for part in ("Leg", "Foot")]
    rest[joints] *= legs
    tip, length = np.array(ATTACHMENTS["l_toe"][1]) * [0.0, 1.0, 0.0], skeleton.bone_lengths[INDEX["LeftToe"]]
    whole = feet * (length - tip[1])
    for side, _ in SIDES:
        down = feet * rest[INDEX[side + "Toe"], 2]
        rest[INDEX[side + "Toe"]] = 0.0, -np.sqrt((share * whole) ** 2 - down**2), down
    rig, mapping = own_rig(dataclasses.replace(skeleton, rest_offsets=rest))
    balls = [rig.index(side + "Toe") for side, _ in SIDES]
    tips, tails = rig.rest[balls, :3, 3] + [0.0, -(1.0 - share) * whole, 0.0], rig.tails.copy()
    if toes == "up":
        return rig, mapping
    tails[balls] = {"tail": tips, "end": tips + 0.02, "row": 0.5 * (tips + rig.rest[balls, :3, 3])}[toes]
    rig = dataclasses.replace(rig, tails=tails)
    for ball, end in zip(balls, tips):
        begins, ends = {"tail": (None, None), "end": (end, end + [0.0, -0.05, 0.0]), "row": (tails[ball], end)}[toes]
        rig = rig if begins is None else with_bone(rig, ball, begins, ends)
    return rig, mapping


def with_bone(rig: Rig, parent: int, head: np.ndarray, tail: np.ndarray) -> Rig:
    """One more bone at the end."""
    rest = np.eye(4)
    rest[:3, 3] = head
    yes = np.append(rig.inherits_rotation, True)
    return Rig((*rig.names, f"after {rig.names[parent]}"), np.append(rig.parents, parent), np.concatenate([rig.rest, rest[None]]),
               np.concatenate([rig.tails, tail[None]]), rig.world, (*rig.modes, rig.modes[0]), ~yes, yes, yes,
               np.concatenate([rig.basis, rotations.IDENTITY[None]]))


@pytest.mark.parametrize("share, toes", [(0.664, "tail"), (0.664, "end"), (0.664, "row"), (0.664, "up"), (0.73, "tail")])
@pytest.mark.parametrize("legs, feet", [(0.33, 0.8), (0.6, 1.3), (1.4, 1.0), (1.0, 1.0)])
def test_feet_of_any_size_roll_over_their_own_heel_and_tip(legs: float, feet: float, share: float, toes: str) -> None:
    """A chibi's, an ogre's, an anime figure's: their size was taken from the legs, so that they sank or floated by up to 3 cm."""
    motion = planted_walk(rolling=True)
    rig, mapping = on_feet(legs, feet, share, toes)
    heads, turned = pose_rig(rig, retarget(motion, rig, mapping))
    for side, first in SIDES:
        for part, joint, row in (("heel", "Foot", first), ("toe", "Toe", first + 1)):
            bone = rig.index(side + joint)
            off = feet * np.array(ATTACHMENTS[f"{side[0].lower()}_{part}"][1])
            if part == "toe":
                off[1] *= (1.0 - share) / (1.0 - 0.664)
            point = heads[:, bone] + rotations.rotate(turned[:, bone], off)
            pivots = motion.contacts[:, row] & ((part == "toe") | ~motion.contacts[:, first + 1])
            flat = (rig.heads_world[bone] + off)[2] + legs * 0.003  # as high as the walk's ankles are
            assert steps(point, pivots) < 1e-3 and np.abs(point[pivots, 2] - flat).max() < 1e-3


def test_high_heels_roll_over_the_heel_of_the_shoe() -> None:
    """A foot that rests 30 degrees steeper: the heel was as high above the ground as a bare one, and the shoe slid."""
    motion, skeleton = planted_walk(rolling=True), Skeleton.mean()
    rest, ball = skeleton.rest_offsets.copy(), INDEX["LeftToe"]
    rest[[ball, INDEX["RightToe"]]] = rotations.rotate(rotations.from_rotation_vector(np.array([np.radians(30.0), 0.0, 0.0])), rest[ball])
    rig, mapping = own_rig(dataclasses.replace(skeleton, rest_offsets=rest))
    heads, turned = pose_rig(rig, retarget(motion, rig, mapping))
    for side, first in SIDES:
        x, y, z = ATTACHMENTS[f"{side[0].lower()}_heel"][1]
        off = np.array([x, y, z * (0.025 - rest[ball, 2]) / (0.025 - skeleton.rest_offsets[ball, 2])])
        point = heads[:, rig.index(side + "Foot")] + rotations.rotate(turned[:, rig.index(side + "Foot")], off)
        assert rest[ball, 2] < -0.1 and steps(point, motion.contacts[:, first] & ~motion.contacts[:, first + 1]) < 1e-3


@pytest.mark.parametrize("way", [(1, 0, 0), (0, 1, 0), (0, 0, -1), (0.5, -0.5, 0.7), (0, -0.1, 0), (0, -5, 0)])
def test_tails_that_are_no_toes_do_not_count(way: tuple[float, float, float]) -> None:
    """Aside, backwards, down, askew, a stub, as long as the shin: as importers leave them."""
    motion = planted_walk(45, rolling=True)
    rig, mapping = on_feet(1.0, 1.0, 0.664, "up")
    other = dataclasses.replace(rig, tails=rig.rest[:, :3, 3] + 0.1 * np.array(way))
    a, b = retarget(motion, rig, mapping), retarget(motion, other, mapping)
    np.testing.assert_array_equal(a.root_location, b.root_location)


@pytest.mark.parametrize("gap", [0, 1, 3])
def test_feet_that_follow_each_other_want_the_same(gap: int) -> None:
    """Where one comes down just after the other has left, places were not brought together: a walk on large feet threw thighs about."""
    times, down, needs = np.arange(60) / 30, np.zeros((2, 60), bool), np.zeros((2, 60, 3))
    for k in range(4):
        down[k % 2, 15 * k:15 * (k + 1) - gap] = True
        needs[k % 2, 15 * k:15 * (k + 1), 1] = 0.05 * (-1) ** k + 0.001 * np.arange(15)
    wanted = np.where(down[0, :, None], *_agreed(list(needs), list(down), times))
    assert np.abs(np.diff(wanted[down.any(axis=0), 1])).max() < 2e-3
    assert wanted[down.any(axis=0), 1].mean() == pytest.approx(0.001 * (14 - gap) / 2, abs=1e-9)


@pytest.mark.parametrize("scale", [0.01, 0.1, 10.0])
def test_an_object_of_another_scale_stands_the_same(scale: float) -> None:
    """Legs gave by 2 cm of the scene, so that rigs in other units were planted up to 12 degrees otherwise."""
    rest = Skeleton.mean().rest_offsets.copy()
    for side, _ in SIDES:
        rest[INDEX[side + "UpLeg"]] *= [1.4, 1.0, 1.0]
        rest[INDEX[side + "Foot"]] *= 0.85
    rig, mapping = own_rig(dataclasses.replace(Skeleton.mean(), rest_offsets=rest))
    motion = planted_walk(45, rolling=True)
    a, b = (retarget(motion, dataclasses.replace(rig, world=np.diag([s, s, s, 1.0])), mapping) for s in (1.0, scale))
    assert max(np.degrees(rotations.angle_between(a.rotations[bone], b.rotations[bone])).max() for bone in a.rotations) < 0.3
    np.testing.assert_allclose(a.root_location, b.root_location, atol=1e-4)


def test_knees_do_not_pop() -> None:
    """Where feet enter and leave contacts, knees are no wilder than without planting; bodies differ by up to 30% in every bone."""
    motion = planted_walk(rolling=True)

    def acceleration(rig: Rig, mapping: Mapping, planted: bool) -> float:
        heads, _ = pose_rig(rig, retarget(motion, rig, mapping, planted))
        return float(np.linalg.norm(np.diff(heads[:, [rig.index("LeftLeg"), rig.index("RightLeg")]], 2, axis=0), axis=-1).max())

    rigs = [some_rig(np.random.default_rng(seed), sway=0.2) for seed in range(20)]
    ratios = [acceleration(*rig, True) / acceleration(*rig, False) for rig in rigs]
    assert np.median(ratios) < 1.1 and max(ratios) < 1.6


@given(seed=st.integers(0, 2**31))
def test_meetings_and_places_that_agree(seed: int) -> None:
    """Against brute force and a dense solver."""
    rng = np.random.default_rng(seed)
    a, b = ([(int(x), int(y)) for x, y in np.sort(rng.choice(60, 2 * n, replace=False)).reshape(-1, 2)] for n in rng.integers(0, 6, 2))
    times = np.arange(60) / 30
    found = {(i, j, here.start, here.stop) for i, j, here, there in _meetings(a, b, times) if here == there}
    assert found == {(i, j, max(x[0], y[0]), min(x[1], y[1])) for i, x in enumerate(a) for j, y in enumerate(b)
                     if max(x[0], y[0]) < min(x[1], y[1])}
    edges = rng.normal(size=(8, 6)) * (rng.random((8, 6)) < 0.5)
    edges[:, -1] -= edges.sum(axis=1)  # as differences have it: what is common to all costs nothing
    wanted = edges.T @ rng.normal(size=(8, 2))
    solved = _solved(lambda x: edges.T @ (edges @ x), wanted)
    np.testing.assert_allclose(edges.T @ (edges @ solved), wanted, atol=1e-4 * max(1.0, np.abs(wanted).max()))


def test_without_contacts_nothing_changes() -> None:
    motion = some_motion(np.random.default_rng(1))
    rig, mapping = some_rig(np.random.default_rng(2))
    a, b = retarget(motion, rig, mapping, True), retarget(motion, rig, mapping, False)
    np.testing.assert_array_equal(a.root_location, b.root_location)
    assert all((a.rotations[bone] == b.rotations[bone]).all() for bone in b.rotations) and a.slide == 0.0


def test_legs_without_foot_bones_do_not_stand() -> None:
    """Either foot's, or both, which raised ValueError."""
    motion = planted_walk(30)
    feet = [side + part for side, _ in SIDES for part in ("Foot", "Toe")]
    for missing in (feet, feet[:2]):
        rig, mapping = some_rig(np.random.default_rng(0), tuple(missing))
        moved = retarget(motion, rig, mapping)
        assert moved.slide < 0.01 and np.isfinite(moved.root_location).all()
        if missing == feet:
            np.testing.assert_array_equal(moved.root_location, retarget(motion, rig, mapping, plant_feet=False).root_location)


def on_both_feet(bend: np.ndarray, way: np.ndarray | float = 0.0, turn: np.ndarray | float = 0.0) -> Motion:
    """Somebody who never lifts a foot, with hips and ankles bent by so much and knees by twice that (T,), moved by `way` (T, 3), turned
    about the vertical by `turn` (T,)."""
    frames, turns = len(bend), np.zeros((len(bend), 21, 3))
    turns[:, 0, 2] = turn
    for side, _ in SIDES:
        for part, share in (("UpLeg", -1.0), ("Leg", 2.0), ("Foot", -1.0)):
            turns[:, INDEX[side + part], 0] = share * bend
    motion = dataclasses.replace(planted_walk(frames), local_rotations=rotations.from_rotation_vector(turns),
                                 root_translation=np.zeros((frames, 3)), contacts=np.ones((frames, 4), bool))
    ankles = 0.5 * (motion.joints_world()[:, INDEX["LeftFoot"]] + motion.joints_world()[:, INDEX["RightFoot"]])
    return dataclasses.replace(motion, root_translation=np.array([0.0, 0.0, 0.089]) + way - ankles)


def test_a_single_frame_stands_as_the_same_pose_held_does() -> None:
    rig, mapping = some_rig(np.random.default_rng(0))
    one, held = (pose_rig(rig, retarget(on_both_feet(np.full(frames, 0.3)), rig, mapping))[0] for frames in (1, 9))
    np.testing.assert_allclose(held, np.broadcast_to(one, held.shape), atol=1e-9)


def test_feet_that_never_lift_stay_while_the_body_sways() -> None:
    motion = on_both_feet(np.full(30, 0.3), 0.02 * np.sin(np.arange(30) / 5)[:, None] * [1.0, 0.5, 0.0])
    rig, mapping = some_rig(np.random.default_rng(0))
    ankles = [rig.index(side + "Foot") for side, _ in SIDES]
    free, planted = (np.ptp(pose_rig(rig, retarget(motion, rig, mapping, plant))[0][:, ankles], axis=0).max() for plant in (False, True))
    assert free > 0.02 and planted < 1e-3


def test_the_figure_comes_down_where_its_legs_do_not_reach() -> None:
    """Long thighs over short shins sway back and forth in a crouch, and are too short for where the feet stand once they stretch."""
    rest = Skeleton.mean().rest_offsets.copy()
    for side, _ in SIDES:
        rest[INDEX[side + "Leg"]] *= 1.4
        rest[INDEX[side + "Foot"]] *= 0.7
    rig, mapping = own_rig(dataclasses.replace(Skeleton.mean(), rest_offsets=rest))
    assert retarget(on_both_feet(0.9 * np.clip((20 - np.arange(40)) / 4, 0.0, 1.0)), rig, mapping).slide < 0.01  # 0.04 without, cm


def test_a_flat_foot_that_pivots_keeps_its_heading() -> None:
    turn = np.linspace(0.0, np.radians(60.0), 30)
    rig, mapping = own_rig(Skeleton.mean(1.5))
    _, turned = pose_rig(rig, retarget(on_both_feet(np.full(30, 0.3), turn=turn), rig, mapping))
    heading = rotations.from_rotation_vector(turn[:, None] * [0.0, 0.0, 1.0])
    for side, _ in SIDES:
        assert np.degrees(rotations.angle_between(turned[:, rig.index(side + "Foot")], heading)).max() < 1.0


def test_feet_that_tremble_do_not_shake_the_hips() -> None:
    motion, tremble = planted_walk(60), np.random.default_rng(0).normal(0.0, 0.01, (60, 2))
    local = motion.local_rotations.copy()
    for i, (side, _) in enumerate(SIDES):
        thigh = INDEX[side + "UpLeg"]
        local[:, thigh] = rotations.multiply(rotations.from_rotation_vector(tremble[:, i, None] * [1.0, 0.0, 0.0]), local[:, thigh])
    rig, mapping = own_rig(Skeleton.mean())
    heads, _ = pose_rig(rig, retarget(dataclasses.replace(motion, local_rotations=local), rig, mapping))
    assert np.abs(np.diff(heads[:, rig.index("Hips"), :2], 2, axis=0)).max() < 0.01
