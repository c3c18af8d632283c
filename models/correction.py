"""The correction network: where an ankle or a wrist should be in the picture, from the rest of the body and from other frames.

Problem: detectors put an ankle on the other ankle, a hand on a chair, a foot where the frame ends; everything else of the person is
often right. Re-predicting the lower limbs from the rest of the body is the idea of the correction networks of in-the-wild capture.
Method:  a limb's end (ankle, heel, toe; or wrist, knuckles, thumb) is hidden in the frame of the question, and wherever else it is not
         believed; a small network of fully connected layers sees the other keypoints of nine frames about it, up to a quarter of a
         second away, and answers with the end's place and the error that it expects. Positions are relative to the head, trunk,
         elbows and knees of that frame and in units of their spread, so that the answer moves, grows and is mirrored with the
         picture: right limbs are asked about as left ones in a mirror. The answer is an offset from an anchor: the hidden point
         between the nearest frames that show it, else the knee or the elbow.
Limits:  no lens and no depth beyond the detector's own, which is optional; a limb that nothing points to (an arm alone) comes back
         with a large expected error.

Units: pixels outside, the spread inside. numpy but for the network.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.keypoints import CANONICAL
from core.skeleton import mirror_order

from . import registry

LIMBS: tuple[str, ...] = ("l_leg", "r_leg", "l_arm", "r_arm")
_PARTS = {"leg": ("ankle", "heel", "toe", "toe"), "arm": ("wrist", "index", "pinky", "thumb")}
_PARENTS = {"leg": ("knee", "hip"), "arm": ("elbow", "shoulder")}
POINTS = np.array([[CANONICAL.index(f"{limb[:2]}{part}") for part in _PARTS[limb[2:]]] for limb in LIMBS])
"""(4, 4) the keypoints that end each limb, the one that decides first; a leg's toe stands twice."""
FRAMES = np.array([-8, -4, -2, -1, 0, 1, 2, 4, 8])
"""The frames of a window about the one in question, in steps of about 1/30 s."""
SIZE = 5 * len(CANONICAL) + 3
"""Numbers a frame: x, y, confidence, there, depth of each keypoint; seconds from the frame in question, frame there, has depth."""

_CENTRE = len(FRAMES) // 2
_RATE = 30.0
_MIRROR = mirror_order(CANONICAL)
_PARENT = np.array([[CANONICAL.index(f"l_{part}") for part in _PARENTS[limb[2:]]] for limb in LIMBS])
_REFERENCE = np.array([i for i in range(len(CANONICAL)) if i not in POINTS])
_LEAST_REFERENCE = 5  # keypoints without which there is nothing to go by
_TYPICAL_ERROR, _RANGE = 0.1, 3.0  # of the spread; natural logarithm
_BATCH = 1024  # questions at a time


@dataclass(frozen=True)
class Take:
    """F frames of `CANONICAL` keypoints. xy: (F, 27, 2) pixels, NaN where missing; confidence: (F, 27); depth: (F, 27) pixels, NaN
    where missing; seconds: (F,)."""

    xy: np.ndarray
    confidence: np.ndarray
    depth: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class Questions:
    """Q questions as the network takes them.

    features: (Q, 9, SIZE) float32, a left limb always; anchor: (Q, 4, 2) of the limb's points, mirrored likewise, in units of the
    spread; centre: (Q, 2) pixels; spread: (Q,) pixels, NaN where there is too little to go by; mirror: (Q,) 1 or -1; limb: (Q,).
    """

    features: np.ndarray
    anchor: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    mirror: np.ndarray
    limb: np.ndarray

    def inside(self, xy: np.ndarray) -> np.ndarray:
        """Points (Q, 4, 2) pixels in the network's frame."""
        return (xy - self.centre[:, None]) / self.spread[:, None, None] * self._turn()

    def outside(self, points: np.ndarray) -> np.ndarray:
        """The reverse of `inside`."""
        return np.asarray(points * self._turn() * self.spread[:, None, None] + self.centre[:, None])

    def _turn(self) -> np.ndarray:
        return np.stack([self.mirror, np.ones_like(self.mirror)], axis=-1)[:, None]


