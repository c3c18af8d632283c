"""Invented takes of people who sit, kneel and lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.export.bvh import read_bvh
from core.skeleton import INDEX
from core.solve.limits import beyond_limits
from models import mocap
from models.postures import KINDS, main, posture_take


def test_takes_lie_on_the_floor_and_bend_as_people_do() -> None:
    rng = np.random.default_rng(1)
    takes = [posture_take(rng) for _ in range(60)]
    heights = []
    for take in takes:
        joints = take.joints_world()
        assert joints[..., 2].min() > 0.0 and joints[..., 2].min(axis=1).max() < 0.15
        hinges = [INDEX[f"{side}{n}"] for side in ("Left", "Right") for n in ("Leg", "ForeArm")]
        assert np.degrees(beyond_limits(take.local_rotations)[:, hinges]).max() < 12.0
        heights += [joints[:, INDEX["Hips"], 2].min()]
    assert np.mean(np.array(heights) < 0.5) > 0.4  # of which the pack holds nearly none


def test_no_kind_is_left_out_and_sides_are_alike() -> None:
    assert len(KINDS) == 8 and all(len(postures) >= 3 for postures in KINDS.values())
    rng = np.random.default_rng(2)
    knees = np.array([posture_take(rng).local_rotations[:, [INDEX["LeftLeg"], INDEX["RightLeg"]], 1].mean(axis=0) for _ in range(150)])
    assert abs(np.diff(knees.mean(axis=0))[0]) < 0.04


def test_the_files_go_into_a_mocap_folder(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "train"), "--count", "2"]) == 0 and main(["--out", str(tmp_path / "val"), "--count", "1"]) == 0
    assert read_bvh(tmp_path / "train" / "posture_00001.bvh").fps == pytest.approx(mocap.FPS, rel=1e-6)
    assert len(mocap.load(tmp_path).part("train").names) == 2
