"""What the 2D stage asks of a detector of people, and what it gets back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..keypoints import CONVENTIONS, Keypoints
from ..track import Pose

BLAZEPOSE = CONVENTIONS["blazepose33"]


@dataclass(frozen=True)
class Detection:
    """One person in one picture, as the detector sees it.

    xy: (33, 2) pixels, origin at the image's top-left corner; confidence: (33,) in [0, 1]; depth: (33,) pixels relative to the hips'
    middle, away from the camera; world: (33, 3) metres about the hips' middle, x right, y down, z forward; colours: (3, 3) what they
    wear, as `appearance.colours` tells, None where nobody has looked.
    """

    xy: np.ndarray
    confidence: np.ndarray
    depth: np.ndarray
    world: np.ndarray
    names: tuple[str, ...] = BLAZEPOSE
    colours: np.ndarray | None = None


class Detector(Protocol):
    """Finds people in the pictures of one video, asked in the order of time."""

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        """The people in rgb (H, W, 3) uint8 at `time` seconds; times never go back. Nobody: an empty list."""

    def close(self) -> None:
        """Frees the networks."""


def pose(detection: Detection) -> Pose:
    """The 2D part of a detection, as `core.track` takes it."""
    return Pose(detection.xy, detection.confidence, detection.colours)


def over_time(rows: Sequence[Detection | None], times: np.ndarray, width: int, height: int, fps: float) -> Keypoints:
    """The sights of one person, None where not seen, as arrays."""
    names = next((row.names for row in rows if row is not None), BLAZEPOSE)
    count = (len(times), len(names))
    xy, world = np.full((*count, 2), np.nan), np.full((*count, 3), np.nan)
    confidence, depth = np.zeros(count), np.full(count, np.nan)
    for frame, d in enumerate(rows):
        if d is not None:
            xy[frame], confidence[frame], depth[frame], world[frame] = d.xy, d.confidence, d.depth, d.world
    return Keypoints(names, xy, confidence, times, width, height, fps, depth, world)
