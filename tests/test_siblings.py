"""Rigs whose trunk hangs beside the hips, or feet and hands beside their limbs: they go along, with every way; who carries the figure."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_retarget import reparented, some_motion, some_rig

from core import rotations
from core.retarget import Mapping, Rig, RigMotion, retarget
from core.retarget.pose import Pose
from core.retarget.transfer import WAYS
from core.skeleton import JOINT_PARENTS


def posed(rig: Rig, moved: RigMotion) -> Pose:
    """The rig as the keys alone put it."""
    return Pose(rig, {}, {rig.index(b): q for b, q in moved.rotations.items()}, {rig.index(b): p for b, p in moved.locations.items()})


def beside(seed: int, *bones: str, missing: tuple[str, ...] = ()) -> tuple[Rig, Mapping]:
    """A rig without the missing joints, with these bones hung from the root."""
    hanging, mapping = some_rig(np.random.default_rng(seed), missing, sway=0.2)
    return reparented(hanging, dict.fromkeys(bones, "root")), mapping


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bones", [("Spine",), ("LeftUpLeg", "RightUpLeg"), ("Spine", "RightUpLeg")])
@pytest.mark.parametrize("seed", range(4))
def test_what_hangs_beside_the_hips_turns_with_them(seed: int, bones: tuple[str, ...], way: str) -> None:
    """It stayed where the root had it: spine and pelvis came apart by 9 cm in a cartwheel, thighs by the width of the hips."""
    motion = some_motion(np.random.default_rng(seed))
    rig, mapping = beside(seed, *bones)
    moved = retarget(motion, rig, mapping, way=way)
    pose, hips = posed(rig, moved), rig.index("Hips")
    for bone in map(rig.index, bones):
        arm = rotations.rotate(rotations.inverse(rig.rest_rotations[hips]), rig.rest[bone, :3, 3] - rig.rest[hips, :3, 3])
        np.testing.assert_allclose(pose.head(bone), pose.head(hips) + rotations.rotate(pose.of(hips), arm), atol=1e-9)
        assert np.ptp(moved.locations[rig.names[bone]], axis=0).max() > 1e-3
    assert {*moved.locations} == {"root", *bones}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bones", [("LeftFoot", "RightFoot"), ("LeftHand", "RightFoot"), ("LeftLeg", "LeftFoot", "LeftToe"),
                                   ("Spine", "LeftUpLeg", "RightUpLeg", "LeftFoot", "RightHand")])
@pytest.mark.parametrize("above", ["root", None])
def test_what_hangs_beside_its_limb_goes_along(bones: tuple[str, ...], way: str, above: str | None) -> None:
    """Feet under the root, where the IK of the shins aims at them, stayed at the origin while the body walked off."""
    motion = some_motion(np.random.default_rng(5))
    hanging, mapping = some_rig(np.random.default_rng(5), sway=0.2)
    rig = reparented(hanging, {bone: "root" if bone in ("Spine", "LeftUpLeg", "RightUpLeg") else above for bone in bones})
    moved = retarget(motion, rig, mapping, way=way)
    pose = posed(rig, moved)
    for joint in bones:
        bone, limb = rig.index(joint), rig.index(JOINT_PARENTS[joint] or "")
        arm = rotations.rotate(rotations.inverse(rig.rest_rotations[limb]), rig.rest[bone, :3, 3] - rig.rest[limb, :3, 3])
        np.testing.assert_allclose(pose.head(bone), pose.head(limb) + rotations.rotate(pose.of(limb), arm), atol=1e-9)
    assert {*moved.locations} - {"root", "Hips"} == {*bones}


def test_a_foot_that_cannot_be_moved_gets_no_location() -> None:
    motion = some_motion(np.random.default_rng(6))
    rig, mapping = beside(6, "LeftFoot", "RightFoot")
    stuck = dataclasses.replace(rig, connected=np.array([name == "LeftFoot" for name in rig.names]))
    assert {*retarget(motion, stuck, mapping).locations} == {"Hips", "RightFoot"}


def test_the_legs_of_a_trunk_beside_the_hips_stay_where_they_are() -> None:
    """Nothing else changes: the same rotations and the same way as where the trunk hangs from the hips."""
    motion = some_motion(np.random.default_rng(1))
    rig, mapping = beside(1, "Spine")
    hanging = reparented(rig, {"Spine": "Hips"})
    a, b = (posed(r, retarget(motion, r, mapping)) for r in (rig, hanging))
    for name in ("LeftUpLeg", "RightFoot", "Head", "LeftHand"):
        np.testing.assert_allclose(a.head(rig.index(name)), b.head(rig.index(name)), atol=1e-9)
        assert rotations.angle_between(a.of(rig.index(name)), b.of(rig.index(name))).max() < 1e-6


def test_a_trunk_that_starts_where_the_hips_do_or_cannot_be_moved_gets_no_location() -> None:
    motion = some_motion(np.random.default_rng(2))
    rig, mapping = beside(2, "Spine")
    spine, rest = rig.index("Spine"), rig.rest.copy()
    rest[spine, :3, 3] = rest[rig.index("Hips"), :3, 3]
    for other in (dataclasses.replace(rig, rest=rest), dataclasses.replace(rig, connected=np.arange(len(rig.names)) == spine)):
        assert {*retarget(motion, other, mapping).locations} == {"root"}


def test_arms_that_hang_from_elsewhere_leave_the_figure_to_the_hips() -> None:
    """Arms whose constraints do not show, or one shoulder beside the trunk: a root without keys before got the way then."""
    motion = some_motion(np.random.default_rng(3))
    for bones in (("LeftShoulder",), ("LeftShoulder", "RightShoulder")):
        assert retarget(motion, *beside(3, *bones)).root_bone == "Hips"
    for bones in (("Spine",), ("Spine", "LeftShoulder")):
        assert retarget(motion, *beside(3, *bones)).root_bone == "root"
    assert retarget(motion, *beside(3, "LeftShoulder", missing=("Spine", "Spine1"))).root_bone == "root"
