"""MediaPipe's PoseLandmarker (tasks API) as a Detector.

Problem: pictures in, 33 keypoints a person out, on any CPU, with the model loaded once.
Method:  BlazePose (Bazarevsky et al. 2020): a person detector, then a landmark network on the turned square around the person. In
         VIDEO mode the square follows from the last landmarks; still pictures start from the person detector each time.
         Several people are asked for: then MediaPipe leaves its One Euro filter out, which lags behind (median error 7 % higher on
         the rendered clips), and which our solver, seeing the whole take, does not need.
Limits:  does not acquire a person smaller than about 100 px in a 640x480 picture (`tiles` helps). The person detector runs in every
         frame, 31 instead of 19 ms.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..errors import InputError
from .bundle import BUNDLE_NAME
from .confidence import honest_confidence
from .detector import Detection

_PLACE, _CHOICE = Path(__file__).with_name(BUNDLE_NAME), "VIDEO_MOCAP_BUNDLE"


def default_bundle() -> Path:
    """The bundle beside this module, or where the environment variable `_CHOICE` says."""
    return Path(os.environ.get(_CHOICE) or _PLACE)


def _cure(deed: str) -> str:
    if os.environ.get(_CHOICE):
        return f"the variable {_CHOICE} names it: correct it, or unset it to use the usual one"
    return f"'python3 build.py setup' {deed}"


class MediaPipeDetector:
    """One PoseLandmarker. people: how many it finds at a time, at least 2; still: whether its pictures are unrelated, not a video.

    Raises InputError if the bundle is missing or damaged.
    """

    def __init__(self, people: int = 4, still: bool = False, bundle: Path | None = None) -> None:
        bundle = bundle or default_bundle()
        if not bundle.is_file():
            raise InputError(f"MediaPipe's model file {bundle} is missing; {_cure('makes it')}.")
        self._landmarker = _create(bundle, people, still)
        self._still = still
        self._last_ms = -1
        self._talkative = True

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        """The people in rgb (H, W, 3) uint8; see `Detector`."""
        import mediapipe as mp

        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
        with _quiet_stderr if self._talkative else nullcontext():  # the runtime warns once, at the first person
            result = self._landmarker.detect(image) if self._still else self._landmarker.detect_for_video(image, self._stamp(time))
        self._talkative &= not result.pose_landmarks
        height, width = rgb.shape[:2]
        return [_detection(marks, world, width, height)
                for marks, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)]

    def _stamp(self, time: float) -> int:
        """Milliseconds that strictly increase, as MediaPipe wants them."""
        self._last_ms = max(round(time * 1000.0), self._last_ms + 1)
        return self._last_ms

    def close(self) -> None:
        """Frees the networks."""
        with _quiet_stderr:
            self._landmarker.close()

    def __enter__(self) -> MediaPipeDetector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _create(bundle: Path, people: int, still: bool) -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet_stderr:
            from mediapipe.tasks.python import BaseOptions, vision
    except (ImportError, OSError) as error:  # on a bare Linux its C++ library may lack libGLESv2 or libEGL
        raise InputError(f"MediaPipe cannot be loaded ({error}); 'python3 build.py doctor' says what to install.") from error
    with _quiet_stderr:
        mode = vision.RunningMode.IMAGE if still else vision.RunningMode.VIDEO
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle.read_bytes()), running_mode=mode, num_poses=people)
        try:
            return vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"MediaPipe's model file {bundle} is damaged; {_cure('makes it again')}.") from error


def _detection(marks: list, world: list, width: int, height: int) -> Detection:
    """Single precision, as the network's own: a long take holds one of these for every person and frame."""
    rows = np.array([(m.x * width, m.y * height, m.z * width) for m in marks], dtype=np.float32)
    confidence = honest_confidence(np.array([m.visibility for m in marks]), np.array([m.presence for m in marks]))
    return Detection(rows[:, :2], confidence.astype(np.float32), rows[:, 2], np.array([(m.x, m.y, m.z) for m in world], dtype=np.float32))


class _Quiet:
    """Hides what the C++ libraries write to the process's stderr (absl and TFLite start-up lines). Several threads may ask at a time: the
    first one closes it, the last one opens it again."""

    def __init__(self) -> None:
        self._lock, self._inside, self._saved = Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                sys.stderr.flush()
                self._saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 2)
                os.close(sink)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                os.dup2(self._saved, 2)
                os.close(self._saved)


_quiet_stderr = _Quiet()
