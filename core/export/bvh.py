"""BVH: the motion as a text file that every 3D program opens, and a reader for any BVH.

Problem: BVH knows one frame time, Euler angles and no units. Method: centimetres, Y up, the person faces +Z at the start (what
Blender's, Maya's and MotionBuilder's importers expect), channels Z X Y (R = Rz Rx Ry) unwrapped in time, one End Site for each end
of the skeleton; a take with uneven times is resampled to its nominal rate, so that it lasts as long as the video. The reader takes
any channel order, any tree and several End Sites, and turns everything into our axes and metres.
Limits: a BVH carries no camera, contacts or confidence; joint translations other than the root's are read but not kept.
numpy only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import rotations
from ..errors import InputError
from ..motion import Motion
from ..skeleton import END_PARENTS, JOINTS, PARENTS, Skeleton

CENTIMETRES = 100.0


@dataclass(frozen=True)
class BvhTake:
    """What a BVH holds, in our axes (Z up, the rest pose faces -Y) and metres; J joints in the file's (depth first) order, T frames.

    offsets: (J, 3) from the parent in the rest pose. end_parents: (E,) index of the joint that each End Site hangs on;
    end_offsets: (E, 3). local_rotations: (T, J, 4) (w, x, y, z), continuous in time. root_translation: (T, 3). fps: 1 / frame time.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    end_parents: tuple[int, ...]
    end_offsets: np.ndarray
    local_rotations: np.ndarray
    root_translation: np.ndarray
    fps: float

    def skeleton(self) -> Skeleton:
        """The canonical skeleton, when the file's joints are its 21; raises InputError otherwise. Ends that it lacks get no length."""
        if self.names != JOINTS or self.parents != PARENTS:
            raise InputError("The BVH file's joints are not the 21 of the canonical skeleton.")
        offsets = self.offsets.copy()
        offsets[0] = 0.0
        ends = np.zeros((len(END_PARENTS), 3))
        for row, parent in enumerate(END_PARENTS.values()):
            if JOINTS.index(parent) in self.end_parents:
                ends[row] = self.end_offsets[self.end_parents.index(JOINTS.index(parent))]
        return Skeleton(offsets, ends)


def write_bvh(motion: Motion, path: str | os.PathLike) -> None:
    """Writes `motion` as a BVH file, complete or not there at all. Times that are not steady are resampled to `motion.fps`."""
    motion = motion if is_steady(motion) else motion.resampled(motion.fps)
    text = "\n".join([*_hierarchy(motion.skeleton), *_frames(motion)]) + "\n"
    temporary = Path(path).with_suffix(".partial")
    try:
        temporary.write_text(text, encoding="ascii", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_bvh(path: str | os.PathLike) -> BvhTake:
    """Reads a BVH file in centimetres with Y up. Raises InputError with one sentence when it cannot be one."""
    try:
        words = iter(Path(path).read_text(encoding="utf-8", errors="replace").split())
        return _take(words)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, StopIteration, IndexError) as error:
        raise InputError(f"{path} is not a complete BVH file.") from error


def is_steady(motion: Motion) -> bool:
    """Whether every frame lies within a tenth of a frame of the nominal rate's grid."""
    expected = motion.times[0] + np.arange(len(motion)) / motion.fps
    return bool(np.abs(motion.times - expected).max() < 0.1 / motion.fps)


def _to_file(vectors: np.ndarray) -> np.ndarray:
    """Our vectors (..., 3), Z up and facing -Y, as the file's, Y up and facing +Z."""
    return np.stack([vectors[..., 0], vectors[..., 2], -vectors[..., 1]], axis=-1)


def _from_file(vectors: np.ndarray) -> np.ndarray:
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)


def _hierarchy(skeleton: Skeleton) -> list[str]:
    ends = dict(zip(END_PARENTS.values(), _to_file(skeleton.end_offsets) * CENTIMETRES, strict=True))
    offsets = _to_file(skeleton.rest_offsets) * CENTIMETRES
    lines = ["HIERARCHY"]

    def block(title: str, offset: np.ndarray, depth: int, joint: int | None) -> None:
        tab = "\t" * depth
        lines.extend([f"{tab}{title}", f"{tab}{{", f"{tab}\tOFFSET " + " ".join(f"{v:.6f}" for v in offset + 0.0)])
        if joint is not None:
            position = "6 Xposition Yposition Zposition" if joint == 0 else "3"
            lines.append(f"{tab}\tCHANNELS {position} Zrotation Xrotation Yrotation")
            for child in (i for i, parent in enumerate(PARENTS) if parent == joint):
                block(f"JOINT {JOINTS[child]}", offsets[child], depth + 1, child)
            if JOINTS[joint] in ends:
                block("End Site", ends[JOINTS[joint]], depth + 1, None)
        lines.append(f"{tab}}}")

    block(f"ROOT {JOINTS[0]}", offsets[0], 0, 0)
    return lines


