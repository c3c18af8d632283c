"""The buttons by which keypoints are corrected on the footage and the take is solved again."""

from __future__ import annotations

import dataclasses
from typing import Any

import bpy
from bpy.props import IntProperty

from .core.errors import InputError
from .jobs import DESK, ImportJob, Job, Status
from .keypoint_tracks import begin_at, clip_of, clips, digest_of, edited, exchange_sides, find_clip, frames_of, is_clip, rate_of, restore
from .operators import JobOperator, WhileIdle, given, wanted
from .rigs import chosen_armature
from .settings import choice_properties, option_properties, options_again, take_properties
from .take_marks import actions_on, has_keypoints, known_keypoints, latest, made_when, takes_on
from .takes import Solved, footage_of

_SAME_RATE = 1e-3  # by what share rates may differ that run together


class EditKeypoints(WhileIdle, bpy.types.Operator):
    """Show the keypoints of the selected armature's take (or the last import's) as markers on the footage, to be put right there"""

    bl_idname = "video_mocap.edit_keypoints"
    bl_label = "Edit Keypoints"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        """In a file that has a take whose keypoints are at hand, or in which some are edited."""
        homeless = DESK.homeless()
        there = (homeless is not None and homeless.keypoints is not None) or any(map(has_keypoints, bpy.data.actions)) or bool(clips())
        if not there:
            cls.poll_message_set("There are no keypoints at hand; import a video first")
        return there and super().poll(context)

    def execute(self, context: Any) -> set[str]:
        """Makes the clip and shows it."""
        try:
            clip = _clip_to_edit(context)
        except InputError as error:
            DESK.tell(Status(error=str(error)))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        first, last = frames_of(clip)
        if not first <= context.scene.frame_current <= last:  # else there would be nothing to see
            context.scene.frame_set(first)
        _show(context, clip)
        status = Status(message=f"The keypoints are the tracks of '{clip.name}' in the Movie Clip Editor; correct them there, then press "
                                "'Solve Again'.")
        scene, video = context.scene.render.fps / context.scene.render.fps_base, rate_of(clip)
        if abs(scene / video - 1.0) > _SAME_RATE:
            status.warnings.append(f"The scene runs at {scene:g} frames a second, the video at {video:g}, so that clip and take do not run "
                                   "together; the clip's frames count.")
        DESK.tell(status)
        return {"FINISHED"}


def _clip_to_edit(context: Any) -> Any:
    """The clip of the selected armature's take, else of the last import; made where there is none yet. Raises InputError."""
    armature = chosen_armature(context)
    takes, actions = takes_on(armature), actions_on(armature)
    if armature is None or not actions:
        solved = DESK.last()
    elif (solved := next((Solved.of(action) for action in actions if has_keypoints(action)), None)) is None:
        clip = _clip_of(actions)
        if clip is None:
            raise InputError(f"The keypoints of the take on '{armature.name}' are not at hand any more; import its video again.")
        begin_at(clip, takes[digest_of(clip)])
        return clip
    if solved is None or solved.keypoints is None:
        return clip_in_question(context)
    footage = footage_of(solved.source) if find_clip(solved.digest) is None else solved.source
    if footage is None:
        raise InputError("The take was made from keypoints alone; there is no video to show them on.")
    return clip_of(solved.keypoints, solved.motion, footage, takes.get(solved.digest or "", solved.start_frame))


def clip_in_question(context: Any) -> Any:
    """The clip that a button means. Raises InputError."""
    clip, armature = probable_clip(context), chosen_armature(context)
    if clip is None and armature is not None and any(map(known_keypoints, actions_on(armature))):
        raise InputError(f"The keypoints of the take on '{armature.name}' are not shown yet; press 'Edit Keypoints' first.")
    if clip is None:
        names = ", ".join(f"'{clip.name}'" for clip in clips())
        raise InputError(f"Several clips hold keypoints ({names}); press the button in the Movie Clip Editor, on the one that you mean."
                         if names else "Press 'Edit Keypoints' first.")
    return clip


def probable_clip(context: Any) -> Any | None:
    """The clip with keypoints that this editor shows, else that of the selected armature's take. Without such a take the one that other
    editors show, else that of the last import, else the only one. None where that says nothing."""
    shown = getattr(context.space_data, "clip", None)
    if is_clip(shown):
        return shown
    if actions := list(filter(known_keypoints, actions_on(chosen_armature(context)))):
        return _clip_of(actions)
    elsewhere = {area.spaces.active.clip for area in _clip_editors(context) if is_clip(area.spaces.active.clip)}
    if len(elsewhere) == 1:
        return elsewhere.pop()
    there, homeless = clips(), DESK.homeless()
    last = homeless.digest if homeless is not None else known_keypoints(latest())
    return find_clip(last) or (there[0] if len(there) == 1 else None)


def target_of(context: Any, clip: Any) -> Any | None:
    """The armature onto which the clip's take goes when it is solved again: the selected one, unless that has a take of something else;
    then, or where none is selected, the one that this take is on. None: a new one."""
    def when(armature: Any) -> float:
        return max((made_when(action) for action in actions_on(armature) if known_keypoints(action) == known), default=-1.0)

    chosen, known = chosen_armature(context), digest_of(clip)
    if chosen is not None and (when(chosen) >= 0 or not actions_on(chosen)):
        return chosen
    there = [thing for thing in context.view_layer.objects if thing.type == "ARMATURE" and thing.library is None and when(thing) >= 0]
    return max(there, key=lambda armature: (armature.visible_get(), when(armature)), default=None)


