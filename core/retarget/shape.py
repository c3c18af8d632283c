"""Which bone of a rig is which joint when no names help: by the tree, the proportions and where the limbs lie at rest.

Method: a limb is three bones that descend from each other (shoulder, elbow, wrist; hip, knee, ankle) with bones in between left out.
Every such triple is priced by how far its lengths are from a human's (the two parts nearly equal, then a hand or a foot), how straight
the bones in between lie, and where it starts and ends; the best pairs of two limbs that mirror each other are the legs and the arms.
Arms cost more that have no fingers where others have some (wings), and that leave no head above them (hair).
The trunk is the way through the tree from what the legs have in common to what the arms have in common, the neck is what goes on
upwards. Lengths are first measured by the height of all bones, then by that of a figure with the legs and the trunk that were found.
Left and right follow from names that say a side, else from where the feet, knees and elbows point. On control rigs (bones with custom
shapes) the controls are tried first. Each joint gets a score in [0, 1]: how human the lengths are, and how far behind the next best
choice is.
Limits: up is the world's Z; a figure that lies at rest, or has its hands far above its head, is not found.
Wings, rows of a skirt or of long hair may pass for the arms of a figure without fingers.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass

import numpy as np

from .mapping import Mapping
from .rig import Rig
from .words import side_of

NAME = "a figure found by its shape"
_LEGS_AND_TRUNK = 0.76  # statures from the ankles over knees and hips to the shoulder joints
_TRUNK = 0.265  # likewise, from the hip joints to the shoulder joints
_TOO_TALL = 0.85  # of the height of all bones: a figure that is smaller shares the rig with something else, and is looked for anew
_HEAD_LEVEL = 0.12  # statures from the shoulder joints up to the head joint
_PAST_THE_WRIST = 6.0  # price of a hand that begins below where fingers fork
_NO_FINGERS = 6.0  # price of arms without, where other limbs that may be the arms have some
_END_AT_MOST = 4.0  # price of a hand or foot that is too long for its limb: it may hold a weapon
_UNLIKE_ENDS_AT_MOST = 2.0  # price of two hands, or feet, that are not equally long: one of them may hold a weapon
_NO_HEAD = 8.0  # price of arms that leave no head: so high that they are doubtful
_BALL = 0.68  # of the way from the ankle to the tip of the foot
_WORST = 10.0  # mean price of a limb above which a rig holds no figure
_CANDIDATES, _KEPT = 1500, 24  # best triples of a rig; best ones with the same start that are paired


@dataclass(frozen=True)
class _Limb:
    """Three joints of a candidate, upper end first, and what is wrong with it (0 is perfect)."""

    bones: tuple[int, int, int]
    price: float


@dataclass(frozen=True)
class _Pair:
    """Two limbs that mirror each other, in no order yet; `rival`: the price of the best other choice of joints for them."""

    a: _Limb
    b: _Limb
    price: float
    rival: float


class _Tree:
    """The bones that may be keyed, their nearest such ancestors, and lengths along the tree; metres, Z up. Bones that neither hang from
    another one nor carry one (properties, targets) are left out. height: of all bones, until the figure's own is known. fans: whether three
    chains of two bones or more begin at a bone, as fingers do."""

    def __init__(self, rig: Rig, usable: np.ndarray) -> None:
        self.heads, self.tails = rig.heads_world, rig.to_world(rig.tails)
        self.parents = np.full(len(rig.names), -1)
        alone = (rig.parents < 0) & ~np.isin(np.arange(len(rig.names)), rig.parents)
        self.bones = [int(b) for b in np.flatnonzero(usable & ~alone)]
        for bone in self.bones:
            self.parents[bone] = next((a for a in rig.ancestors(bone) if usable[a]), -1)
        self.above = {b: self._ancestors(b) for b in self.bones}
        self.below: dict[int, list[int]] = {b: [] for b in self.bones}
        for bone in self.bones:
            for ancestor in self.above[bone]:
                self.below[ancestor].append(bone)
        self.fans = {b: sum(1 for c in self.below[b] if self.parents[c] == b and self.below[c]) >= 3 for b in self.bones}
        levels = np.sort(np.stack([self.heads[self.bones, 2], self.tails[self.bones, 2]]), axis=0)
        # There are two feet: what is lower than all others by itself is none.
        self.floor = float(np.sort(levels[0])[:2].max(initial=-np.inf))
        self.height = max(float(levels[1].max(initial=-np.inf)) - self.floor, 1e-9)
        self.along = self._lengths_from_root()
        self.reach = np.zeros(len(self.parents))
        self.reach[self.bones] = [self._reach(b) for b in self.bones]

    def _ancestors(self, bone: int) -> list[int]:
        chain = []
        while (bone := int(self.parents[bone])) >= 0:
            chain.append(bone)
        return chain

    def _lengths_from_root(self) -> np.ndarray:
        along = np.zeros(len(self.parents))
        for bone in self.bones:  # parents stand first
            parent = self.parents[bone]
            if parent >= 0:
                along[bone] = along[parent] + np.linalg.norm(self.heads[bone] - self.heads[parent])
        return along

    def _reach(self, bone: int) -> float:
        """From a bone's head to the farthest joint below it, or to its own tail where nothing is below, metres."""
        below = self.below[bone]
        ends = self.heads[below] if below else self.tails[[bone]]
        longest = float(np.linalg.norm(ends - self.heads[bone], axis=-1).max())
        return max(longest, float(np.linalg.norm(self.tails[bone] - self.heads[bone])))

    def common(self, a: int, b: int) -> int:
        """The nearest bone that both descend from, -1 if none."""
        others = set(self.above[b])
        return next((x for x in self.above[a] if x in others), -1)

    def path(self, top: int, bone: int) -> list[int]:
        """Bones from below `top` down to `bone`, both ends: `bone` is in it, `top` is not."""
        chain = [bone, *self.above[bone]]
        return chain[:chain.index(top)][::-1] if top in chain else chain[::-1]


