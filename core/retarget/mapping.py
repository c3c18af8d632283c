"""Which bone of a rig is which joint of the canonical skeleton: by the rig's own metadata, by name, by the words in names, else by shape.

Method: every known rig (`maps`, one data file each) is tried, after prefixes like "mixamorig:" are taken off and letters made
lower case; the one that explains the most joints wins, unless the words in the names explain more of trunk and ends. What no map knows
goes to `words`; where these leave a doubt `shape` decides, if it is sure. On control rigs (bones with custom shapes) the controls are
looked at first, then all bones. Limits: a known name is believed even where the bone lies in an odd place.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

import numpy as np

from .. import rotations
from ..errors import InputError
from ..skeleton import JOINT_PARENTS, JOINTS, mirror_name
from .rig import Rig

REQUIRED: tuple[str, ...] = ("Hips",) + tuple(
    side + part for side in ("Left", "Right") for part in ("UpLeg", "Leg", "Arm", "ForeArm"))
"""Without these a rig is no humanoid to us. All other joints may be missing: their rotation is shared or dropped."""

_TO_THE_BACK, _FLAT, _STRAIGHT = 0.5, 0.3, 0.7  # of a foot's level part, of its length; cosine of a knee

_ACROSS, _ALONG = 0.7, 0.7  # cosines: below which limbs lie across the trunk, above which arms lie along the legs

UNSURE = 0.4
"""Score of joints of which names do not tell for certain, or whose limbs may be an animal's."""

_FINGER = re.compile("thumb|index|middle|ring|pinky|little|finger|metacarpal|指", re.IGNORECASE)

_ALL_BUT_CHAINS = set(JOINTS) - {"Spine", "Spine1", "Neck"}

LIMB_OF: dict[str, tuple[str, ...]] = {
    side + end: tuple(side + part for part in parts) for side in ("Left", "Right") for end, parts in (
        ("Foot", ("UpLeg", "Leg", "Foot")), ("Toe", ("UpLeg", "Leg", "Foot", "Toe")), ("Hand", ("Arm", "ForeArm", "Hand")))}
"""The end of a limb that an IK control stands for -> the joints from the limb's first to it."""


