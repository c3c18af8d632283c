"""The one place that knows how Blender's API changed from 4.2 LTS to 5.2 LTS; nothing else in the add-on asks for the version.

4.4 moved an action's curves into slots and channel bags; 5.0 removed `Action.fcurves` and names a curve's group when it is made, and
keeps add-ons' properties apart from custom ones. 4.4 also honours the rotation flag of videos.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import bpy

# How an action plays as it is keyed: with less influence, or mixed with the NLA's strips, a take would be another motion.
_PLAIN = {"action_influence": 1.0, "action_blend_type": "REPLACE", "action_extrapolation": "HOLD"}


def turns_videos() -> bool:
    """Whether Blender honours the rotation flag of phones' videos."""
    return bpy.app.version >= (4, 4)


def new_take(owner: Any, name: str) -> tuple[Any, Any]:
    """A new action for `owner` (an ID with animation, of any kind) with a slot of its own; not assigned yet.

    Returns (action, curves), `curves` for `new_curve`.
    """
    action = bpy.data.actions.new(name)
    if bpy.app.version < (4, 4):
        return action, action
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return action, strip.channelbag(slot, ensure=True)


def new_curve(curves: Any, path: str, index: int, group: str) -> Any:
    """An empty f-curve for `path`[`index`] in the named group of what `new_take` returned."""
    if bpy.app.version < (4, 4):
        return curves.fcurves.new(path, index=index, action_group=group)
    if bpy.app.version >= (5, 0):
        return curves.fcurves.new(path, index=index, group_name=group)
    curve = curves.fcurves.new(path, index=index)
    curve.group = curves.groups.get(group) or curves.groups.new(group)
    return curve


def assign_take(owner: Any, action: Any) -> None:
    """Makes `action` the one that moves `owner`, fully and over all strips; the action it had before stays in the file."""
    animation = owner.animation_data or owner.animation_data_create()
    before = animation.action
    animation.action = action
    if bpy.app.version >= (4, 4):
        animation.action_slot = action.slots[0]
    keep(before)
    for name, value in _PLAIN.items():
        setattr(animation, name, value)


def keep(action: Any | None) -> None:
    """Lets an action that nothing uses any more stay in the file when it is saved."""
    if action is not None and not action.users and action.library is None:
        action.use_fake_user = True


def push_take(owner: Any, action: Any, start: float) -> None:
    """Puts `action` on an NLA track of its own, at the top; the active action of `owner` stays what it is."""
    animation = owner.animation_data or owner.animation_data_create()
    track = animation.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, round(start), action)
    # Nothing plays behind a strip's end: without this the last whole frame would be at rest.
    strip.action_frame_end = math.ceil(strip.action_frame_end - 1e-3)
    if bpy.app.version >= (4, 4):
        strip.action_slot = action.slots[0]
    strip.extrapolation = "NOTHING"


def curves_of(owner: Any) -> list[Any]:
    """The f-curves that move `owner` now."""
    return [] if owner.animation_data is None else curves_for(owner.animation_data)


def curves_in_strips(owner: Any) -> list[Any]:
    """The f-curves of the actions in the NLA strips that move `owner`."""
    return [curve for strip in strips_of(owner) for curve in curves_for(strip)]


def curves_for(player: Any) -> list[Any]:
    """What animation data or an NLA strip plays."""
    if player.action is None:
        return []
    if bpy.app.version < (4, 4):
        return list(player.action.fcurves)
    if player.action_slot is None:
        return []
    bags = [strip.channelbag(player.action_slot) for layer in player.action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def strips_of(owner: Any) -> list[Any]:
    """The NLA strips that move `owner`, none of them or of their tracks muted."""
    tracks = [] if owner.animation_data is None else owner.animation_data.nla_tracks
    return [strip for track in tracks if not track.mute for strip in track.strips if not strip.mute]


def gltf_fps_base(fps_base: float) -> float:
    """What a scene's `fps_base` must be while Blender exports glTF: up to 5.2 its exporter takes `fps` times it for the rate."""
    return 1 / fps_base


def extension_values(owner: Any, name: str) -> dict[str, Any]:
    """What another add-on keeps in the property group `name` of `owner`; empty when there is none. Since 5.0 such groups are apart from
    custom properties, but for those of a file that was opened without that add-on."""
    groups = [owner, owner.bl_system_properties_get()] if bpy.app.version >= (5, 0) else [owner]
    found = [group[name] for group in groups if group is not None and name in group.keys()]  # noqa: SIM118
    return dict(found[-1].to_dict()) if found and hasattr(found[-1], "to_dict") else {}


class Taken(NamedTuple):
    """What moves something. kept: whether the action has a fake user. tracks: the number of NLA tracks. plays: the values of `_PLAIN`."""

    action: Any | None
    slot: Any | None
    kept: bool
    tracks: int
    plays: tuple[Any, ...]


def taken(owner: Any) -> Taken | None:
    """What moves `owner` now, for `put_back`; None when `owner` has no animation data at all."""
    animation = owner.animation_data
    if animation is None:
        return None
    action = animation.action
    return Taken(action, getattr(animation, "action_slot", None), action is not None and action.use_fake_user, len(animation.nla_tracks),
                 tuple(getattr(animation, name) for name in _PLAIN))


def put_back(owner: Any, before: Taken | None) -> None:
    """Lets `owner` be moved by what moved it when `taken` was asked; tracks that came since are removed."""
    if before is None:
        owner.animation_data_clear()
    elif taken(owner) != before:
        animation = owner.animation_data
        for track in list(animation.nla_tracks)[before.tracks:]:  # new ones are at the top
            animation.nla_tracks.remove(track)
        animation.action = before.action
        if before.action is not None:
            before.action.use_fake_user = before.kept
            if bpy.app.version >= (4, 4):
                animation.action_slot = before.slot
        for name, value in zip(_PLAIN, before.plays):
            setattr(animation, name, value)
