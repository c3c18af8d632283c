"""What runs in the background, at most one at a time: an import, or the engine's set-up. Its state is what the panel shows.

`step` is called ten times a second by a modal operator, or in a loop when there is no window. It takes well under a millisecond,
except for the last one of an import, which puts the motion into the scene (`apply`). No Blender object is held between steps:
scene and armature are looked up by their names.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import engine
from .apply import Take, check_target
from .core.errors import Cancelled, InputError
from .core.files import refusals_told
from .core.motion import load_motion
from .core.options import RunOptions
from .keypoint_tracks import Edited
from .process import JsonProcess
from .take_marks import is_here, latest
from .takes import Solved, Wanted, footage_of, keypoints_beside

_KILLED = -9  # by Linux itself, where memory runs out
_CRASHED = 2**30  # Windows' codes of programs that it has ended; elsewhere they are below 0


@dataclass
class Status:
    """What the panel shows of the last or present job."""

    stage: str = ""
    done: int = 0
    total: int | None = None
    error: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    action: str = ""  # of the take that the message tells of


class Job:
    """A process at work. `step` returns True when it is finished; raises InputError (one sentence) or Cancelled when it failed."""

    what = ""

    def __init__(self, process: JsonProcess) -> None:
        self.process = process
        self.status = Status(stage="Starting")
        self._result: dict[str, Any] | None = None
        self._failure: dict[str, Any] | None = None

    def step(self, context: Any) -> bool:
        """Takes in what the process has said since the last step, in the words of `core.events`."""
        for event in self.process.poll():
            if event["event"] == "exit":
                self._end(context, event["code"])
                return True
            self._take(event)
        return False

    def _take(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self.status.stage, self.status.done, self.status.total = event["stage"], event["done"], event["total"]
        elif event["event"] == "warning":
            self.status.warnings.append(event["text"])
        elif event["event"] == "result":
            self._result = event
        elif event["event"] == "error":
            self._failure = event

    def _end(self, context: Any, code: int) -> None:
        if self.process.cancelled:
            raise Cancelled
        if self._failure is not None and self._result is None:
            raise InputError(self._failure["text"])
        if self._result is None:
            words = self.process.last_words()
            raise InputError(f"{self.what} ended before it was finished (code {code}{': ' + words if words else ''}); {_cure(code)}.")
        if self._failure is not None and self._failure["text"] not in self.status.warnings:  # what could be done is kept
            self.status.warnings.append(self._failure["text"])
        self.finish(context, self._result)

    def finish(self, context: Any, result: dict[str, Any]) -> None:
        """What is to be done with the result."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the process if it still runs and removes what it has left."""
        self.process.close()


def _cure(code: int) -> str:
    """What to do after a process that has left no word of its own."""
    if code == _KILLED:
        return "the system may have run out of memory: close other programs, or take a part of the video by Start and End"
    if code < 0 or code >= _CRASHED:
        return "it crashed, perhaps for want of something that a library needs, which 'python3 build.py doctor' looks for"
    return "try again"


class _Named:
    """A data block that is found again though it was renamed, or though another file was opened that has one of its name."""

    def __init__(self, block: Any) -> None:
        self.name, self._uid = block.name, block.session_uid

    def found_in(self, blocks: Any) -> Any | None:
        """The block, or None when it is gone."""
        return next((b for b in blocks if b.session_uid == self._uid), None) or blocks.get(self.name)


