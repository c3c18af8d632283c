"""Finds and follows people who are too small in the picture for the detector, in enlarged cut-outs of it.

Problem: the person detector sees the whole picture at 224 x 224 pixels and misses people lower than about a sixth of its width.
Method:  to find them, overlapping square tiles of a half and a third of the picture's longer side are shown to it; to follow one, a
         square about where the person was or is expected. What is found is moved back to the whole picture's pixels.
Limits:  people lower than about a twentieth of the longer side stay unseen; searching costs up to 30 detections, so it is for now and
         then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ..skeleton import mirror_order
from ..track import Pose, distinct
from .confidence import body_size
from .detector import Detection

Finder = Callable[[np.ndarray], list[Detection]]
"""Finds people in one picture (H, W, 3), whatever was shown before."""

_PARTS = (2, 3)  # tiles of the longer side divided by these
_OVERLAP = 0.5  # of a tile, with its neighbour; a small person fits wholly into at least one
_MARGIN = 3.0  # side of the cut-out in sizes of the person
_LEAST_SIDE = 96  # pixels; a smaller cut-out has nothing to enlarge


def search(finder: Finder, rgb: np.ndarray) -> list[Detection]:
    """All people that show up in the tiles; the finer ones are asked only when the coarser ones show nobody.

    Each is looked at again with the person in the middle: a tile's edge may have cut it.
    """
    height, width = rgb.shape[:2]
    for parts in _PARTS:
        side = max(_LEAST_SIDE, max(width, height) // parts)
        hits = _distinct([d for x, y in _corners(width, height, side) for d in _in_cut(finder, rgb, x, y, side)])
        found = _distinct([d for hit in hits for d in look_at(finder, rgb, hit.xy)])
        if found:
            return found
    return []


def look_at(finder: Finder, rgb: np.ndarray, xy: np.ndarray) -> list[Detection]:
    """The people in the square about a person expected at keypoints xy (K, 2) pixels."""
    height, width = rgb.shape[:2]
    side = int(min(max(_MARGIN * float(body_size(xy[None])[0]), _LEAST_SIDE), max(width, height)))
    centre = 0.5 * (np.nanmin(xy, axis=0) + np.nanmax(xy, axis=0))
    x, y = (int(np.clip(c - side / 2, 0, max(0, length - side))) for c, length in zip(centre, (width, height), strict=True))
    return _in_cut(finder, rgb, x, y, side)


def _distinct(found: list[Detection]) -> list[Detection]:
    if not found:
        return []
    return [found[i] for i in distinct([Pose(d.xy, d.confidence) for d in found], mirror_order(found[0].names))]


def _in_cut(finder: Finder, rgb: np.ndarray, x: int, y: int, side: int) -> list[Detection]:
    cut = np.ascontiguousarray(rgb[y: y + side, x: x + side])
    return [dataclasses.replace(d, xy=d.xy + np.array([x, y])) for d in finder(cut)]


def _corners(width: int, height: int, side: int) -> list[tuple[int, int]]:
    return [(x, y) for y in _starts(height, side) for x in _starts(width, side)]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin so that they cover `length` evenly and overlap by at least `_OVERLAP`."""
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1.0 - _OVERLAP)))) + 1
    return [round(s) for s in np.linspace(0, length - side, count)]
