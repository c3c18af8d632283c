"""Mapping by the words of bones' names: naming conventions on human, squat and lying bodies, decoys, odd trees, names that do not tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_shape import clothed, rig_of, with_bones

from core import rotations
from core.errors import InputError
from core.retarget import Rig, map_rig
from core.retarget.shape import map_by_shape
from core.retarget.words import NAME, map_by_words, side_of
from core.skeleton import JOINTS

_LIMBS = ("UpLeg", "Leg", "Foot", "Toe", "Shoulder", "Arm", "ForeArm", "Hand")
_MIDDLE = ("Hips", "Spine", "Spine1", "Neck", "Head")
CONVENTIONS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "3ds Max Biped": ("Bip01 Pelvis,Bip01 Spine,Bip01 Spine1,Bip01 Neck,Bip01 Head",
                      "Bip01 * Thigh,Bip01 * Calf,Bip01 * Foot,Bip01 * Toe0,Bip01 * Clavicle,Bip01 * UpperArm,Bip01 * Forearm,Bip01 * Hand",
                      ("L", "R")),
    "SMPL": ("pelvis,spine1,spine2,neck,head", "*_hip,*_knee,*_ankle,*_foot,*_collar,*_shoulder,*_elbow,*_wrist", ("left", "right")),
    "Unity": ("Hips,Spine,Chest,Neck,Head", "*UpperLeg,*LowerLeg,*Foot,*Toes,*Shoulder,*UpperArm,*LowerArm,*Hand", ("Left", "Right")),
    "VRChat": ("Hips,Spine,Chest,Neck,Head", "* leg,* knee,* ankle,* toe,* shoulder,* arm,* elbow,* wrist", ("Left", "Right")),
    "Second Life": ("mPelvis,mTorso,mChest,mNeck,mHead",
                    "mHip*,mKnee*,mAnkle*,mFoot*,mCollar*,mShoulder*,mElbow*,mWrist*", ("Left", "Right")),
    "MotionBuilder": ("Character1_Hips,Character1_Spine,Character1_Spine1,Character1_Neck,Character1_Head",
                      "Character1_*UpLeg,Character1_*Leg,Character1_*Foot,Character1_*ToeBase,Character1_*Shoulder,Character1_*Arm,"
                      "Character1_*ForeArm,Character1_*Hand", ("Left", "Right")),
    "Xsens": ("Hips,Chest,Chest2,Neck,Head", "*Hip,*Knee,*Ankle,*Toe,*Collar,*Shoulder,*Elbow,*Wrist", ("Left", "Right")),
    "lower case": ("hips,spine,chest,neck,head", "*upleg,*leg,*foot,*toebase,*clavicle,*upperarm,*lowerarm,*hand", ("l", "r")),
    "part before side": ("Pelvis,Spine_1,Spine_2,Neck,Head",
                         "Leg_Upper_*,Leg_Lower_*,Foot_*,Ball_*,Clavicle_*,Arm_Upper_*,Arm_Lower_*,Hand_*", ("L", "R")),
    "numbered limbs": ("hips,spine,chest,neck,head", "leg1.*,leg2.*,foot.*,toe.*,shoulder.*,arm1.*,arm2.*,hand.*", ("L", "R")),
    "MMD": ("センター,上半身,上半身2,首,頭", "*足,*ひざ,*足首,*つま先,*肩,*腕,*ひじ,*手首", ("左", "右")),
    "MMD in Blender": ("センター,上半身,上半身2,首,頭", "足.*,ひざ.*,足首.*,つま先.*,肩.*,腕.*,ひじ.*,手首.*", ("L", "R")),
}


def names_of(convention: str) -> dict[str, str]:
    """Joint -> the bone's name."""
    middle, limbs, sides = CONVENTIONS[convention]
    named = {side + joint: name.replace("*", mark) for side, mark in zip(("Left", "Right"), sides)
             for joint, name in zip(_LIMBS, limbs.split(","))}
    return dict(zip(_MIDDLE, middle.split(","))) | named


def renamed(rig: Rig, names: dict[str, str]) -> Rig:
    return dataclasses.replace(rig, names=tuple(names.get(name, name) for name in rig.names))


