"""The panel's values mean to the engine what the panel says."""

from __future__ import annotations

import bpy
import pytest
from blender_addon.core.errors import InputError

from blender_addon.settings import run_options


def test_people_are_counted_from_one() -> None:
    settings = bpy.context.scene.video_mocap
    settings.person = "number"
    assert run_options(settings).person == "1"
    settings.person_number = 0
    assert run_options(settings).person == "1"
    operator = bpy.ops.video_mocap.import_video.get_rna_type().properties
    assert operator["person_number"].default == operator["person_number"].hard_min == 1
    assert "from 1" in operator["person"].enum_items["number"].description


def test_the_height_is_in_metres_whatever_the_scenes_unit() -> None:
    bpy.context.scene.unit_settings.scale_length = 0.01
    settings = bpy.context.scene.video_mocap
    shown = settings.bl_rna.properties["height"]
    assert shown.unit == "NONE" and "(m)" in shown.name and "metres" in shown.description
    settings.height = 1.8
    assert run_options(settings).height == pytest.approx(1.8)
    settings.height = 180.0
    with pytest.raises(InputError, match="height in metres is 180"):
        run_options(settings)


def test_no_text_of_the_panel_talks_like_a_command_line() -> None:
    for properties in (bpy.context.scene.video_mocap.bl_rna.properties, bpy.ops.video_mocap.import_video.get_rna_type().properties):
        for shown in properties:
            texts = [shown.name, shown.description, *(i.description for i in getattr(shown, "enum_items", ()))]
            assert not any("--" in text or "probe" in text for text in texts), shown.identifier
