"""Mapping by shape: random rigs with meaningless names, skirts and hair, no figure, two figures, mappings that cannot be meant."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_retarget import OPTIONAL, some_rig

from core import rotations
from core.errors import InputError
from core.retarget import Mapping, Rig, map_rig
from core.retarget.mapping import check_mapping
from core.retarget.shape import map_by_shape
from core.retarget.vrm import declared_bones
from core.skeleton import JOINT_PARENTS, JOINTS, Skeleton


def rig_of(bones: dict[str, tuple[str | None, tuple[float, float, float]]]) -> Rig:
    """A rig from name -> (parent, head); tails at the first child's head."""
    names, count = tuple(bones), len(bones)
    parents = np.array([-1 if p is None else names.index(p) for p, _ in bones.values()])
    rest = np.tile(np.eye(4), (count, 1, 1))
    rest[:, :3, 3] = [head for _, head in bones.values()]
    tails = rest[:, :3, 3] + [0, -0.05, 0]
    return Rig(names, parents, rest, tails, np.eye(4), ("QUATERNION",) * count, np.zeros(count, bool), np.ones(count, bool),
               np.ones(count, bool), np.tile(rotations.IDENTITY, (count, 1)))


def anonymous(rig: Rig, mapping: Mapping, rng: np.random.Generator) -> tuple[Rig, dict[str, str]]:
    """The rig with meaningless names, and which bone is which joint."""
    words = tuple(f"x{i}" for i in rng.permutation(len(rig.names)))
    renamed = dict(zip(rig.names, words))
    return dataclasses.replace(rig, names=words), {joint: renamed[bone] for joint, bone in mapping.bones.items()}


def test_random_bodies_are_found_by_shape() -> None:
    """Proportions up to 30% off in every bone, any heading, centimetres, a clavicle or toe missing, limbs up to 11 degrees off."""
    right = total = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        missing = tuple(j for j in OPTIONAL if rng.random() < 0.3 and "Toe" not in j and j != "Head")
        rig, mapping = some_rig(rng, missing, 0, 0.2, float(rng.choice([1.0, 0.01, 3.0])), rng.uniform(-3, 3))
        rig, wanted = anonymous(rig, mapping, rng)
        found = map_by_shape(rig)
        assert found is not None
        right += sum(found.bones.get(joint) == bone for joint, bone in wanted.items())
        total += len(wanted)
        sides = {bone: joint[:4] for joint, bone in wanted.items() if joint[:4] in ("Left", "Righ")}
        assert all(sides.get(bone, joint[:4]) == joint[:4] for joint, bone in found.bones.items())
    assert right / total > 0.95


def clothed(chains: int, length: int) -> Rig:
    """An ordinary figure with fingers, a skirt and long hair: `chains` rows of `length` bones around the hips and around the head."""
    places = dict(zip(JOINTS, Skeleton.mean().rest_positions() + [0.0, 0.0, 1.0]))
    rows = [(hand, places[hand] + [3.6 * step, 0.02 * finger, 0.0], np.array([step, 0.0, 0.0]), 3)
            for hand, step in (("LeftHand", 0.025), ("RightHand", -0.025)) for finger in range(-2, 3)]
    for joint, drop in (("Hips", 0.6), ("Head", 0.5)):
        for turn in 2 * np.pi * np.arange(chains) / max(chains, 1):
            out = np.array([np.cos(turn), np.sin(turn), 0.0])
            rows.append((joint, places[joint] + 0.12 * out, 0.02 * out - [0.0, 0.0, drop / length], length))
    bones: dict[str, tuple[str | None, tuple[float, float, float]]] = {j: (JOINT_PARENTS[j], tuple(places[j])) for j in JOINTS}
    for row, (joint, start, step, count) in enumerate(rows):
        bones |= {f"{row} {i}": (f"{row} {i - 1}" if i else joint, tuple(start + i * step)) for i in range(count)}
    return rig_of(bones)


@pytest.mark.parametrize(("chains", "length"), [(4, 3), (8, 6), (9, 8), (16, 8)])
def test_skirts_and_hair_are_no_limbs(chains: int, length: int) -> None:
    """Their chains mirror each other as arms and legs do; the figure that is found, and how sure that is, are as without them."""
    bare, found = map_by_shape(clothed(0, 1)), map_by_shape(clothed(chains, length))
    assert bare is not None and found is not None
    assert found.bones == bare.bones == {joint: joint for joint in JOINTS}
    assert found.scores == pytest.approx(bare.scores)