@dataclass(frozen=True)
class RigMap:
    """The bone names of one kind of rig. Names of the left side only; `sides` turns them into the right side's.

    joints: canonical joint -> names it goes by, the best first. spine, neck: every bone of the chain, upwards, as far as
    the rig may have them. prefix: a regular expression for what may stand before a name. source: where the names are from.
    ik: left foot and hand -> (control, pole), left toe -> (control,); ik_switches: (bone, property as in `Rig.switches`, value) that
    make these act.
    """

    name: str
    source: str
    joints: dict[str, tuple[str, ...]]
    spine: tuple[str, ...]
    neck: tuple[str, ...]
    sides: tuple[str, str]
    prefix: str = r"(?:.*[:|])?"
    ik: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ik_switches: tuple[tuple[str, str, float], ...] = ()

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
    """The bones of one rig: joint -> bone name for all joints but the trunk's, the trunk's and the neck's chains upwards.

    scores: joint -> how sure its bone is, in [0, 1], where shape decided or names are not clear; empty where they are. ik: foot or hand ->
    (IK control, pole), toe -> (IK control,), where all are there; ik_switches: what makes these act, as `Rig.switches`.
    """

    map_name: str
    joints: dict[str, str]
    spine: tuple[str, ...] = ()
    neck: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = field(default=(), compare=False)
    scores: dict[str, float] = field(default_factory=dict, compare=False)
    ik: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ik_switches: tuple[tuple[str, str, float], ...] = ()

    @property
    def bones(self) -> dict[str, str]:
        """Canonical joint -> bone, with Spine, Spine1 and Neck as the chains' first, last and first bone."""
        ends = {"Spine": self.spine[:1], "Spine1": self.spine[1:][-1:], "Neck": self.neck[:1]}
        found = self.joints | {joint: chain[0] for joint, chain in ends.items() if chain}
        return {joint: found[joint] for joint in JOINTS if joint in found}

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Joints whose bone is worth a look, most doubtful first; none when their names are clear."""
        return tuple(sorted((j for j, score in self.scores.items() if score < 0.5 and j in self.bones), key=lambda j: self.scores[j]))

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
    there = set(names)
    both = [(joint, pair) for left, names_ in rig_map.ik.items() for joint, pair in (
        (left, names_), ("Right" + left[len("Left"):], tuple(rig_map.right(name) for name in names_))) if set(pair) <= there]
    switches = [(side, prop, value) for bone, prop, value in rig_map.ik_switches for side in (bone, rig_map.right(bone)) if side in there]
    return Mapping(rig_map.name, joints, spine, neck, ambiguous, ik=dict(both), ik_switches=tuple(switches))


def map_rig(rig: Rig) -> Mapping:
    """The mapping that the rig's metadata, its names, the words in them or else its shape give.

    Raises InputError with one sentence when none does.
    """
    declared = _declared(rig)
    if declared is not None:
        return check_mapping(rig, declared)
    named = best_map(rig.names)
    known = None if named.missing else check_mapping(rig, map_names(rig.names, rig.label))
    found = _by_words_or_shape(rig) if known is None else _better_said(rig, known)
    if found is None:
        raise InputError(_no_match(rig.label, named))
    if _second_figure(rig, found):
        raise InputError(f"{rig.label} seems to hold two figures; separate them into two armatures.")
    return _animal_doubted(rig, _sides_by_feet(rig, check_mapping(rig, found)))


def _animal_doubted(rig: Rig, mapping: Mapping) -> Mapping:
    """With doubtful limbs where arms and legs point the same way, across the trunk: those of an animal on four legs."""
    heads = {joint: rig.heads_world[rig.index(bone)] for joint, bone in mapping.joints.items()}

    def way(start: str, end: str) -> np.ndarray:
        """(3,) from the middle of the left and the right joint to that of two others."""
        return rotations.unit(np.mean([heads[side + end] - heads[side + start] for side in ("Left", "Right")], axis=0))

    trunk, legs, arms = way("UpLeg", "Arm"), way("UpLeg", "Leg"), way("Arm", "ForeArm")
    if max(abs(trunk @ legs), abs(trunk @ arms)) > _ACROSS or legs @ arms < _ALONG:
        return mapping
    limbs = {joint: UNSURE for joint in mapping.joints if joint.startswith(("Left", "Right"))}
    return dataclasses.replace(mapping, scores=mapping.scores | limbs)


def _better_said(rig: Rig, known: Mapping) -> Mapping:
    """What a known map gives, or what the words do, where they tell more and agree with it about all but the trunk and the neck: many rigs
    share the names of a known one's limbs and have a trunk of their own. A head that moves is a hat."""
    from .shape import choices
    from .words import map_by_words

    worded = None if known.ik else _passing(rig, map_by_words(rig, choices(rig)[0]))
    if worded is None or worded.doubtful or not worded.bones.keys() >= known.bones.keys() or worded.score <= known.score:
        return known
    agreed = all(worded.joints[joint] == bone for joint, bone in known.joints.items() if joint in _ALL_BUT_CHAINS - {"Hips"})
    return worded if agreed else known


def _sides_by_feet(rig: Rig, mapping: Mapping) -> Mapping:
    """With left and right exchanged where both feet say that the names are those of somebody who looks at the figure: they would point to
    the back of a body with straight legs, however it lies."""
    heads = {joint: rig.heads_world[rig.index(bone)] for joint, bone in mapping.bones.items()}
    if not {side + part for side in ("Left", "Right") for part in ("Foot", "Toe")} <= heads.keys():
        return mapping
    along, feet, thighs, shins = (np.array([heads[side + end] - heads[side + start] for side in ("Left", "Right")])
                                  for start, end in (("Foot", "Arm"), ("Foot", "Toe"), ("UpLeg", "Leg"), ("Leg", "Foot")))
    up = rotations.unit(along.mean(0))
    back = rotations.unit(np.cross(up, heads["LeftUpLeg"] - heads["RightUpLeg"]))
    level = feet - (feet @ up)[:, None] * up
    to_the_back = level @ back > _TO_THE_BACK * np.linalg.norm(level, axis=1)
    flat = np.linalg.norm(level, axis=1) > _FLAT * np.linalg.norm(feet, axis=1)
    straight = np.sum(rotations.unit(thighs) * rotations.unit(shins), axis=1) > _STRAIGHT  # whoever kneels has toes to the back
    if not (to_the_back & flat & straight).all():
        return mapping
    return dataclasses.replace(mapping, joints={mirror_name(joint): bone for joint, bone in mapping.joints.items()},
                               scores={mirror_name(joint): score for joint, score in mapping.scores.items()},
                               ik={mirror_name(end): controls for end, controls in mapping.ik.items()})


