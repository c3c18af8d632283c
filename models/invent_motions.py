"""Takes of motions that nobody made, as BVH files: for `models.render_detections`, so that a real detector sees more than the pack holds.

    python -m models.invent_motions --data MOCAP_DIR --out BVH_DIR [--count 600]

Each take is 2.5 s of a file of train/ with limbs and trunk of others, bent, turned and striking (`models.variety`), lifted until nothing
of the skeleton is beneath the floor. Half of them are turned over, by any angle: they fall, hang or stand on their heads, of which the pack
holds nearly nothing. Limits: bodies may go through themselves, feet slide, and some hover.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.export.bvh import write_bvh
from core.motion import Camera, Motion
from core.rotations import continuous, from_matrix
from core.skeleton import JOINTS, PARENTS, Skeleton

from . import mocap
from .script import run_script
from .synthesis import recombined
from .variety import turned_over, varied

_FPS = 30.0
_FRAMES = 75
_TURNED_OVER = 0.5  # of the takes
_CLEAR = 0.02  # metres: no joint or end comes nearer to the floor
_AT_ONCE = 50  # takes that exchange limbs


def invented(part: mocap.Part, rng: np.random.Generator, count: int) -> list[Motion]:
    """`count` takes of 2.5 s at 30 frames a second."""
    files = part.draw_files(rng, count)
    turns, root = recombined(rng, *part.stretches(rng, files, np.full(count, _FPS), _FRAMES))
    turns = varied(rng, turns, share=1.0)
    chosen = np.flatnonzero(rng.random(count) < _TURNED_OVER)
    turns[chosen], root[chosen] = turned_over(rng, rng.uniform(-np.pi, np.pi, (len(chosen), 1)), turns[chosen], root[chosen])
    return [_motion(Skeleton(offsets[: len(JOINTS)], offsets[len(JOINTS):]), t, r)
            for offsets, t, r in zip(part.offsets[files], turns, root, strict=True)]


def _motion(skeleton: Skeleton, turns: np.ndarray, root: np.ndarray) -> Motion:
    """Global rotations (T, 21, 3, 3) and root (T, 3) as a take that is nowhere beneath the floor."""
    matrices, root = turns.astype(np.float64), root.astype(np.float64)
    matrices[:, 1:] = np.swapaxes(turns[:, list(PARENTS[1:])], -1, -2) @ turns[:, 1:]
    local = continuous(from_matrix(matrices))
    joints, rotations = skeleton.forward_kinematics(local, root)
    lowest = min(joints[..., 2].min(), skeleton.end_positions(joints, rotations)[..., 2].min())
    root[:, 2] += max(0.0, _CLEAR - lowest)
    return nobodys_take(skeleton, local, root, _FPS)


def nobodys_take(skeleton: Skeleton, local: np.ndarray, root: np.ndarray, fps: float) -> Motion:
    """A take that no camera saw: local rotations (T, 21, 4) and root (T, 3) metres at fps frames a second."""
    frames = len(root)
    nowhere = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 1, 1)
    return Motion(skeleton, local, root, np.arange(frames) / fps, fps, np.ones((frames, len(JOINTS))), np.zeros((frames, 4), dtype=bool),
                  nowhere, (), np.zeros((frames, 0, 3)))


def main(argv: list[str]) -> int:
    """Writes the takes."""
    parser = argparse.ArgumentParser(prog="python -m models.invent_motions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="mocap folder with train/ and val/")
    parser.add_argument("--out", type=Path, required=True, help="where the BVH files go")
    parser.add_argument("--count", type=int, default=600, help="how many (600)")
    args = parser.parse_args(argv)
    part = mocap.load(args.data).part("train")
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for first in range(0, args.count, _AT_ONCE):
        for n, motion in enumerate(invented(part, rng, min(_AT_ONCE, args.count - first)), first):
            write_bvh(motion, args.out / f"invented_{n:05d}.bvh")
    return 0


if __name__ == "__main__":
    run_script(main)
