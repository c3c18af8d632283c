"""The panel in the 3D view's sidebar, the add-on's preferences, and dropping a video onto the view. They show; `jobs` works."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import bpy
from bpy.props import StringProperty

from . import engine
from .bones import draw_bones, mapping_in_force
from .core.inputs import VIDEO_SUFFIXES
from .core.retarget.choices import Choices
from .corrections import probable_clip, target_of
from .jobs import DESK, Status
from .keypoint_tracks import is_clip
from .operators import take_in_question
from .rigs import chosen_armature
from .take_marks import has_motion, latest


class SidebarPanel(bpy.types.Panel):
    """3D view > sidebar > Video Mocap"""

    bl_idname = "VIDEO_MOCAP_PT_panel"
    bl_label = "Video Mocap"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Video Mocap"

    def draw(self, context: Any) -> None:
        """Called for every redraw: nothing slow, no file is looked at."""
        layout, settings = self.layout, context.scene.video_mocap
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "video", text="")
        _draw_options(layout.column(), settings)
        _draw_target(layout, context)
        if DESK.job is None:
            layout.operator("video_mocap.import_video", text="Import video as pose", icon="ARMATURE_DATA")
        else:
            _draw_progress(layout, DESK.status)
        _draw_outcome(layout, context, DESK.status)
        if DESK.job is None and not engine.is_known():
            layout.operator("video_mocap.setup_engine", text="Set up engine", icon="IMPORT")


class _Part:
    """What the panels inside the sidebar's panel share."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Video Mocap"
    bl_parent_id = "VIDEO_MOCAP_PT_panel"
    bl_options = {"DEFAULT_CLOSED"}


class TakePanel(_Part, bpy.types.Panel):
    """How the take is put onto the rig, and out again"""

    bl_idname = "VIDEO_MOCAP_PT_take"
    bl_label = "Take"

    def draw(self, context: Any) -> None:
        """One row for each choice, the ways to try another one, and the way to a file."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        for choice in dataclasses.fields(Choices):
            self.layout.prop(context.scene.video_mocap, choice.name)
        column = self.layout.column(align=True)
        column.operator("video_mocap.apply_again", icon="FILE_REFRESH")
        if (DESK.recent or latest()) is not None:
            column.prop(context.scene.video_mocap, "take")
            chosen = context.scene.video_mocap.take
            if chosen is None or not has_motion(chosen):
                column.label(text=_take_meant(context), icon="ACTION")
        column.operator("video_mocap.import_motion", icon="IMPORT")
        column.operator("video_mocap.export_take", icon="EXPORT")


def _take_meant(context: Any) -> str:
    """The take of 'Apply Again' where none is chosen."""
    action = take_in_question(context, chosen_armature(context))
    if action is None and (solved := DESK.homeless()) is not None:
        return f"{solved.source.name}, not in this file"
    action = action or latest()
    return "" if action is None else str(action.name)


class KeypointsPanel(_Part, bpy.types.Panel):
    """What the detector saw, to be put right"""

    bl_idname = "VIDEO_MOCAP_PT_keypoints"
    bl_label = "Keypoints"

    def draw(self, context: Any) -> None:
        """To the Movie Clip Editor and back."""
        column = self.layout.column(align=True)
        column.operator("video_mocap.edit_keypoints", icon="TRACKER")
        column.operator("video_mocap.solve_again", icon="FILE_REFRESH")
        if (clip := probable_clip(context)) is not None:
            column.label(text=f"From: {clip.name}", icon="TRACKER")
            _draw_onto(column, context, clip)


class CorrectionsPanel(bpy.types.Panel):
    """Movie Clip Editor > sidebar > Video Mocap"""

    bl_idname = "VIDEO_MOCAP_PT_corrections"
    bl_label = "Video Mocap"
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = "Video Mocap"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """On a clip with keypoints."""
        return is_clip(context.space_data.clip)

    def draw(self, context: Any) -> None:
        """What is done beside moving and disabling markers, and what comes of it."""
        column = self.layout.column(align=True)
        column.operator("video_mocap.swap_sides", icon="ARROW_LEFTRIGHT")
        column.operator("video_mocap.restore_keypoints", icon="LOOP_BACK")
        if DESK.job is None:
            column.operator("video_mocap.solve_again", icon="FILE_REFRESH")
            _draw_onto(column, context, context.space_data.clip)
        else:
            _draw_progress(self.layout, DESK.status)
        _draw_outcome(self.layout, context, DESK.status)


class BonesPanel(_Part, bpy.types.Panel):
    """Which bone is which joint"""

    bl_idname = "VIDEO_MOCAP_PT_bones"
    bl_label = "Bones"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """With an armature to go onto."""
        return chosen_armature(context) is not None

    def draw(self, context: Any) -> None:
        """The list of `bones`."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        draw_bones(self.layout, context, chosen_armature(context))


