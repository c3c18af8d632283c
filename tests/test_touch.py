"""Hands that touch: palms meet, lie on heads, hips and thighs and stand on the ground on rigs of any proportions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_retarget import pose_rig, some_motion, some_rig
from walking import own_rig, planted_walk

from core import rotations
from core.motion import Motion
from core.retarget import Mapping, Rig, RigMotion, retarget
from core.retarget.feet import ground_of
from core.retarget.reach import two_bones
from core.skeleton import INDEX, Skeleton

PALM = np.array([0.051, 0.0, 0.0])  # from the mean adult's left wrist to the middle of the palm


def palm_of(motion: Motion, side: str) -> np.ndarray:
    joints, turned = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    hand = INDEX[side + "Hand"]
    return joints[:, hand] + rotations.rotate(turned[:, hand], PALM * (1.0 if side == "Left" else -1.0))


def reaching(motion: Motion, side: str, palm: np.ndarray) -> Motion:
    """The same with the arm bent so that its palm is at `palm` (T, 3)."""
    joints, turned = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    shoulder, arm, forearm, hand = (INDEX[side + part] for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
    target = palm - (palm_of(motion, side) - joints[:, hand])
    back = rotations.rotate(turned[:, arm], np.array([0.0, 1.0, 0.0]))
    upper, lower, there = two_bones(joints[:, arm], joints[:, forearm], joints[:, hand], target, back)
    assert np.abs(there - target).max() < 1e-3
    local = motion.local_rotations.copy()
    arm_turned, forearm_turned = rotations.multiply(upper, turned[:, arm]), rotations.multiply(lower, turned[:, forearm])
    local[:, arm] = rotations.multiply(rotations.inverse(turned[:, shoulder]), arm_turned)
    local[:, forearm] = rotations.multiply(rotations.inverse(arm_turned), forearm_turned)
    local[:, hand] = rotations.multiply(rotations.inverse(forearm_turned), turned[:, hand])
    return dataclasses.replace(motion, local_rotations=local)


def on_the_rig(rig: Rig, mapping: Mapping, moved: RigMotion, motion: Motion) -> dict[str, np.ndarray]:
    """Joints and palms on the rig, seen as the motion is and in its scale."""
    heads, _ = pose_rig(rig, moved)
    turned = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)[1]
    there = {j: (heads[:, rig.index(b)] - moved.placement.origin) @ moved.placement.turn / moved.placement.scale
             for j, b in mapping.bones.items()}
    return there | {side + "Palm": there[side + "Hand"] + rotations.rotate(turned[:, INDEX[side + "Hand"]], sign * PALM)
                    for side, sign in (("Left", 1.0), ("Right", -1.0))}


def stretched(there: dict[str, np.ndarray], side: str) -> np.ndarray:
    """(T,) bool, the arm is straight: what is out of reach is pointed at."""
    shoulder, elbow, wrist = (there[side + part] for part in ("Arm", "ForeArm", "Hand"))
    length = np.linalg.norm(elbow - shoulder, axis=-1) + np.linalg.norm(wrist - elbow, axis=-1)
    return np.linalg.norm(wrist - shoulder, axis=-1) > 0.999 * length


def still(frames: int = 4) -> Motion:
    """Somebody who stands with the arms in front."""
    motion = planted_walk(frames)
    local = np.tile(rotations.IDENTITY, (frames, 21, 1))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        local[:, INDEX[side + "Arm"]] = rotations.from_rotation_vector(np.array([0.0, 0.0, -1.2 * sign]))
    root = np.tile([0.0, 0.0, 0.025 - motion.skeleton.rest_positions()[:, 2].min()], (frames, 1))
    return dataclasses.replace(motion, local_rotations=local, root_translation=root)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1.0, 0.01]), heading=st.floats(-3, 3), x=st.floats(-0.1, 0.1),
       z=st.floats(1.0, 1.3))
def test_hands_that_touch_stay_together(seed: int, scale: float, heading: float, x: float, z: float) -> None:
    motion = still()
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        motion = reaching(motion, side, np.tile([x + sign * 0.03, -0.3, z], (4, 1)))
    rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2, scale=scale, heading=heading)
    there = on_the_rig(rig, mapping, retarget(motion, rig, mapping, touch=True), motion)
    apart = np.abs(there["LeftPalm"] - there["RightPalm"] - [0.06, 0.0, 0.0]).max(axis=-1)
    assert np.all((apart < 2e-3) | stretched(there, "Left") | stretched(there, "Right"))


def test_without_the_option_they_part() -> None:
    motion, apart = still(), []
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        motion = reaching(motion, side, np.tile([sign * 0.03, -0.3, 1.1], (4, 1)))
    for seed in range(20):
        rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
        there = on_the_rig(rig, mapping, retarget(motion, rig, mapping), motion)
        apart.append(np.linalg.norm(there["LeftPalm"] - there["RightPalm"] - [0.06, 0.0, 0.0], axis=-1).max())
    assert np.median(apart) > 0.05


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.6, 0.75))
def test_a_hand_on_the_thigh_stays_on_it(seed: int, share: float) -> None:
    """The left leg is lifted forwards; the palm lies on it."""
    motion = still()
    motion.local_rotations[:, INDEX["LeftUpLeg"]] = rotations.from_rotation_vector(np.array([-1.0, 0.0, 0.0]))
    motion.local_rotations[:, INDEX["Spine"]] = rotations.from_rotation_vector(np.array([0.5, 0.0, 0.0]))
    joints = motion.joints_world()
    hip, knee = joints[0, INDEX["LeftUpLeg"]], joints[0, INDEX["LeftLeg"]]
    off = np.cross(knee - hip, [1.0, 0.0, 0.0])
    off *= 0.1 / np.linalg.norm(off) * np.sign(off[2])
    motion = reaching(motion, "Left", np.tile(hip + share * (knee - hip) + off, (4, 1)))
    rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
    there = on_the_rig(rig, mapping, retarget(motion, rig, mapping, plant_feet=False, touch=True), motion)
    place = there["LeftUpLeg"] + share * (there["LeftLeg"] - there["LeftUpLeg"]) + off
    assert np.all((np.linalg.norm(there["LeftPalm"] - place, axis=-1) < 2e-3) | stretched(there, "Left"))


@pytest.mark.parametrize("seed", [0, 2, 4, 7])
def test_a_hand_on_the_other_forearm_follows_where_that_arm_goes(seed: int) -> None:
    """The left palm lies on the thigh, where it goes on the rig as well."""
    motion = still()
    motion.local_rotations[:, INDEX["LeftUpLeg"]] = rotations.from_rotation_vector(np.array([-1.0, 0.0, 0.0]))
    motion.local_rotations[:, INDEX["Spine"]] = rotations.from_rotation_vector(np.array([0.5, 0.0, 0.0]))
    for side, start, stop, share, apart in (("Left", "LeftUpLeg", "LeftLeg", 0.65, 0.1), ("Right", "LeftForeArm", "LeftHand", 0.4, 0.065)):
        joints = motion.joints_world()[0]
        a, b = joints[INDEX[start]], joints[INDEX[stop]]
        off = np.cross(b - a, [1.0, 0.0, 0.0])
        off *= apart / np.linalg.norm(off) * np.sign(off[2])
        motion = reaching(motion, side, np.tile(a + share * (b - a) + off, (4, 1)))
    rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
    there = on_the_rig(rig, mapping, retarget(motion, rig, mapping, plant_feet=False, touch=True), motion)
    place = there["LeftForeArm"] + 0.4 * (there["LeftHand"] - there["LeftForeArm"]) + off
    assert np.linalg.norm(there["RightPalm"] - place, axis=-1).max() < 0.01


def on_all_fours(palm: float) -> Motion:
    """Somebody bent forwards whose left palm is at this height."""
    motion = still()
    motion.local_rotations[:, INDEX["Hips"]] = rotations.from_rotation_vector(np.array([1.3, 0.0, 0.0]))
    shoulder = motion.joints_world()[:, INDEX["LeftArm"]]
    motion = dataclasses.replace(motion, root_translation=motion.root_translation - [0.0, 0.0, shoulder[0, 2] - 0.45])
    return reaching(motion, "Left", np.concatenate([shoulder[:, :2] + [0.0, -0.1], np.full((4, 1), palm)], axis=1))


@pytest.mark.parametrize("seed", range(6))
def test_a_hand_on_the_ground_stays_on_it(seed: int) -> None:
    """On the ground on which the rig's feet stand, which are not in proportion to its legs."""
    motion = on_all_fours(0.03)
    rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
    moved = retarget(motion, rig, mapping, plant_feet=False, touch=True)
    there = on_the_rig(rig, mapping, moved, motion)
    ground = (ground_of(motion, rig, mapping, moved.placement) - moved.placement.origin[2]) / moved.placement.scale
    assert np.all((np.abs(there["LeftPalm"][:, 2] - ground - 0.03) < 2e-3) | stretched(there, "Left"))


