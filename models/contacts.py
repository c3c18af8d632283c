"""The contact network: how likely each heel and toe stands, from the whole body's motion.

Problem: "low and slow in the picture" misses feet that are half hidden or badly detected, which then slide; and takes feet that fly
straight at the camera for standing ones. Learning contacts from how everything moves is the idea of Rempe et al. 2020 (Contact and human
dynamics from monocular video).
Method:  convolutions over time, half a second to either side, see the lifted body about its hips, how fast the keypoints of the legs move
         in the picture and how sure they are, and how fast the lifted feet move in the camera. All in the mean adult's metres and 30 frames
         a second, whatever the take's own times; the mean of the take and its mirror image.
Limits:  knows the ground of the floor it was trained on: what stands on a chair or a ladder mostly counts as well, what slides does not;
         of hops on one foot it makes more standing than there is (`val_hop`: peak speed 0.68 of the truth's without it, 0.62 with).

numpy but for the network.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.keypoints import CANONICAL
from core.markers import MARKERS
from core.skeleton import MEAN_STATURE, mirror_order
from core.solve.contacts import FOOT_POINTS

from . import registry

RATE = 30.0  # frames a second that the network sees
_BODY = ("Hips", "Spine1", "Neck", "Head", "LeftUpLeg", "RightUpLeg", "LeftLeg", "RightLeg", "LeftFoot", "RightFoot", "LeftToe", "RightToe",
         "l_heel", "r_heel", "LeftArm", "RightArm", "LeftHand", "RightHand")
_FEET = ("LeftFoot", "RightFoot", "LeftToe", "RightToe", "l_heel", "r_heel")
_LEGS = ("l_ankle", "r_ankle", "l_heel", "r_heel", "l_toe", "r_toe", "l_knee", "r_knee", "l_hip", "r_hip")
_FASTEST = 4.0  # metres a second: faster is an error, and not a foot that stands anyhow
_PARTS = ((_BODY, 3), (_LEGS, 2), (_LEGS, 1), (_FEET, 3))
SIZE = sum(len(names) * numbers for names, numbers in _PARTS)
"""Numbers a frame: places about the hips, velocities and confidences in the picture, velocities in the camera."""


def _columns(part: int, names: tuple[str, ...]) -> list[int]:
    """Which columns hold the numbers of these names in a part."""
    there, numbers = _PARTS[part]
    first = sum(len(n) * k for n, k in _PARTS[:part])
    return [first + numbers * there.index(n) + k for n in names for k in range(numbers)]


CONFIDENCES = _columns(2, _LEGS)
SOLES = [c for part in (1, 2) for c in _columns(part, FOOT_POINTS)]
"""The columns that a detector without heels and toes leaves empty."""


def _mirroring() -> tuple[np.ndarray, np.ndarray]:
    """Which column (SIZE,) each is in a mirror, and its sign."""
    columns, signs = [], []
    for part, (names, numbers) in enumerate(_PARTS):
        columns += _columns(part, tuple(names[i] for i in mirror_order(names)))
        signs += ([-1.0] + [1.0] * (numbers - 1) if numbers > 1 else [1.0]) * len(names)
    return np.array(columns), np.array(signs, dtype=np.float32)


_MIRRORED, _SIGNS = _mirroring()
_OTHERS = mirror_order(FOOT_POINTS)


@dataclass(frozen=True)
class Seen:
    """S frames of one person. markers: (S, M, 3) `MARKERS` about the hips, camera axes, metres, NaN where unknown; hips: (S, 3) in the
    camera; image: (S, 27, 2) `CANONICAL` keypoints at distance 1, NaN where missing; confidence: (S, 27); seconds: (S,) growing;
    stature: metres."""

    markers: np.ndarray
    hips: np.ndarray
    image: np.ndarray
    confidence: np.ndarray
    seconds: np.ndarray
    stature: float

    def between(self, start: int, stop: int) -> Seen:
        """Frames start to stop - 1."""
        cut = slice(start, stop)
        return Seen(self.markers[cut], self.hips[cut], self.image[cut], self.confidence[cut], self.seconds[cut], self.stature)


def features(seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees (F, SIZE) float32, and when (F,) seconds: at `RATE`, from the first frame on."""
    size = MEAN_STATURE / seen.stature
    seconds = seen.seconds
    grid = seconds[0] + np.arange(int(round((seconds[-1] - seconds[0]) * RATE)) + 1) / RATE
    body, feet, legs = ([names.index(n) for n in wanted] for names, wanted in ((MARKERS, _BODY), (MARKERS, _FEET), (CANONICAL, _LEGS)))
    there = np.isfinite(seen.image[:, legs]).all(-1) & (seen.confidence[:, legs] > 0)
    hips = seen.hips[:, None] * size
    shown = np.where(there[..., None], seen.image[:, legs], np.nan) * hips[..., 2:]
    lifted = seen.markers * size
    columns = (
        np.nan_to_num(at_times(lifted[:, body], seconds, grid)), _velocities(at_times(shown, seconds, grid)),
        at_times(np.where(there, seen.confidence[:, legs], 0.0), seconds, grid),
        _velocities(at_times(lifted[:, feet] + hips, seconds, grid)))
    return np.concatenate([c.reshape(len(grid), -1) for c in columns], axis=1).astype(np.float32), grid