def _draw_onto(column: Any, context: Any, clip: Any) -> None:
    armature = target_of(context, clip)
    column.label(text=f"Onto: {armature.name if armature else 'a new armature'}", icon="OUTLINER_OB_ARMATURE")


def _draw_options(column: Any, settings: Any) -> None:
    column.prop(settings, "person")
    if settings.person == "number":
        column.prop(settings, "person_number")
    for name in ("start", "end", "height", "focal", "start_frame", "footage"):
        column.prop(settings, name)


def _draw_target(layout: Any, context: Any) -> None:
    armature = chosen_armature(context)
    if armature is None:
        layout.label(text="Onto: a new armature", icon="ADD")
        return
    mapping, problem = mapping_in_force(context.scene, armature)
    column = layout.column(align=True)
    column.label(text=f"Onto: {armature.name}", icon="ERROR" if problem else "OUTLINER_OB_ARMATURE")
    if mapping is not None:
        column.label(text=f"Bones of {mapping.map_name}", icon="BLANK1")
    if problem:
        _draw_sentence(layout, context, problem, "ERROR")


def _draw_progress(layout: Any, status: Status) -> None:
    factor = status.done / status.total if status.total else 0.0
    count = f" {status.done} of {status.total}" if status.total else (f" {status.done}" if status.done else "")
    layout.progress(factor=min(factor, 1.0), text=f"{status.stage}{count}")
    layout.operator("video_mocap.cancel", text="Cancel", icon="CANCEL")


def _draw_outcome(layout: Any, context: Any, status: Status) -> None:
    if status.error:
        _draw_sentence(layout, context, status.error, "ERROR")
    if status.message:
        _draw_sentence(layout, context, status.message, "CHECKMARK")
    for warning in status.warnings:
        _draw_sentence(layout, context, warning, "INFO")


def _draw_sentence(layout: Any, context: Any, sentence: str, icon: str) -> None:
    """A sentence over as many lines as the sidebar's width needs; labels do not wrap by themselves."""
    scale = context.preferences.system.ui_scale
    width = max(20, int((context.region.width - 60 * scale) / (6.5 * scale))) if context.region else 40
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(sentence, width)):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


class VideoMocapPreferences(bpy.types.AddonPreferences):
    """Where the engine is."""

    bl_idname = __package__
    __annotations__ = {
        "engine_python": StringProperty(
            name="Engine Python", subtype="FILE_PATH", update=lambda self, context: engine.is_known.cache_clear(),
            description="The folder of an environment that you have made yourself, or its Python; empty: what 'Set up engine' makes"),
    }

    def draw(self, context: Any) -> None:
        """Path and button."""
        self.layout.prop(self, "engine_python")
        if DESK.job is None:
            self.layout.operator("video_mocap.setup_engine", text="Set up engine", icon="IMPORT")
        else:
            _draw_progress(self.layout, DESK.status)
        _draw_outcome(self.layout, context, DESK.status)


class VideoDrop(bpy.types.FileHandler):
    """A video dropped onto the 3D view."""

    bl_idname = "VIDEO_MOCAP_FH_video"
    bl_label = "Video as pose"
    bl_import_operator = "video_mocap.import_video"
    bl_file_extensions = ";".join(VIDEO_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        """Over a 3D view."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (VideoMocapPreferences, SidebarPanel, TakePanel, KeypointsPanel, CorrectionsPanel, BonesPanel, VideoDrop)
