"""An import that fails half way takes nothing away: the user's own action, selection, active object, mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from blender_addon.core.errors import InputError
from blender_addon.core.retarget.choices import Choices
from helpers import CANONICAL, MIXAMO, make_rig, snapshot, synthetic_motion

from blender_addon import versions
from blender_addon.apply import apply_motion


def fail_at_the_footage(folder: Path, armature: Any | None) -> None:
    """The footage is a folder of images without numbers, which cannot be shown."""
    (folder / "photo.png").touch()
    with pytest.raises(InputError, match=r"photo\.png has no number"):
        apply_motion(bpy.context, synthetic_motion(), "walk", armature, 1.0, folder, camera=True)


def fail_at_the_end(monkeypatch: pytest.MonkeyPatch, armature: Any | None) -> None:
    real = versions.assign_take

    def assign_and_fail(owner: Any, action: Any) -> None:
        real(owner, action)
        raise OSError("out of order")

    monkeypatch.setattr("blender_addon.apply.versions.assign_take", assign_and_fail)
    with pytest.raises(OSError, match="out of order"):
        apply_motion(bpy.context, synthetic_motion(), "walk", armature)


@pytest.mark.parametrize("where", ["footage", "end"])
@pytest.mark.parametrize("slot", ["own", "none", "second"])
def test_the_users_action_stays_on_the_armature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, slot: str) -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(seed=3), "mine", armature)
    animation = armature.animation_data
    if slot != "own":
        if bpy.app.version < (4, 4):
            pytest.skip("there are no slots")
        animation.action_slot = animation.action.slots.new("OBJECT", "another") if slot == "second" else None
    animation.action.use_fake_user = False
    animation.action_influence, animation.action_blend_type = 0.5, "ADD"
    bpy.context.view_layer.update()  # the pose is what the action says
    action, mine, users = animation.action, versions.taken(armature), animation.action.users
    before = snapshot()
    if where == "footage":
        fail_at_the_footage(tmp_path, armature)
    else:
        fail_at_the_end(monkeypatch, armature)
    assert (animation.action_influence, animation.action_blend_type, action.use_fake_user) == (0.5, "ADD", False)
    assert versions.taken(armature) == mine and (action.users, action.name) == (users, "mine") and snapshot() == before


def test_an_armature_without_animation_stays_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    armature = make_rig(CANONICAL)
    assert armature.animation_data is None
    fail_at_the_footage(tmp_path, armature)
    fail_at_the_end(monkeypatch, armature)
    assert armature.animation_data is None


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT", "NOTHING ACTIVE"])
def test_a_new_armature_that_fails_leaves_selection_and_mode(tmp_path: Path, mode: str) -> None:
    things = [bpy.data.objects.new(name, bpy.data.meshes.new(name)) for name in ("one", "two", "three")]
    for thing in things:
        bpy.context.scene.collection.objects.link(thing)
        thing.select_set(thing.name != "three")
    bpy.context.view_layer.objects.active = None if mode == "NOTHING ACTIVE" else things[1]
    if mode == "EDIT":
        bpy.ops.object.mode_set(mode="EDIT")
    before = snapshot()
    fail_at_the_footage(tmp_path, None)
    assert snapshot() == before


def test_a_new_armature_that_fails_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """While its bones are added, Blender is in Edit Mode."""
    monkeypatch.setattr("blender_addon.rigs._add_bones", lambda *_: 1 / 0)
    make_rig(MIXAMO)
    bpy.ops.object.mode_set(mode="POSE")
    before = snapshot()
    with pytest.raises(ZeroDivisionError):
        apply_motion(bpy.context, synthetic_motion(), "walk")
    assert snapshot() == before


@pytest.mark.parametrize("slot", ["own", "no action"])
def test_the_track_of_a_strip_that_fails_is_taken_away(monkeypatch: pytest.MonkeyPatch, slot: str) -> None:
    armature = make_rig(MIXAMO)
    apply_motion(bpy.context, synthetic_motion(seed=3), "mine", armature)
    apply_motion(bpy.context, synthetic_motion(seed=4), "mine too", armature, choices=Choices(nla=True))
    if slot == "no action":
        armature.animation_data.action = None
        bpy.context.view_layer.update()
    mine, before = versions.taken(armature), snapshot()
    monkeypatch.setattr("blender_addon.apply.key_confidence", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        apply_motion(bpy.context, synthetic_motion(), "walk", armature, choices=Choices(nla=True, confidence=True))
    assert versions.taken(armature) == mine and snapshot() == before
    assert [track.name for track in armature.animation_data.nla_tracks] == ["mine too"]
