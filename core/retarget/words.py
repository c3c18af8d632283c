"""Which bone is which joint by the words in bones' names ("Bip01 L Thigh", "left_hip", "mElbowRight", "左ひじ") where no map knows the rig.

Method: a name is taken apart into words (at marks, capitals and digits, and where known words stand side by side); words say the side
and the parts that may be meant, for "shoulder" and "leg" mean one bone here and another there. Each limb is the chain of descending
bones whose words fit best, with none passed over. A limb is doubtful where another choice of its joints fits as well, where a bone
with length lies between its joints, or where no word in it means one joint only. Hips, trunk and neck follow from the tree: what thighs
and arms have in common, the way between, the way to the head. What helpers (IK targets, twist bones, ends, fingers, skirts) are called
rules a bone out. A foot or hand that hangs from elsewhere, as the target of the limb's IK does, is one that begins where the limb ends.
Limits: English and the Japanese of MMD models; a side must be said by a word, and is believed; numbers are dropped, so "arm_01" and
"arm_02" say the same; limbs must descend from the hips, but for feet and hands.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np

from .mapping import UNSURE, Mapping
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
    "Hand": ("hand", "wrist", "手首", "手"),
    "Hips": ("hips", "hip", "pelvis", "lower torso", "center", "センター"),
    "Head": ("head", "頭"),
    "Neck": ("neck", "首"),
}
"""Joint -> what its bone may be called, words in any order."""
_SECOND = {("UpLeg", "hip"), ("UpLeg", "leg"), ("UpLeg", "足"), ("Leg", "leg"), ("Toe", "foot"), ("Arm", "shoulder"), ("ForeArm", "arm")}
"""What means something else where there is a better name for it."""
_AMBIGUOUS = {name for _, name in _SECOND}
_LIMB_WORDS = {"arm": _set("clavicle collar shoulder humerus bicep elbow wrist hand"),
               "leg": _set("hip thigh femur knee shin calf tibia ankle foot toe ball")}
"""What says the whole limb where one of these words says the joint ("arm_elbow")."""
_SAME = {"up": "upper", "upr": "upper", "low": "lower", "lwr": "lower", "lo": "lower", "legs": "leg", "arms": "arm", "toes": "toe",
         "feet": "foot", "clav": "clavicle", "collarbone": "collar", "shldr": "shoulder", "biceps": "bicep", "hnd": "hand",
         "thighs": "thigh", "hands": "hand"}
_NO_JOINT = _set("""ik pole target tgt twist roll helper end nub tip top effector eff aim rev reverse corrective jiggle skirt hair dummy
    thumb index middle ring pinky little finger fingers metacarpal carpal palm heel eye jaw breast sleeve cloth cape armor weapon prop
    volume socket attach slot ダミー 捩 捩れ キャンセル 指 親指 スカート 髪 袖 先""")
_CONTRARY = {"upper", "lower", "fore"}
"""Words that say another part than the same name without them."""
_LAYERS = _set("upright bone bones joint jnt jt def deform bind skin fk ctrl ctl control con anim main base")
"""Words that say what kind of bone it is, not which."""
_OTHER_WORD, _LAYER_WORD, _SECOND_MEANING, _PASSED = 1.0, 0.25, 0.5, 1.0  # prices; _PASSED: of a bone between two joints
_CARRIES_NOTHING = 0.01  # price that tells between bones of the same words: volumes and attachments end where they begin
_SKIPPED = {"Toe": 3.0, "Foot": 6.0, "Hand": 6.0, "Shoulder": 3.0}  # price of leaving a joint out of its limb
_MOST, _KEPT = 12, 200  # bones tried for a joint; limbs kept while they are put together
_NO_LENGTH = 0.002  # of the rig's largest extent: heads that are nearer than this start at the same place
_AT_THE_END = 0.1  # of a shin's or forearm's length, within which a foot or hand begins that hangs from elsewhere
_AT_THE_HIPS = 0.6  # leg lengths from the hip joints' middle, within which a bone may be the hips
_LIMBS: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (side, joints) for joints in (("UpLeg", "Leg", "Foot", "Toe"), ("Shoulder", "Arm", "ForeArm", "Hand")) for side in ("Left", "Right"))
"""Side and joints of each limb, from the trunk on."""

_JOINT_WORDS = {w for names in _MEANINGS.values() for name in names for w in name.split()}
_KNOWN = _JOINT_WORDS | set(_SAME) | _NO_JOINT | _LAYERS | set(_SIDES) | _CONTRARY


@dataclass(frozen=True)
class _Words:
    """What a bone's name says: the side ("" for the middle) and the other words."""

    side: str
    words: frozenset[str]


