"""Keypoints as somebody has put them right by hand.

A point that was moved is believed more than all else that is seen; one that was taken away is missing; what was left alone keeps its
numbers to the bit. A point that was put where its mirror image was has been exchanged with it: the detector's own doubts and depths go
along, reflected along the line of sight, because the same picture of the same body with other names is the body reflected
(`core.flips`); elsewhere the detector's depths stay, as in `core.detect.correct`. numpy only.
"""

from __future__ import annotations

import numpy as np

from .keypoints import Keypoints
from .skeleton import mirror_order

MOVED = 0.1  # pixels: what lies nearer to where the detector put it was left alone


def corrected(keypoints: Keypoints, xy: np.ndarray, shown: np.ndarray | None = None) -> Keypoints:
    """The keypoints at places xy (T, K, 2) in pixels, NaN: not seen.

    shown: (T,) int, the frame whose places somebody had before their eyes for each frame, where several share a picture; None: its own.
    Raises ValueError for another shape.
    """
    if xy.shape != keypoints.xy.shape:
        raise ValueError(f"places must be {keypoints.xy.shape}, got {xy.shape}")
    order = mirror_order(keypoints.names)
    before = keypoints.xy if shown is None else keypoints.xy[shown]
    own = _same(xy, before)
    exchanged = _same(xy, before[:, order]) & (order != np.arange(len(order))) & ~own
    confidence = np.where(own, keypoints.confidence, np.isfinite(xy).all(-1))
    confidence = np.where(exchanged, keypoints.confidence[:, order], confidence)
    xy = np.where(own[..., None], keypoints.xy, np.where(exchanged[..., None], keypoints.xy[:, order], xy))
    depth, world = keypoints.depth, keypoints.world
    if depth is not None:
        depth = np.where(exchanged, -depth[:, order], depth)
    if world is not None:
        world = np.where(exchanged[..., None], world[:, order] * (1.0, 1.0, -1.0), world)
    by_hand = ~own if keypoints.by_hand is None else keypoints.by_hand | ~own
    return keypoints.replace(xy=xy, confidence=confidence, depth=depth, world=world, by_hand=by_hand if by_hand.any() else None)


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(T, K) bool: both missing, or both within `MOVED` of each other."""
    gone = [~np.isfinite(x).all(-1) for x in (a, b)]
    near = np.nan_to_num(np.linalg.norm(a - b, axis=-1), nan=np.inf) <= MOVED
    return near | (gone[0] & gone[1])
