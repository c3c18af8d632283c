"""Unreal's mannequin 4 and 5, and MPFB's game engine rig, which uses the same names."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Unreal mannequin",
    source="Epic's mannequin; MPFB2 rig.game_engine.json",
    joints={
        "Hips": ("pelvis",), "Head": ("head",),
        "LeftUpLeg": ("thigh_l",), "LeftLeg": ("calf_l",), "LeftFoot": ("foot_l",), "LeftToe": ("ball_l",),
        "LeftShoulder": ("clavicle_l",), "LeftArm": ("upperarm_l",), "LeftForeArm": ("lowerarm_l",),
        "LeftHand": ("hand_l",),
    },
    spine=("spine_01", "spine_02", "spine_03", "spine_04", "spine_05"),
    neck=("neck_01", "neck_02"),
    sides=("_l", "_r"),
)
