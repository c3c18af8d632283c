"""Mapping by the words of bones' names: naming conventions on human, squat and lying bodies, decoys, odd trees, names that do not tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_shape import WINGS, clothed, rig_of, slim, strands, with_bones, without_fingers

from core import rotations
from core.errors import InputError
from core.retarget import Rig, map_rig
from core.retarget.shape import NAME as SHAPE
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
    return named(*CONVENTIONS[convention])


def named(middle: str, limbs: str, sides: tuple[str, str] = ("L", "R")) -> dict[str, str]:
    """Joint -> name, from the names of the middle and of the left side's limbs, with * for the side."""
    names = {side + joint: name.replace("*", mark) for side, mark in zip(("Left", "Right"), sides)
             for joint, name in zip(_LIMBS, limbs.split(","))}
    return dict(zip(_MIDDLE, middle.split(","))) | names


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


def inserted(rig: Rig, new: dict[str, tuple[str, tuple[float, float, float]]]) -> Rig:
    """With more bones in its chains: name -> the bone that it carries from now on, and where it begins, seen from that one's head."""
    bones: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for name, parent, rest in zip(rig.names, rig.parents, rig.rest):
        above, place = rig.names[parent] if parent >= 0 else None, rest[:3, 3]
        for between, (carried, off) in new.items():
            if carried == name:
                bones[between] = (above, tuple(place + np.array(off)))
                above = between
        bones[name] = (above, tuple(place))
    return dataclasses.replace(rig_of(bones), world=rig.world)


def on_both_sides(new: dict[str, tuple[str, tuple[float, float, float]]]) -> dict[str, tuple[str, tuple[float, float, float]]]:
    """The left side's bones of `inserted` or `with_bones`, * for the side, and the right side's."""
    return {name.replace("*", mark): (side + joint if joint else joint, (sign * x, y, z))
            for side, mark, sign in (("Left", "L", 1), ("Right", "R", -1)) for name, (joint, (x, y, z)) in new.items()}


def beside(rig: Rig, new: dict[str, tuple[str, tuple[float, float, float]]]) -> Rig:
    """With more bones: name -> the bone that carries it, and where it begins, seen from that one's head."""
    return with_bones(rig, {name: (joint, tuple(rig.rest[rig.index(joint), :3, 3] + off)) for name, (joint, off) in new.items()})


def with_decoys(rig: Rig, names: dict[str, str], side: str) -> Rig:
    """Twist bones between the joints, IK targets and ends that are called after the joints."""
    at = {joint: rig.rest[rig.index(joint), :3, 3] for joint in JOINTS}
    half = [(upper, lower, tuple(0.5 * (at[side + upper] - at[side + lower])))
            for upper, lower in (("UpLeg", "Leg"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))]
    rig = inserted(rig, {names[side + upper] + "_twist": (side + lower, off) for upper, lower, off in half})
    more: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for joint in ("Foot", "Hand", "Leg"):
        more[names[side + joint] + "_IK"] = (None, tuple(at[side + joint]))
    more[names[side + "Toe"] + "_end"] = (side + "Toe", tuple(at[side + "Toe"] + [0.0, -0.08, 0.0]))
    return dataclasses.replace(with_bones(rig, more), world=rig.world)


SQUAT = squat(clothed(0, 1))
GAME = "hips,spine,chest,neck,head"


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("body", [clothed(8, 6), squat(clothed(0, 1)), lying(clothed(0, 1))], ids=["clothed", "squat", "lying"])
def test_rigs_of_many_makers_are_found(convention: str, body: Rig) -> None:
    """Fingers, skirt and hair have names without meaning; the squat body was given its right leg as its left one, by its shape."""
    names = names_of(convention)
    found = map_rig(renamed(with_decoys(with_decoys(body, names, "Left"), names, "Right"), names))
    assert found.map_name == NAME and found.bones == names and not found.scores


