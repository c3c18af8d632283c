"""Character Creator's skeleton, as its exports to Blender name it."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Character Creator skeleton",
    source="Reallusion's CC3/CC4 bone naming (CC_Base_ prefix)",
    joints={
        "Hips": ("Hip",), "Head": ("Head",),
        "LeftUpLeg": ("L_Thigh",), "LeftLeg": ("L_Calf",), "LeftFoot": ("L_Foot",), "LeftToe": ("L_ToeBase",),
        "LeftShoulder": ("L_Clavicle",), "LeftArm": ("L_Upperarm",), "LeftForeArm": ("L_Forearm",),
        "LeftHand": ("L_Hand",),
    },
    spine=("Waist", "Spine01", "Spine02"),
    neck=("NeckTwist01", "NeckTwist02"),
    sides=("L_", "R_"),
    prefix=r"(?:.*[:|])?(?:CC_Base_)",
)
