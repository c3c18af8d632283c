"""The buttons. Each starts a job and lets a timer carry it on, or, without a window or from a script, waits for its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from .bones import chosen_mapping
from .core.errors import Cancelled, InputError
from .core.retarget.choices import Choices
from .jobs import DESK, ImportJob, Job, SetupJob, Status
from .rigs import chosen_armature
from .settings import choice_properties, option_properties, run_options, take_properties, video_path
from .take_marks import actions_on, has_motion, latest
from .takes import Solved, Wanted

_TICK = 0.1  # seconds between steps; what a step may take is stated in `jobs`


class WhileIdle:
    """For operators that wait while another one is at work."""

    @classmethod
    def poll(cls, context: Any) -> bool:
        """One job at a time."""
        if DESK.job is not None:
            cls.poll_message_set("Video Mocap is at work")  # type: ignore[attr-defined]
        return DESK.job is None


class JobOperator(WhileIdle):
    """What the operators that start a job share. `begin` makes the job."""

    def begin(self, context: Any) -> Job:
        """Starts the job. Raises InputError with one sentence."""
        raise NotImplementedError

    def _start(self, context: Any) -> bool:
        try:
            DESK.start(self.begin(context))
            return True
        except InputError as error:
            DESK.tell(Status(error=str(error)))
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return False

    def execute(self, context: Any) -> set[str]:
        """The whole job at once; an error reaches a script as RuntimeError with the sentence."""
        if not self._start(context):
            return {"CANCELLED"}
        try:
            while not DESK.step(context):
                time.sleep(_TICK)
        except (InputError, Cancelled) as error:
            self.report({"ERROR"}, str(error) or "Cancelled.")  # type: ignore[attr-defined]
            return {"CANCELLED"}
        finally:
            DESK.clear()
        return {"FINISHED"}

    def invoke(self, context: Any, event: Any) -> set[str]:
        """From the panel: the job goes on while the window lives."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if not self._start(context):
            return {"CANCELLED"}
        self._job = DESK.job
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """One step at each tick of the timer; every event goes on to whom it was meant for."""
        if event.type != "TIMER" or DESK.job is not self._job:
            return {"PASS_THROUGH"} if DESK.job is self._job else self._stop(context, "CANCELLED")
        redraw_panels(context)
        try:
            return self._stop(context, "FINISHED") if DESK.step(context) else {"PASS_THROUGH"}
        except Cancelled:
            return self._stop(context, "CANCELLED")
        except InputError as error:
            self.report({"WARNING"}, str(error))  # type: ignore[attr-defined]
            return self._stop(context, "CANCELLED")
        except Exception:
            self._stop(context, "CANCELLED")
            raise

    def cancel(self, context: Any) -> None:
        """Blender ends the operator: another file is loaded, or the window is closed."""
        self._stop(context, "CANCELLED")

    def _stop(self, context: Any, how: str) -> set[str]:
        if DESK.job is self._job:
            DESK.clear()
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        return {how}


class ImportVideo(JobOperator, bpy.types.Operator):
    """Turn the person in the video into the animation of the selected armature, or of a new one"""

    bl_idname = "video_mocap.import_video"
    bl_label = "Import Video as Pose"
    # No REGISTER: adjusting the last operation would run the whole video again.
    bl_options = {"UNDO"}
    __annotations__ = {
        "filepath": StringProperty(name="Video", subtype="FILE_PATH", options={"SKIP_SAVE"},
                                   description="The video; when empty, the panel's"),
        **option_properties(options={"SKIP_SAVE"}),
        **take_properties(options={"SKIP_SAVE"}),
        **choice_properties(options={"SKIP_SAVE"}),
    }

    def begin(self, context: Any) -> Job:
        """Starts the worker. What a script did not give comes from the panel."""
        settings = context.scene.video_mocap
        video = video_path(self.filepath or settings.video)
        armature = chosen_armature(context)
        return ImportJob(video, run_options(given(self, context.scene)), context.scene, armature, wanted(self, context.scene, armature))


class _Apply(WhileIdle):
    """What the operators share that put a solved motion onto the armature that is selected, or onto a new one. No engine is needed."""

    # No REGISTER: a redo panel would show defaults where the sidebar's choices count.
    bl_options = {"UNDO"}

    def solved(self, context: Any, armature: Any | None) -> Solved:
        """The motion that goes onto the armature. Raises InputError with one sentence."""
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        """At once; an error reaches a script as RuntimeError with the sentence, and leaves the scene as it was."""
        try:
            armature = chosen_armature(context)
            solved = self.solved(context, armature)
            applied = solved.put(context, armature, wanted(self, context.scene, armature))
        except InputError as error:
            DESK.tell(Status(error=str(error)))
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        DESK.tell(Status(message=applied.message, warnings=applied.warnings, action=applied.take.action))
        return {"FINISHED"}