def _clip_of(actions: list[Any]) -> Any | None:
    """The clip of the first of these takes that has one."""
    return next((clip for action in actions if (clip := find_clip(known_keypoints(action))) is not None), None)


def _clips_there(operator: Any) -> bool:
    """For a button that needs a clip with keypoints: whether there is one; else the button says what to do."""
    there = bool(clips())
    if not there:
        operator.poll_message_set("Press 'Edit Keypoints' first")
    return there


class SolveAgain(JobOperator, bpy.types.Operator):
    """Make the take anew from the keypoints as they stand in the Movie Clip Editor, where it was, on the selected armature or its own"""

    bl_idname = "video_mocap.solve_again"
    bl_label = "Solve Again"
    bl_options = {"UNDO"}
    __annotations__ = {
        **{name: value for name, value in option_properties(options={"SKIP_SAVE"}).items() if name in ("focal", "height")},
        **take_properties(options={"SKIP_SAVE"}),
        **choice_properties(options={"SKIP_SAVE"}),
    }

    @classmethod
    def poll(cls, context: Any) -> bool:
        """With keypoints to correct."""
        return _clips_there(cls) and super().poll(context)

    def begin(self, context: Any) -> Job:
        """Starts the worker on the keypoints, with the options of the run that they are of but for what the panel or a script says."""
        clip = clip_in_question(context)
        found, armature = edited(clip), target_of(context, clip)
        options = options_again(found.options, given(self, context.scene))
        how = wanted(self, context.scene, armature)
        if not self.properties.is_property_set("start_frame"):
            how = dataclasses.replace(how, start_frame=takes_on(armature).get(digest_of(clip), found.start_frame))
        return ImportJob(found.footage, options, context.scene, armature, how, found)


class _InRange(bpy.types.Operator):
    """Something done at once to the selected tracks, or to all when none is selected, where nothing else is said in the preview range if
    there is one, else in the present frame."""

    bl_options = {"REGISTER", "UNDO"}
    __annotations__ = {
        name: IntProperty(name=f"{name.title()} Frame", options={"SKIP_SAVE"},
                          description=f"The scene's; if it is not given, the {name} of the preview range, or the present one")
        for name in ("first", "last")
    }

    @classmethod
    def poll(cls, context: Any) -> bool:
        """With a clip that holds keypoints."""
        return _clips_there(cls)

    nothing = done = ""  # what to say

    def change(self, clip: Any, first: int, last: int) -> int:
        """Does it in these frames of the clip; in how many there was something to do."""
        raise NotImplementedError

    def execute(self, context: Any) -> set[str]:
        """Says what was done."""
        try:
            scene, clip = context.scene, clip_in_question(context)
            if not self.properties.is_property_set("first"):
                self.first = scene.frame_preview_start if scene.use_preview_range else scene.frame_current
            if not self.properties.is_property_set("last"):
                self.last = scene.frame_preview_end if scene.use_preview_range else scene.frame_current
            first, last = (frame - clip.frame_start + 1 for frame in sorted((self.first, self.last)))
            count = self.change(clip, first, last)
        except InputError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not count:
            self.report({"WARNING"}, f"There is {self.nothing} in frames {self.first} to {self.last} of these tracks.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"{self.done} in {count} frame{'s' * (count > 1)}.")
        return {"FINISHED"}


class SwapSides(_InRange):
    """Exchange left and right of the selected tracks, or of all when none is selected: in this frame, or all through the preview range"""

    bl_idname = "video_mocap.swap_sides"
    bl_label = "Swap Sides"
    nothing, done = "no left or right to exchange", "Left and right were exchanged"

    def change(self, clip: Any, first: int, last: int) -> int:
        """See `exchange_sides`."""
        return exchange_sides(clip, first, last)


class RestoreKeypoints(_InRange):
    """Bring the selected tracks, or all when none is selected, back to what the detector saw: in this frame, or all through the preview
    range"""

    bl_idname = "video_mocap.restore_keypoints"
    bl_label = "Restore"
    nothing, done = "nothing that was changed", "What the detector saw is back"

    def change(self, clip: Any, first: int, last: int) -> int:
        """See `restore`."""
        return restore(clip, first, last)


def _show(context: Any, clip: Any) -> None:
    """The clip in a Movie Clip Editor: one that shows it, or keypoints, or nothing, else in a window of its own."""
    if context.window is None or bpy.app.background:
        return
    ours = [area for area in _clip_editors(context) if area.spaces.active.clip is None or is_clip(area.spaces.active.clip)]
    area = next((area for area in ours if area.spaces.active.clip == clip), ours[0] if ours else None)
    if area is None:
        bpy.ops.wm.window_new()
        area = context.window_manager.windows[-1].screen.areas[0]
        area.type = "CLIP_EDITOR"
    space = area.spaces.active
    space.clip, space.mode, space.show_names = clip, "TRACKING", True
    space.clip_user.frame_current = context.scene.frame_current  # else it would show the first until that changes


def _clip_editors(context: Any) -> list[Any]:
    return [area for window in context.window_manager.windows for area in window.screen.areas if area.type == "CLIP_EDITOR"]


CLASSES = (EditKeypoints, SolveAgain, SwapSides, RestoreKeypoints)