def _by_words_or_shape(rig: Rig) -> Mapping | None:
    """What clear words give, else what the shape gives where it is sure, of the controls and then of all bones; else the first of them."""
    from .shape import choices, map_by_shape
    from .words import map_by_words

    unsure = []
    for usable in choices(rig):
        worded = _passing(rig, map_by_words(rig, usable))
        if worded is not None and not worded.doubtful:
            return worded if set(worded.joints) >= _ALL_BUT_CHAINS else _completed(rig, worded, map_by_shape(rig, usable))
        shaped = map_by_shape(rig, usable)
        if shaped is not None and not set(shaped.doubtful) & set(REQUIRED):
            return shaped
        unsure += [mapping for mapping in (_completed(rig, worded, shaped), shaped) if mapping is not None]
    return unsure[0] if unsure else None


def _passing(rig: Rig, mapping: Mapping | None) -> Mapping | None:
    """The mapping, or None where it cannot be meant."""
    try:
        return None if mapping is None else check_mapping(rig, mapping)
    except InputError:
        return None


def _completed(rig: Rig, worded: Mapping | None, shaped: Mapping | None) -> Mapping | None:
    """With the head, ends and clavicles that names leave open as the shape has them, where it agrees with what names say, but no doubtful
    feet and hands; of those that do not hang from their limbs it knows nothing."""
    from .words import is_helper

    if worded is None or shaped is None:
        return worded
    if any(shaped.joints.get(joint) != bone and not is_parted(rig, worded, joint) for joint, bone in worded.joints.items()):
        return worded
    doubted = {end for end in shaped.doubtful if end.endswith(("Hand", "Foot"))}  # one finger or toe would be bent, the others not
    more = {joint: bone for joint, bone in shaped.joints.items()
            if joint not in doubted | worded.joints.keys() and not is_helper(bone, joint) and not _is_finger(bone, joint)}
    neck = worded.neck or (shaped.neck if "Head" in more else ())
    scores = worded.scores | {joint: score for joint, score in shaped.scores.items() if joint in more}
    return dataclasses.replace(worded, joints=worded.joints | more, neck=neck, scores=scores)


def _is_finger(bone: str, joint: str) -> bool:
    """Whether a bone that may be the hand is called a finger."""
    return joint.endswith("Hand") and _FINGER.search(bone) is not None


def is_parted(rig: Rig, mapping: Mapping, joint: str) -> bool:
    """Whether the joint is a foot, ball of the foot or hand that does not hang from its shin or forearm."""
    return joint in LIMB_OF and rig.index(mapping.joints[LIMB_OF[joint][1]]) not in rig.ancestors(rig.index(mapping.joints[joint]))


def _second_figure(rig: Rig, first: Mapping) -> bool:
    """Whether names or shape find another figure beside the mapped one; one at the same place is a mechanism's copy of its bones."""
    from .shape import map_by_shape
    from .words import map_by_words

    mapped = {rig.index(bone) for bone in first.bones.values()}
    above = {a for b in mapped for a in rig.ancestors(b)}
    beside = np.array([b not in above and mapped.isdisjoint((b, *rig.ancestors(b))) for b in range(len(rig.names))])
    if beside.sum() < 10 or rig.controls.any():
        return False
    second = map_by_words(rig, beside) or map_by_shape(rig, beside)
    if second is None:
        return False
    hips, others, knee, thigh = (rig.heads_world[rig.index(bone)] for bone in (
        first.bones["Hips"], second.bones["Hips"], first.bones["LeftLeg"], first.bones["LeftUpLeg"]))
    return bool(np.linalg.norm(others - hips) > np.linalg.norm(knee - thigh))


def _declared(rig: Rig) -> Mapping | None:
    """What the rig's metadata say, if that is enough."""
    there = {joint: bone for joint, bone in rig.declared.items() if bone in rig.names}
    spine = tuple(there.pop(j) for j in ("Spine", "Chest", "UpperChest") if j in there)
    neck = tuple(there.pop(j) for j in ("Neck",) if j in there)
    found = Mapping("a VRM model", there, spine, neck)
    return None if found.missing else found