class ApplyAgain(_Apply, bpy.types.Operator):
    """Put a take that is there already onto the selected armature, or a new one, with the choices and bones of now"""

    bl_idname = "video_mocap.apply_again"
    bl_label = "Apply Again"
    __annotations__ = {**take_properties(options={"SKIP_SAVE"}), **choice_properties(options={"SKIP_SAVE"})}

    @classmethod
    def poll(cls, context: Any) -> bool:
        """After an import."""
        there = DESK.recent is not None or latest() is not None
        if not there:
            cls.poll_message_set("Nothing was imported into this file yet")
        return there and super().poll(context)

    def solved(self, context: Any, armature: Any | None) -> Solved:
        """See `take_in_question`."""
        action = take_in_question(context, armature)
        solved = DESK.last() if action is None else Solved.of(action)
        assert solved is not None
        return solved


class ImportMotion(_Apply, bpy.types.Operator):
    """Put the motion.npz of a run on the command line onto the selected armature, or a new one"""

    bl_idname = "video_mocap.import_motion"
    bl_label = "Import motion.npz"
    __annotations__ = {
        "filepath": StringProperty(name="Motion", subtype="FILE_PATH", options={"SKIP_SAVE"}),
        "filter_glob": StringProperty(default="*.npz", options={"HIDDEN"}),
        **take_properties(options={"SKIP_SAVE"}),
        **choice_properties(options={"SKIP_SAVE"}),
    }

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Opens the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def solved(self, context: Any, armature: Any | None) -> Solved:
        """The file's."""
        if not self.filepath.strip():
            raise InputError("Choose the motion.npz of a run first.")
        solved = Solved.load(Path(bpy.path.abspath(self.filepath)))
        DESK.keep(solved, context.scene)
        return solved


class SetUpEngine(JobOperator, bpy.types.Operator):
    """Make the engine that analyses videos (once; downloads about 1 GB)"""

    bl_idname = "video_mocap.setup_engine"
    bl_label = "Set up Engine"

    def begin(self, context: Any) -> Job:
        """Starts the set-up."""
        return SetupJob()

    def invoke(self, context: Any, event: Any) -> set[str]:
        """From the panel: the set-up goes on when another file is opened, which ends operators."""
        if bpy.app.background or context.window is None:
            return self.execute(context)
        if not self._start(context):
            return {"CANCELLED"}
        keep_going()
        return {"FINISHED"}


def keep_going() -> None:
    """Lets Blender's own clock carry on the present job, over files; how it ends stands in `DESK.status`."""
    bpy.app.timers.register(_carry_on, first_interval=_TICK, persistent=True)


def stop_going() -> None:
    """Undoes `keep_going`."""
    if bpy.app.timers.is_registered(_carry_on):
        bpy.app.timers.unregister(_carry_on)


def _carry_on() -> float | None:
    redraw_panels(bpy.context)
    if DESK.job is None:
        return None
    try:
        return None if DESK.step(bpy.context) else _TICK
    except (InputError, Cancelled):
        return None


class CancelWork(bpy.types.Operator):
    """Stop the work; the scene stays as it is"""

    bl_idname = "video_mocap.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only while there is work that nobody has cancelled yet."""
        return DESK.job is not None and not DESK.job.process.cancelled

    def execute(self, context: Any) -> set[str]:
        """Asks the process to stop; the running operator ends with it."""
        assert DESK.job is not None
        DESK.job.process.cancel()
        DESK.status.stage = "Stopping"
        return {"FINISHED"}


def take_in_question(context: Any, armature: Any | None) -> Any | None:
    """The action with the take that 'Apply Again' means: the one that the panel names, else the armature's own. None: the motion that came
    last, which it always is while no armature in the file has that."""
    chosen = context.scene.video_mocap.take
    if chosen is not None and has_motion(chosen):
        return chosen
    if armature is None or (DESK.homeless() is not None and not DESK.elsewhere):
        return None
    own = sorted(filter(has_motion, actions_on(armature)), key=lambda action: action != armature.animation_data.action)  # that one first
    return own[0] if own else None


def wanted(operator: Any, scene: Any, armature: Any | None) -> Wanted:
    """How the operator is to put a motion onto the armature."""
    values = given(operator, scene)
    return Wanted(values.start_frame, values.footage, Choices.of(values), chosen_mapping(scene, armature))


def given(operator: Any, scene: Any) -> Any:
    """What the operator was given, and of the rest what the scene's panel says."""
    return _Given(operator, scene.video_mocap)


class _Given:
    """The operator's own properties where the caller has set them, the panel's elsewhere."""

    def __init__(self, operator: Any, settings: Any) -> None:
        self._operator, self._settings = operator, settings

    def __getattr__(self, name: str) -> Any:
        given = self._operator.properties.is_property_set(name)
        return getattr(self._operator if given else self._settings, name)


def redraw_panels(context: Any) -> None:
    """Lets the sidebars that hold our panels show the progress."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "CLIP_EDITOR"):
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


CLASSES = (ImportVideo, ApplyAgain, ImportMotion, SetUpEngine, CancelWork)