def with_bones(rig: Rig, more: dict[str, tuple[str | None, tuple[float, float, float]]]) -> Rig:
    """The rig of `rig_of` with more bones, or some placed otherwise, each name -> (parent, head)."""
    bones = {n: (rig.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(rig.names, rig.parents, rig.rest)}
    return rig_of(bones | more)


@pytest.mark.parametrize(("parent", "height"), [(None, -0.5), (None, 4.0), ("Hips", -0.5), ("Hips", 3.3)])
def test_what_lies_above_or_below_does_not_count_as_height(parent: str | None, height: float) -> None:
    """A properties bone half a metre below the floor was the end of the figure, one above the crown took arms and head with it."""
    plain = clothed(0, 1)
    found = map_by_shape(with_bones(plain, {"properties": (parent, (0.0, 0.0, height))}))
    assert found is not None and found.bones == {joint: joint for joint in JOINTS}


def test_a_weapon_in_one_hand() -> None:
    """That hand had no place beside the other, and strands of hair became the arms."""
    plain = clothed(10, 5)
    x, y, z = plain.rest[plain.index("RightHand"), :3, 3]
    barrel = {f"barrel {i}": (f"barrel {i - 1}" if i else "RightHand", (x - 0.09, y - 0.3 * i, z)) for i in range(3)}
    found = map_by_shape(with_bones(plain, barrel))
    assert found is not None and found.bones == {joint: joint for joint in JOINTS} and not found.doubtful


def test_a_cartoon_with_short_legs_has_its_head() -> None:
    """Measured by its legs the head was too far up, and the neck was taken for it."""
    plain = clothed(0, 1)
    bones = {n: (p, m[:3, 3].copy()) for n, p, m in zip(plain.names, plain.parents, plain.rest)}
    for side in ("Left", "Right"):
        hip = bones[side + "UpLeg"][1]
        for joint in ("Leg", "Foot", "Toe"):
            bones[side + joint][1][:] = hip + 0.5 * (bones[side + joint][1] - hip)
    rig = rig_of({n: (plain.names[p] if p >= 0 else None, tuple(place)) for n, (p, place) in bones.items()})
    found = map_by_shape(with_bones(rig, {"crown": ("Head", tuple(bones["Head"][1] + [0.0, 0.0, 0.5]))}))
    assert found is not None and found.bones == {joint: joint for joint in JOINTS}


def test_a_head_with_a_rival_beside_it_is_doubtful() -> None:
    """A neck's last bone so near below the head that either may be meant; one that begins where the head does is no other choice."""
    plain = clothed(0, 1)
    x, y, z = plain.rest[plain.index("Head"), :3, 3]
    ordinary = map_by_shape(with_bones(plain, {"jaw": ("Head", (x, y, z))}))
    near = map_by_shape(with_bones(plain, {"Neck": ("Spine1", (x, y, z - 0.025))}))
    assert ordinary is not None and near is not None and ordinary.bones["Head"] == near.bones["Head"] == "Head"
    assert "Head" in near.doubtful and "Head" not in ordinary.doubtful


def test_hips_and_trunk_beside_each_other_on_a_floor_bone() -> None:
    """The floor's bone was one of the spine's, and the mapping refused, for the hips hang from it."""
    plain = clothed(0, 1)
    bones = {n: (plain.names[p] if p >= 0 else "floor", tuple(m[:3, 3])) for n, p, m in zip(plain.names, plain.parents, plain.rest)}
    rig = rig_of({"floor": (None, (0.0, 0.0, 0.0))} | bones | {"Spine": ("floor", bones["Spine"][1])})
    rig, wanted = anonymous(rig, Mapping("", {joint: joint for joint in JOINTS}), np.random.default_rng(0))
    found = map_rig(rig)
    assert found.bones == wanted and len(found.spine) == 2


def test_arms_that_hang_from_what_carries_the_hips() -> None:
    """The bone on the floor carries everything: it was a bone of the spine."""
    plain = clothed(0, 1)
    bones = {n: (plain.names[p] if p >= 0 else "floor", tuple(m[:3, 3])) for n, p, m in zip(plain.names, plain.parents, plain.rest)}
    upper = {n: ("floor", bones[n][1]) for n in ("LeftShoulder", "RightShoulder", "Neck")}
    found = map_by_shape(rig_of({"floor": (None, (0.0, 0.0, 0.0))} | {n: b for n, b in bones.items() if "Spine" not in n} | upper))
    assert found is not None and found.joints["Hips"] == "Hips" and found.spine == ()


def slim(rig: Rig) -> Rig:
    """Legs a quarter longer, arms shorter and down by 35 degrees: proportions that others than the real arms fit better."""
    places = {n: rig.rest[rig.index(n), :3, 3].copy() for n in rig.names}
    below = {n: {rig.names[a] for a in rig.ancestors(i)} | {n} for i, n in enumerate(rig.names)}
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        down = rotations.to_matrix(rotations.from_rotation_vector(np.array([0.0, sign * np.radians(35), 0.0])))
        arm, hip = places[side + "Arm"].copy(), places[side + "UpLeg"].copy()
        for name in rig.names:
            if side + "Arm" in below[name]:
                places[name] = arm + 0.7 * down @ (places[name] - arm)
            if side + "UpLeg" in below[name]:
                places[name] = hip + 1.25 * (places[name] - hip)
    return with_bones(rig, {n: (rig.names[p] if p >= 0 else None, tuple(places[n])) for n, p in zip(rig.names, rig.parents)})


def strands(rig: Rig, joint: str, start: tuple[float, float, float], steps: list[tuple[float, float, float]]) -> Rig:
    """A chain on each side, seen from the joint."""
    more: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for mark, sign in (("L", 1.0), ("R", -1.0)):
        above, place = joint, rig.rest[rig.index(joint), :3, 3] + np.array(start) * [sign, 1.0, 1.0]
        for i, step in enumerate([*steps, (0.0, 0.0, 0.0)]):
            more[f"{joint} strand {i} {mark}"] = (above, tuple(place))
            above, place = f"{joint} strand {i} {mark}", place + np.array(step) * [sign, 1.0, 1.0]
    return with_bones(rig, more)


def without_fingers(rig: Rig) -> Rig:
    """Only one bone from the middle of each hand, as far as its fingers reach."""
    bones = {n: (rig.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(rig.names, rig.parents, rig.rest)}
    ends = {"LeftHand end": ("LeftHand", bones["2 2"][1]), "RightHand end": ("RightHand", bones["7 2"][1])}
    return rig_of({name: bone for name, bone in bones.items() if not name[0].isdigit()} | ends)


Strands = tuple[str, tuple[float, float, float], list[tuple[float, float, float]]]
TAILS: Strands = ("Head", (0.1, 0.03, 0.2), [(0.12, 0.02, -0.05), (0.05, 0.0, -0.3), (0.0, 0.0, -0.3), (0.0, 0.0, -0.3)])
WINGS: Strands = ("Spine1", (0.06, 0.1, 0.2), [(0.3, 0.1, 0.25), (0.4, 0.05, 0.05), (0.4, 0.0, -0.2), (0.2, 0.0, -0.2)])


@pytest.mark.parametrize("more", [TAILS, WINGS], ids=["twin tails", "wings"])
@pytest.mark.parametrize("fingers", [True, False], ids=["fingers", "no fingers"])
def test_twin_tails_and_wings_are_no_arms(more: Strands, fingers: bool) -> None:
    """They were, and that for sure, and the figure had no head. Without fingers it may be doubtful."""
    body = slim(clothed(0, 1) if fingers else without_fingers(clothed(0, 1)))
    rig, wanted = anonymous(strands(body, *more), Mapping("", {joint: joint for joint in JOINTS}), np.random.default_rng(0))
    found = map_by_shape(rig)
    assert found is not None
    bones = {joint: found.bones.get(joint) for joint in wanted}
    assert bones == wanted or (not fingers and "LeftArm" in found.doubtful)


def test_two_pairs_of_arms_are_doubtful() -> None:
    """Two fitted as well, and one was taken for sure."""
    plain = without_fingers(clothed(0, 1))
    second = {f"2 {n}": (f"2 {plain.names[p]}" if "Shoulder" not in n else "Spine", tuple(m[:3, 3] - [0.0, 0.0, 0.03]))
              for n, p, m in zip(plain.names, plain.parents, plain.rest) if any(part in n for part in ("Shoulder", "Arm", "Hand"))}
    found, bare = map_by_shape(with_bones(plain, second)), map_by_shape(plain)
    assert found is not None and bare is not None
    assert "LeftArm" in found.doubtful and "LeftUpLeg" not in found.doubtful and "LeftArm" not in bare.doubtful


def test_a_figure_without_a_head_is_doubtful() -> None:
    plain = without_fingers(clothed(0, 1))
    rig = rig_of({n: (plain.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(plain.names, plain.parents, plain.rest)
                  if n not in ("Neck", "Head")})
    found = map_by_shape(rig)
    assert found is not None and "Head" not in found.bones and "LeftArm" in found.doubtful and found.joints["LeftArm"] == "LeftArm"


def animal() -> Rig:
    bones: dict[str, tuple[str | None, tuple[float, float, float]]] = {
        "root": (None, (0, 0.4, 0.6)), "s1": ("root", (0, 0.1, 0.62)), "s2": ("s1", (0, -0.2, 0.62)), "neck": ("s2", (0, -0.3, 0.7)),
        "head": ("neck", (0, -0.4, 0.85)), "tail": ("root", (0, 0.45, 0.6))}
    for side, x in (("l", 0.1), ("r", -0.1)):
        hind, fore = [(0.4, 0.55), (0.35, 0.35), (0.45, 0.15), (0.4, 0.02)], [(-0.2, 0.5), (-0.15, 0.3), (-0.17, 0.1), (-0.2, 0.02)]
        for name, root, places in (("h", "root", hind), ("f", "s2", fore)):
            for i, (y, z) in enumerate(places):
                bones[f"{name}{i}{side}"] = (f"{name}{i - 1}{side}" if i else root, (x, y, z))
    return rig_of(bones)


def test_an_animal_with_names_of_a_person_is_doubtful() -> None:
    """Thighs, shins, upper arms and forearms: nothing was said. A person's arms hang down as legs do, but along the trunk."""
    rig = animal()
    names = {"root": "Hips", "s1": "Spine", "s2": "Chest", "neck": "Neck", "head": "Head"} | {
        f"{limb}{i}{mark}": side + part for mark, side in (("l", "Left"), ("r", "Right")) for limb, parts in (
            ("h", ("UpperLeg", "LowerLeg", "Foot", "Toes")), ("f", ("UpperArm", "LowerArm", "Hand"))) for i, part in enumerate(parts)}
    found = map_rig(dataclasses.replace(rig, names=tuple(names.get(name, name) for name in rig.names)))
    assert found.bones["LeftArm"] == "LeftUpperArm" and {"LeftUpLeg", "RightForeArm", "LeftFoot"} <= {*found.doubtful}
    assert not map_rig(clothed(0, 1)).doubtful and not map_rig(slim(clothed(0, 1))).doubtful


def test_what_is_no_figure_is_refused_in_one_sentence() -> None:
    chain = rig_of({f"b{i}": (f"b{i - 1}" if i else None, (0, 0, 0.1 * i)) for i in range(20)})
    for rig in (chain, animal(), rig_of({"only": (None, (0, 0, 0))})):
        with pytest.raises(InputError, match=r"^The armature holds no figure .*\.$"):
            map_rig(rig)


def test_two_figures_in_one_armature_are_refused() -> None:
    one, _ = some_rig(np.random.default_rng(5), sway=0.0)
    count, away = len(one.names), np.array([2.0, 0, 0])
    rest = np.concatenate([one.rest, one.rest])
    rest[count:, :3, 3] += away
    both = Rig(tuple(f"x{i}" for i in range(2 * count)), np.concatenate([one.parents, np.where(one.parents < 0, -1, one.parents + count)]),
               rest, np.concatenate([one.tails, one.tails + away]), one.world, one.modes * 2, *(
                   np.tile(v, 2) for v in (one.connected, one.inherits_rotation, one.local_location)), np.tile(one.basis, (2, 1)))
    with pytest.raises(InputError, match="two figures"):
        map_rig(both)
    joined = dataclasses.replace(both, names=(*one.names, *(f"{name}.001" for name in one.names)))  # as Blender's Join names them
    with pytest.raises(InputError, match="two figures"):
        map_rig(joined)
    copied = dataclasses.replace(joined, rest=np.concatenate([one.rest, one.rest]), tails=np.concatenate([one.tails, one.tails]))
    assert map_rig(copied).bones["LeftArm"] == "LeftArm"  # at the same place: the bones of a mechanism


def test_mappings_that_cannot_be_meant() -> None:
    rig, mapping = some_rig(np.random.default_rng(0))
    assert check_mapping(rig, mapping) is mapping
    swapped = dataclasses.replace(mapping, joints=mapping.joints | {"LeftArm": "LeftForeArm", "LeftForeArm": "LeftArm"})
    with pytest.raises(InputError, match=r"runs in a circle: 'LeftForeArm' \(LeftArm\) hangs from 'LeftArm' \(LeftForeArm\);"):
        check_mapping(rig, swapped)
    with pytest.raises(InputError, match="for two joints"):
        check_mapping(rig, dataclasses.replace(mapping, joints=mapping.joints | {"LeftArm": "RightArm"}))
    with pytest.raises(InputError, match="has no bone 'gone'"):
        check_mapping(rig, dataclasses.replace(mapping, spine=("gone",)))
    flat = rig.rest.copy()
    flat[rig.index("LeftLeg"), :3, 3] = flat[rig.index("LeftUpLeg"), :3, 3]
    with pytest.raises(InputError, match="start at the same place"):
        check_mapping(dataclasses.replace(rig, rest=flat), mapping)


def test_vrm_metadata_of_both_versions() -> None:
    one = {"spec_version": "1.0", "vrm1": {"humanoid": {"human_bones": {"left_upper_arm": {"node": {"bone_name": "a"}},
                                                                        "upper_chest": {"node": {"bone_name": ""}}}}}}
    zero = {"spec_version": "0.0", "vrm0": {"humanoid": {"human_bones": [{"bone": "leftUpperArm", "node": {"bone_name": "a"}}]}}}
    assert declared_bones(one) == declared_bones(zero) == {"LeftArm": "a"} and declared_bones({}) == {}