def _frames(motion: Motion) -> list[str]:
    local = motion.local_rotations
    in_file = np.concatenate([local[..., :1], _to_file(local[..., 1:])], axis=-1)
    angles = np.degrees(rotations.to_euler(in_file, "ZXY")).reshape(len(motion), -1)
    # The tree is written depth first, and JOINTS is in that order, so the columns follow it.
    values = np.concatenate([_to_file(motion.root_translation) * CENTIMETRES, angles], axis=1)
    rows = [" ".join(f"{v:.6f}" for v in row) for row in values + 0.0]
    return ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {1.0 / motion.fps:.9f}", *rows]


@dataclass
class _Tree:
    names: list[str]
    parents: list[int]
    offsets: list[list[float]]
    channels: list[list[str]]
    end_parents: list[int]
    end_offsets: list[list[float]]


def _take(words: Iterator[str]) -> BvhTake:
    _expect(words, "HIERARCHY")
    tree = _tree(words)
    _expect(words, "Frames:")
    count = int(next(words))
    _expect(words, "Frame")
    _expect(words, "Time:")
    frame_time = float(next(words))
    width = sum(len(c) for c in tree.channels)
    values = np.array([float(w) for w in words]).reshape(-1, width)
    if len(values) != count or count < 1 or not frame_time > 0 or not np.isfinite(values).all():
        raise ValueError("frames missing")
    local, root = _channels_to_motion(tree, values)
    return BvhTake(
        tuple(tree.names), tuple(tree.parents), _from_file(np.array(tree.offsets)) / CENTIMETRES, tuple(tree.end_parents),
        _from_file(np.array(tree.end_offsets).reshape(-1, 3)) / CENTIMETRES, rotations.continuous(local), root, 1.0 / frame_time)


def _expect(words: Iterator[str], word: str) -> None:
    if next(words) != word:
        raise ValueError(f"{word} expected")


def _tree(words: Iterator[str]) -> _Tree:
    """Everything from ROOT to the word MOTION."""
    tree = _Tree([], [], [], [], [], [])
    stack: list[int] = []  # joint numbers that are open; -1 for an End Site
    for word in words:
        if word in ("ROOT", "JOINT"):
            tree.parents.append(stack[-1] if stack else -1)
            tree.names.append(next(words))
            tree.channels.append([])
            stack.append(len(tree.names) - 1)
        elif word == "End":
            _expect(words, "Site")
            tree.end_parents.append(stack[-1])
            stack.append(-1)
        elif word == "OFFSET":
            (tree.offsets if stack[-1] >= 0 else tree.end_offsets).append([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            tree.channels[stack[-1]] = [next(words) for _ in range(int(next(words)))]
        elif word == "}":
            stack.pop()
        elif word == "MOTION":
            return tree
        elif word != "{":
            raise ValueError(f"unknown word {word}")
    raise ValueError("no MOTION")


def _channels_to_motion(tree: _Tree, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations (T, J, 4) and root translation (T, 3) in our axes, from the channel values (T, channels)."""
    local = np.empty((len(values), len(tree.names), 4))
    root = np.zeros((len(values), 3))
    column = 0
    for joint, channels in enumerate(tree.channels):
        block = values[:, column:column + len(channels)]
        column += len(channels)
        turns = [i for i, c in enumerate(channels) if c.endswith("rotation")]
        in_file = rotations.from_euler(np.radians(block[:, turns]), "".join(channels[i][0] for i in turns))
        in_file = np.broadcast_to(in_file, (len(values), 4))
        local[:, joint] = np.concatenate([in_file[:, :1], _from_file(in_file[:, 1:])], axis=-1)
        if joint == 0:
            for i, channel in enumerate(channels):
                if channel.endswith("position"):
                    root[:, "XYZ".index(channel[0])] = block[:, i]
    return local, _from_file(root) / CENTIMETRES