def check_mapping(rig: Rig, mapping: Mapping) -> Mapping:
    """Returns it, with the IK controls that a known rig has for its limbs, should it name none. Raises InputError with one sentence: bones
    that are not there, used twice, in a cycle, or limbs without length."""
    names = [*mapping.joints.values(), *mapping.spine, *mapping.neck]
    for name in names:
        if name not in rig.names:
            raise InputError(f"{rig.label} has no bone '{name}'; correct the mapping.")
        if names.count(name) > 1:
            raise InputError(f"The mapping uses the bone '{name}' of {_within(rig)} for two joints; correct the mapping.")
    if mapping.missing:
        raise InputError(f"The mapping of {_within(rig)} has no bone for {', '.join(mapping.missing)}; correct the mapping.")
    _check_tree(rig, mapping.bones)
    heads = rig.heads_world
    for joint, parent in _LIMBS:
        a, b = mapping.joints[parent], mapping.joints[joint]
        if np.linalg.norm(heads[rig.index(a)] - heads[rig.index(b)]) < 1e-6:
            raise InputError(f"In {_within(rig)} the bones '{a}' and '{b}' start at the same place, so the limb has no length; "
                             "correct the mapping or the rig.")
    return mapping if mapping.ik else _with_ik(rig, mapping)


def pelvic_bones(rig: Rig, mapping: Mapping) -> tuple[str, ...]:
    """The bones of the trunk that carry the thighs, too, as the lowest one of 3ds Max's Biped does: they turn with the hips. None where
    that is the whole trunk, which would be stiff."""
    above = {a for side in ("Left", "Right") for a in rig.carriers(rig.index(mapping.joints[side + "UpLeg"]))}
    found = tuple(bone for bone in mapping.spine if rig.index(bone) in above)
    return found if len(found) < len(mapping.spine) else ()


def _within(rig: Rig) -> str:
    """The rig's label where it does not begin a sentence."""
    return rig.label[:1].lower() + rig.label[1:]


def _with_ik(rig: Rig, mapping: Mapping) -> Mapping:
    """With the IK controls of the limbs that are mapped as the best known map has them: lists and presets hold none."""
    known = best_map(rig.names)
    ik = {end: controls for end, controls in known.ik.items() if all(mapping.joints.get(j) == known.joints[j] for j in LIMB_OF[end])}
    return dataclasses.replace(mapping, ik=ik, ik_switches=known.ik_switches) if ik else mapping


_LIMBS = tuple((side + a, side + b) for side in ("Left", "Right") for a, b in (("Leg", "UpLeg"), ("ForeArm", "Arm")))


def _check_tree(rig: Rig, bones: dict[str, str]) -> None:
    for joint, bone in bones.items():
        ancestors = {rig.names[a] for a in rig.ancestors(rig.index(bone))}
        above = JOINT_PARENTS[joint]
        while above is not None:
            below_it = bones.get(above)
            if below_it is not None and bone in {rig.names[a] for a in rig.ancestors(rig.index(below_it))}:
                raise InputError(f"The mapping of {_within(rig)} runs in a circle: '{below_it}' ({above}) hangs from '{bone}' ({joint}); "
                                 "correct the mapping.")
            if below_it in ancestors:
                break
            above = JOINT_PARENTS[above]


def best_map(names: tuple[str, ...]) -> Mapping:
    """What the known map that explains most of the names makes of them, however little."""
    from .maps import RIG_MAPS

    return max((apply_map(m, names) for m in RIG_MAPS), key=lambda m: m.score)


def map_names(names: tuple[str, ...], label: str) -> Mapping:
    """The mapping of the best known map. `label` is what the sentence of an error begins with; InputError when none fits, or two do."""
    best = best_map(names)
    if best.missing:
        raise InputError(_no_match(label, best))
    if best.ambiguous:
        raise InputError(f"{label} seems to hold two figures ({best.ambiguous[0]} is there twice); separate them into two armatures.")
    return best


def _no_match(label: str, best: Mapping) -> str:
    if best.score[0] < 3:
        return (f"{label} holds no figure that this add-on finds by its bones' names or by its shape; "
                "say under Bones which bone is which joint, or select another armature, or none to get a new one.")
    return (f"{label} looks like {best.map_name} but has no bone for {', '.join(best.missing)}, and its shape does not tell; "
            "say under Bones which ones they are, or select no armature to get a new one.")
