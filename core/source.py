"""What videos and folders of images share: a range of frames that can be read several times, forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError

DEFAULT_IMAGE_FPS = 30.0
_CHUNK_BYTES = 192 * 2**20  # pixels that backwards reading may hold at a time
_END_LEEWAY = 0.1  # seconds that a wanted end may lie beyond the last frame without a word


@dataclass(frozen=True)
class Frame:
    """One picture. index: 0 for the first frame of the range; time: seconds from the video's first frame; rgb: (H, W, 3) uint8."""

    index: int
    time: float
    rgb: np.ndarray


@dataclass(frozen=True)
class SourceInfo:
    """What `probe_source` found. Sizes are upright pixels; rotation: the flag in degrees, clockwise; duration in seconds."""

    path: str
    kind: str
    width: int
    height: int
    rotation: int
    fps: float
    variable_rate: bool
    duration: float
    frames: int
    codec: str


class Source:
    """A range of frames that can be read several times; what video files and image folders share.

    width, height: upright pixels; fps: nominal rate; expected_frames: how many the range should hold as the container tells (exact
    for constant rates, good enough for a progress bar else), or None; lens: its 35 mm equivalent in millimetres, or None
    where the file does not tell; untimed: whether the rate is assumed, for nothing tells the
    pictures' times; shortened: None, or one sentence about a wanted end that lies beyond the last frame; problem: after a
    complete reading None, or one sentence about frames that could not be read or were timed anew.
    """

    def __init__(self, path: Path, start: float | None, end: float | None) -> None:
        if end is not None and end <= (start or 0.0):
            raise InputError(f"The range from {start or 0:g} s to {end:g} s is empty: the end must be after the start.")
        self.path = path
        self.start = start or 0.0
        self.end = end
        self.width = self.height = 0
        self.fps = 0.0
        self.expected_frames: int | None = None
        self.lens: float | None = None
        self.untimed = False
        self.shortened: str | None = None
        self.problem: str | None = None

    def frames(self) -> Iterator[Frame]:
        """The frames of the range in order."""
        raise NotImplementedError

    def frames_before(self, index: int) -> Iterator[Frame]:
        """Frames index - 1, index - 2, ..., 0 of the range; holds at most about 200 MB of pixels."""
        raise NotImplementedError

    def info(self) -> SourceInfo:
        """What is in the whole file or folder."""
        raise NotImplementedError

    def _in_range(self, time: float) -> bool:
        return time >= self.start - 1e-6 and not self._after_range(time)

    def _after_range(self, time: float) -> bool:
        return self.end is not None and time >= self.end - 1e-6

    def _chunk_length(self) -> int:
        return max(1, _CHUNK_BYTES // (self.width * self.height * 3))

    def _beyond_end(self, duration: float) -> InputError:
        return InputError(f"The start, {self.start:g} s, is beyond the end of {self.path} ({duration:.2f} s); choose an earlier one.")


def shortened(end: float | None, duration: float | None, what: str) -> str | None:
    """One sentence if the wanted `end` is beyond the last frame of what lasts `duration` seconds; `what`: the file's name."""
    if end is None or not duration or end <= duration + _END_LEEWAY:
        return None
    return f"The end, {end:g} s, is beyond the end of {what} ({duration:.2f} s); it was taken to its end."