def map_by_shape(rig: Rig, usable: np.ndarray | None = None) -> Mapping | None:
    """The mapping with a score for each joint, or None when there is no figure among the usable bones (B,) (None: the `choices`)."""
    best: tuple[float, Mapping] | None = None
    for bones in choices(rig) if usable is None else [usable]:
        found = _find(rig, _Tree(rig, bones))
        if found is not None and (best is None or found[0] < 0.7 * best[0]):
            best = found
        if best is not None and best[0] < _WORST:
            break
    return best[1] if best else None


def choices(rig: Rig) -> list[np.ndarray]:
    """(B,) bool sets of bones to look for a figure in: the controls of a control rig, then everything."""
    everything = np.ones(len(rig.names), bool)
    return [rig.controls, everything] if rig.controls.sum() >= 9 else [everything]


def _find(rig: Rig, tree: _Tree) -> tuple[float, Mapping] | None:
    best = _limbs(tree)
    if best is None:
        return None
    of_all, tree.height = tree.height, _stature(tree, *best[1:])
    if tree.height < _TOO_TALL * of_all:
        best = _limbs(tree) or best
        tree.height = _stature(tree, *best[1:])
    price, leg, arm = best
    return (price, _assemble(rig, tree, leg, arm)) if price < 2 * _WORST else None


def _stature(tree: _Tree, leg: _Pair, arm: _Pair) -> float:
    """The height of the figure with these limbs, however its legs stand and whatever else is in the rig."""
    trunk = np.linalg.norm(_middle(tree, arm, 0) - _middle(tree, leg, 0))
    return (_length(tree, leg) + float(trunk)) / _LEGS_AND_TRUNK


def _limbs(tree: _Tree) -> tuple[float, _Pair, _Pair] | None:
    """The best legs and arms for a figure of the tree's height, after their price."""
    triples = _triples(tree)
    legs = _pairs(tree, triples, _leg_prices(tree, triples), 8)
    arms = _fingers_priced(tree, _pairs(tree, triples, _arm_prices(tree, triples), 16))
    priced = [(leg.price + arm.price + _together(tree, leg, arm), leg, arm) for leg, arm in itertools.product(legs, arms)]
    least = min((price for price, _, _ in priced), default=np.inf)
    if least == np.inf:
        return None
    # What costs more than the best one without a head is not chosen.
    whole = [_head_priced(tree, *choice) for choice in priced if choice[0] <= least + _NO_HEAD]
    return _beside_rivals(sorted(whole, key=lambda choice: choice[0]))


