"""core.skeleton: the tree, the mean adult, forward kinematics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import rotations
from core.skeleton import END_PARENTS, INDEX, JOINTS, MEAN_STATURE, PARENTS, Skeleton, mirror_name


def test_tree_is_ordered_depth_first() -> None:
    assert len(JOINTS) == 21 and PARENTS[0] == -1
    assert all(0 <= parent < joint for joint, parent in enumerate(PARENTS) if joint)
    for joint, parent in enumerate(PARENTS[1:], 1):  # a child follows its parent or its parent's finished branches
        assert joint == parent + 1 or any(PARENTS[k] == parent for k in range(parent + 1, joint))


def test_mean_adult_stands_upright_and_is_symmetric() -> None:
    skeleton = Skeleton.mean()
    assert skeleton.stature == pytest.approx(MEAN_STATURE, abs=0.02)
    assert Skeleton.mean(1.9).stature - 0.025 == pytest.approx((skeleton.stature - 0.025) * 1.9 / MEAN_STATURE)
    mirror = np.array([-1.0, 1, 1])
    for name in JOINTS:
        assert np.allclose(skeleton.rest_offsets[INDEX[mirror_name(name)]], skeleton.rest_offsets[INDEX[name]] * mirror)


def test_rest_pose_is_a_t_pose_that_faces_minus_y() -> None:
    rest = Skeleton.mean().rest_positions()
    assert rest[INDEX["LeftHand"], 0] > 0.6 and rest[INDEX["RightHand"], 0] < -0.6
    assert rest[INDEX["LeftHand"], 2] == pytest.approx(rest[INDEX["LeftArm"], 2])
    assert rest[INDEX["Head"], 2] > rest[INDEX["Hips"], 2] > rest[INDEX["LeftFoot"], 2]
    assert rest[INDEX["LeftToe"], 1] < rest[INDEX["LeftFoot"], 1]


@given(st.integers(0, 2**32 - 1))
def test_forward_kinematics_keeps_bone_lengths(seed: int) -> None:
    generator = np.random.default_rng(seed)
    skeleton = Skeleton.mean(generator.uniform(1.2, 2.1))
    local = rotations.normalise(generator.normal(size=(4, 21, 4)))
    root = generator.normal(size=(4, 3))
    joints, globals_ = skeleton.forward_kinematics(local, root)
    bones = joints[:, 1:] - joints[:, PARENTS[1:]]
    assert np.allclose(np.linalg.norm(bones, axis=-1), skeleton.bone_lengths[1:], atol=1e-12)
    assert np.allclose(joints[:, 0], root)
    ends = skeleton.end_positions(joints, globals_)
    parents = [INDEX[p] for p in END_PARENTS.values()]
    assert np.allclose(np.linalg.norm(ends - joints[:, parents], axis=-1), np.linalg.norm(skeleton.end_offsets, axis=-1))


def test_rest_pose_by_forward_kinematics() -> None:
    skeleton = Skeleton.mean()
    joints, _ = skeleton.forward_kinematics(np.tile(rotations.IDENTITY, (21, 1)), np.zeros(3))
    assert np.allclose(joints, skeleton.rest_positions())


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(3, 20, 4\)"):
        Skeleton.mean().forward_kinematics(np.zeros((3, 20, 4)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="rest_offsets"):
        Skeleton(np.zeros((20, 3)), np.zeros((5, 3)))


def test_mirror_names() -> None:
    assert mirror_name("LeftArm") == "RightArm" and mirror_name("r_knee") == "l_knee" and mirror_name("Spine") == "Spine"
