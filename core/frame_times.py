"""When frames are shown: seconds that only grow, out of the stamps that a file gives them.

Problem: recordings joined byte by byte (camcorders' MTS and MPG, TV receivers) begin their stamps anew at each seam, and some frames
         have none.
Method:  a stamp well behind the last frame's goes on one step after it, and so do all that follow. A missing one is one step later.
         MPEG counts to 2^33 and begins anew, after 26.5 hours: what is nearly that far off is not.
Limits:  a jump ahead counts as a pause in the recording; one of less than half a second back leaves frames close together.
"""

from __future__ import annotations

import math

import numpy as np

_JUMP = 0.5  # seconds back that are no disorder but a new beginning
_LEAST_STEP = 1e-4  # seconds
_PAUSE = 0.5  # seconds: longer steps are pauses


def usual_step(times: np.ndarray) -> float:
    """Seconds from one to the next of frames at times (T,) seconds, pauses left out; 1 of a single frame. The mean, for of frames that come
    in bursts most steps are short."""
    steps = np.diff(times)
    running = steps[steps <= _PAUSE]
    return float((running if len(running) else steps).mean()) if len(steps) else 1.0


class Clock:
    """Seconds of one frame after the other. `step`: seconds from frame to frame; `period`: after which stamps begin anew because they
    have no more digits; last: of the last one; jumps: where stamps began anew."""

    def __init__(self, step: float, period: float = math.inf) -> None:
        self.last = -math.inf
        self.jumps: list[float] = []
        self._step, self._period = step, period
        self._shift = 0.0

    def time(self, stamp: float | None) -> float:
        """The next frame's seconds, later than the last one's. `stamp`: what the file says, or None."""
        following = 0.0 if math.isinf(self.last) else self.last + self._step
        time = following if stamp is None else self.shifted(stamp)
        if time < self.last - _JUMP:
            self._shift += following - time
            self.jumps.append(following)
            time = following
        self.last = max(time, self.last + _LEAST_STEP)
        return self.last

    def shifted(self, stamp: float) -> float:
        """A stamp of the stretch that the last frame belongs to, in seconds."""
        time = stamp + self._shift
        if math.isinf(self._period) or math.isinf(self.last):
            return time
        return time + self._period * round((self.last - time) / self._period)


def packet_times(stamps: np.ndarray, period: float = math.inf) -> tuple[list[float], bool]:
    """(Sorted seconds, whether they began anew) of packets in the file's order; `stamps`: (N, 2) seconds, when shown and when decoded;
    period: see `Clock`.

    When they are decoded tells the jumps, because only a new beginning turns that back.
    """
    steps = np.abs(np.diff(stamps[:, 1]))
    clock = Clock(float(np.median(steps)) if len(steps) else 0.0, period)
    times = []
    for shown, decoded in stamps.tolist():
        clock.time(decoded)
        times.append(clock.shifted(shown))
    return sorted(times), bool(clock.jumps)