def _fingers_priced(tree: _Tree, arms: list[_Pair]) -> list[_Pair]:
    """With `_NO_FINGERS` on those that have none, where others have: wings and long hair have none."""
    with_fingers = [all(any(tree.fans[b] for b in (limb.bones[0], *tree.below[limb.bones[0]])) for limb in (arm.a, arm.b)) for arm in arms]
    return [arm if has or not any(with_fingers) else dataclasses.replace(arm, price=arm.price + _NO_FINGERS)
            for arm, has in zip(arms, with_fingers)]


def _head_priced(tree: _Tree, price: float, leg: _Pair, arm: _Pair) -> tuple[float, _Pair, _Pair]:
    """With `_NO_HEAD` on the arms where they leave none that rises above them, as strands of hair do that hang from it."""
    hips, spine, chest = _trunk(tree, leg, arm)
    _, head, _ = _neck_and_head(tree, {*spine, chest, hips}, leg, arm, _across(tree, leg, arm))
    if head is not None:
        bones = [head, *tree.below[head]]
        top = max(float(tree.heads[bones, 2].max()), float(tree.tails[bones, 2].max()))
        if top - _middle(tree, arm, 0)[2] > 0.5 * _HEAD_LEVEL * tree.height:
            return price, leg, arm
    return price + _NO_HEAD, leg, dataclasses.replace(arm, price=arm.price + _NO_HEAD)


def _beside_rivals(whole: list[tuple[float, _Pair, _Pair]]) -> tuple[float, _Pair, _Pair]:
    """The first choice; its arms' rival may be another pair of limbs, too."""
    price, leg, arm = whole[0]
    own = {*arm.a.bones, *arm.b.bones}
    gap = min((total - price for total, _, other in whole if not own & {*other.a.bones, *other.b.bones}), default=np.inf)
    return price, leg, dataclasses.replace(arm, rival=min(arm.rival, arm.price + gap))


def _triples(tree: _Tree) -> np.ndarray:
    """(N, 3) every three bones that descend from each other, upper end first."""
    found = []
    for end in tree.bones:
        above = [b for b in tree.above[end] if np.linalg.norm(tree.heads[b] - tree.heads[end]) > 0.05 * tree.height][:14]
        found += [(upper, middle, end) for middle, upper in itertools.combinations(above, 2)]
    return np.array(found, dtype=int).reshape(-1, 3)


def _off(value: np.ndarray, usual: float, spread: float) -> np.ndarray:
    """Squared deviations of a ratio from its usual value, on a logarithmic scale."""
    return (np.log(np.maximum(value, 1e-6) / usual) / spread) ** 2


def _limb_prices(tree: _Tree, triples: np.ndarray, ratio: float, end: float, total: float) -> np.ndarray:
    """(N,) by the upper part over the lower, what follows over the lower part, both over the height, and straightness in between."""
    upper, middle, last = tree.heads[triples].swapaxes(0, 1)
    a, b = np.linalg.norm(middle - upper, axis=-1), np.linalg.norm(last - middle, axis=-1)
    tip = tree.reach[triples[:, 2]]
    detour = (tree.along[triples[:, 2]] - tree.along[triples[:, 0]]) / np.maximum(a + b, 1e-9)
    b_ = np.maximum(b, 1e-9)
    ends = np.minimum(_off(tip / b_, end, 0.45), _END_AT_MOST)
    return _off(a / b_, ratio, 0.2) + ends + _off(detour, 1.0, 0.02) + _off((a + b) / tree.height, total, 0.25)


def _leg_prices(tree: _Tree, triples: np.ndarray) -> np.ndarray:
    heights = (tree.heads[triples][..., 2] - tree.floor) / tree.height
    low = (np.maximum(heights[:, 2] - 0.06, 0.0) / 0.04) ** 2
    upside = (heights[:, 0] < heights[:, 1]) | (heights[:, 1] < heights[:, 2] - 0.05)
    return _limb_prices(tree, triples, 1.0, 0.45, 0.48) + low + np.where(upside, 1e6, 0.0)