def map_by_words(rig: Rig, usable: np.ndarray | None = None) -> Mapping | None:
    """The mapping that the names of the usable bones (B,) (None: all) give, or None where they leave a joint open that a figure must have.

    Joints of a limb that its names do not tell for certain are doubtful.
    """
    said: list[_Words | None] = [words if usable is None or usable[b] else None for b, words in enumerate(_read(rig.names))]
    limbs: dict[str, int] = {}
    scores: dict[str, float] = {}
    for side, parts in _LIMBS:
        limb = _limb(rig, said, side, parts)
        if limb is None:
            return None
        joints, sure = limb
        limbs |= joints | _end_from_elsewhere(rig, said, side, joints)
        scores |= {} if sure else dict.fromkeys(joints, UNSURE)
    trunk = _trunk(rig, said, limbs)
    if trunk is None:
        return None
    hips, spine, chest = trunk
    head, neck = _head(rig, said, chest)
    joints = {"Hips": hips} | limbs | ({} if head is None else {"Head": head})
    names = rig.names
    return Mapping(NAME, {joint: names[b] for joint, b in joints.items()}, tuple(names[b] for b in spine), tuple(names[b] for b in neck),
                   scores=scores)


def side_of(name: str) -> str:
    """"Left", "Right" or "", as the name says."""
    return _sorted_out(_split(name)).side


def is_helper(name: str, joint: str) -> bool:
    """Whether a name says that the bone only helps this joint ("LeftHand_IK")."""
    said = _sorted_out(_split(name))
    rest = _Words(said.side, said.words - _NO_JOINT)
    return rest != said and _price(joint.removeprefix("Left").removeprefix("Right"), rest, said.side) < np.inf


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
    start = hips if pelvis == both else both  # legs with a branch of their own hang from no part of the spine
    spine = below[:below.index(start) if start is not None else None][::-1]
    return hips, [b for b in spine if said[b] is not None], chest


def _head(rig: Rig, said: list[_Words | None], chest: int) -> tuple[int | None, list[int]]:
    """The head's bone, and the bones from the chest up to it, without both."""
    head = next((bone for _, bone in _candidates(rig, said, "", "Head") if chest in rig.ancestors(bone)), None)
    if head is None:
        return None, []
    above = rig.ancestors(head)
    return head, [b for b in above[:above.index(chest)][::-1] if said[b] is not None]


def _limb(rig: Rig, said: list[_Words | None], side: str, joints: tuple[str, ...]) -> tuple[dict[str, int], bool] | None:
    """Joint, with its side -> bone of the best choice, and whether the names leave no doubt of it; None where there is no choice."""
    choices = [_candidates(rig, said, side, joint) + ([(_SKIPPED[joint], -1)] if joint in _SKIPPED else []) for joint in joints]
    bones = {bone for priced in choices for _, bone in priced if bone >= 0}
    steps = _steps(rig, said, bones)
    limbs: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for priced in choices:
        limbs = sorted((total + price + step, (*chain, bone)) for total, chain in limbs
                       for price, bone in priced if (step := _step(chain, bone, steps)) < np.inf)[:_KEPT]
    if not limbs:
        return None
    total, chain = limbs[0]
    must = [i for i, joint in enumerate(joints) if joint not in _SKIPPED]
    rival = any(price == total and any(other[i] != chain[i] for i in must) for price, other in limbs)
    found = {joint: bone for joint, bone in zip(joints, chain) if bone >= 0}
    if "Toe" in found and _is_one_of_many(rig, found["Toe"], [b for _, b in choices[-1][:-1]]):
        del found["Toe"]
    return {side + joint: bone for joint, bone in found.items()}, not rival and _told(said, found, steps)


def _end_from_elsewhere(rig: Rig, said: list[_Words | None], side: str, limb: dict[str, int]) -> dict[str, int]:
    """Joint -> bone of a limb's foot, with its ball, or hand that does not descend from it; none where there is one that does."""
    end, last = ("Foot", limb[side + "Leg"]) if side + "Leg" in limb else ("Hand", limb[side + "ForeArm"])
    if side + end in limb:
        return {}
    heads = rig.heads_world
    reached = np.array([rig.to_world(rig.tails[last]), *heads[rig.children(last)]])
    near = _AT_THE_END * np.linalg.norm(reached - heads[last], axis=-1).max()
    there = [bone for _, bone in _candidates(rig, said, side, end) if np.linalg.norm(reached - heads[bone], axis=-1).min() < near]
    toes = [bone for _, bone in _candidates(rig, said, side, "Toe") if end == "Foot" and there and there[0] in rig.ancestors(bone)]
    found = {end: there[:1], "Toe": toes[:1] if toes and not _is_one_of_many(rig, toes[0], toes) else []}
    return {side + joint: bones[0] for joint, bones in found.items() if bones}


def _is_one_of_many(rig: Rig, bone: int, others: list[int]) -> bool:
    """Whether more than two of the others, itself among them, hang from the same bone: five toes are no ball of the foot."""
    return [rig.parents[b] for b in others].count(rig.parents[bone]) > 2


