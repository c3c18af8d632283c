"""Which bone of a rig is which joint of the canonical skeleton, found by name.

Method: every known rig (`maps`, one data file each) is tried, after prefixes like "mixamorig:" are taken off and letters made
lower case; the one that explains the most joints wins. Limits: a rig whose names no map knows is refused with a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..errors import InputError
from ..skeleton import JOINTS
from .rig import Rig

REQUIRED: tuple[str, ...] = ("Hips",) + tuple(
    side + part for side in ("Left", "Right") for part in ("UpLeg", "Leg", "Arm", "ForeArm"))
"""Without these a rig is no humanoid to us. All other joints may be missing: their rotation is shared or dropped."""


@dataclass(frozen=True)
class RigMap:
    """The bone names of one kind of rig. Names of the left side only; `sides` turns them into the right side's.

    joints: canonical joint -> names it goes by, the best first. spine, neck: every bone of the chain, upwards, as far as
    the rig may have them. prefix: a regular expression for what may stand before a name. source: where the names are from.
    """

    name: str
    source: str
    joints: dict[str, tuple[str, ...]]
    spine: tuple[str, ...]
    neck: tuple[str, ...]
    sides: tuple[str, str]
    prefix: str = r"(?:.*[:|])?"

    def right(self, name: str) -> str:
        """The right side's bone for a left one: the last (suffix) or first (prefix) mark of the side is exchanged."""
        left, right = self.sides
        head, mark, tail = name.rpartition(left) if name.endswith(left) else name.partition(left)
        return head + right + tail if mark else name

    def aliases(self, joint: str) -> tuple[str, ...]:
        """Names for a canonical joint, either side."""
        if joint.startswith("Right"):
            return tuple(self.right(n) for n in self.joints.get("Left" + joint[len("Right"):], ()))
        return self.joints.get(joint, ())


@dataclass(frozen=True)
class Mapping:
    """The bones of one rig: joint -> bone name for all joints but the trunk's, the trunk's and the neck's chains upwards."""

    map_name: str
    joints: dict[str, str]
    spine: tuple[str, ...] = ()
    neck: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = field(default=(), compare=False)

    @property
    def bones(self) -> dict[str, str]:
        """Canonical joint -> bone, with Spine, Spine1 and Neck as the chains' first, last and first bone."""
        ends = {"Spine": self.spine[:1], "Spine1": self.spine[1:][-1:], "Neck": self.neck[:1]}
        found = self.joints | {joint: chain[0] for joint, chain in ends.items() if chain}
        return {joint: found[joint] for joint in JOINTS if joint in found}

    @property
    def missing(self) -> tuple[str, ...]:
        """The `REQUIRED` joints that have no bone."""
        return tuple(j for j in REQUIRED if j not in self.joints)

    @property
    def score(self) -> tuple[int, int, int]:
        """More is better: required joints, all joints, bones of the chains."""
        return len(REQUIRED) - len(self.missing), len(self.bones), len(self.spine) + len(self.neck)


def _short_names(names: tuple[str, ...], prefix: str) -> dict[str, list[str]]:
    """Name without prefix, lower case -> the bones that go by it."""
    short: dict[str, list[str]] = {}
    for name in names:
        short.setdefault(re.sub("^" + prefix, "", name, count=1, flags=re.IGNORECASE).lower(), []).append(name)
    return short


def apply_map(rig_map: RigMap, names: tuple[str, ...]) -> Mapping:
    """The mapping that this one map gives for bones of these names, however little it finds."""
    short = _short_names(names, rig_map.prefix)

    def find(aliases: tuple[str, ...]) -> str | None:
        return next((short[a.lower()][0] for a in aliases if a.lower() in short), None)

    joints = {j: bone for j in JOINTS if (bone := find(rig_map.aliases(j))) is not None}
    spine = tuple(short[n.lower()][0] for n in rig_map.spine if n.lower() in short)
    neck = tuple(short[n.lower()][0] for n in rig_map.neck if n.lower() in short)
    used = {*joints.values(), *spine, *neck}
    ambiguous = tuple(bones[1] for bones in short.values() if len(bones) > 1 and bones[0] in used)
    return Mapping(rig_map.name, joints, spine, neck, ambiguous)


def map_rig(rig: Rig) -> Mapping:
    """The mapping of the best known map. Raises InputError with one sentence when no known rig fits, or two fit at once."""
    return map_names(rig.names, rig.label)


def map_names(names: tuple[str, ...], label: str) -> Mapping:
    """`map_rig` for the bare names; `label` is what the sentence of an error begins with."""
    from .maps import RIG_MAPS

    best = max((apply_map(m, names) for m in RIG_MAPS), key=lambda m: m.score)
    if best.missing:
        raise InputError(_no_match(label, best))
    if best.ambiguous:
        raise InputError(f"{label} seems to hold two figures ({best.ambiguous[0]} is there twice); separate them into two armatures.")
    return best


def _no_match(label: str, best: Mapping) -> str:
    if best.score[0] < 3:
        return (f"{label} has no bone names that this add-on knows (no {', '.join(best.missing[:3])}, ...); "
                "select no armature to get a new one.")
    return (f"{label} looks like {best.map_name} but has no bone for {', '.join(best.missing)}; "
            "rename the bones or select no armature to get a new one.")
