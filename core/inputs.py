"""What kind of input a path names, from names alone: keypoints on file, or pictures; and in which order a folder's pictures play.

Standard library only, because the add-on asks the same questions inside Blender.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".exr", ".jp2", ".ppm", ".pgm")


def is_keypoint_input(path: str | os.PathLike) -> bool:
    """Whether `path` names keypoints rather than pictures: a .json or .npz file, or a folder of OpenPose's files.

    A folder with some other JSON counts only if it holds no images: exporters and photo tools leave such files beside the frames.
    """
    path = Path(path)
    if path.is_dir():
        files = [f.name.lower() for f in path.iterdir()]
        if any(f.endswith("_keypoints.json") for f in files):
            return True
        return any(f.endswith(".json") for f in files) and not any(f.endswith(IMAGE_SUFFIXES) for f in files)
    return path.suffix.lower() in (".json", ".npz")


def images_in(folder: str | os.PathLike) -> list[Path]:
    """The images of a folder in the order of their numbers, frame_2 before frame_10; hidden files are none."""
    found = (p for p in Path(folder).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file())
    return sorted(found, key=_natural_key)


def _natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.stem)
    return [(int(p), "") if p.isdigit() else (-1, p.lower()) for p in parts], path.name
