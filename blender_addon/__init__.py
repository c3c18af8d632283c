"""Video Mocap for Blender 4.2 LTS to 5.2 LTS: import a video as the animation of an armature.

`operators` start jobs, `jobs` talk to the worker process and hand the finished motion to `apply`, `panel` shows; the mathematics is
in `core.retarget`. Importing this package imports nothing but bpy and numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

if not (Path(__file__).resolve().parent / "core").is_dir():
    # In the zip `core` lies inside the extension; in a checkout it lies beside this folder.
    __path__.append(str(Path(__file__).resolve().parent.parent))

from . import bones, corrections, exports, operators, panel, settings
from .jobs import DESK, ImportJob, Status
from .take_marks import is_here

_CLASSES = (*bones.PROPERTIES, settings.VideoMocapSettings, *operators.CLASSES, *bones.CLASSES, *exports.CLASSES, *corrections.CLASSES,
            *panel.CLASSES)
_HISTORY = (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post)


@bpy.app.handlers.persistent
def _before_another_file(*_: Any) -> None:
    """An import was for the file that is being left, and so was what is said of the last one."""
    if isinstance(DESK.job, ImportJob):
        DESK.clear()
        DESK.tell(Status(error="The import was ended because another file was opened."))
    elif DESK.job is None:
        DESK.tell(Status())
    DESK.elsewhere = True


@bpy.app.handlers.persistent
def _after_undo(*_: Any) -> None:
    """What is said of a take that is gone is not so any more."""
    if DESK.job is None and not DESK.status.error and DESK.recent is not None and not is_here(DESK.recent.solve):
        DESK.tell(Status())


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.video_mocap = bpy.props.PointerProperty(type=settings.VideoMocapSettings)
    bpy.app.handlers.load_pre.append(_before_another_file)
    for handlers in _HISTORY:
        handlers.append(_after_undo)


def unregister() -> None:
    """Called by Blender when the add-on is disabled; ends what is at work."""
    operators.stop_going()
    DESK.clear()
    bpy.app.handlers.load_pre.remove(_before_another_file)
    for handlers in _HISTORY:
        handlers.remove(_after_undo)
    del bpy.types.Scene.video_mocap
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
