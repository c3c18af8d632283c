"""The rigs of ../shared/rigs, whose bones are known: the mapping, and that limbs follow through Blender's own evaluation."""

from __future__ import annotations

import json
import random
from pathlib import Path

import bpy
import numpy as np
import pytest
from blender_addon.core.retarget import map_rig
from helpers import joints_in_blender, limb_error, synthetic_motion
from walking import planted_walk

from blender_addon.apply import apply_motion
from blender_addon.rigs import read_rig

RIGS = ("canonical24", "rigify_metarig", "mpfb_mixamo", "mpfb_default", "mpfb_game_engine", "mpfb_cmu_mb", "vrm1_names",
        "ue5_mannequin_names", "daz_genesis_names", "one_spine_low_poly", "rigify_generated")


@pytest.mark.parametrize("rig", RIGS)
def test_a_known_rig_is_mapped_and_follows(shared: Path, rig: str) -> None:
    if not (shared / "rigs").is_dir():
        pytest.skip(f"no rigs in {shared}")
    truth = json.loads((shared / "rigs" / f"{rig}.json").read_text())
    bpy.ops.wm.open_mainfile(filepath=str(shared / "rigs" / f"{rig}.blend"))
    armature, motion = bpy.data.objects[truth["armature_object"]], synthetic_motion()
    mapping = map_rig(read_rig(armature))
    assert mapping.bones == {joint: bone for joint, bone in truth["mapping"].items() if bone}
    assert list(mapping.spine) == truth["chains"]["Spine"] and list(mapping.neck) == truth["chains"]["Neck"]
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, truth["measure"], motion) < 0.1


@pytest.mark.parametrize("rig", RIGS)
def test_limbs_follow_while_feet_stand(shared: Path, rig: str) -> None:
    """A walk that rolls from heel to toe: every limb within a degree of the motion's, and feet that stand move less than a millimetre."""
    if not (shared / "rigs").is_dir():
        pytest.skip(f"no rigs in {shared}")
    truth = json.loads((shared / "rigs" / f"{rig}.json").read_text())
    bpy.ops.wm.open_mainfile(filepath=str(shared / "rigs" / f"{rig}.blend"))
    armature, motion = bpy.data.objects[truth["armature_object"]], planted_walk(rolling=True)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.0
    take = apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, truth["measure"], motion, every=2) < 1.0 and take.slide < 0.01
    feet = {joint: truth["measure"][joint] for joint in ("LeftFoot", "RightFoot")}
    places = np.array([list(joints_in_blender(armature, feet, 1 + row).values()) for row in range(len(motion))])
    for side, first in ((0, 0), (1, 2)):
        flat = motion.contacts[:, first] & motion.contacts[:, first + 1]
        assert np.linalg.norm(np.diff(places[:, side], axis=0), axis=-1)[flat[1:] & flat[:-1]].max() < 1e-3


@pytest.mark.parametrize("rig", RIGS)
def test_with_random_names_the_shape_tells(shared: Path, rig: str) -> None:
    """At least 95% of the main bones of each rig, and no left for a right; constraints follow when a bone is renamed."""
    if not (shared / "rigs").is_dir():
        pytest.skip(f"no rigs in {shared}")
    truth = json.loads((shared / "rigs" / f"{rig}.json").read_text())
    bpy.ops.wm.open_mainfile(filepath=str(shared / "rigs" / f"{rig}.blend"))
    armature, motion = bpy.data.objects[truth["armature_object"]], synthetic_motion()
    rng, renamed = random.Random(rig), {}
    for bone in list(armature.data.bones):
        word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=9))
        renamed[bone.name], bone.name = word, word
    mapping = map_rig(read_rig(armature))
    also = truth["also_accepted"]
    wanted = {j: {renamed[b] for b in (bone, *also.get(j, ()))} for j, bone in truth["mapping"].items() if bone}
    wrong = {joint for joint, bones in wanted.items() if mapping.bones.get(joint) not in bones}
    assert len(wrong) <= 0.05 * len(wanted), wrong
    sides = {renamed[bone]: joint[:4] for joint, bone in truth["mapping"].items() if bone and joint[:4] in ("Left", "Righ")}
    assert all(sides.get(bone, joint[:4]) == joint[:4] for joint, bone in mapping.bones.items())
    assert set(mapping.scores) >= set(wanted) - {"Spine1"} and 0 <= min(mapping.scores.values()) <= max(mapping.scores.values()) <= 1
    apply_motion(bpy.context, motion, "take", armature)
    assert limb_error(armature, {joint: renamed.get(bone) for joint, bone in truth["measure"].items()}, motion) < 0.1