def squat(rig: Rig) -> Rig:
    """Legs and arms a third as long and a large head: what no shape tells."""
    heads = rig.rest[:, :3, 3].copy()
    for start, joints, share in (("UpLeg", ("Leg", "Foot", "Toe"), 0.35), ("Arm", ("ForeArm", "Hand"), 0.4)):
        for side in ("Left", "Right"):
            origin = heads[rig.index(side + start)].copy()
            for joint in joints:
                heads[rig.index(side + joint)] = origin + share * (heads[rig.index(side + joint)] - origin)
    return with_bones(rig, {name: (rig.names[p] if p >= 0 else None, tuple(place)) for name, p, place in zip(
        rig.names, rig.parents, heads)} | {"crown_end": ("Head", tuple(heads[rig.index("Head")] + [0.0, 0.0, 0.5]))})


def lying(rig: Rig) -> Rig:
    world = np.eye(4)
    world[:3, :3] = rotations.to_matrix(rotations.from_rotation_vector(np.array([-np.pi / 2, 0.0, 0.0])))
    return dataclasses.replace(rig, world=world)


def with_decoys(rig: Rig, names: dict[str, str], side: str) -> Rig:
    """Twist bones, IK targets and ends that are called after the joints, with meaningless bones among them."""
    at = {joint: rig.rest[rig.index(joint), :3, 3] for joint in JOINTS}
    more: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for joint in ("UpLeg", "Arm", "ForeArm"):
        more[names[side + joint] + "_twist"] = (side + joint, tuple(at[side + joint] + [0.0, 0.0, -0.05]))
    for joint in ("Foot", "Hand", "Leg"):
        more[names[side + joint] + "_IK"] = (None, tuple(at[side + joint]))
    more[names[side + "Toe"] + "_end"] = (side + "Toe", tuple(at[side + "Toe"] + [0.0, -0.08, 0.0]))
    return with_bones(rig, more)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("body", [clothed(8, 6), squat(clothed(0, 1)), lying(clothed(0, 1))], ids=["clothed", "squat", "lying"])
def test_rigs_of_many_makers_are_found(convention: str, body: Rig) -> None:
    """Fingers, skirt and hair have names without meaning; the squat body was given its right leg as its left one, by its shape."""
    names = names_of(convention)
    found = map_rig(renamed(with_decoys(with_decoys(body, names, "Left"), names, "Right"), names))
    assert found.map_name == NAME and found.bones == names


def test_arms_that_hang_from_the_neck_and_legs_from_the_spine() -> None:
    """As 3ds Max builds its Biped."""
    names, plain = names_of("3ds Max Biped"), clothed(0, 1)
    at = {joint: tuple(plain.rest[plain.index(joint), :3, 3]) for joint in JOINTS}
    rig = rig_of({"Bip01": (None, at["Hips"])} | {
        joint: ("Bip01" if joint == "Hips" else "Neck" if joint.endswith("Shoulder") else "Spine" if joint.endswith("UpLeg") else
                plain.names[plain.parents[plain.index(joint)]], at[joint])
        for joint in sorted(JOINTS, key=lambda j: ("Hips", "Spine", "Spine1", "Neck").index(j) if j in _MIDDLE[:4] else 9)})
    assert map_rig(renamed(rig, names)).bones == names