@pytest.mark.parametrize("limbs", [
    "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,forarm_*,hand_*", "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,ulna_*,hand_*",
    "leg_01_*,leg_02_*,leg_03_*,leg_04_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*",
    "thigh_*,shin_*,foot_*,toe_*,arm_01_*,arm_02_*,arm_03_*,arm_04_*", "thigh_*,shin_*,foot_*,toe_*,arm_01_*,arm_02_*,arm_03_*,hand_*",
    "Leg.*,Leg.*.001,Leg.*.002,Leg.*.003,Arm.*,Arm.*.001,Arm.*.002,Arm.*.003",
    "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,x_*,y_*"])
def test_names_that_do_not_tell_leave_a_limb_to_the_shape(limbs: str) -> None:
    """An unknown word in a limb, or numbers alone, made the clavicle the upper arm and the upper arm the lower one."""
    names = named(GAME, limbs)
    found = map_rig(renamed(clothed(0, 1), names))
    assert found.map_name == SHAPE and found.bones == names
    unsure = map_by_words(renamed(SQUAT, names))
    assert unsure is not None and ("LeftArm" in unsure.doubtful or "LeftUpLeg" in unsure.doubtful)


@pytest.mark.parametrize(("limbs", "new", "told"), [
    ("leg_*,shank_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*", {"hip_*": ("UpLeg", (-0.05, 0.0, 0.05))}, False),
    ("leg_02_*,leg_03_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*", {"leg_01_*": ("UpLeg", (-0.05, 0.0, 0.05))}, False),
    ("leg_*.001,knee_*,foot_*,toe_*,shoulder_*,arm_*,elbow_*,hand_*", {"leg_*": ("UpLeg", (0.0, 0.0, 0.0))}, False),
    ("thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,ulna_*,hand_*", {"arm_offset_*": ("Arm", (0.0, 0.0, 0.0))}, False),
    ("leg_*,knee_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*", {"hip_*": ("UpLeg", (-0.05, 0.0, 0.05))}, True)])
def test_a_bone_before_the_limb(limbs: str, new: dict[str, tuple[str, tuple[float, float, float]]], told: bool) -> None:
    """A connector took the thigh's place; one that starts where the limb does was refused, the limb having no length."""
    names = named(GAME, limbs)
    found = map_rig(renamed(inserted(clothed(0, 1), on_both_sides(new)), names))
    assert found.bones == names and found.map_name == (NAME if told else SHAPE)


def test_a_word_for_the_whole_limb() -> None:
    """Every bone was an arm, so the elbow was the upper arm."""
    names = named(GAME, "leg_hip_*,leg_knee_*,leg_ankle_*,leg_ball_*,,arm_shoulder_*,arm_elbow_*,arm_wrist_*")
    wanted = {joint: name for joint, name in names.items() if name}
    rig = beside(beside(SQUAT, on_both_sides({"arm_hand_*": ("Hand", (0.09, 0.0, 0.0))})),
                 {f"x_{mark}": (f"arm_hand_{mark}", (0.0, -0.02, 0.0)) for mark in ("L", "R")})
    found = map_rig(renamed(rig, wanted | {"LeftShoulder": "x1", "RightShoulder": "x2"}))
    assert found.map_name == NAME and found.bones == wanted | {"LeftShoulder": "x1", "RightShoulder": "x2"}
    assert found.scores.keys() == {"LeftShoulder", "RightShoulder"}


def test_props_are_no_limbs() -> None:
    """The pouch was the shin, a shin's name being unknown."""
    for limbs, prop in (("leg_*,crus_*", "leg_pouch_*"), ("thigh_*,crus_*", "shin_guard_*")):
        names = named(GAME, limbs + ",foot_*,toe_*,shoulder_*,arm_*,fore_arm_*,hand_*")
        more = on_both_sides({prop: ("UpLeg", (0.1, 0.0, -0.2))})
        assert map_rig(renamed(beside(clothed(0, 1), more), names)).bones == names
        unsure = map_by_words(renamed(beside(SQUAT, more), names))
        assert unsure is not None and "LeftLeg" in unsure.doubtful and "LeftArm" not in unsure.doubtful


