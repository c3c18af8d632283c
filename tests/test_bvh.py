"""core.export.bvh: what is written is read back as the same motion; other people's files are understood or refused in a sentence."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_motion import random_motion

from core import rotations
from core.errors import InputError
from core.export.bvh import read_bvh, write_bvh
from core.skeleton import END_PARENTS, INDEX, JOINTS

SHARED = Path(os.environ.get("VIDEO_MOCAP_SHARED", Path(__file__).parents[2] / "shared"))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 25]), st.sampled_from([24.0, 29.97, 60.0]))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, seed: int, frames: int, fps: float) -> None:
    path = tmp_path_factory.mktemp("bvh") / "motion.bvh"
    motion = random_motion(seed, frames, fps)
    write_bvh(motion, path)
    take = read_bvh(path)
    assert take.names == JOINTS and take.fps == pytest.approx(fps, rel=1e-6)
    skeleton = take.skeleton()
    assert np.allclose(skeleton.rest_offsets, motion.skeleton.rest_offsets, atol=1e-7)
    assert np.allclose(skeleton.end_offsets, motion.skeleton.end_offsets, atol=1e-7)
    joints, _ = skeleton.forward_kinematics(take.local_rotations, take.root_translation)
    assert np.abs(joints - motion.joints_world()).max() < 1e-5
    assert [p.name for p in path.parent.iterdir()] == ["motion.bvh"]


def test_angles_do_not_jump(tmp_path: Path) -> None:
    motion = random_motion(5, 90)
    spin = rotations.from_rotation_vector(np.linspace(0, 4 * np.pi, 90)[:, None] * np.array([0.0, 0, 1]))
    local = motion.local_rotations.copy()
    local[:, 0] = spin
    write_bvh(dataclasses.replace(motion, local_rotations=local), tmp_path / "spin.bvh")
    lines = (tmp_path / "spin.bvh").read_text().splitlines()
    values = np.array([[float(v) for v in line.split()] for line in lines[-90:]])
    assert np.abs(np.diff(values[:, 3:6], axis=0)).max() < 30


def test_uneven_times_are_resampled_and_keep_the_length(tmp_path: Path) -> None:
    motion = random_motion(7, 50, uneven=True)
    write_bvh(motion, tmp_path / "uneven.bvh")
    take = read_bvh(tmp_path / "uneven.bvh")
    assert abs((len(take.local_rotations) - 1) / take.fps - (motion.times[-1] - motion.times[0])) <= 0.5 / motion.fps + 1e-6


def test_times_that_are_off_by_half_a_frame_are_resampled(tmp_path: Path) -> None:
    steady = random_motion(7, 50)
    shaky = dataclasses.replace(steady, times=steady.times + 0.5 / steady.fps * (np.arange(50) % 2))
    for motion, written in ((steady, steady), (shaky, shaky.resampled(shaky.fps))):
        write_bvh(motion, tmp_path / "take.bvh")
        np.testing.assert_allclose(read_bvh(tmp_path / "take.bvh").root_translation, written.root_translation, atol=1e-6)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "motion.bvh").mkdir()
    with pytest.raises(OSError, match=r"motion\.bvh"):
        write_bvh(random_motion(1, 2), tmp_path / "motion.bvh")
    assert [p.name for p in tmp_path.iterdir()] == ["motion.bvh"]


def test_standing_pose_in_the_file(tmp_path: Path) -> None:
    motion = random_motion(1, 1)
    write_bvh(motion, tmp_path / "a.bvh")
    text = (tmp_path / "a.bvh").read_text()
    assert text.count("JOINT") == 20 and text.count("End Site") == len(END_PARENTS)
    offset = text.split("JOINT LeftLeg")[1].split("OFFSET")[1].split()[:3]  # shins hang down: -Y in the file, centimetres
    assert [float(v) for v in offset] == pytest.approx([0, -100 * motion.skeleton.bone_lengths[INDEX["LeftLeg"]], 0], abs=1e-4)


FOREIGN = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation
  JOINT chest
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Xrotation Zrotation
    End Site
    {
      OFFSET 0 20 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
100 50 0 0 0 0 0 0 0
100 50 -100 0 90 0 0 90 0
"""


def test_another_tree_and_channel_order(tmp_path: Path) -> None:
    (tmp_path / "foreign.bvh").write_text(FOREIGN)
    take = read_bvh(tmp_path / "foreign.bvh")
    assert take.names == ("hip", "chest") and take.parents == (-1, 0) and take.fps == pytest.approx(25)
    assert np.allclose(take.root_translation, [[1, 0, 0.5], [1, 1, 0.5]])
    assert np.allclose(take.offsets, [[0, 0, 0], [0, 0, 0.1]]) and np.allclose(take.end_offsets, [[0, 0, 0.2]])
    # A quarter turn about the file's Y is one about our Z; about the file's X, about our X.
    assert np.allclose(take.local_rotations[1, 0], [np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    assert np.allclose(take.local_rotations[1, 1], [np.sqrt(0.5), np.sqrt(0.5), 0, 0])
    with pytest.raises(InputError, match="canonical"):
        take.skeleton()


@pytest.mark.parametrize("text", ["", "hello", FOREIGN[:200], FOREIGN.replace("Frames: 2", "Frames: 3"), FOREIGN.replace("0.04", "0"),
                                  FOREIGN.replace("90", "nan")])
def test_a_damaged_file_gets_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.bvh").write_text(text)
    with pytest.raises(InputError, match=r"bad\.bvh is not a complete BVH file"):
        read_bvh(tmp_path / "bad.bvh")


def test_a_missing_file_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_bvh(tmp_path / "none.bvh")


@pytest.mark.skipif(not (SHARED / "mocap").is_dir(), reason="the mocap pack is not here")
def test_the_mocap_pack_stands_upright() -> None:
    take = read_bvh(next((SHARED / "mocap" / "train").glob("07_04*.bvh")))
    joints, _ = take.skeleton().forward_kinematics(take.local_rotations, take.root_translation)
    head, feet = joints[:, INDEX["Head"], 2], joints[:, [INDEX["LeftToe"], INDEX["RightToe"]], 2]
    assert np.abs(feet.min(1)).max() < 0.2 and (head > 1.2).all() and take.fps == pytest.approx(60, rel=1e-3)
