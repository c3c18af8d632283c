"""Takes MediaPipe's own smoothing out of recorded landmarks again.

Problem: asked for one person in a video, as the makers of `models.detections` ask, MediaPipe smooths its landmarks: positions with a
One Euro filter (Casiez et al., CHI 2012), visibilities with a first-order low pass. At run time we ask for several people, and then it
does not (`core.detect.mediapipe_detector`): landmarks jitter two to three times as much as recorded ones, and visibilities follow at
once. Training on the smoothed ones teaches the network to trust its input too much.
Method: both filters are recursive and their state is known from the output, so each raw value follows from two smoothed ones. The One
Euro filter's gain depends on the raw value itself, which makes a quadratic equation, sometimes with several solutions: then the least
jump is taken. Filters start anew after a frame without a person.
Limits: where several raw values explain the output the choice may be wrong, and stays so until the person is lost. MediaPipe scales
its gain for pixels by a size that it does not report; the body's box stands in for it. On three rendered clips the jitter (median
second difference) is then 0.95 to 1.00 (x, y), 0.66 to 0.90 (z) and 0.87 to 1.01 (world) times that of runs for several people; as
recorded it is 0.36 to 0.72, 0.48 to 0.56 and 0.32 to 0.43 times that.

numpy only.
"""

from __future__ import annotations

import numpy as np

_VISIBILITY_GAIN = 0.1
_LEAST_CUTOFF = np.array([0.05, 0.05, 0.05, 0.1, 0.1, 0.1])  # Hz, of x, y, z in pixels and of the world landmark in metres
_BETA = np.array([80.0, 80.0, 80.0, 40.0, 40.0, 40.0])  # Hz for a unit a second
_SPEED_CUTOFF = 1.0  # Hz
_SIZE_OF_BOX = 1.25  # the size that pixels are divided by, over the longer side of the body's box


def raw_visibility(smoothed: np.ndarray) -> np.ndarray:
    """(T, K) in [0, 1] from smoothed (T, K), NaN in frames without a person."""
    raw = smoothed.copy()
    goes_on = np.isfinite(smoothed[:-1]) & np.isfinite(smoothed[1:])
    undone = (smoothed[1:] - (1.0 - _VISIBILITY_GAIN) * smoothed[:-1]) / _VISIBILITY_GAIN
    raw[1:] = np.where(goes_on, np.clip(undone, 0.0, 1.0), smoothed[1:])
    return raw


def raw_landmarks(smoothed: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, K, 6) from smoothed (T, K, 6): x, y, z in pixels and the world landmark in metres; NaN in frames without a person.

    times: (T,) seconds as MediaPipe was told, whole milliseconds.
    """
    raw = smoothed.copy()
    filters: _OneEuro | None = None
    for t, time in enumerate(times):
        if not np.isfinite(smoothed[t]).all():
            filters = None
        elif filters is not None:
            raw[t] = filters.undo(smoothed[t], time)
        elif time > 0:  # MediaPipe takes time 0 for "no time yet" and lets the frame through
            filters = _OneEuro(smoothed[t], time)
    return raw


class _OneEuro:
    """The state of one filter a number. stored: last output; raw: last input; speed: smoothed rate of change."""

    def __init__(self, first: np.ndarray, time: float) -> None:
        self._stored, self._raw, self._speed, self._time = first, first, np.zeros_like(first), time

    def undo(self, output: np.ndarray, time: float) -> np.ndarray:
        """The input (K, 6) that made the filter answer `output` (K, 6)."""
        rate = 1.0 / (time - self._time)
        share = float(_gain(np.array(_SPEED_CUTOFF), rate))
        slope = share * rate * np.array([1.0 / _box(output)] * 3 + [1.0] * 3)  # of the smoothed speed, over the step
        moved = output - self._stored
        speed = slope * (self._stored - self._raw) + (1.0 - share) * self._speed  # for a step of zero
        step = np.sign(moved) * _least_step(np.abs(moved), np.sign(moved) * speed, slope, rate)
        self._speed, self._raw, self._stored, self._time = speed + slope * step, self._stored + step, output, time
        return self._raw


def _least_step(moved: np.ndarray, speed: np.ndarray, slope: np.ndarray, rate: float) -> np.ndarray:
    """The smallest step >= 0 with gain(cutoff) * step = moved, where cutoff = least + beta |speed + slope * step|.

    Where the speed is against the step, the cutoff falls before it rises, and there may be three such steps.
    """
    bend, turn = _BETA * slope, rate / (2.0 * np.pi)
    falling, rising = _LEAST_CUTOFF - _BETA * speed, _LEAST_CUTOFF + _BETA * speed
    with np.errstate(invalid="ignore"):
        linear = falling + bend * moved
        early = (linear - np.sqrt(linear**2 - 4.0 * bend * moved * (falling + turn))) / (2.0 * bend)
    linear = rising - bend * moved
    late = (np.sqrt(np.maximum(linear**2 + 4.0 * bend * moved * (rising + turn), 0.0)) - linear) / (2.0 * bend)
    return np.where(speed + slope * early < 0, early, late)  # NaN: no early one


def _gain(cutoff: np.ndarray, rate: float) -> np.ndarray:
    return 1.0 / (1.0 + rate / (2.0 * np.pi * cutoff))


def _box(landmarks: np.ndarray) -> float:
    xy = landmarks[:, :2]
    return _SIZE_OF_BOX * float((xy.max(0) - xy.min(0)).max())