def _arm_prices(tree: _Tree, triples: np.ndarray) -> np.ndarray:
    low = (tree.heads[triples[:, 0], 2] - tree.floor) / tree.height < 0.4
    return _limb_prices(tree, triples, 1.05, 0.65, 0.32) + np.where(low, 1e6, 0.0) + _PAST_THE_WRIST * _fans_passed(tree, triples)


def _fans_passed(tree: _Tree, triples: np.ndarray) -> np.ndarray:
    """(N,) 1 where a bone from below the shoulder on, above the last, has fingers."""
    return np.array([any(tree.fans[b] for b in tree.path(int(upper), int(end))[:-1]) for upper, _, end in triples], dtype=float)


def _pairs(tree: _Tree, triples: np.ndarray, prices: np.ndarray, count: int) -> list[_Pair]:
    """Two limbs each that stand side by side and have equal lengths; the best first, at most `count`."""
    starts: dict[int, list[_Limb]] = {}
    order = np.argsort(prices, kind="stable")
    for i in order[prices[order] < 3 * _WORST][:_CANDIDATES]:
        start, middle, end = triples[i].tolist()
        starts.setdefault(start, []).append(_Limb((start, middle, end), prices[i]))
    if not starts:
        return []
    limbs = [kept[:_KEPT] for kept in starts.values()]
    rows = np.cumsum([0, *(len(kept) for kept in limbs)])
    # All at once: a skirt or long hair makes hundreds of thousands of choices, and this runs while Blender waits.
    table = _pair_prices(tree, list(itertools.chain(*limbs)))
    least = np.minimum.reduceat(np.minimum.reduceat(table, rows[:-1], axis=0), rows[:-1], axis=1)
    beside = [(least[i, j], i, j) for (i, a), (j, b) in itertools.combinations(enumerate(starts), 2) if _side_by_side(tree, a, b)]
    return [_best_pair(limbs[i], limbs[j], table[rows[i]:rows[i + 1], rows[j]:rows[j + 1]]) for _, i, j in sorted(beside)[:count]]


def _side_by_side(tree: _Tree, a: int, b: int) -> bool:
    return a not in tree.above[b] and b not in tree.above[a] and math.dist(tree.heads[a], tree.heads[b]) >= 0.02 * tree.height


def _best_pair(left: list[_Limb], right: list[_Limb], prices: np.ndarray) -> _Pair:
    """The cheapest choice of (L, R) prices; its rival has neither limb of it."""
    i, j = np.unravel_index(prices.argmin(), prices.shape)
    others = np.delete(np.delete(prices, i, axis=0), j, axis=1)
    return _Pair(left[i], right[j], float(prices[i, j]), float(others.min()) if others.size else 2 * _WORST)


def _pair_prices(tree: _Tree, limbs: list[_Limb]) -> np.ndarray:
    """(N, N) what is wrong with each two limbs: their own prices, and how unequal their lengths and places in the tree are."""
    bones, own = np.array([limb.bones for limb in limbs]), np.array([limb.price for limb in limbs])
    lengths = np.linalg.norm(np.diff(tree.heads[bones], axis=1), axis=-1)
    # What hangs from hands and feet may differ: a toe, a finger or a weapon on one side only.
    sizes = np.log(np.maximum(np.column_stack([lengths, tree.reach[bones[:, 2]]]), 1e-9)) / [0.05, 0.05, 0.5]
    depth = np.array([[len(tree.above[b]) for b in limb.bones] for limb in limbs])
    steps = depth[:, 2] - depth[:, 0]
    table = 0.5 * (own[:, None] + own) + 2.0 * (depth[:, None, 0] != depth[:, 0]) + 1.0 * (steps[:, None] != steps)
    for size, most in zip(sizes.T, (np.inf, np.inf, _UNLIKE_ENDS_AT_MOST)):
        table += np.minimum((size[:, None] - size) ** 2, most)
    return table


