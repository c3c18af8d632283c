"""Feet that stand: two-bone inverse kinematics, and a walk with planted feet on rigs of any proportions, rest pose and roll."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import walk
from test_retarget import LIMBS, OPTIONAL, directions, pose_rig, some_motion, some_rig

from core import rotations
from core.motion import Camera, Motion
from core.retarget import Mapping, Rig, retarget
from core.retarget.planting import two_bones
from core.skeleton import INDEX, JOINTS, PARENTS, Skeleton

SIDES = (("Left", 0), ("Right", 2))


def own_rig(skeleton: Skeleton) -> tuple[Rig, Mapping]:
    """The motion's own skeleton as a rig whose bones' rest frames are the world's."""
    rest = np.tile(np.eye(4), (21, 1, 1))
    rest[:, :3, 3] = skeleton.rest_positions()
    rest[:, 2, 3] += 0.025 - rest[[INDEX["LeftToe"], INDEX["RightToe"]], 2, 3].min()
    yes = np.ones(21, bool)
    rig = Rig(JOINTS, np.array(PARENTS), rest, rest[:, :3, 3] + [0, 0, 0.1], np.eye(4), ("QUATERNION",) * 21, ~yes, yes, yes,
              np.tile(rotations.IDENTITY, (21, 1)))
    joints = {j: j for j in JOINTS if j not in ("Spine", "Spine1", "Neck")}
    return rig, Mapping("own", joints, ("Spine", "Spine1"), ("Neck",))


def planted_walk(frames: int = 90, fps: float = 30.0) -> Motion:
    """A walk on the mean skeleton whose feet stand flat and still while they carry."""
    local, root = walk(frames, fps, speed=0.9)
    phase = 2 * np.pi * np.arange(frames) / fps
    contacts = np.zeros((frames, 4), bool)
    skeleton = Skeleton.mean()
    turned = skeleton.forward_kinematics(local, root)[1]
    for side, first in SIDES:
        contacts[:, first:first + 2] = (np.cos(phase + (np.pi if first else 0.0)) > -0.3)[:, None]
        local[:, INDEX[side + "Foot"]] = rotations.inverse(turned[:, INDEX[side + "Leg"]])
    camera = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 640, 480)
    rough = Motion(skeleton, local, root, np.arange(frames) / fps, fps, np.ones((frames, 21)), contacts, camera, (),
                   np.zeros((frames, 0, 3)))
    rig, mapping = own_rig(skeleton)
    moved = retarget(rough, rig, mapping)
    return dataclasses.replace(rough, local_rotations=np.stack([moved.rotations[j] for j in JOINTS], axis=1),
                               root_translation=moved.root_location + rig.rest[0, :3, 3])


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


def test_limbs_follow_closely_while_feet_stand() -> None:
    """One foot on the ground costs no limb anything; two do where the body is built differently, here up to 30% in every bone."""
    motion, worst = planted_walk(), []
    for seed in range(20):
        rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
        assert degrees_off(rig, mapping, motion, planted=False).max() < 1e-3
        worst.append(degrees_off(rig, mapping, motion, planted=True))
    assert np.percentile(worst, 50) < 0.01 and np.percentile(worst, 90) < 1.5
    rig, mapping = own_rig(Skeleton.mean(1.5))
    assert degrees_off(rig, mapping, motion, planted=True).max() < 0.1


def test_without_contacts_nothing_changes() -> None:
    motion = some_motion(np.random.default_rng(1))
    rig, mapping = some_rig(np.random.default_rng(2))
    a, b = retarget(motion, rig, mapping, True), retarget(motion, rig, mapping, False)
    np.testing.assert_array_equal(a.root_location, b.root_location)
    assert all((a.rotations[bone] == b.rotations[bone]).all() for bone in b.rotations) and a.slide == 0.0


def test_a_single_frame_and_a_foot_that_never_lifts() -> None:
    motion = planted_walk(1)
    rig, mapping = some_rig(np.random.default_rng(0))
    assert retarget(motion, rig, mapping).slide == pytest.approx(0.0, abs=1e-3)
    standing = dataclasses.replace(planted_walk(30), contacts=np.ones((30, 4), bool))
    assert np.isfinite(retarget(standing, rig, mapping).root_location).all()