def test_a_second_pair_of_arms() -> None:
    """The pair with more bones above it was taken for lack of a better reason."""
    plain, names = clothed(0, 1), named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*")
    second: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for side in ("Left", "Right"):
        above = "Spine"
        for joint in ("Shoulder", "Arm", "ForeArm", "Hand"):
            name = names[side + joint].replace("_L", "2_L").replace("_R", "2_R")
            second[name] = (above, tuple(plain.rest[plain.index(side + joint), :3, 3] - [0.0, 0.0, 0.2]))
            above = name
    assert map_rig(renamed(with_bones(plain, second), names)).bones == names


def test_controls_go_before_the_bones_that_deform() -> None:
    """Bones with English names were taken beside controls whose words do not tell, or whose names have more words."""
    english = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*")
    spanish = named("cadera,columna,pecho,cuello,cabeza", "muslo_*,pierna_*,pie_*,dedos_*,clavicula_*,brazo_*,antebrazo_*,mano_*")
    for body, words in ((clothed(0, 1), spanish), (SQUAT, {joint: f"ctrl main {name}" for joint, name in english.items()})):
        twin = {f"2 {n}": (f"2 {body.names[p]}" if p >= 0 else None, tuple(m[:3, 3]))
                for n, p, m in zip(body.names, body.parents, body.rest)}
        both = with_bones(inserted(body, {"mechanism": ("Spine1", (0.0, 0.0, -0.02))}), twin)
        rig = renamed(both, words | {f"2 {joint}": name for joint, name in english.items()})
        found = map_rig(dataclasses.replace(rig, controls=np.isin(rig.names, [*words.values()])))
        assert found.bones == words and found.spine == (words["Spine"], words["Spine1"])


def test_mmd_with_a_waist() -> None:
    """The groove and the waist were bones of the spine, so the legs' bone turned with a part of it."""
    names, plain = names_of("MMD"), clothed(0, 1)
    at = {joint: plain.rest[plain.index(joint), :3, 3] for joint in JOINTS}
    bones: dict[str, tuple[str | None, tuple[float, float, float]]] = {
        "全ての親": (None, (0.0, 0.0, 0.0)), "Hips": ("全ての親", tuple(at["Hips"] - [0.0, 0.0, 0.15])),
        "グルーブ": ("Hips", tuple(at["Hips"] - [0.0, 0.0, 0.13])), "腰": ("グルーブ", tuple(at["Hips"])),
        "下半身": ("腰", tuple(at["Spine"]))}
    for joint, parent, rest in zip(plain.names, plain.parents, plain.rest):
        if joint != "Hips":
            above = "腰" if joint == "Spine" else "下半身" if joint.endswith("UpLeg") else plain.names[parent]
            bones[joint] = (above, tuple(rest[:3, 3]))
    found = map_rig(renamed(inserted(rig_of(bones), {  # between elbow and wrist: 手捩
        mark + "手捩": (side + "Hand", (-sign * 0.1, 0.0, 0.0)) for side, mark, sign in (("Left", "左", 1), ("Right", "右", -1))}), names))
    assert found.map_name == NAME and found.bones == names and found.spine == ("上半身", "上半身2") and not found.scores