def _together(tree: _Tree, leg: _Pair, arm: _Pair) -> float:
    """What is wrong with these legs and these arms on one body."""
    if {*leg.a.bones, *leg.b.bones} & {*arm.a.bones, *arm.b.bones}:
        return np.inf
    if any(x in tree.above[y] or y in tree.above[x] for x in (leg.a.bones[0], leg.b.bones[0]) for y in (arm.a.bones[0], arm.b.bones[0])):
        return np.inf
    hips, shoulders = _middle(tree, leg, 0), _middle(tree, arm, 0)
    across = [tree.heads[pair.a.bones[0]] - tree.heads[pair.b.bones[0]] for pair in (leg, arm)]
    parallel = abs(across[0] @ across[1]) / max(np.linalg.norm(across[0]) * np.linalg.norm(across[1]), 1e-9)
    rise = (shoulders - hips)[2] / tree.height
    if (shoulders - hips)[2] < 0.5 * np.linalg.norm(shoulders - hips):  # an animal on four legs
        return np.inf
    long = _length(tree, leg) / max(_length(tree, arm), 1e-9)
    return float(_off(rise, 0.28, 0.35) + _off(np.asarray(long), 1.5, 0.3) + ((1 - parallel) / 0.1) ** 2) if rise > 0.05 else np.inf


def _middle(tree: _Tree, pair: _Pair, joint: int) -> np.ndarray:
    return 0.5 * (tree.heads[pair.a.bones[joint]] + tree.heads[pair.b.bones[joint]])


def _length(tree: _Tree, pair: _Pair) -> float:
    return float(np.mean([np.linalg.norm(np.diff(tree.heads[list(limb.bones)], axis=0), axis=-1).sum() for limb in (pair.a, pair.b)]))


def _assemble(rig: Rig, tree: _Tree, leg: _Pair, arm: _Pair) -> Mapping:
    left = _left(rig, tree, leg, arm)
    legs, arms = _sided(tree, leg, left), _sided(tree, arm, left)
    hips, spine, chest = _trunk(tree, leg, arm)
    neck, head, sure = _neck_and_head(tree, {*spine, chest, hips}, leg, arm, left)
    joints: dict[str, int] = {"Hips": hips}
    for side in ("Left", "Right"):
        joints |= {side + part: bone for part, bone in zip(("UpLeg", "Leg", "Foot"), legs[side].bones)}
        joints |= {side + part: bone for part, bone in zip(("Arm", "ForeArm", "Hand"), arms[side].bones)}
        joints |= _optional(tree, side, joints, {*spine, chest, hips}, left)
    if head is not None:
        joints["Head"] = head
    scores = {joint: _score(leg if "Leg" in joint or "Foot" in joint else arm) for joint in joints if joint not in ("Hips", "Head")}
    scores |= dict.fromkeys(("Hips", "Head", "Spine", "Neck"), min(scores.values()))
    for joint in ("LeftToe", "RightToe", "LeftShoulder", "RightShoulder", "Head", "Neck"):
        scores[joint] = 0.8 * scores.get(joint, min(scores.values()))
    scores["Head"] *= sure
    name = rig.names
    return Mapping(NAME, {joint: name[bone] for joint, bone in joints.items()}, tuple(name[b] for b in spine),
                   tuple(name[b] for b in neck), scores=scores)


def _score(pair: _Pair) -> float:
    """How sure a pair's joints are: human lengths, and no rival that is nearly as good."""
    return float(np.exp(-pair.price / _WORST) * (1.0 - np.exp(-max(pair.rival - pair.price, 0.0))))


def _sided(tree: _Tree, pair: _Pair, left: np.ndarray) -> dict[str, _Limb]:
    a_is_left = (tree.heads[pair.a.bones[0]] - tree.heads[pair.b.bones[0]]) @ left > 0
    return {"Left": pair.a, "Right": pair.b} if a_is_left else {"Left": pair.b, "Right": pair.a}


