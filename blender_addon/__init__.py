"""Video Mocap for Blender 4.2 LTS to 5.2 LTS: import a video as the animation of an armature."""

from __future__ import annotations

from pathlib import Path

_REPO = Path(__file__).resolve().parent.parent
if not (Path(__file__).resolve().parent / "core").is_dir():
    # In the zip `core` lies inside the extension; in a checkout it lies beside this folder.
    __path__.append(str(_REPO))