@pytest.mark.parametrize("apart", [0.0, 0.02])
def test_volumes_of_second_life(apart: float) -> None:
    """Leaves that are called after the joints took their place; the ball of the foot is mFoot, between the ankle and the tip."""
    names = names_of("Second Life")
    volumes = {"HEAD": ("Head", (0.0, 0.0, apart)), "PELVIS": ("Hips", (0.0, 0.0, apart))} | on_both_sides({
        "*_HAND": ("Hand", (apart, 0.0, 0.0)), "*_FOOT": ("Toe", (0.0, -apart, 0.0)), "*_LOWER_LEG": ("Leg", (0.0, 0.0, -apart)),
        "*_UPPER_LEG": ("UpLeg", (0.0, 0.0, -apart)), "*_CLAVICLE": ("Shoulder", (apart, 0.0, 0.0)),
        "*_UPPER_ARM": ("Arm", (apart, 0.0, 0.0)), "*_LOWER_ARM": ("ForeArm", (apart, 0.0, 0.0))})
    tips = {f"mToe{side}": (side + "Toe", (0.0, -0.06, 0.0)) for side in ("Left", "Right")}
    found = map_rig(renamed(beside(SQUAT, volumes | tips), names))
    assert found.map_name == NAME and found.bones == names and not found.scores


@pytest.mark.parametrize("body", [clothed(0, 1), SQUAT], ids=["ordinary", "squat"])
def test_a_second_figure_with_numbered_names(body: Rig) -> None:
    """Blender's names for a copy, below a root of its own: the first one was mapped without a word."""
    names = names_of("Unity")
    copy = {"Root.001": (None, (1.5, 0.0, 0.0))} | {
        f"2 {n}": (f"2 {body.names[p]}" if p >= 0 else "Root.001", tuple(m[:3, 3] + [1.5, 0.0, 0.0]))
        for n, p, m in zip(body.names, body.parents, body.rest)}
    with pytest.raises(InputError, match="two figures"):
        map_rig(renamed(with_bones(body, copy), names | {f"2 {joint}": name + ".001" for joint, name in names.items()}))


def test_toes() -> None:
    """Controls at the root made the ball of the foot one of many toes; five toes side by side are none."""
    names = names_of("Unity")
    at = {side: {j: tuple(SQUAT.rest[SQUAT.index(side + j), :3, 3]) for j in ("Foot", "Toe")} for side in ("Left", "Right")}
    controls = {f"{kind}_{side}": (None, at[side][joint]) for side in at for kind, joint in (
        ("foot_ctrl", "Foot"), ("foot_pivot", "Foot"), ("toe_ctrl", "Toe"))}
    assert map_rig(renamed(with_bones(SQUAT, controls), names)).bones == names
    five = {f"toe{i}_{side}": (side + "Foot", (0.01 * i, 0.0, 0.0)) for side in at for i in range(5)}
    found = map_rig(renamed(beside(SQUAT, five), names | {"LeftToe": "x1", "RightToe": "x2"}))
    assert found.map_name == NAME and found.bones == names | {"LeftToe": "x1", "RightToe": "x2"}


@pytest.mark.parametrize(("middle", "limbs", "sides"), [
    (GAME, "thigh.*,shin.*,foot.*,toe.*,shoulder.*,upper_arm.*,forearm.*,hand.*", ("L", "R")),
    ("pelvis,spine_lower,spine_upper,neck,head", "thigh_*,calf_*,foot_*,toe_*,clavicle_*,upperarm_*,lowerarm_*,hand_*", ("l", "r")),
    ("Hips,Chest,Chest2,Neck,Head", "*UpLeg,*Leg,*Foot,*ToeBase,*Collar,*Arm,*ForeArm,*Hand", ("Left", "Right"))])
def test_limbs_of_a_known_rig_below_a_trunk_of_another(middle: str, limbs: str, sides: tuple[str, str]) -> None:
    """The map of the Rigify metarig, of Unreal's mannequin and of Mixamo won by the limbs alone: "spine" was the hips, the trunk lost."""
    names = named(middle, limbs, sides)
    for body in (SQUAT, clothed(8, 6)):
        found = map_rig(renamed(body, names))
        assert found.bones == names and found.map_name == NAME and not found.scores