def _left(rig: Rig, tree: _Tree, leg: _Pair, arm: _Pair) -> np.ndarray:
    """(3,) the figure's left in the world: hips and shoulders say which line, names that say a side, else feet, knees and elbows, which
    way along it."""
    across = _across(tree, leg, arm)
    named = 0.0
    for limb in (leg.a, leg.b, arm.a, arm.b):
        middle = _middle(tree, leg if limb in (leg.a, leg.b) else arm, 0)
        for bone in limb.bones:
            sides = {"Left": 1.0, "Right": -1.0, "": 0.0}
            named += sides[side_of(rig.names[bone])] * float(np.sign((tree.heads[limb.bones[0]] - middle) @ across))
    if abs(named) > 6.0:  # of 12 bones
        return across if named > 0 else -across
    return across if _pointing(tree, leg, arm, np.cross(across, [0.0, 0.0, 1.0])) >= 0 else -across


def _across(tree: _Tree, leg: _Pair, arm: _Pair) -> np.ndarray:
    """(3,) the level direction of the lines between the hips and between the shoulders, one way or the other."""
    across = np.zeros(3)
    for pair, weight in ((leg, 1.0), (arm, 1.0)):
        line = tree.heads[pair.a.bones[0]] - tree.heads[pair.b.bones[0]]
        across += weight * line * (1.0 if line @ across >= 0 else -1.0)
    across[2] = 0.0
    across /= max(float(np.linalg.norm(across)), 1e-9)
    return across


def _pointing(tree: _Tree, leg: _Pair, arm: _Pair, front: np.ndarray) -> float:
    """Positive where feet and knees point along `front` and elbows against it; metres, weighted by how sure each is."""
    votes = 0.0
    for limb in (leg.a, leg.b):
        hip, knee, ankle = tree.heads[list(limb.bones)]
        below = tree.below[limb.bones[2]]
        ahead = (tree.heads[below] - ankle) @ front if below else (tree.tails[[limb.bones[2]]] - ankle) @ front
        votes += 2.0 * float(ahead[np.argmax(np.abs(ahead))]) + float((knee - _foot_of(knee, hip, ankle)) @ front)
    for limb in (arm.a, arm.b):
        shoulder, elbow, wrist = tree.heads[list(limb.bones)]
        votes -= float((elbow - _foot_of(elbow, shoulder, wrist)) @ front)
    return votes


