"""Opens what holds pictures: a video file or a folder of numbered images."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import InputError
from .image_folder import ImageSource
from .source import Source, SourceInfo
from .video_file import VideoSource


def open_source(path: str | os.PathLike, start: float | None = None, end: float | None = None, fps: float | None = None) -> Source:
    """Opens a video file or a folder of numbered images; frames with start <= time < end seconds (None: from or to the end).

    fps: the rate of a folder of images (None: 30), or of a bare H.264 or HEVC stream (None: what it names); other videos have their own.
    Raises InputError with one sentence when the path is missing, is no video, has no images or differently sized ones, or when the range
    holds no frame.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise InputError(f"There is no file or folder {path}; check the path.")
    if path.is_dir():
        return ImageSource(path, start, end, fps)
    if not path.is_file():  # a device may have no end
        raise InputError(f"{path} is neither a file nor a folder; give a video, or a folder of images.")
    return VideoSource(path, start, end, fps)


def probe_source(path: str | os.PathLike, fps: float | None = None) -> SourceInfo:
    """Size, rate, length and codec, without decoding more than the first frame. Errors as `open_source`."""
    return open_source(path, fps=fps).info()
