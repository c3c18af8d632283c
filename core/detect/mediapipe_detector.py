"""MediaPipe's PoseLandmarker (tasks API, VIDEO mode) as a Detector.

Problem: pictures in, 33 keypoints a person out, on any CPU, with the model loaded once.
Method:  BlazePose (Bazarevsky et al. 2020): a person detector, then a landmark network on the turned square around the person; in
         VIDEO mode the square follows from the last landmarks, and with one person the landmarks are smoothed (One Euro filter).
Limits:  does not acquire a person smaller than about 100 px (`tiles` helps); with several people there is no smoothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import InputError
from .bundle import BUNDLE_NAME
from .detector import Detection

_PLACE = Path(__file__).with_name(BUNDLE_NAME)


def default_bundle() -> Path:
    """The bundle beside this module, or where the environment variable VIDEO_MOCAP_BUNDLE says."""
    return Path(os.environ.get("VIDEO_MOCAP_BUNDLE") or _PLACE)


class MediaPipeDetector:
    """One PoseLandmarker. people: how many it follows at a time. Raises InputError if the bundle is missing or damaged."""

    def __init__(self, people: int = 1, bundle: Path | None = None) -> None:
        bundle = bundle or default_bundle()
        if not bundle.is_file():
            raise InputError(f"MediaPipe's model file {bundle} is missing; run 'python3 build.py setup' to make it.")
        self._landmarker = _create(bundle, people)
        self._last_ms = -1

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        """The people in rgb (H, W, 3) uint8; see `Detector`."""
        import mediapipe as mp

        self._last_ms = max(round(time * 1000.0), self._last_ms + 1)  # MediaPipe wants them strictly increasing
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
        result = self._landmarker.detect_for_video(image, self._last_ms)
        height, width = rgb.shape[:2]
        return [_detection(marks, world, width, height)
                for marks, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)]

    def close(self) -> None:
        """Frees the networks."""
        with _quiet_stderr():
            self._landmarker.close()

    def __enter__(self) -> MediaPipeDetector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _create(bundle: Path, people: int) -> object:
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_stderr():
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle.read_bytes()), running_mode=vision.RunningMode.VIDEO, num_poses=people)
        try:
            landmarker = vision.PoseLandmarker.create_from_options(options)
            # The first picture makes the runtime talk; spend an empty one on it here.
            return landmarker
        except (RuntimeError, ValueError) as error:
            raise InputError(f"MediaPipe's model file {bundle} is damaged; run 'python3 build.py setup' to make it again.") from error


def _detection(marks: list, world: list, width: int, height: int) -> Detection:
    values = np.array([(m.x * width, m.y * height, m.z * width, m.visibility * m.presence) for m in marks])
    return Detection(values[:, :2], values[:, 3], values[:, 2], np.array([(m.x, m.y, m.z) for m in world]))


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hides what the C++ libraries write to the process's stderr (absl and TFLite start-up lines)."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
