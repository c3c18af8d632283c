"""What a lifting network sees of a frame: keypoints as the person-centred virtual camera sees them.

Problem: the same pose must look the same to the network wherever the person stands, however large, and whatever is missing.
Method, frame by frame: keypoints become rays in a virtual camera that looks at the person (`core.camera.person_view`), centred and
divided by their spread; the logarithm of the spread stays as one number (perspective is stronger up close). Beside them stand the
confidence, whether the keypoint is inside the picture, and, where the detector gives them, its depth over the same spread and its
world landmarks (as they are: they already belong to a camera that looks at the person). Missing numbers are zero with a flag at zero.
Limits: nothing here knows time or the world.

numpy only, any leading batch dimensions: lifting and training call the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.camera import person_view, pixel_rays
from core.keypoints import CANONICAL

KEYPOINTS = len(CANONICAL)
CHANNELS = 9
SIZE = CHANNELS * KEYPOINTS + 3
"""Numbers a frame: x, y, confidence, there, inside, depth, world x, y, z of each keypoint; log spread, has depth, has world."""

X_COLUMNS: tuple[int, ...] = tuple(CHANNELS * k + channel for k in range(KEYPOINTS) for channel in (0, 6))
"""The columns that change their sign in a mirror: x in the picture and of the world landmark."""

FLAT: tuple[int, ...] = (*(CHANNELS * k + channel for k in range(KEYPOINTS) for channel in range(5)), CHANNELS * KEYPOINTS)
"""The columns that come from positions in the picture and confidences alone: what the older networks were made for."""

_WIDEST = 3.0  # tangent: rays further than 71 degrees from the person's middle are not believed


@dataclass(frozen=True)
class View:
    """The network's input and the way back. features: (..., SIZE) float32; rotation: (..., 3, 3) camera to the person's view."""

    features: np.ndarray
    rotation: np.ndarray


def make_view(xy: np.ndarray, confidence: np.ndarray, K: np.ndarray, size: np.ndarray, depth: np.ndarray | None = None,
              world: np.ndarray | None = None) -> View:
    """Features of frames (..., T).

    xy: (..., T, 27, 2) pixels of the `CANONICAL` keypoints, NaN where missing; confidence: (..., T, 27), 0 where missing;
    K: (3, 3) or (..., T, 3, 3); size: (..., T, 2) or (2,) width and height in pixels; depth: (..., T, 27) pixels or None;
    world: (..., T, 27, 3) metres or None. Either may be NaN in part.
    """
    there = (confidence > 0) & np.isfinite(xy).all(-1)
    rays = pixel_rays(np.where(there[..., None], xy, np.nan), K)
    weight = np.where(there, np.maximum(confidence, 0.1), 0.0)
    rotation = person_view(rays, weight)
    turned = rays @ np.swapaxes(rotation, -1, -2)
    there &= np.nan_to_num(turned[..., 2]) > np.linalg.norm(np.nan_to_num(turned[..., :2]), axis=-1) / _WIDEST
    weight = np.where(there, weight, 0.0)
    flat = np.where(there[..., None], turned[..., :2] / np.where(there, turned[..., 2], 1.0)[..., None], 0.0)
    total = np.maximum(weight.sum(-1), 1e-9)[..., None]
    centre = (weight[..., None] * flat).sum(-2) / total
    flat = np.where(there[..., None], flat - centre[..., None, :], 0.0)
    spread = np.sqrt((weight * (flat**2).sum(-1)).sum(-1, keepdims=True) / total)
    spread = np.maximum(spread, 1e-4)
    inside = there & (xy >= 0).all(-1) & (xy <= np.expand_dims(np.asarray(size), -2)).all(-1)
    focal = np.asarray(K)[..., 0, 0]
    depth, has_depth = _optional(None if depth is None else depth / np.asarray(focal)[..., None] / spread, there, 1)
    world, has_world = _optional(world, there, 3)
    parts = [flat / spread[..., None], np.where(there, confidence, 0.0)[..., None], there[..., None], inside[..., None],
             depth, world]
    columns = np.concatenate(parts, axis=-1)
    whole = [np.log(spread) + 2.0, has_depth, has_world]
    features = np.concatenate([columns.reshape(*columns.shape[:-2], -1), *whole], axis=-1)
    return View(np.clip(features, -6.0, 6.0).astype(np.float32), rotation)


def _optional(value: np.ndarray | None, there: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """An optional observation (..., T, 27, channels) with zeros where it is missing, and a flag (..., T, 1) a frame."""
    if value is None:
        return np.zeros(there.shape + (channels,)), np.zeros(there.shape[:-1] + (1,))
    value = value.reshape(there.shape + (channels,))
    finite = np.isfinite(value).all(-1) & there
    return np.where(finite[..., None], value, 0.0), finite.any(-1, keepdims=True)
