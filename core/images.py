"""The images of a folder, each by itself: its pixels, its shape without decoding it, and gaps between their numbers."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np

_ORIENTATION = 0x0112  # Exif's tag


def read_image(path: Path) -> np.ndarray | None:
    """(H, W, 3) uint8 upright, or None if the file is damaged. Read through memory: OpenCV cannot open every path on Windows."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), dtype=np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError):
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def stored_shape(path: Path) -> tuple[int, int, int] | None:
    """(width, height, Exif's orientation), from the header alone; None if Pillow cannot read it."""
    from PIL import Image  # here, because videos do not need it

    try:
        with Image.open(path) as image:
            turned = "exif" in image.info  # asked first, because getexif decodes a whole PNG to find none
            return *image.size, image.getexif().get(_ORIENTATION, 1) if turned else 1
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        return None


def first_gap(images: list[Path]) -> Path | None:
    """The image after which the numbering leaves more out than it usually does (every second frame is no gap), or None; also where the
    numbers count no frames (milliseconds: 33, 67, 100)."""
    numbers = [int(digits[-1]) for digits in (re.findall(r"\d+", image.stem) for image in images) if digits]
    steps = np.diff(numbers)
    if len(numbers) != len(images) or not len(steps):
        return None
    usual = np.quantile(steps, 0.5, method="lower")  # of two, so that short sequences tell their gaps, too
    wide = steps >= 2 * usual
    if usual < 1 or not wide.any() or (steps[~wide] != usual).any():
        return None
    return images[int(np.argmax(wide))]
