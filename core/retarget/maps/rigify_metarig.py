"""Rigify's human metarig and basic human metarig, as they are before a rig is generated."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Rigify metarig",
    source="Rigify, metarigs/human.py",
    joints={
        "Hips": ("spine",), "Head": ("spine.006",),
        "LeftUpLeg": ("thigh.L",), "LeftLeg": ("shin.L",), "LeftFoot": ("foot.L",), "LeftToe": ("toe.L",),
        "LeftShoulder": ("shoulder.L",), "LeftArm": ("upper_arm.L",), "LeftForeArm": ("forearm.L",),
        "LeftHand": ("hand.L",),
    },
    spine=("spine.001", "spine.002", "spine.003"),
    neck=("spine.004", "spine.005"),
    sides=(".L", ".R"),
)
