"""The one place that knows how Blender's API changed from 4.2 LTS to 5.2 LTS; nothing else in the add-on asks for the version.

4.4 moved an action's curves into slots and channel bags; 5.0 removed `Action.fcurves` and names a curve's group when it is made, and
keeps add-ons' properties apart from custom ones. 4.4 also honours the rotation flag of videos.
"""

from __future__ import annotations

from typing import Any

import bpy


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
    """Makes `action` the one that moves `owner`; the action it had before stays in the file."""
    animation = owner.animation_data or owner.animation_data_create()
    animation.action = action
    if bpy.app.version >= (4, 4):
        animation.action_slot = action.slots[0]


def push_take(owner: Any, action: Any, start: float) -> None:
    """Puts `action` on an NLA track of its own, at the top; the active action of `owner` stays what it is."""
    animation = owner.animation_data or owner.animation_data_create()
    track = animation.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, round(start), action)
    if bpy.app.version >= (4, 4):
        strip.action_slot = action.slots[0]
    strip.extrapolation = "NOTHING"


def curves_of(owner: Any) -> list[Any]:
    """The f-curves that move `owner` now."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return []
    if bpy.app.version < (4, 4):
        return list(animation.action.fcurves)
    if animation.action_slot is None:
        return []
    bags = [strip.channelbag(animation.action_slot) for layer in animation.action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def strips_of(owner: Any) -> list[tuple[float, float]]:
    """First and last frame of the NLA strips that move `owner`."""
    tracks = [] if owner.animation_data is None else owner.animation_data.nla_tracks
    return [(strip.frame_start, strip.frame_end) for track in tracks if not track.mute for strip in track.strips if not strip.mute]


def extension_values(owner: Any, name: str) -> dict[str, Any]:
    """What another add-on keeps in the property group `name` of `owner`; empty when there is none. Since 5.0 such groups are apart from
    custom properties, but for those of a file that was opened without that add-on."""
    groups = [owner, owner.bl_system_properties_get()] if bpy.app.version >= (5, 0) else [owner]
    found = [group[name] for group in groups if group is not None and name in group.keys()]  # noqa: SIM118
    return dict(found[-1].to_dict()) if found and hasattr(found[-1], "to_dict") else {}


def taken(owner: Any) -> tuple[Any, Any] | None:
    """What moves `owner` now, for `put_back`: (action or None, its slot or None); None when `owner` has no animation data at all."""
    animation = owner.animation_data
    return None if animation is None else (animation.action, getattr(animation, "action_slot", None))


def put_back(owner: Any, before: tuple[Any, Any] | None) -> None:
    """Lets `owner` be moved by what moved it when `taken` was asked."""
    if before is None:
        owner.animation_data_clear()
    elif taken(owner) != before:
        animation = owner.animation_data
        animation.action = before[0]
        if bpy.app.version >= (4, 4) and before[0] is not None:
            animation.action_slot = before[1]
