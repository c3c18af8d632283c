"""Which bone is which joint by the words in bones' names ("Bip01 L Thigh", "left_hip", "mElbowRight", "左ひじ") where no map knows the rig.

Method: a name is taken apart into words (at marks, capitals and digits, and where known words stand side by side); words say the side
and the parts that may be meant, for "shoulder" and "leg" mean one bone here and another there. Each limb is the chain of descending
bones whose words fit best, upper joints before lower ones. Hips, trunk and neck follow from the tree: what thighs and arms have in
common, the way between, the way to the head. What helpers (IK targets, twist bones, ends, fingers, skirts) are called rules a bone out.
Limits: English and the Japanese of MMD models; a side must be said by a word; limbs must descend from the hips.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np

from .mapping import Mapping
from .rig import Rig

NAME = "a figure found by the words in its bones' names"


def _set(text: str) -> set[str]:
    return set(text.split())


_SIDES = {word: side for side, words in (("Left", "left l lt lft 左"), ("Right", "right r rt rgt 右")) for word in words.split()}
_MEANINGS: dict[str, tuple[str, ...]] = {
    "UpLeg": ("thigh", "upper leg", "femur", "大腿", "hip", "leg", "足"),
    "Leg": ("shin", "calf", "lower leg", "fore leg", "tibia", "knee", "ひざ", "膝", "leg"),
    "Foot": ("foot", "ankle", "足首"),
    "Toe": ("toe", "toe base", "ball", "つま先", "foot"),
    "Shoulder": ("clavicle", "collar", "shoulder", "肩"),
    "Arm": ("upper arm", "humerus", "bicep", "arm", "腕", "shoulder"),
    "ForeArm": ("fore arm", "lower arm", "elbow", "ひじ", "肘", "arm"),
    "Hand": ("hand", "wrist", "手首"),
    "Hips": ("hips", "hip", "pelvis", "lower torso", "center", "センター"),
    "Head": ("head", "頭"),
    "Neck": ("neck", "首"),
}
"""Joint -> what its bone may be called, words in any order."""
_SECOND = {("UpLeg", "hip"), ("UpLeg", "leg"), ("UpLeg", "足"), ("Leg", "leg"), ("Toe", "foot"), ("Arm", "shoulder"), ("ForeArm", "arm")}
"""What means something else where there is a better name for it."""
_SAME = {"up": "upper", "upr": "upper", "low": "lower", "lwr": "lower", "lo": "lower", "forearm": "fore arm", "upperarm": "upper arm",
         "upleg": "upper leg", "lowerarm": "lower arm", "lowerleg": "lower leg", "upperleg": "upper leg", "legs": "leg", "arms": "arm",
         "toes": "toe", "feet": "foot", "clav": "clavicle", "collarbone": "collar", "shldr": "shoulder", "biceps": "bicep", "hnd": "hand",
         "uparm": "upper arm", "thighs": "thigh", "hands": "hand"}
_NO_JOINT = _set("""ik pole target tgt twist roll helper end nub tip top effector eff aim rev reverse corrective jiggle skirt hair dummy
    thumb index middle ring pinky little finger fingers metacarpal carpal palm heel eye jaw breast sleeve cloth cape armor weapon prop
    volume socket attach slot ダミー 捩 捩れ キャンセル 指 親指 スカート 髪 袖 先""")
_CONTRARY = {"upper", "lower", "fore"}
"""Words that say another part than the same name without them."""
_LAYERS = _set("bone bones joint jnt jt def deform bind skin fk ctrl ctl control con anim main base")
"""Words that say what kind of bone it is, not which."""
_OTHER_WORD, _LAYER_WORD, _SECOND_MEANING = 1.0, 0.25, 0.5  # prices
_SKIPPED = {"Toe": 3.0, "Foot": 6.0, "Hand": 6.0, "Shoulder": 3.0}  # price of leaving a joint out of its limb
_MOST, _KEPT, _MOST_OTHERS = 12, 200, 3  # bones tried for a joint; limbs kept while they are put together; words that mean nothing to us
_AT_THE_HIPS = 0.6  # leg lengths from the hip joints' middle, within which a bone may be the hips
_LIMBS: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (side, joints) for joints in (("UpLeg", "Leg", "Foot", "Toe"), ("Shoulder", "Arm", "ForeArm", "Hand")) for side in ("Left", "Right"))
"""Side and joints of each limb, from the trunk on."""

_KNOWN = {w for names in _MEANINGS.values() for name in names for w in name.split()} | set(_SAME) | _NO_JOINT | _LAYERS | set(_SIDES) | {
    *_CONTRARY}


@dataclass(frozen=True)
class _Words:
    """What a bone's name says: the side ("" for the middle) and the other words."""

    side: str
    words: frozenset[str]


