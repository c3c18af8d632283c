"""Blender's own BVH importer shows our file as the same motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from core import rotations  # noqa: E402
from core.export.bvh import write_bvh  # noqa: E402
from core.motion import Camera, Motion  # noqa: E402
from core.skeleton import JOINTS, Skeleton  # noqa: E402

FRAMES = 40


def wild_motion() -> Motion:
    """Large smooth turns of every joint, somebody who spins twice while walking away."""
    generator = np.random.default_rng(4)
    time = np.linspace(0, 1, FRAMES)[:, None, None]
    turns = 0.5 * np.sin(2 * np.pi * (time * generator.uniform(0.5, 2, (1, 21, 3)) + generator.uniform(size=(1, 21, 3))))
    turns[:, 0] = [0.1, 0.0, 0.0]
    local = rotations.from_rotation_vector(turns)
    spin = rotations.from_rotation_vector(np.linspace(0, 4 * np.pi, FRAMES)[:, None] * np.array([0.0, 0, 1]))
    local[:, 0] = rotations.multiply(spin, local[:, 0])
    root = np.linspace([0, 0, 0.9], [2, -3, 1.1], FRAMES)
    camera = Camera(np.eye(3), np.tile(np.eye(3), (FRAMES, 1, 1)), np.zeros((FRAMES, 3)), 10, 10)
    return Motion(Skeleton.mean(1.6), rotations.continuous(local), root, np.arange(FRAMES) / 30.0, 30.0, np.ones((FRAMES, 21)),
                  np.zeros((FRAMES, 4), bool), camera, (), np.zeros((FRAMES, 0, 3)))


def test_importer_shows_the_same_joints(tmp_path: Path) -> None:
    motion = wild_motion()
    write_bvh(motion, tmp_path / "take.bvh")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_anim.bvh(filepath=str(tmp_path / "take.bvh"), global_scale=0.01, frame_start=1)
    armature = bpy.context.object
    expected = motion.joints_world()
    for frame in range(FRAMES):
        bpy.context.scene.frame_set(frame + 1)
        shown = np.array([armature.matrix_world @ armature.pose.bones[name].head for name in JOINTS])
        assert np.abs(shown - expected[frame]).max() < 1e-3, f"frame {frame}"