def test_a_trunk_beside_the_pelvis() -> None:
    """MMD: what carries both is the hips, the lower body follows it; copies of the legs ("D") are none. Where what carries both lies on
    the floor, the pelvis is the hips, and the floor's bone no part of the spine."""
    names, plain = names_of("MMD"), clothed(0, 1)
    at = {joint: plain.rest[plain.index(joint), :3, 3] for joint in JOINTS}
    lower: dict[str, tuple[str | None, tuple[float, float, float]]] = {"下半身": ("Hips", tuple(at["Hips"]))}
    legs = [side + joint for side in ("Left", "Right") for joint in ("UpLeg", "Leg", "Foot")]
    for joint in legs:
        parent = plain.names[plain.parents[plain.index(joint)]]
        lower[joint] = ("下半身" if parent == "Hips" else parent, tuple(at[joint]))
        lower[names[joint] + "D"] = ("下半身" if parent == "Hips" else names[parent] + "D", tuple(at[joint]))
    beside = {"Hips": (None, tuple(at["Hips"]))} | {n: (plain.names[p], tuple(m[:3, 3])) for n, p, m in zip(
        plain.names, plain.parents, plain.rest) if p >= 0 and n not in lower}
    assert map_rig(renamed(rig_of({"Hips": beside.pop("Hips"), **lower, **beside}), names)).bones == names
    words = names_of("SMPL")
    floor = {"root": (None, (0.0, 0.0, 0.0)), "Hips": ("root", tuple(at["Hips"])), "Spine": ("root", tuple(at["Spine"]))}
    found = map_rig(renamed(rig_of(floor | {n: (plain.names[p], tuple(m[:3, 3])) for n, p, m in zip(
        plain.names, plain.parents, plain.rest) if n not in floor}), words))
    assert found.bones == words and found.spine == (words["Spine"], words["Spine1"])


def test_what_names_leave_open_is_taken_from_the_shape() -> None:
    names, plain = names_of("Unity"), clothed(0, 1)
    found = map_rig(renamed(plain, names | {"Head": "x1", "Neck": "x2", "LeftToe": "x3", "RightToe": "x4"}))
    assert found.map_name == NAME and found.bones == names | {"Head": "x1", "Neck": "x2", "LeftToe": "x3", "RightToe": "x4"}
    assert {*found.scores} >= {"Head", "LeftToe"} and "LeftArm" not in found.scores


def test_names_that_do_not_tell() -> None:
    plain = clothed(0, 1)
    assert map_by_words(renamed(plain, {joint: f"bone {i}" for i, joint in enumerate(JOINTS)})) is None
    names = names_of("Unity")
    assert map_by_words(renamed(plain, names | {"LeftLeg": "x"})) is None
    two = with_bones(plain, {f"2 {n}": (f"2 {plain.names[p]}" if p >= 0 else None, tuple(m[:3, 3] + [1.5, 0.0, 0.0]))
                             for n, p, m in zip(plain.names, plain.parents, plain.rest)})
    twice = renamed(two, {mark + joint: f"{figure} {name}" for mark, figure in (("", "a"), ("2 ", "b")) for joint, name in names.items()})
    assert map_by_words(twice) is None
    with pytest.raises(InputError, match="two figures"):
        map_rig(twice)


def test_sides_that_names_say_outweigh_where_feet_point() -> None:
    """Numbered bones with .L and .R, on a figure whose toes point backwards."""
    plain = clothed(0, 1)
    names = {joint: f"x{i}" + {"Left": ".L", "Righ": ".R"}.get(joint[:4], "") for i, joint in enumerate(JOINTS)}
    at = {side: plain.rest[plain.index(side + "Toe"), :3, 3] for side in ("Left", "Right")}
    back = with_bones(plain, {side + "Toe": (side + "Foot", (x, y + 0.3, z)) for side, (x, y, z) in at.items()})
    found, unnamed = map_by_shape(renamed(back, names)), map_by_shape(back)
    assert found is not None and found.joints["LeftArm"] == names["LeftArm"] and found.joints["RightLeg"] == names["RightLeg"]
    assert unnamed is not None and unnamed.joints["LeftArm"] == "LeftArm"  # canonical names say it, too
    silent = map_by_shape(renamed(back, {joint: f"x{i}" for i, joint in enumerate(JOINTS)}))
    assert silent is not None and silent.joints["LeftArm"] == f"x{JOINTS.index('RightArm')}"


@pytest.mark.parametrize(("name", "side"), [
    ("upper_arm.L", "Left"), ("rThigh", "Right"), ("mHipLeft", "Left"), ("J_Bip_R_Hand", "Right"), ("左ひじ", "Left"), ("LThigh", "Left"),
    ("rightupleg", "Right"), ("Bip01 L Finger0", "Left"), ("Spine1", ""), ("root", ""), ("collar", ""), ("skull", ""), ("lower_teeth", "")])
def test_sides_in_names(name: str, side: str) -> None:
    assert side_of(name) == side
