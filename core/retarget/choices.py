"""What a user may choose about how a motion comes onto a rig; the panel's properties are made from these fields.

Standard library only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any


def _choice(default: Any, name: str, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"name": name, "help": help, **more})


@dataclass(frozen=True)
class Choices:
    """How a take is put onto a rig."""

    plant_feet: bool = _choice(True, "Plant Feet", "feet that stand on the ground stand still on this rig, whatever its proportions")
    touch: bool = _choice(False, "Hands Touch", "hands that touch each other, the body or the ground do so on this rig too, "
                                                        "whatever its proportions")
    way: str = _choice("hips", "Travel", "which bone carries the way over the ground", items=(
        ("hips", "Hips", "The hips carry the whole motion"),
        ("root", "Root Bone", "The bone at the top of the rig carries the way over the ground, as games want it"),
        ("in place", "In Place", "The figure stays where it begins")))
    controls: str = _choice("fk", "Arms and Legs", "which controls are keyed on a rig that has both kinds", items=(
        ("fk", "FK", "Every bone is turned; the rig's switches are keyed to FK"),
        ("ik", "IK", "Hands, feet and poles are moved; the rig's switches are keyed to IK"),
        ("both", "Both", "Both are keyed and FK acts")))
    simplify: bool = _choice(
        False, "Fewer Keys", "curves to edit by hand: only the keys that are needed to stay within 2 mm and 0.5 degrees")
    nla: bool = _choice(False, "As NLA Strip", "put the take on a track of its own in the NLA and leave the active action in place")
    confidence: bool = _choice(False, "Confidence", "also key the custom property 'Mocap Confidence' of the armature and mark doubtful "
                                                    "stretches in the timeline")

    @classmethod
    def of(cls, values: Any) -> Choices:
        """From anything with attributes of these names."""
        return cls(**{f.name: getattr(values, f.name) for f in dataclasses.fields(cls)})


DEFAULTS = Choices()
