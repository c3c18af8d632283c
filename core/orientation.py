"""Which way up a decoded frame is, and how large with square pixels: what phones and old cameras leave to the player."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np


def upright(rgb: np.ndarray, transposed: bool, flip_x: bool, flip_y: bool) -> np.ndarray:
    """The picture (H, W, 3) uint8 with rows and columns exchanged, then mirrored. By OpenCV: a copy of numpy's view takes ten times as
    long, in every frame of a phone's video."""
    if transposed:
        rgb = cv2.transpose(rgb)
    if flip_x or flip_y:
        rgb = cv2.flip(rgb, -1 if flip_x and flip_y else int(flip_x))
    return np.ascontiguousarray(rgb)


def orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip x, flip y) that makes the frame upright, from its display matrix; handles mirrored ones too.

    The matrix takes a stored point to (a x + c y, b x + d y); its four numbers are 16.16 fixed point, 0 or +-1 in practice.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5]  # type: ignore[call-overload]  # PyAV types it as object
    transposed = abs(int(b)) > abs(int(a))
    return transposed, (c if transposed else a) < 0, (b if transposed else d) < 0


def clockwise_degrees(orientation: tuple[bool, bool, bool]) -> int:
    transposed, flip_x, flip_y = orientation
    if transposed:
        return 90 if flip_x else 270
    return 180 if flip_x and flip_y else 0


def square_pixel_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return (round(frame.width * aspect) if 0.2 < aspect < 5 else frame.width), frame.height