@pytest.mark.parametrize("palm", [0.1, 0.15])
def test_the_hands_of_long_arms_do_not_go_below_the_ground(palm: float) -> None:
    """A palm that is only near the ground touches it but partly, or not at all: arms twice as long went 0.6 m below the floor."""
    motion, skeleton = on_all_fours(palm), Skeleton.mean()
    rest = skeleton.rest_offsets.copy()
    rest[[INDEX[side + part] for side in ("Left", "Right") for part in ("ForeArm", "Hand")]] *= 2.0
    rig, mapping = own_rig(dataclasses.replace(skeleton, rest_offsets=rest))
    free, kept = (on_the_rig(rig, mapping, retarget(motion, rig, mapping, touch=touch), motion) for touch in (False, True))
    wrist, tips = kept["LeftHand"][:, 2], 2 * kept["LeftPalm"][:, 2] - kept["LeftHand"][:, 2]
    assert free["LeftPalm"][:, 2].max() < -0.1
    assert np.minimum(wrist, tips).min() > -1e-3 and kept["LeftPalm"][:, 2].min() > 0.029


def test_hands_come_and_go_without_a_jump() -> None:
    motion, frames = still(120), np.linspace(0, 2 * np.pi, 120)
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        motion = reaching(motion, side, np.stack([sign * (0.11 + 0.08 * np.cos(frames)), 0 * frames - 0.3, 0 * frames + 1.1], axis=-1))
    for seed in range(10):
        rig, mapping = some_rig(np.random.default_rng(seed), sway=0.2)
        there = on_the_rig(rig, mapping, retarget(motion, rig, mapping, touch=True), motion)
        assert np.linalg.norm(np.diff(there["LeftPalm"], axis=0), axis=-1).max() < 0.05


def test_toes_without_a_foot_bone_say_nothing_of_the_ground() -> None:
    rig, mapping = some_rig(np.random.default_rng(0), ("LeftFoot",))
    moved = retarget(on_all_fours(0.03), rig, mapping, touch=True)
    assert all(np.isfinite(quaternions).all() for quaternions in moved.rotations.values())


def test_where_nothing_touches_nothing_changes() -> None:
    motion = some_motion(np.random.default_rng(1))
    wide = np.tile(rotations.IDENTITY, motion.local_rotations.shape[:2] + (1,))
    motion = dataclasses.replace(motion, local_rotations=wide, root_translation=np.tile([0.0, 0.0, 1.0], (len(motion), 1)))
    rig, mapping = some_rig(np.random.default_rng(2))
    a, b = retarget(motion, rig, mapping, touch=True), retarget(motion, rig, mapping)
    assert all((a.rotations[bone] == b.rotations[bone]).all() for bone in b.rotations)
