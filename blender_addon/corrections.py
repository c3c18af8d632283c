"""The buttons by which keypoints are corrected on the footage and the take is solved again."""

from __future__ import annotations

from typing import Any, cast

import bpy
from bpy.props import IntProperty

from .core.errors import InputError
from .jobs import DESK, ImportJob, Job, Status
from .keypoint_tracks import clip_in_question, clip_of, edited, exchange_sides
from .operators import JobOperator, WhileIdle, given, wanted
from .rigs import chosen_armature
from .settings import choice_properties, option_properties, options_again, take_properties
from .takes import footage_of


class EditKeypoints(WhileIdle, bpy.types.Operator):
    """Show the keypoints of the last import as markers on its footage, where they can be moved, disabled, tracked and put right"""

    bl_idname = "video_mocap.edit_keypoints"
    bl_label = "Edit Keypoints"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        """After an import whose keypoints are at hand."""
        there = DESK.solved is not None and DESK.solved.keypoints is not None
        if not there:
            cls.poll_message_set("There are no keypoints at hand; import a video first")
        return there and super().poll(context)

    def execute(self, context: Any) -> set[str]:
        """Makes the clip and shows it."""
        solved = DESK.solved
        assert solved is not None and solved.keypoints is not None
        try:
            footage = footage_of(solved.source)
            if footage is None:
                raise InputError("The take was made from keypoints alone; there is no video to show them on.")
            clip = clip_of(solved.keypoints, solved.motion, footage, context.scene.video_mocap.start_frame)
        except InputError as error:
            DESK.tell(Status(error=str(error)))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        _show(context, clip)
        DESK.tell(Status(message=f"The keypoints are the tracks of '{clip.name}' in the Movie Clip Editor; correct them there, then press "
                                 "'Solve Again'."))
        return {"FINISHED"}


class SolveAgain(JobOperator, bpy.types.Operator):
    """Make the take anew from the keypoints as they stand in the Movie Clip Editor, onto the selected armature or a new one"""

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
        if clip_in_question(context) is None:
            cls.poll_message_set("Press 'Edit Keypoints' first")
            return False
        return super().poll(context)

    def begin(self, context: Any) -> Job:
        """Starts the worker on the keypoints. What a script did not give comes from the panel."""
        values, armature = given(self, context.scene), chosen_armature(context)
        found = edited(clip_in_question(context))
        return ImportJob(found.footage, options_again(values), context.scene, armature, wanted(self, context.scene, armature), found)


class SwapSides(bpy.types.Operator):
    """Exchange left and right of the selected tracks, or of all when none is selected: in this frame, or all through the preview range"""

    bl_idname = "video_mocap.swap_sides"
    bl_label = "Swap Sides"
    bl_options = {"REGISTER", "UNDO"}
    __annotations__ = {
        "first": IntProperty(name="First Frame", description="The scene's", options={"SKIP_SAVE"}),
        "last": IntProperty(name="Last Frame", description="The scene's", options={"SKIP_SAVE"}),
    }

    @classmethod
    def poll(cls, context: Any) -> bool:
        """With a clip that holds keypoints."""
        if clip_in_question(context) is None:
            cls.poll_message_set("Press 'Edit Keypoints' first")
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        """At once; where no frames are given, in the preview range if there is one, else in the present frame."""
        scene, clip = context.scene, cast(Any, clip_in_question(context))
        if not self.properties.is_property_set("first"):
            self.first = scene.frame_preview_start if scene.use_preview_range else scene.frame_current
        if not self.properties.is_property_set("last"):
            self.last = scene.frame_preview_end if scene.use_preview_range else scene.frame_current
        before = clip.frame_start - 1
        count = exchange_sides(clip, self.first - before, self.last - before)
        if not count:
            self.report({"WARNING"}, f"There are no keypoints in frames {self.first} to {self.last}; nothing was exchanged.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Left and right were exchanged in {count} frames.")
        return {"FINISHED"}


def _show(context: Any, clip: Any) -> None:
    """The clip in every Movie Clip Editor, or, where there is none, in a window of its own."""
    if context.window is None or bpy.app.background:
        return
    editors = [area for window in context.window_manager.windows for area in window.screen.areas if area.type == "CLIP_EDITOR"]
    if not editors:
        bpy.ops.wm.window_new()
        area = context.window_manager.windows[-1].screen.areas[0]
        area.type = "CLIP_EDITOR"
        editors = [area]
    for area in editors:
        area.spaces.active.clip = clip
        area.spaces.active.clip_user.frame_current = context.scene.frame_current  # else it would show the first until that changes


CLASSES = (EditKeypoints, SolveAgain, SwapSides)
