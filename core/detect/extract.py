"""The whole 2D stage: from frames to one wanted person's keypoints over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..events import Reporter
from ..keypoints import Keypoints
from ..video import Source
from .detector import BLAZEPOSE, Detection, Detector
from .mediapipe_detector import MediaPipeDetector

STAGE = "2D keypoints"


@dataclass(frozen=True)
class PersonSummary:
    """One person as `list_people` tells. number: as for --person; seconds: first and last seen; height: median pixels."""

    number: int
    frames_seen: int
    seconds: tuple[float, float]
    height: float
    centre: tuple[float, float]


def extract_keypoints(source: Source, person: str, reporter: Reporter, detector: Detector | None = None) -> Keypoints:
    """The wanted person's keypoints in every frame of `source`, NaN where not seen.

    Raises InputError when nobody is found.
    """
    own = detector is None
    detector = detector or MediaPipeDetector()
    try:
        rows: list[Detection | None] = []
        times = []
        for frame in source.frames():
            people = detector.detect(frame.rgb, frame.time)
            rows.append(people[0] if people else None)
            times.append(frame.time)
            reporter.progress(STAGE, len(rows), source.expected_frames)
    finally:
        if own:
            detector.close()
    if not any(rows):
        raise InputError(f"No person was found in the {len(rows)} frames of {source.path}.")
    empty = Detection(np.full((33, 2), np.nan), np.zeros(33), np.full(33, np.nan), np.full((33, 3), np.nan))
    filled = [r or empty for r in rows]
    return Keypoints(BLAZEPOSE, np.stack([r.xy for r in filled]), np.stack([r.confidence for r in filled]), np.array(times),
                     source.width, source.height, source.fps, np.stack([r.depth for r in filled]), np.stack([r.world for r in filled]))
