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

_CLASSES = (*bones.PROPERTIES, settings.VideoMocapSettings, *operators.CLASSES, *bones.CLASSES, *exports.CLASSES, *corrections.CLASSES,
            *panel.CLASSES)


@bpy.app.handlers.persistent
def _before_another_file(*_: Any) -> None:
    """An import was for the file that is being left, and so was what is said of the last one."""
    if isinstance(DESK.job, ImportJob):
        DESK.clear()
        DESK.tell(Status(error="The import was ended because another file was opened."))
    elif DESK.job is None:
        DESK.tell(Status())


@bpy.app.handlers.persistent
def _after_another_file(*_: Any) -> None:
    """The last motion was solved for the file that was left."""
    DESK.elsewhere = True


@bpy.app.handlers.persistent
def _after_undo(*_: Any) -> None:
    """What is said of a take that is gone is not so any more."""
    if DESK.job is None and DESK.status.action and DESK.status.action not in bpy.data.actions:
        DESK.tell(Status())


_HANDLERS = (
    (bpy.app.handlers.load_pre, _before_another_file), (bpy.app.handlers.load_post, _after_another_file),
    (bpy.app.handlers.undo_post, _after_undo), (bpy.app.handlers.redo_post, _after_undo))


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.video_mocap = bpy.props.PointerProperty(type=settings.VideoMocapSettings)
    for handlers, handler in _HANDLERS:
        handlers.append(handler)


def unregister() -> None:
    """Called by Blender when the add-on is disabled; ends what is at work."""
    operators.stop_going()
    DESK.clear()
    for handlers, handler in _HANDLERS:
        handlers.remove(handler)
    del bpy.types.Scene.video_mocap
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
