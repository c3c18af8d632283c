"""The mocap pack (BVH) as arrays: global rotations, the root's path and each file's bones, parsed once and cached.

The files: one skeleton of 21 joints with the canonical names, centimetres, Y up, 60 frames a second, every rest frame the world frame
(the pack's README). Here: metres, the world with Z up and the person facing -Y (`core.export.bvh`). An outsider gets the same
motions from the CMU database (mocap.cs.cmu.edu) and its public BVH conversions; other skeletons are refused.

The cache (~/.cache/video-mocap) holds motions, so it never belongs in the repository. numpy only.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import rotations
from core.errors import InputError
from core.export.bvh import read_bvh
from core.skeleton import JOINTS

CACHE = Path.home() / ".cache" / "video-mocap"
FPS = 60.0


@dataclass(frozen=True)
class Part:
    """The files of one part, frames one after the other.

    rotations: (N, 21, 3, 3) float32, of each joint from the T-pose, world axes. root: (N, 3) metres. offsets: (C, 26, 3) of the 21
    joints and 5 ends from their parents, metres. start, length: (C,) rows of each file. names: (C,) file names.
    """

    rotations: np.ndarray
    root: np.ndarray
    offsets: np.ndarray
    start: np.ndarray
    length: np.ndarray
    names: np.ndarray

    def draw_files(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count,) indices of files; long ones more often, by the root of their length."""
        weight = np.sqrt(self.length)
        return rng.choice(len(weight), count, p=weight / weight.sum())

    def stretches(self, rng: np.random.Generator, files: np.ndarray, rate: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Global rotations (N, T, 21, 3, 3) and roots (N, T, 3) of random stretches of files (N,) at rate (N,) frames a second, 0.8 to 1.25
        times as fast, between the file's frames where need be and to and fro where it is too short."""
        last = self.length[files] - 1.0
        step = FPS / rate * rng.uniform(0.8, 1.25, len(files))
        begin = rng.uniform(0.0, np.maximum(last - step * frames, 1.0))
        place = begin[:, None] + step[:, None] * np.arange(frames)
        place = last[:, None] - np.abs(last[:, None] - place % (2 * last[:, None]))
        lower = np.minimum(place.astype(int), last[:, None].astype(int) - 1)
        part = (place - lower).astype(np.float32)[..., None]
        row = self.start[files][:, None] + lower
        turns = self.rotations
        between = (1 - part[..., None, None]) * turns[row] + part[..., None, None] * turns[row + 1]
        return between, (1 - part) * self.root[row] + part * self.root[row + 1]


@dataclass(frozen=True)
class Pack:
    """The parsed pack. digest: a short hash of all files' content."""

    parts: dict[str, Part]
    digest: str

    def part(self, name: str) -> Part:
        """"train" or "val"."""
        return self.parts[name]


def load(folder: Path) -> Pack:
    """Parses `folder`/train and `folder`/val, or takes them from the cache. Raises InputError when there are no BVH files."""
    files = {part: sorted((folder / part).glob("*.bvh")) for part in ("train", "val")}
    for part, paths in files.items():
        if not paths:
            raise InputError(f"There are no BVH files in {folder / part}; give the mocap folder with train/ and val/ as --data.")
    digest = _digest([p for paths in files.values() for p in paths])
    cache = CACHE / f"mocap-{digest}-{len(files['train'])}.npz"  # the files in their order, and how many of them are train/'s
    if not cache.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        arrays = {f"{part}_{k}": v for part, paths in files.items() for k, v in _parse_all(paths).items()}
        temporary = cache.with_suffix(f".{os.getpid()}.npz")  # two trainings may begin at once
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # its allow_pickle confuses mypy
        temporary.replace(cache)
    with np.load(cache) as data:
        return Pack({part: _part({k: data[f"{part}_{k}"] for k in ("quaternions", "root", "offsets", "length", "names")})
                     for part in files}, digest)


def _part(a: dict[str, np.ndarray]) -> Part:
    start = np.concatenate([[0], np.cumsum(a["length"])[:-1]])
    matrices = rotations.to_matrix(a["quaternions"]).astype(np.float32)
    return Part(matrices, a["root"], a["offsets"].astype(np.float32), start, a["length"], a["names"])


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _parse_all(paths: list[Path]) -> dict[str, np.ndarray]:
    parsed = [_parse(path) for path in paths]
    return {"quaternions": np.concatenate([p[0] for p in parsed]).astype(np.float32),
            "root": np.concatenate([p[1] for p in parsed]).astype(np.float32), "offsets": np.stack([p[2] for p in parsed]),
            "length": np.array([len(p[0]) for p in parsed]), "names": np.array([p.name for p in paths])}


def _parse(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Global rotations (T, 21, 4), root (T, 3), offsets (26, 3) of one file, our axes and metres. Raises InputError."""
    take = read_bvh(path)
    if take.names != JOINTS:
        raise InputError(f"{path} has another skeleton than the mocap pack; its joints must be {', '.join(JOINTS)}.")
    if abs(FPS / take.fps - 1) > 0.01:
        raise InputError(f"{path} has {take.fps:.3g} frames a second; the mocap pack has {FPS:g}.")
    skeleton = take.skeleton()
    _, globals_ = skeleton.forward_kinematics(take.local_rotations, take.root_translation)
    return globals_, take.root_translation, np.concatenate([skeleton.rest_offsets, skeleton.end_offsets])
