"""What kind of input a path names, from names alone: keypoints on file, or pictures; and in which order a folder's pictures play.

Standard library only, because the add-on asks the same questions inside Blender.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .files import refusals_told

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".3gp", ".3g2", ".flv",
                  ".vob", ".ogv", ".mxf")
"""By which a folder's videos are known; a video that is named itself may have any."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".exr", ".jp2", ".ppm", ".pgm")

OPENPOSE_ENDING = "_keypoints.json"


def is_keypoint_input(path: str | os.PathLike) -> bool:
    """Whether `path` names keypoints rather than pictures: a .json or .npz file, or a folder of OpenPose's files.

    A folder with some other JSON counts only if it holds no images: exporters and photo tools leave such files beside the frames.
    Raises InputError when the folder cannot be read.
    """
    path = Path(path)
    with refusals_told(path):
        if not path.is_dir():
            return path.suffix.lower() in (".json", ".npz")
        files = [f.name.lower() for f in path.iterdir() if not f.name.startswith(".")]
    if any(f.endswith(OPENPOSE_ENDING) for f in files):
        return True
    return any(f.endswith(".json") for f in files) and not any(f.endswith(IMAGE_SUFFIXES) for f in files)


def images_in(folder: str | os.PathLike) -> list[Path]:
    """The images of a folder in the order of their numbers, frame_2 before frame_10; hidden files are none."""
    return _files_in(folder, IMAGE_SUFFIXES)


def videos_in(folder: str | os.PathLike) -> list[Path]:
    """The videos of a folder, likewise."""
    return _files_in(folder, VIDEO_SUFFIXES)


def openpose_files_in(folder: str | os.PathLike) -> list[Path]:
    """OpenPose's files in a folder, likewise."""
    return [file for file in _files_in(folder, (".json",)) if file.name.lower().endswith(OPENPOSE_ENDING)]


def _files_in(folder: str | os.PathLike, suffixes: tuple[str, ...]) -> list[Path]:
    with refusals_told(folder):
        found = [p for p in Path(folder).iterdir() if p.suffix.lower() in suffixes and not p.name.startswith(".") and p.is_file()]
    return sorted(found, key=lambda p: (natural_key(p.stem), p.name))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts names by the numbers in them: frame_2 before frame_10."""
    return [(int(p), "") if p.isdecimal() else (-1, p.lower()) for p in re.split(r"(\d+)", name)]