class ImportJob(Job):
    """A video on its way to an armature, or keypoints that were corrected on it. Raises InputError when it cannot begin, before anything is
    started."""

    what = "The engine"

    def __init__(self, video: Path, options: RunOptions, scene: Any, armature: Any | None, wanted: Wanted,
                 edited: Edited | None = None) -> None:
        if armature is not None:
            check_target(armature, wanted.mapping)
        if wanted.camera:
            footage_of(video)
        python = engine.find_python()
        engine.is_known.cache_clear()
        self._video, self._wanted, self._edited = video, wanted, edited
        self._scene, self._armature = _Named(scene), _Named(armature) if armature is not None else None
        self._folder = Path(tempfile.mkdtemp(prefix="video_mocap_"))
        self.take: Take | None = None
        request = {"input": str(video), "out": str(self._folder), "options": options.to_json()}
        if edited:
            request["input"] = str(self._folder / f"{video.stem[:80]} keypoints.npz")  # sentences name it
        try:
            if edited:
                with refusals_told(request["input"]):
                    edited.keypoints.save(request["input"])
            super().__init__(JsonProcess(engine.worker_command(python), engine.CODE, request))
        except InputError:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise InputError(f"The engine's Python {python} cannot be started ({error.strerror}); correct Engine Python in the add-on's "
                             "preferences, or empty it there and press 'Set up engine'.") from error

    def finish(self, context: Any, result: dict[str, Any]) -> None:
        """Puts the motion onto the armature, or onto a new one if that is gone, in the scene that the import was started in."""
        path = Path(result["files"]["npz"])
        motion = load_motion(path)
        if self._edited:
            motion = dataclasses.replace(motion, meta=motion.meta | self._edited.meta)
        keypoints = self._edited.detected if self._edited else keypoints_beside(path, motion)
        solved = Solved(motion, self._video, keypoints, self._wanted.start_frame)
        armature = self._armature.found_in(bpy.data.objects) if self._armature else None
        # One that was deleted may still be in the file, for a list of bones or a fake user keeps it.
        if self._armature and (armature is None or armature.type != "ARMATURE" or not armature.users_scene):
            self.status.warnings.append(f"The armature '{self._armature.name}' is gone; the motion is on a new one.")
            armature = None
        scene = self._scene.found_in(bpy.data.scenes)
        if scene is None:
            self.status.warnings.append(f"The scene '{self._scene.name}' is gone; the motion is in '{context.scene.name}'.")
            scene = context.scene
        DESK.keep(solved, scene)
        try:
            with _in_scene(context, scene):
                applied = solved.put(context, armature, self._wanted)
        except InputError as error:
            raise InputError(f"{error} The motion is kept: press 'Apply Again' when this is mended.") from error
        self.take, self.status.message, self.status.action = applied.take, applied.message, applied.take.action
        self.status.warnings += applied.warnings

    def close(self) -> None:
        """Also removes the worker's folder, unless the worker has left a traceback there that its sentence refers to."""
        super().close()
        if not (self._folder / "error.log").exists():
            shutil.rmtree(self._folder, ignore_errors=True)


class SetupJob(Job):
    """The engine's environment being made, whatever file is open. Raises InputError when going online is not allowed."""

    what = "The set-up"

    def __init__(self) -> None:
        super().__init__(JsonProcess(engine.setup_command(), engine.CODE))

    def finish(self, context: Any, result: dict[str, Any]) -> None:
        """Says so; the next import finds it."""
        engine.is_known.cache_clear()
        self.status.message = "The engine is ready."


@contextmanager
def _in_scene(context: Any, scene: Any) -> Iterator[None]:
    """Shows the scene in the window for a while, because Blender's operators work in what is shown; nothing is drawn meanwhile."""
    shown = context.scene
    if scene != shown:
        context.window.scene = scene
    try:
        yield
    finally:
        if scene != shown:
            context.window.scene = shown


class _Desk:
    """The one job that runs, if any, the status of the last one, and the motion that came last since Blender was started: what could not be
    put onto its armature, or was undone, is not lost.

    elsewhere: whether that was in another file.
    """

    def __init__(self) -> None:
        self.job: Job | None = None
        self.recent: Solved | None = None
        self.elsewhere = False
        self._last = Status()

    def last(self) -> Solved | None:
        """The motion that came last: `homeless`, else that of this file's latest take. Raises InputError where that is damaged."""
        action = latest()
        return self.homeless() or (None if action is None else Solved.of(action))

    def homeless(self) -> Solved | None:
        """The motion that came last, where this file has no take of it, and no other if it came before the file was opened."""
        if self.recent is None or is_here(self.recent.solve) or (self.elsewhere and latest() is not None):
            return None
        return self.recent

    def keep(self, solved: Solved, scene: Any) -> None:
        """Notes the motion that came last; it is what 'Apply Again' means in its scene, whatever was chosen there before."""
        self.recent, self.elsewhere = solved, False
        scene.video_mocap.take = None

    @property
    def status(self) -> Status:
        """Of the present job, else of the last one."""
        return self.job.status if self.job is not None else self._last

    def start(self, job: Job) -> Job:
        """Takes on a job; there must be none."""
        self.job = job
        return job

    def tell(self, status: Status) -> None:
        """What became of something that took no job, or of a job that could not even begin."""
        self._last = status

    def step(self, context: Any) -> bool:
        """One step of the job; True when it is over, in whatever way. Raises InputError and Cancelled as the job does."""
        assert self.job is not None
        try:
            if not self.job.step(context):
                return False
        except Cancelled:
            self.job.status.message = "Cancelled; nothing was changed."
            self.clear()
            raise
        except InputError as error:
            self.job.status.error = str(error)
            self.clear()
            raise
        except Exception as error:
            self.job.status.error = f"Something went wrong inside Video Mocap ({type(error).__name__}: {error}); nothing was changed."
            self.clear()
            raise
        self.clear()
        return True

    def clear(self) -> None:
        """Ends the present job at once, if there is one; its status stays to be seen."""
        if self.job is not None:
            self._last = self.job.status
            self.job.close()
            self.job = None


DESK = _Desk()