def in_a_mirror(x: Tensor) -> Tensor:
    """Features (..., SIZE) of the mirror image."""
    return x[..., torch.from_numpy(_MIRRORED)] * torch.from_numpy(_SIGNS)


def other_side(y: Tensor) -> Tensor:
    """(..., 4) of `FOOT_POINTS` with left and right exchanged."""
    return y[..., torch.from_numpy(np.array(_OTHERS))]


def at_times(values: np.ndarray, seconds: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """values (S, ...) of times (S,) seconds at the times grid (F,), linearly, as at the ends beyond them; NaN beside NaN."""
    if len(seconds) == 1:
        return np.repeat(values, len(grid), axis=0)
    row = np.clip(np.searchsorted(seconds, grid, side="right") - 1, 0, len(seconds) - 2)
    share = np.clip((grid - seconds[row]) / (seconds[row + 1] - seconds[row]), 0.0, 1.0)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((1.0 - share) * values[row] + share * values[row + 1])


def _velocities(places: np.ndarray) -> np.ndarray:
    """Metres a second of places (F, N, D) from the frame before; 0 where one is unknown."""
    moved = np.zeros_like(places)
    moved[1:] = np.diff(places, axis=0) * RATE
    return np.clip(np.nan_to_num(moved), -_FASTEST, _FASTEST)


class Contacts(nn.Module):
    """Features (N, F, SIZE) and which frames are real (N, F) to (N, F, 4): logits of `FOOT_POINTS`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, dilations: list[int], dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(SIZE))
        self.register_buffer("deviation", torch.ones(SIZE))
        self.up = nn.Linear(SIZE, width)
        self.blocks = nn.ModuleList(_Block(width, dilation, dropout) for dilation in dilations)
        self.head = nn.Linear(width, len(FOOT_POINTS))

    def forward(self, features: Tensor, real: Tensor) -> Tensor:
        x = self.up((features - self.mean) / self.deviation)
        for block in self.blocks:
            x = x + block(x, real)
        return self.head(torch.relu(x))


class _Block(nn.Module):
    """x (N, F, width) with its neighbours `dilation` frames away."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.dropout = nn.Dropout1d(dropout)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        mixed = self.mix((self.norm(x) * real[..., None]).transpose(1, 2))
        return self.out(self.dropout(nn.functional.gelu(mixed)).transpose(1, 2))


@dataclass(frozen=True)
class Loaded:
    """The trained network. metadata: what its weights file says about its training."""

    network: nn.Module
    metadata: dict[str, Any]

    def chances(self, seen: Seen) -> np.ndarray:
        """(S, 4) in [0, 1], how likely each of `FOOT_POINTS` does, in frames without long holes between them."""
        x, grid = features(seen)
        batch = torch.from_numpy(x)[None]
        with torch.inference_mode():
            found = chances_of(self.network, batch, torch.ones(batch.shape[:2], dtype=torch.bool))[0].numpy()
        return at_times(found, grid, seen.seconds)


def chances_of(network: nn.Module, x: Tensor, real: Tensor) -> Tensor:
    """(N, F, 4) in [0, 1]: the mean of what the network says of features (N, F, SIZE) and of their mirror image."""
    return (network(x, real).sigmoid() + other_side(network(in_a_mirror(x), real).sigmoid())) / 2


@functools.cache
def load() -> Loaded:
    """The trained network. Raises InputError (missing, damaged)."""
    path = registry.WEIGHTS / "contacts.safetensors"
    return Loaded(*registry.restore(path, "the foot contacts", lambda config: Contacts(**config["arguments"])))