def _foot_of(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point of the line a-b nearest to `point`."""
    line = b - a
    return a + line * float((point - a) @ line) / max(float(line @ line), 1e-12)


def _trunk(tree: _Tree, leg: _Pair, arm: _Pair) -> tuple[int, list[int], int]:
    """The hips; the bones from above them, or above what carries them and the trunk, up to the chest; the chest, which carries the arms."""
    pelvis, chest = tree.common(leg.a.bones[0], leg.b.bones[0]), tree.common(arm.a.bones[0], arm.b.bones[0])
    hips = _hips(tree, pelvis, chest)
    if hips < 0 or chest < 0 or chest == hips or chest in tree.above[hips]:
        return hips, [], chest
    return hips, tree.path(hips if hips in tree.above[chest] else tree.common(hips, chest), chest), chest


def _hips(tree: _Tree, pelvis: int, chest: int) -> int:
    """What legs and trunk have in common, unless that lies on the floor: then what the legs have in common."""
    if pelvis < 0 or chest < 0:
        return max(pelvis, chest)
    if pelvis == chest or pelvis in tree.above[chest]:
        both = pelvis
    else:
        both = chest if chest in tree.above[pelvis] else tree.common(pelvis, chest)
    on_the_floor = both >= 0 and tree.heads[both, 2] - tree.floor < 0.3 * tree.height
    return pelvis if both < 0 or (on_the_floor and tree.heads[pelvis, 2] - tree.floor > 0.3 * tree.height) else both


def _neck_and_head(tree: _Tree, trunk: set[int], leg: _Pair, arm: _Pair, left: np.ndarray) -> tuple[list[int], int | None, float]:
    """The bones from the trunk up to the head, without it, and the head's; how sure it is beside those below it and the next one above."""
    shoulders, front = _middle(tree, arm, 0), np.cross(left, [0.0, 0.0, 1.0])
    # A cartoon's short legs make no short neck.
    height = max(tree.height, float(np.linalg.norm(shoulders - _middle(tree, leg, 0))) / _TRUNK)
    limbs = {b for pair in (leg, arm) for limb in (pair.a, pair.b) for b in (*limb.bones, *tree.above[limb.bones[0]])}
    best: tuple[float, list[int]] | None = None
    prices: dict[int, float] = {}
    for end in tree.bones:
        way = [end, *tree.above[end]]
        fork = next((i for i, b in enumerate(way) if b in trunk), None)
        if not fork or limbs & set(way[:fork]):
            continue
        chain = way[:fork][::-1]
        aside = max(abs((tree.heads[b] - shoulders) @ left) for b in chain) / height
        level = (tree.heads[end, 2] - shoulders[2]) / height
        if aside > 0.02 or level < 0.0:
            continue
        ahead = (tree.heads[end] - shoulders) @ front / height  # as jaws and lips are
        price = ((level - _HEAD_LEVEL) / 0.02) ** 2 + (ahead / 0.06) ** 2 + 0.1 * len(chain)
        prices[end] = price
        if best is None or price < best[0]:
            best = price, chain
    if best is None:
        return [], None, 1.0
    *neck, head = best[1]
    next_ones = [b for b in tree.below[head] if tree.parents[b] == head]
    # Where several begin, they are eyes, a jaw, hair: a head. What begins where the head does is no other choice.
    rivals = [prices[b] for b in (*neck, *(next_ones if len(next_ones) == 1 else ()))
              if b in prices and math.dist(tree.heads[b], tree.heads[head]) > 0.01 * tree.height]
    return neck, head, 1.0 - math.exp(best[0] - min(rivals)) if rivals else 1.0


def _optional(tree: _Tree, side: str, joints: dict[str, int], trunk: set[int], left: np.ndarray) -> dict[str, int]:
    """Clavicle and toe of one side, as far as there are any."""
    found = {}
    arm, foot = joints[side + "Arm"], joints[side + "Foot"]
    clavicle = _clavicle(tree, arm, trunk, left if side == "Left" else -left)
    if clavicle is not None:
        found[side + "Shoulder"] = clavicle
    toe = _toe(tree, foot, np.cross(left, [0.0, 0.0, 1.0]))
    if toe is not None:
        found[side + "Toe"] = toe
    return found


def _clavicle(tree: _Tree, arm: int, trunk: set[int], outward: np.ndarray) -> int | None:
    """The first bone between the trunk and the arm, or, on control rigs, one beside it that ends where the arm begins."""
    between = []
    for bone in tree.above[arm]:
        if bone in trunk:
            break
        between.append(bone)
    if between:
        return between[-1]
    near = [b for b in tree.bones if b not in trunk and np.linalg.norm(tree.tails[b] - tree.heads[arm]) < 0.03 * tree.height
            and (tree.heads[arm] - tree.heads[b]) @ outward > 0.04 * tree.height and tree.parents[arm] in (tree.parents[b], b)]
    return min(near, key=lambda b: float(np.linalg.norm(tree.tails[b] - tree.heads[arm])), default=None)


def _toe(tree: _Tree, foot: int, front: np.ndarray) -> int | None:
    """The bone from the ball of the foot: of those that lie ahead the one nearest to where a ball is; none where toes are many."""
    below = tree.below[foot]
    ahead = np.array([(tree.heads[b] - tree.heads[foot]) @ front for b in below])
    tip = max([*ahead, *((tree.tails[b] - tree.heads[foot]) @ front for b in (foot, *below))], default=0.0)
    balls = {b: float(way) for b, way in zip(below, ahead) if way > 0.45 * tip and way > 0.02 * tree.height}
    first = [b for b in balls if not set(tree.above[b]) & set(balls)]
    if len(first) > 2 or not balls:
        return None

    def share(ball: int) -> float:
        """How far along the foot it begins, if it is the ball: a bone that only marks the end has its own tail beyond the toes."""
        after = [balls[b] for b in balls if ball in tree.above[b]]
        return balls[ball] / (max(after) if after else max(tip, 1e-9))

    return min(balls, key=lambda b: abs(share(b) - _BALL))
