"""Sees every picture and its mirror image, and tells the mean.

Problem: of what a landmark network gets wrong, a part is chance, and changes when the picture is mirrored.
Method:  two detectors of one kind, at work at the same time; people who lie on each other are one, and get the mean of both sights (as
         tests of pose networks do with flipped pictures since Newell et al., "Stacked hourglass networks", 2016). Where the two differ
         in which arm or leg is the left one, what saw the picture as it is decides.
Limits:  twice the work, which two cores do in a tenth to a fifth more time; people whom only the mirror shows are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from ..flips import exchanged, state_orders
from ..skeleton import mirror_order
from ..track import apart
from .detector import Detection, Detector, pose

_SAME = 0.15  # of a person's size: two sights closer than this (median over the keypoints) are of one person
_FAR = 10.0  # of a person's size: further apart is no worse
_MIRRORED = np.array([-1.0, 1.0, 1.0], dtype=np.float32)  # a place about the hips, in a mirror


class BothWays:
    """A Detector made of two that `make` makes."""

    def __init__(self, make: Callable[[], Detector]) -> None:
        with ExitStack() as stack:
            self._direct, self._mirror = (stack.enter_context(closing(make())) for _ in range(2))
            self._beside = stack.enter_context(ThreadPoolExecutor(1))
            self._stack = stack.pop_all()

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        """The people in rgb (H, W, 3) uint8; see `Detector`."""
        coming = self._beside.submit(lambda: self._mirror.detect(cv2.flip(rgb, 1), time))
        try:
            seen = self._direct.detect(rgb, time)
        finally:
            wait([coming])  # also when this one fails: nobody may close a detector that is at work
        return joined(seen, [mirrored(d, rgb.shape[1]) for d in coming.result()])

    def close(self) -> None:
        """Frees both."""
        self._stack.close()

    def __enter__(self) -> BothWays:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def mirrored(d: Detection, width: int) -> Detection:
    """What was seen in the mirror image of a picture `width` pixels wide, in the picture; and the other way round."""
    order = mirror_order(d.names)
    xy = np.stack([width - d.xy[:, 0], d.xy[:, 1]], axis=-1)
    return dataclasses.replace(d, xy=xy[order], confidence=d.confidence[order], depth=d.depth[order], world=(d.world * _MIRRORED)[order])


def joined(seen: list[Detection], again: list[Detection]) -> list[Detection]:
    """The people `seen`, each with the mean of what was seen of them and what of it was seen `again`; nobody is taken for two."""
    result = list(seen)
    distances = np.array([[min(apart(pose(d), pose(o), mirror_order(d.names)), _FAR) for o in again] for d in seen])
    for i, j in zip(*linear_sum_assignment(distances.reshape(len(seen), len(again))), strict=True):
        if distances[i, j] < _SAME:
            result[i] = _mean(seen[i], sided(again[j], seen[i]))
    return result


def sided(d: Detection, other: Detection) -> Detection:
    """The sight `d` with its body, arms or legs exchanged, as it lies nearest to the `other` one."""
    orders, _ = state_orders(d.names)
    weights = d.confidence[orders] * other.confidence
    off = (weights * np.linalg.norm(d.xy[orders] - other.xy, axis=-1)).sum(-1) / np.maximum(weights.sum(-1), 1e-9)
    state = np.array([off.argmin()])

    def turned(values: np.ndarray, reflect: bool = False) -> np.ndarray:
        return exchanged(values[None], d.names, state, reflect)[0]

    return dataclasses.replace(d, xy=turned(d.xy), confidence=turned(d.confidence), depth=turned(d.depth[:, None], reflect=True)[:, 0],
                               world=turned(d.world, reflect=True))


def _mean(a: Detection, b: Detection) -> Detection:
    return dataclasses.replace(a, xy=(a.xy + b.xy) / 2, confidence=(a.confidence + b.confidence) / 2, depth=(a.depth + b.depth) / 2,
                               world=(a.world + b.world) / 2)
