"""overlay.mp4: the solved skeleton drawn on the footage, to be looked at before anything else is believed.

Lines are the solved bones projected through the motion's camera (the person's left warm, right cold; pale where there was no picture
evidence), dots are the detected keypoints. Frames keep the footage's own times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from ..events import Reporter
from ..motion import Motion, project, to_camera
from ..skeleton import END_PARENTS, ENDS, INDEX, JOINTS, PARENTS
from ..source import Source

_LEFT, _RIGHT, _MIDDLE = (255, 140, 40), (60, 160, 255), (240, 240, 240)  # RGB
_TIME_BASE = Fraction(1, 90000)
_SUBPIXEL = 4  # OpenCV draws with fixed-point coordinates of this many fractional bits


def write_overlay(motion: Motion, source: Source | None, path: str | os.PathLike, reporter: Reporter) -> None:
    """Draws `motion` on the frames of `source` (on black when there is no footage) and writes H.264 video to `path`."""
    pixels, bones = _projected_bones(motion)
    temporary = Path(path).with_suffix(".partial.mp4")
    try:
        with av.open(str(temporary), "w") as container:
            stream = _video_stream(container, motion)
            for done, (time, image) in enumerate(_images(motion, source), start=1):
                frame_index = int(np.argmin(np.abs(motion.times - time)))
                _draw(image, pixels[frame_index], bones, motion, frame_index)
                frame = av.VideoFrame.from_ndarray(_even(image), format="rgb24")
                frame.pts, frame.time_base = round((time - motion.times[0]) / _TIME_BASE), _TIME_BASE
                container.mux(stream.encode(frame))
                reporter.progress("overlay", done, max(done, len(motion)))
            container.mux(stream.encode(None))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _video_stream(container: av.container.OutputContainer, motion: Motion) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=Fraction(motion.fps).limit_denominator(1001), options={"crf": "20", "preset": "veryfast"})
    stream.width, stream.height = motion.camera.width // 2 * 2, motion.camera.height // 2 * 2
    stream.pix_fmt, stream.time_base, stream.codec_context.time_base = "yuv420p", _TIME_BASE, _TIME_BASE
    return stream


def _images(motion: Motion, source: Source | None) -> Iterator[tuple[float, np.ndarray]]:
    """(time, writable RGB image) of each frame."""
    if source is None:
        for time in motion.times:
            yield float(time), np.zeros((motion.camera.height, motion.camera.width, 3), np.uint8)
    else:
        for frame in source.frames():
            yield frame.time, frame.rgb.copy()


def _even(image: np.ndarray) -> np.ndarray:
    """Without the odd last row or column, which 4:2:0 video cannot hold."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return np.ascontiguousarray(image[:height, :width])


def _projected_bones(motion: Motion) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """(T, 26, 2) pixels of joints and ends, and the bones as (from, to, name of the joint that moves it)."""
    world, globals_ = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)
    points = np.concatenate([world, motion.skeleton.end_positions(world, globals_)], axis=1)
    bones = [(PARENTS[j], j, JOINTS[PARENTS[j]]) for j in range(1, len(JOINTS))]
    bones += [(INDEX[END_PARENTS[end]], len(JOINTS) + i, END_PARENTS[end]) for i, end in enumerate(ENDS)]
    return project(to_camera(points, motion.camera), motion.camera.lenses), bones


def _draw(image: np.ndarray, pixels: np.ndarray, bones: list[tuple[int, int, str]], motion: Motion, frame: int) -> None:
    """Draws one frame's skeleton and detected keypoints into `image`."""
    thickness = max(2, round(min(image.shape[:2]) / 240))
    for start, end, mover in bones:
        if not np.isfinite(pixels[[start, end]]).all() or np.abs(pixels[[start, end]]).max() > 1e5:
            continue
        colour = _shade(mover, float(motion.confidence[frame, INDEX[mover]]))
        a, b = (tuple(int(v) for v in np.round((pixels[i] - 0.5) * 2**_SUBPIXEL)) for i in (start, end))
        cv2.line(image, a, b, (0, 0, 0), thickness + 2, cv2.LINE_AA, _SUBPIXEL)
        cv2.line(image, a, b, colour, thickness, cv2.LINE_AA, _SUBPIXEL)
    for x, y, confidence in motion.keypoints_2d[frame]:
        if confidence > 0.3:
            centre = tuple(int(v) for v in np.round(np.array([x - 0.5, y - 0.5]) * 2**_SUBPIXEL))
            cv2.circle(image, centre, thickness << _SUBPIXEL, (120, 255, 120), -1, cv2.LINE_AA, _SUBPIXEL)
    corner = (8, image.shape[0] - 10)
    cv2.putText(image, f"{motion.times[frame]:.2f} s", corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _shade(joint: str, confidence: float) -> tuple[int, ...]:
    """The side's colour, greyed where the joint was not seen."""
    colour = np.array(_LEFT if joint.startswith("Left") else _RIGHT if joint.startswith("Right") else _MIDDLE)
    return tuple(int(v) for v in 110 + (colour - 110) * np.clip(confidence * 1.5, 0.15, 1.0))
