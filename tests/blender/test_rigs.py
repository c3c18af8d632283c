"""The rigs of ../shared/rigs, whose bones are known: the mapping, and that limbs follow through Blender's own evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest
from blender_addon.core.retarget import map_names
from helpers import limb_error, synthetic_motion

from blender_addon.apply import apply_motion

RIGS = ("canonical24", "rigify_metarig", "mpfb_mixamo", "mpfb_default", "mpfb_game_engine", "mpfb_cmu_mb", "vrm1_names",
        "ue5_mannequin_names", "daz_genesis_names")


@pytest.mark.parametrize("rig", RIGS)
def test_a_known_rig_is_mapped_and_follows(shared: Path, rig: str) -> None:
    if not (shared / "rigs").is_dir():
        pytest.skip(f"no rigs in {shared}")
    truth = json.loads((shared / "rigs" / f"{rig}.json").read_text())
    bpy.ops.wm.open_mainfile(filepath=str(shared / "rigs" / f"{rig}.blend"))
    armature, motion = bpy.data.objects[truth["armature_object"]], synthetic_motion()
    mapping = map_names(tuple(b.name for b in armature.data.bones), "The armature")
    assert mapping.bones == {joint: bone for joint, bone in truth["mapping"].items() if bone}
    assert list(mapping.spine) == truth["chains"]["Spine"] and list(mapping.neck) == truth["chains"]["Neck"]
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, truth["measure"], motion) < 0.1
