"""A solved motion that goes onto armatures as often as wanted: the last import's, or that of a motion.npz.

A video is solved once; which rig, which bones and which choices is tried out afterwards, without the engine. Each take's action keeps what
it was made from (`take_marks`).
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .apply import Take, apply_motion
from .core.errors import InputError
from .core.inputs import is_keypoint_input
from .core.keypoints import Keypoints, load_keypoints
from .core.motion import Motion, load_motion
from .core.retarget import Mapping
from .core.retarget.choices import DEFAULTS, Choices
from .footage import check_footage
from .take_marks import digest, made_from, mark

_EVEN = 1.02  # how many times as large as across an armature may be in one direction without a word


@dataclass(frozen=True)
class Wanted:
    """How a motion is to be put onto an armature: the scene's first frame, whether with camera and footage, choices, and which bone is
    which joint (None: found)."""

    start_frame: int = 1
    camera: bool = False
    choices: Choices = DEFAULTS
    mapping: Mapping | None = None


@dataclass(frozen=True)
class Applied:
    """What came of it, and what is to be said."""

    take: Take
    message: str
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Solved:
    """A motion, the video or the keypoint file that it was made from, the keypoints as the detector saw them (None: not at hand), the
    scene's frame on which it was put, and by what it is known."""

    motion: Motion
    source: Path
    keypoints: Keypoints | None = None
    start_frame: int = 1
    solve: str = field(default_factory=lambda: uuid.uuid4().hex)

    @cached_property
    def digest(self) -> str | None:
        """Which keypoints they are, see `keypoint_tracks`."""
        return None if self.keypoints is None else digest(self.keypoints)

    @classmethod
    def of(cls, action: Any) -> Solved:
        """Of the take on an action that `take_marks` knows. Raises InputError where that is damaged."""
        return cls(*made_from(action))

    @classmethod
    def load(cls, path: Path) -> Solved:
        """Of a motion.npz; it knows its source, and a run leaves its keypoints beside it. Raises InputError with one sentence."""
        motion = load_motion(path)
        return cls(motion, Path(str(motion.meta.get("source") or path)), keypoints_beside(path, motion))

    def note_on(self, take: Take, start_frame: int) -> None:
        """Lets the take's action keep what it was made from."""
        mark(bpy.data.actions[take.action], self.motion, self.source, self.keypoints, start_frame, self.solve)

    def put(self, context: Any, armature: Any | None, wanted: Wanted) -> Applied:
        """Onto the armature, or onto a new one. Raises InputError with one sentence and leaves the scene as it was."""
        warnings, footage = [], footage_of(self.source) if wanted.camera else None
        if footage is not None and not os.path.exists(footage):
            warnings.append(f"The video {footage} is gone; there is nothing behind the camera.")
            footage = None
        name = self.source.stem.encode("utf-8", "replace").decode()  # Blender takes no other names
        take = apply_motion(context, self.motion, name, armature, float(wanted.start_frame), footage, wanted.camera,
                            wanted.choices, wanted.mapping if armature is not None else None)
        seconds = float(self.motion.times[-1] - self.motion.times[0])
        message = f"{len(self.motion)} frames ({seconds:.1f} s) on '{take.armature}'."
        if take.slide >= 0.1:
            message += f" Feet on the ground slide by up to {take.slide:.1f} cm."
        self.note_on(take, wanted.start_frame)
        if take.overruled:
            warnings.append(overruled(take))
        if take.unseen:
            warnings.append(take.unseen)
        if take.placed and wanted.camera:
            warnings.append(f"'{take.armature}' is moved or turned by its bone '{take.placed[0]}', so that the camera does not see it "
                            "where the person is; clear that bone's pose (Alt G, Alt R) and move the armature itself instead.")
        if take.stretch > _EVEN:
            warnings.append(f"The scale of '{take.armature}' is not the same in all directions, so that its limbs miss theirs; apply it "
                            "(Ctrl A) and press 'Apply Again'.")
        return Applied(take, message, warnings)


def keypoints_beside(path: Path, motion: Motion) -> Keypoints | None:
    """The keypoints.npz in the folder of a motion.npz, if it is that motion's: of the same picture and the same time."""
    try:
        keypoints = load_keypoints(path.with_name("keypoints.npz"))
    except InputError:
        return None
    size = (keypoints.width, keypoints.height) == (motion.camera.width, motion.camera.height)
    frame = 1.5 / min(keypoints.fps, motion.fps)  # a motion may have been resampled
    return keypoints if size and np.allclose(keypoints.times[[0, -1]], motion.times[[0, -1]], rtol=0, atol=frame) else None


def footage_of(source: Path) -> Path | None:
    """What can be shown behind the camera: a video or a folder of images, but no keypoints. Raises InputError where Blender cannot."""
    if is_keypoint_input(source):
        return None
    check_footage(source)
    return source


def overruled(take: Take) -> str:
    """What to say of bones that a rig moves itself."""
    shown = ", ".join(take.overruled[:4]) + (", ..." if len(take.overruled) > 4 else "")
    return (f"'{take.armature}' moves or limits {len(take.overruled)} bones itself, by constraints or drivers ({shown}); switch these off "
            "to see the take there.")