@pytest.mark.parametrize("prop", ["head_hat", "head_phones", "head_accessory", "head.helmet", "HeadBow"])
def test_a_hat_is_no_head(prop: str) -> None:
    """Under the head of a Rigify metarig, which is no word for one, it took its place, and the head was a bone of the neck."""
    names = named("spine,spine.001,spine.003,spine.004,spine.006",
                  "thigh.*,shin.*,foot.*,toe.*,shoulder.*,upper_arm.*,forearm.*,hand.*")
    for body in (SQUAT, clothed(8, 6)):
        assert map_rig(renamed(beside(body, {prop: ("Head", (0.0, 0.0, 0.1))}), names)).bones == names


def test_a_known_rig_that_is_whole_stays_known() -> None:
    """Words would say no more of it."""
    names = named("Hips,Spine,Spine1,Neck,Head", "*UpLeg,*Leg,*Foot,*ToeBase,*Shoulder,*Arm,*ForeArm,*Hand", ("Left", "Right"))
    found = map_rig(renamed(SQUAT, names))
    assert found.bones == names and found.map_name == "Mixamo"


@pytest.mark.parametrize("limbs", ["thigh_*,shin_*,foot_*,toe_*,shoulder_*,upper_arm_*,lower_arm_*,hand_*",
                                   "thigh.*,shin.*,foot.*,toe.*,shoulder.*,upper_arm.*,forearm.*,hand.*"])