def map_by_words(rig: Rig) -> Mapping | None:
    """The mapping that the names' words give, or None where they leave a joint open that a figure must have, or name two."""
    said = _read(rig.names)
    for usable in ([rig.controls] if rig.controls.sum() >= 9 else []) + [np.ones(len(rig.names), bool)]:
        found = _find(rig, [words if usable[b] else None for b, words in enumerate(said)])
        if found is not None:
            return found
    return None


def side_of(name: str) -> str:
    """"Left", "Right" or "", as the name says."""
    return _sorted_out(_split(name)).side


def _find(rig: Rig, said: list[_Words | None]) -> Mapping | None:
    limbs: dict[str, int] = {}
    for side, parts in _LIMBS:
        limb = _limb(rig, said, side, parts)
        if limb is None:
            return None
        limbs |= limb
    trunk = _trunk(rig, said, limbs)
    if trunk is None:
        return None
    hips, spine, chest = trunk
    head, neck = _head(rig, said, chest, {*limbs.values()})
    joints = {"Hips": hips} | limbs | ({} if head is None else {"Head": head})
    chains = [*spine, *neck]
    if len({*joints.values(), *chains}) < len(joints) + len(chains):
        return None
    names = rig.names
    return Mapping(NAME, {joint: names[b] for joint, b in joints.items()}, tuple(names[b] for b in spine), tuple(names[b] for b in neck))


def _trunk(rig: Rig, said: list[_Words | None], limbs: dict[str, int]) -> tuple[int, list[int], int] | None:
    """The hips, the trunk's chain upwards, and the bone from which arms and neck hang (the hips, where there is no trunk)."""
    heads = rig.heads_world
    pelvis = _common(rig, limbs["LeftUpLeg"], limbs["RightUpLeg"])
    arms = _common(rig, *(limbs.get(side + "Shoulder", limbs[side + "Arm"]) for side in ("Left", "Right")))
    if pelvis is None or arms is None:
        return None
    # On some rigs the arms hang from the neck.
    chest = next((b for b in (arms, *rig.ancestors(arms)) if _price("Neck", said[b], "") == np.inf), arms)
    both = _common(rig, pelvis, chest)
    thighs, shins = (heads[[limbs[side + joint] for side in ("Left", "Right")]] for joint in ("UpLeg", "Leg"))
    reach = _AT_THE_HIPS * 2.0 * float(np.linalg.norm(shins - thighs, axis=-1).mean())
    near = [b for b in ([] if both is None else [both, *rig.ancestors(both)]) if np.linalg.norm(heads[b] - thighs.mean(axis=0)) < reach]
    named = [b for b in near if _price("Hips", said[b], "") < np.inf]
    hips = (named or [b for b in near if b == both] or [pelvis])[0]
    below = [chest, *rig.ancestors(chest)]
    start = hips if hips in below else both
    spine = below[:below.index(start) if start is not None else None][::-1]
    return hips, [b for b in spine if said[b] is not None], chest


def _head(rig: Rig, said: list[_Words | None], chest: int, taken: set[int]) -> tuple[int | None, list[int]]:
    """The head's bone, and the bones from the chest up to it, without both."""
    found = []
    for bone, words in enumerate(said):
        price, above = _price("Head", words, ""), rig.ancestors(bone)
        if price < np.inf and bone not in taken and chest in above:
            found.append((price, len(above), bone))
    if not found:
        return None, []
    head = min(found)[2]
    above = rig.ancestors(head)
    return head, [b for b in above[:above.index(chest)][::-1] if said[b] is not None]


