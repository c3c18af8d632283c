"""Takes of motions that nobody made, as BVH files: for `models.render_detections`, so that a real detector sees more than the pack holds.

    python -m models.invent_motions --data MOCAP_DIR --out BVH_DIR [--count 600]

Each take is 2.5 s of a file of train/ with limbs and trunk of others, bent, turned and striking (`models.variety`), lifted until nothing
is beneath the floor. A fifth of them are tilted: they lie, hang or fall. Limits: bodies may go through themselves, and feet slide.
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
from .synthesis import recombined
from .variety import turned_over, varied

_FPS = 30.0
_FRAMES = 75
_TILTED = 0.2  # of the takes
_TOE = 0.025  # metres: no joint comes nearer to the floor


def invented(part: mocap.Part, rng: np.random.Generator, count: int) -> list[Motion]:
    """`count` takes of 2.5 s at 30 frames a second."""
    weight = np.sqrt(part.length)
    files = rng.choice(len(weight), count, p=weight / weight.sum())
    step = int(mocap.FPS / _FPS)
    last = part.length[files] - 1
    begin = (rng.random(count) * np.maximum(last - step * _FRAMES, 1)).astype(int)
    place = begin[:, None] + step * np.arange(_FRAMES)
    rows = part.start[files][:, None] + last[:, None] - np.abs(last[:, None] - place % (2 * last[:, None]))  # to and fro in short files
    turns, root = recombined(rng, part.rotations[rows], part.root[rows])
    turns = varied(rng, turns, share=1.0)
    tilted = np.flatnonzero(rng.random(count) < _TILTED)
    turns[tilted], root[tilted] = turned_over(rng, rng.uniform(-2.1, 2.1, (len(tilted), 1)), turns[tilted], root[tilted])
    return [_motion(Skeleton(offsets[: len(JOINTS)], offsets[len(JOINTS):]), t, r)
            for offsets, t, r in zip(part.offsets[files], turns, root, strict=True)]


def _motion(skeleton: Skeleton, turns: np.ndarray, root: np.ndarray) -> Motion:
    """Global rotations (T, 21, 3, 3) and root (T, 3) as a take that is nowhere beneath the floor."""
    local = turns.astype(np.float64)
    local[:, 1:] = np.swapaxes(turns[:, list(PARENTS[1:])], -1, -2) @ turns[:, 1:]
    frames = len(root)
    nowhere = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 1, 1)
    motion = Motion(
        skeleton, continuous(from_matrix(local)), root.astype(np.float64), np.arange(frames) / _FPS, _FPS, np.ones((frames, len(JOINTS))),
        np.zeros((frames, 4), dtype=bool), nowhere, (), np.zeros((frames, 0, 3)))
    motion.root_translation[:, 2] += max(0.0, _TOE - motion.joints_world()[..., 2].min())
    return motion


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.invent_motions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="mocap folder with train/ and val/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    part = mocap.load(args.data).part("train")
    done = 0
    while done < args.count:
        for motion in invented(part, rng, min(50, args.count - done)):
            write_bvh(motion, args.out / f"invented_{done:05d}.bvh")
            done += 1
    print(f"{done} takes in {args.out}")


if __name__ == "__main__":
    main()