def _candidates(rig: Rig, said: list[_Words | None], side: str, joint: str) -> list[tuple[float, int]]:
    """(price, bone) of the bones that may be this joint, best first, without those that are only parts of the bone above them: they go on
    in its name, or carry nothing."""
    priced = {bone: price for bone, words in enumerate(said) if (price := _price(joint, words, side)) < np.inf}
    heads, least, carrying = rig.heads_world, _least(rig), set(rig.parents.tolist())

    def is_part(bone: int) -> bool:
        above = int(rig.parents[bone])
        if above not in priced:
            return False
        at_an_end = bone not in carrying
        return (at_an_end and math.dist(heads[bone], heads[above]) <= least) or (
            _definite(joint, said[above]) and (at_an_end or said[bone] == said[above]))

    return sorted((price + _CARRIES_NOTHING * (bone not in carrying), bone) for bone, price in priced.items() if not is_part(bone))[:_MOST]


def _steps(rig: Rig, said: list[_Words | None], bones: set[int]) -> dict[tuple[int, int], float]:
    """Two of the bones that may be a limb's neighbouring joints, upper one first -> price of what is passed over between them: bones that
    are no helpers, do not go on in the name of the one above, and start elsewhere than both."""
    heads, least, steps = rig.heads_world, _least(rig), {}
    for lower in bones:
        above = rig.ancestors(lower)
        passed: list[int] = []
        for bone in above:
            if bone in bones and math.dist(heads[bone], heads[lower]) > least:
                steps[bone, lower] = _PASSED * sum(math.dist(heads[bone], heads[b]) > least for b in passed)
            words = said[bone]
            if words is not None and not words.words & _NO_JOINT and math.dist(heads[bone], heads[lower]) > least and (
                    words != said[rig.parents[bone]] or rig.parents[bone] < 0):
                passed.append(bone)
    return steps


def _least(rig: Rig) -> float:
    """The distance, metres, up to which two bones start at the same place."""
    return _NO_LENGTH * float(np.ptp(rig.heads_world, axis=0).max())


def _step(chain: tuple[int, ...], bone: int, steps: dict[tuple[int, int], float]) -> float:
    """The price of going on from the last of the chosen bones to this one (-1: none); infinity where that is no limb."""
    last = next((b for b in reversed(chain) if b >= 0), -1)
    return 0.0 if last < 0 or bone < 0 else steps.get((last, bone), np.inf)


def _told(said: list[_Words | None], found: dict[str, int], steps: dict[tuple[int, int], float]) -> bool:
    """Whether a limb's names leave no doubt: nothing lies between its joints, neither of the two that move it has more unknown words than
    the other, and a name that means one joint only, or the limb's end, says which joints they are."""
    joints = [joint for joint in found if joint not in ("Shoulder", "Toe")]
    upper, lower, *end = (found[joint] for joint in joints)
    between = steps[upper, lower] + (steps[lower, end[0]] if end else 0.0)
    return between == 0.0 and _unknown(said[upper]) == _unknown(said[lower]) and (
        bool(end) or any(_definite(joint, said[found[joint]]) for joint in joints))


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
        if meant <= words.words and not others & _CONTRARY:
            price = sum(_LAYER_WORD if word in _LAYERS or _is_letter(word) else _OTHER_WORD for word in others)
            best = min(best, price + (_SECOND_MEANING if (joint, name) in _SECOND else 0.0))
    return best


def _definite(joint: str, words: _Words | None) -> bool:
    """Whether a name says this joint by a word that means no other one."""
    return words is not None and any(set(name.split()) <= words.words for name in _MEANINGS[joint] if name not in _AMBIGUOUS)


def _unknown(words: _Words | None) -> int:
    """How many words of a name mean nothing to us."""
    return 0 if words is None else sum(not _is_letter(word) for word in words.words - _KNOWN)


def _is_letter(word: str) -> bool:
    """Whether it is a maker's mark ("mWrist", "b_thigh")."""
    return len(word) == 1 and word.isascii()


def _read(names: tuple[str, ...]) -> list[_Words]:
    """What each name says, without the words that most of those that may be joints have in common and that mean nothing to us."""
    said = [_sorted_out(_split(name)) for name in names]
    joints = [words.words for words in said if words.words & _JOINT_WORDS]
    counts = Counter(word for words in joints for word in words)
    common = {word for word, count in counts.items() if 2 * count > len(joints)} - _KNOWN
    return [_Words(words.side, words.words - common) for words in said]


def _sorted_out(words: list[str]) -> _Words:
    sides = {_SIDES[word] for word in words if word in _SIDES}
    rest = {_SAME.get(word, word) for word in words if word not in _SIDES}
    limb_words = {limb for limb, joints in _LIMB_WORDS.items() if rest & joints}
    return _Words(sides.pop() if len(sides) == 1 else "", frozenset(rest - limb_words))


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
            if before is None or piece not in _KNOWN:
                continue
            best = ways[end]
            if best is None or len(before) + 1 < len(best):
                ways[end] = [*before, piece]
    return ways[-1] or [word]