def _limb(rig: Rig, said: list[_Words | None], side: str, joints: tuple[str, ...]) -> dict[str, int] | None:
    """Joint, with its side -> bone; None where the names do not tell, or tell two that are as good."""
    choices = []
    for joint in joints:
        priced = sorted((price, bone) for bone, words in enumerate(said) if (price := _price(joint, words, side)) < np.inf)[:_MOST]
        if joint == "Toe" and len(priced) > 2 and len({rig.parents[b] for _, b in priced}) < len(priced) - 1:
            priced = []  # five toes are no ball of the foot
        choices.append(priced + ([(_SKIPPED[joint], -1)] if joint in _SKIPPED else []))
    above = {b: set(rig.ancestors(b)) for priced in choices for _, b in priced if b >= 0}
    limbs: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    for priced in choices:
        limbs = sorted((total + price, depth + len(above.get(bone, ())), (*chain, bone))
                       for total, depth, chain in limbs for price, bone in priced if _continues(chain, bone, above))[:_KEPT]
    if not limbs or (len(limbs) > 1 and limbs[0][:2] == limbs[1][:2]):
        return None
    return {side + joint: bone for joint, bone in zip(joints, limbs[0][2]) if bone >= 0}


def _continues(chain: tuple[int, ...], bone: int, above: dict[int, set[int]]) -> bool:
    """Whether a bone (-1: none) may follow those that were chosen: it hangs from the last of them."""
    last = next((b for b in reversed(chain) if b >= 0), None)
    return bone < 0 or last is None or last in above[bone]


def _common(rig: Rig, a: int, b: int) -> int | None:
    """The nearest bone that is, or carries, both."""
    others = {b, *rig.ancestors(b)}
    return next((x for x in (a, *rig.ancestors(a)) if x in others), None)


def _price(joint: str, words: _Words | None, side: str) -> float:
    """How badly a name fits a joint of this side: 0 says it, infinity something else."""
    if words is None or words.side != side or words.words & _NO_JOINT:
        return np.inf
    best = np.inf
    for name in _MEANINGS[joint]:
        meant = set(name.split())
        others = words.words - meant
        if meant <= words.words and not others & _CONTRARY and len(others - _LAYERS) <= _MOST_OTHERS:
            price = sum(_LAYER_WORD if word in _LAYERS else _OTHER_WORD for word in others)
            best = min(best, price + (_SECOND_MEANING if (joint, name) in _SECOND else 0.0))
    return best


def _read(names: tuple[str, ...]) -> list[_Words]:
    """What each name says, without the words that most of them have in common and that mean nothing to us."""
    said = [_sorted_out(_split(name)) for name in names]
    counts = Counter(word for words in said for word in words.words)
    common = {word for word, count in counts.items() if 2 * count > len(names)} - _KNOWN
    return [_Words(words.side, words.words - common) for words in said]


def _sorted_out(words: list[str]) -> _Words:
    sides = {_SIDES[word] for word in words if word in _SIDES}
    rest = frozenset(part for word in words if word not in _SIDES for part in _SAME.get(word, word).split())
    return _Words(sides.pop() if len(sides) == 1 else "", rest)


def _split(name: str) -> list[str]:
    """A name's words in lower case, without numbers and namespace."""
    plain = re.split(r"[:|]", unicodedata.normalize("NFKC", name))[-1]
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+", plain)
    return [part for word in found for part in _taken_apart(word.lower())]


def _taken_apart(word: str) -> list[str]:
    """Known words that are written as one ("leftupleg", "lthigh", "左足首"); the word itself where that does not come out even."""
    if word in _KNOWN:
        return [word]
    ways: list[list[str] | None] = [[], *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(end):
            piece, before = word[start:end], ways[start]
            side_letter = len(piece) == 1 and piece.isascii()
            if before is None or piece not in _KNOWN or (side_letter and start > 0 and end < len(word)):
                continue
            best = ways[end]
            if best is None or len(before) + 1 < len(best):
                ways[end] = [*before, piece]
    return ways[-1] or [word]