def test_feet_and_hands_that_do_not_hang_from_their_limbs(limbs: str) -> None:
    """Feet under the root, as targets of the shins' IK: they were left out, or the tip of the shin was the foot."""
    names = named(GAME, limbs)
    bones = {n: (SQUAT.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(SQUAT.names, SQUAT.parents, SQUAT.rest)}
    for side in ("Left", "Right"):
        for joint, limb in (("Foot", "Leg"), ("Hand", "ForeArm")):
            place = bones[side + joint][1]
            bones |= {f"{side} {limb}_end": (side + limb, place), side + joint: (None, place)}
    rig = rig_of(dict(sorted(bones.items(), key=lambda bone: bone[1][0] is not None)))
    assert map_rig(renamed(rig, names)).bones == names
    away = {side + "Foot": (None, tuple(np.array(bones[side + "Foot"][1]) + [0.0, 0.0, 1.0])) for side in ("Left", "Right")}
    far = map_by_words(renamed(with_bones(rig, away), names))
    assert far is not None and "LeftFoot" not in far.bones and "LeftHand" in far.bones


def test_of_bones_with_the_same_words_the_one_that_carries_on() -> None:
    """Second Life's volume "L_FOOT" stood for the ball of the foot beside "mFootLeft", which carries "mToeLeft"."""
    names = names_of("Second Life")
    volumes = {f"{mark}_FOOT": (f"{side}Foot", (0.0, -0.05, 0.0)) for side, mark in (("Left", "L"), ("Right", "R"))}
    tips = {f"mToe{side}": (f"{side}Toe", (0.0, -0.05, 0.0)) for side in ("Left", "Right")}
    rig = beside(SQUAT, volumes)
    assert map_rig(renamed(beside(rig, tips), names)).bones == names


def test_words_that_are_not_the_joint() -> None:
    """Helpers have no hand and no ball of the foot; an upper arm is no lower one; words that all names have, and layers, cost nothing."""
    names = names_of("Unity")
    ends = {side + joint: names[side + joint] + mark for side in ("Left", "Right") for joint, mark in (("Toe", "_end"), ("Hand", "_IK"))}
    assert map_rig(renamed(SQUAT, names | ends)).bones == {joint: name for joint, name in names.items() if joint not in ends}
    upper = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,upper_arm_*,x_*,hand_*")
    assert map_by_words(renamed(SQUAT, upper)) is None
    long = renamed(SQUAT, names)
    found = map_rig(dataclasses.replace(long, names=tuple(f"my own quite long {name}" for name in long.names)))
    assert found.bones == {joint: f"my own quite long {name}" for joint, name in names.items()}
    layers = named(GAME, "thigh_jnt_*,shin_*,foot_*,toe_*,shoulder_*,arm_def_*,elbow_*,hand_*")
    found = map_rig(renamed(SQUAT, layers))
    assert found.map_name == NAME and found.bones == layers and not found.scores


@pytest.mark.parametrize("name", ["hand_jnt_*", "b_hand_*"])
def test_layers_and_letters_say_less_than_other_words(name: str) -> None:
    names = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,elbow_*,x_*")
    rig = renamed(beside(SQUAT, on_both_sides({"hand_guard_*": ("Hand", (0.0, 0.0, 0.0)), name: ("Hand", (0.0, 0.0, 0.0))})), names)
    assert map_rig(rig).joints["LeftHand"] == name.replace("*", "L")


def test_bones_without_length() -> None:
    """What starts where a joint does is passed over; of two that do the better name, or the first, is taken; a limb has length."""
    names = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*,elbow_*,hand_*")
    thigh = tuple(SQUAT.rest[SQUAT.index("LeftUpLeg"), :3, 3] - SQUAT.rest[SQUAT.index("LeftLeg"), :3, 3])
    new = on_both_sides({"hip_*": ("UpLeg", (0.0, 0.0, 0.0)), "x_*": ("Leg", thigh), "y_*": ("ForeArm", (0.0, 0.0, 0.0))})
    found = map_rig(renamed(inserted(SQUAT, new), names))
    assert found.map_name == NAME and found.bones == names and not found.scores
    numbered = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_*.001,arm_*.002,hand_*")
    unsure = map_rig(renamed(inserted(SQUAT, on_both_sides({"arm_*": ("Arm", (0.0, 0.0, 0.0))})), numbered))
    assert unsure.joints["LeftForeArm"] == "arm_L.002" and "LeftArm" in unsure.doubtful


def test_names_that_do_not_tell_go_before_a_doubtful_shape() -> None:
    """Wings that the shape takes for the arms of a figure with numbered ones."""
    names = named(GAME, "thigh_*,shin_*,foot_*,toe_*,shoulder_*,arm_01_*,arm_02_*,x_*")
    rig = renamed(strands(slim(without_fingers(clothed(0, 1))), *WINGS), names)
    shaped, found = map_by_shape(rig), map_rig(rig)
    assert shaped is not None and shaped.joints["LeftArm"] != "arm_01_L" and "LeftArm" in shaped.doubtful
    assert found.joints["LeftArm"] == "arm_01_L" and "LeftArm" in found.doubtful


def test_bones_that_go_on_in_the_name_of_the_one_above() -> None:
    """Segments of a bendy limb; the first one is the joint."""
    names = named(GAME, "thigh.*,calf.*,foot.*,toe.*,shoulder.*,upper_arm.*,forearm.*,hand.*")
    segments = on_both_sides({"thigh.*.001": ("Leg", (0.0, 0.0, 0.1)), "calf.*.001": ("Foot", (0.0, 0.0, 0.1)),
                              "forearm.*.001": ("Hand", (-0.05, 0.0, 0.0))})
    found = map_rig(renamed(inserted(SQUAT, segments), names))
    assert found.map_name == NAME and found.bones == names and not found.scores


def test_words_that_cannot_be_meant_leave_it_to_the_shape() -> None:
    """A neck that hangs from the clavicle: the mapping has that bone twice."""
    names, plain = names_of("Unity"), clothed(0, 1)
    order = [n for n in plain.names if n not in ("Neck", "Head")] + ["Neck", "Head"]
    at = {n: (plain.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(plain.names, plain.parents, plain.rest)}
    bones = {n: at[n] for n in order if plain.index(n) < 21} | {n: at[n] for n in order if plain.index(n) >= 21}
    found = map_rig(renamed(rig_of(bones | {"Neck": ("LeftShoulder", at["Neck"][1])}), names))
    assert found.map_name == SHAPE and found.joints["LeftArm"] == names["LeftArm"] and "Head" not in found.joints


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


@pytest.mark.parametrize("convention", ["Unity", "3ds Max Biped", "SMPL", "lower case"])
@pytest.mark.parametrize("finger", ["{side}Middle{i}", "{side}Finger{f}{i}", "x{f}{i}_{side}"])
def test_a_finger_is_no_hand(convention: str, finger: str) -> None:
    """Where fingers hang from the forearm, the middle one was the hand and turned with the wrist."""
    plain, names = clothed(0, 1), names_of(convention)
    at = {n: (plain.names[p] if p >= 0 else None, tuple(m[:3, 3])) for n, p, m in zip(plain.names, plain.parents, plain.rest)}
    bones = {n: (p.replace("Hand", "ForeArm") if p else None, place) for n, (p, place) in at.items() if not n.endswith("Hand")}
    calls = {f"{row} {i}": finger.format(side=("left", "right")[row > 4], f=row % 5, i=f"_{row % 5}_{i}")
             for row in range(10) for i in range(3)}
    found = map_rig(renamed(rig_of(bones), names | calls))
    assert found.bones == {joint: name for joint, name in names.items() if not joint.endswith("Hand")}


def test_what_names_leave_open_is_taken_from_the_shape() -> None:
    names, plain = names_of("Unity"), clothed(0, 1)
    found = map_rig(renamed(plain, names | {"Head": "x1", "Neck": "x2", "LeftToe": "x3", "RightToe": "x4"}))
    assert found.map_name == NAME and found.bones == names | {"Head": "x1", "Neck": "x2", "LeftToe": "x3", "RightToe": "x4"}
    assert {*found.scores} >= {"Head", "LeftToe"} and "LeftArm" not in found.scores
    # Not where the shape is of another opinion: it leaves out what the names say is the ankle.
    other = map_rig(renamed(inserted(plain, on_both_sides({"ankle_*": ("Foot", (0.0, 0.0, 0.15))})), names | {"Head": "x1", "Neck": "x2"}))
    assert other.map_name == NAME and other.joints["LeftFoot"] == "ankle_L" and "Head" not in other.joints


def test_names_that_do_not_tell() -> None:
    plain = clothed(0, 1)
    assert map_by_words(renamed(plain, {joint: f"bone {i}" for i, joint in enumerate(JOINTS)})) is None
    names = names_of("Unity")
    assert map_by_words(renamed(plain, names | {"LeftLeg": "x"})) is None
    two = with_bones(plain, {f"2 {n}": (f"2 {plain.names[p]}" if p >= 0 else None, tuple(m[:3, 3] + [1.5, 0.0, 0.0]))
                             for n, p, m in zip(plain.names, plain.parents, plain.rest)})
    twice = renamed(two, {mark + joint: f"{figure} {name}" for mark, figure in (("", "a"), ("2 ", "b")) for joint, name in names.items()})
    both = map_by_words(twice)
    assert both is not None and {"LeftArm", "RightArm", "LeftUpLeg", "RightUpLeg"} <= {*both.doubtful}
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
    stray = map_by_shape(renamed(plain, {joint: f"x{i}" + ("_R" if joint == "LeftArm" else "") for i, joint in enumerate(JOINTS)}))
    assert stray is not None and stray.joints["LeftArm"].endswith("_R")


@pytest.mark.parametrize(("name", "side"), [
    ("upper_arm.L", "Left"), ("rThigh", "Right"), ("mHipLeft", "Left"), ("J_Bip_R_Hand", "Right"), ("左ひじ", "Left"), ("LThigh", "Left"),
    ("rightupleg", "Right"), ("Bip01 L Finger0", "Left"), ("Spine1", ""), ("root", ""), ("collar", ""), ("skull", ""), ("lower_teeth", ""),
    ("Ａｒｍ＿Ｌ", "Left")])
def test_sides_in_names(name: str, side: str) -> None:
    assert side_of(name) == side
