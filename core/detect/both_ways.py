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
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..flips import exchanged, state_orders
from ..skeleton import mirror_order
from ..track import Pose, apart
from .detector import Detection, Detector

_SAME = 0.15  # of a person's size: two sights closer than this (median over the keypoints) are of one person
_MIRRORED = np.array([-1.0, 1.0, 1.0], dtype=np.float32)  # a place about the hips, in a mirror


class BothWays:
    """A Detector made of two that `make` makes."""

    def __init__(self, make: Callable[[], Detector]) -> None:
        self._direct, self._mirror = make(), make()
        self._beside = ThreadPoolExecutor(1)

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        """The people in rgb (H, W, 3) uint8; see `Detector`."""
        coming = self._beside.submit(self._mirror.detect, np.ascontiguousarray(rgb[:, ::-1]), time)
        try:
            seen = self._direct.detect(rgb, time)
        finally:
            images = coming.result()  # also when the other fails: nobody may close a detector that is at work
        return joined(seen, [mirrored(d, rgb.shape[1]) for d in images])

    def close(self) -> None:
        """Frees both."""
        self._beside.shutdown()
        self._direct.close()
        self._mirror.close()

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
    """The people `seen`, each with the mean of what was seen of them and what of it was seen `again`."""
    result = []
    for d in seen:
        distances = [apart(Pose(d.xy, d.confidence), Pose(o.xy, o.confidence), mirror_order(d.names)) for o in again]
        nearest = int(np.argmin(distances)) if distances else -1
        result.append(_mean(d, _sided(again[nearest], d)) if distances and distances[nearest] < _SAME else d)
    return result


def _sided(d: Detection, other: Detection) -> Detection:
    """The sight `d` with its body, arms or legs exchanged, as it lies nearest to the `other` one."""
    weight = d.confidence * other.confidence
    orders, _ = state_orders(d.names)
    state = np.array([np.argmin([(weight * np.linalg.norm(d.xy[order] - other.xy, axis=-1)).sum() for order in orders])])

    def turned(values: np.ndarray, reflect: bool = False) -> np.ndarray:
        return exchanged(values[None], d.names, state, reflect)[0]

    return dataclasses.replace(d, xy=turned(d.xy), confidence=turned(d.confidence), depth=turned(d.depth[:, None], reflect=True)[:, 0],
                               world=turned(d.world, reflect=True))


def _mean(a: Detection, b: Detection) -> Detection:
    return dataclasses.replace(a, xy=(a.xy + b.xy) / 2, confidence=(a.confidence + b.confidence) / 2, depth=(a.depth + b.depth) / 2,
                               world=(a.world + b.world) / 2)