def window_rows(first: np.ndarray | int, after: np.ndarray | int, frame: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """(Q, 9) rows of the windows about frames (Q,) of takes that reach from row `first` to before `after`; -1 beyond their ends.

    seconds: (F,) of all rows; windows take every second frame at 60 frames a second, and so on.
    """
    steps = np.diff(seconds)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else 1.0 / _RATE
    rows = frame[:, None] + FRAMES * max(1, round(1.0 / (_RATE * usual)))
    return np.where((rows >= np.reshape(first, (-1, 1))) & (rows < np.reshape(after, (-1, 1))), rows, -1)


def ask(take: Take, rows: np.ndarray, limb: np.ndarray, hidden: np.ndarray) -> Questions:
    """Where are the ends of `limb` (Q,) in the middle frames of windows `rows` (Q, 9)?

    hidden: (Q, 9, 4) bool, which limbs' ends are not to be believed in which frame of the window; the one in question never is in
    the middle frame.
    """
    count = len(rows)
    concealed = np.zeros((count, len(FRAMES), len(CANONICAL)), dtype=bool)
    for i, points in enumerate(POINTS):
        concealed[:, :, points] = (hidden[:, :, i] | (np.equal(limb, i)[:, None] & np.equal(FRAMES, 0)))[..., None]
    xy, confidence, depth = take.xy[rows], take.confidence[rows], take.depth[rows]
    there = np.greater_equal(rows, 0)[..., None] & ~concealed & (confidence > 0) & np.isfinite(xy).all(-1)
    centre, spread = _frame_of(xy[:, _CENTRE], np.where(there[:, _CENTRE], confidence[:, _CENTRE], 0.0))
    right = (limb % 2).astype(bool)
    mirror = np.where(right, -1.0, 1.0)
    flat = (xy - centre[:, None, None]) / spread[:, None, None, None] * np.stack([mirror, np.ones(count)], axis=-1)[:, None, None]
    depth = depth / spread[:, None, None]
    columns = np.concatenate([flat, confidence[..., None], there[..., None], depth[..., None]], axis=-1)
    columns[right] = columns[right][:, :, _MIRROR]
    there = columns[..., 3] > 0
    columns = np.where(there[..., None], np.nan_to_num(columns), 0.0)
    has_depth = (columns[..., 4] != 0).any(-1)
    seconds = np.where(rows >= 0, take.seconds[rows] - take.seconds[rows[:, _CENTRE, None]], 0.0)
    whole = np.stack([10.0 * seconds, there.any(-1), has_depth], axis=-1)
    features = np.concatenate([columns.reshape(count, len(FRAMES), -1), whole], axis=-1)
    anchor = _anchor(columns, seconds, limb)
    return Questions(np.clip(features, -8.0, 8.0).astype(np.float32), anchor, centre, spread, mirror, limb)


def _frame_of(xy: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle (Q, 2) and spread (Q,) of the reference keypoints of frames xy (Q, 27, 2); NaN where there are too few."""
    xy, weight = np.nan_to_num(xy[:, _REFERENCE]), np.where(weight[:, _REFERENCE] > 0, np.maximum(weight[:, _REFERENCE], 0.1), 0.0)
    total = np.maximum(weight.sum(1), 1e-9)
    centre = (weight[..., None] * xy).sum(1) / total[:, None]
    spread = np.sqrt((weight * ((xy - centre[:, None]) ** 2).sum(-1)).sum(1) / total)
    enough = ((weight > 0).sum(1) >= _LEAST_REFERENCE) & (spread > 1e-6)
    return np.where(enough[:, None], centre, np.nan), np.where(enough, spread, np.nan)


def _anchor(columns: np.ndarray, seconds: np.ndarray, limb: np.ndarray) -> np.ndarray:
    """(Q, 4, 2): the points where the frames nearest before and after have them; the knee's or elbow's place where none has."""
    own = np.take_along_axis(columns, POINTS[limb // 2 * 2][:, None, :, None], axis=2)  # as a left limb's
    best: list[np.ndarray] = []
    when: list[np.ndarray] = []
    there: list[np.ndarray] = []
    for side in (slice(_CENTRE - 1, None, -1), slice(_CENTRE + 1, None)):
        shown = np.greater(own[:, side, :, 3], 0)
        nearest = shown.argmax(1)[:, None]
        best.append(np.take_along_axis(own[:, side], nearest[..., None], axis=1)[:, 0, :, :2])
        when.append(np.abs(np.take_along_axis(seconds[:, side], nearest[:, 0], axis=1)))
        there.append(shown.any(1))
    share = when[0] / np.maximum(when[0] + when[1], 1e-9)
    share = np.where(np.logical_and(*there), share, there[1])[..., None]
    between = (1 - share) * best[0] + share * best[1]
    parents = np.take_along_axis(columns[:, _CENTRE], _PARENT[limb][:, :, None], axis=1)
    parent = np.where(parents[:, :1, 3:4] > 0, parents[:, :1, :2], parents[:, 1:, :2])
    return np.where(np.logical_or(*there)[..., None], between, parent)


class Correction(nn.Module):
    """Features (Q, 9, SIZE) to (Q, 2, 4, 3) for a leg and an arm: offset of each point from its anchor, log of the expected error."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, frame_width: int, width: int, blocks: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SIZE))
        self.register_buffer("deviation", torch.ones(SIZE))
        self.frame = nn.Linear(SIZE, frame_width)
        self.up = nn.Linear(len(FRAMES) * frame_width, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
                                    for _ in range(blocks))
        self.head = nn.Linear(width, 2 * 4 * 3)

    def forward(self, features: Tensor) -> Tensor:
        x = self.up(torch.relu(self.frame((features - self.mean) / self.deviation)).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        raw = self.head(torch.relu(x)).unflatten(-1, (2, 4, 3))
        return torch.cat([raw[..., :2], math.log(_TYPICAL_ERROR) + _RANGE * torch.tanh(raw[..., 2:] / _RANGE)], dim=-1)


@dataclass(frozen=True)
class Loaded:
    """The trained network. metadata: what its weights file says about its training."""

    network: nn.Module
    metadata: dict[str, Any]

    def answer(self, take: Take, rows: np.ndarray, limb: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places (Q, 4, 2) of the limbs' points and the errors (Q, 4) to be expected, pixels; NaN where there is too little to go by.

        Arguments as for `ask`.
        """
        places, expected = np.full((len(rows), 4, 2), np.nan), np.full((len(rows), 4), np.nan)
        for first in range(0, len(rows), _BATCH):
            part = slice(first, first + _BATCH)
            asked = ask(take, rows[part], limb[part], hidden[part])
            with torch.inference_mode():
                raw = self.network(torch.from_numpy(asked.features)).numpy().astype(np.float64)
            raw = raw[np.arange(len(raw)), asked.limb // 2]
            places[part] = asked.outside(asked.anchor + raw[..., :2])
            expected[part] = np.exp(raw[..., 2]) * asked.spread[:, None]
        return places, expected


@functools.cache
def load() -> Loaded:
    """The trained network. Raises InputError (missing, damaged)."""
    path = registry.WEIGHTS / "correction.safetensors"
    return Loaded(*registry.restore(path, "the keypoint correction", lambda config: Correction(**config["arguments"])))
