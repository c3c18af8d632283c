"""VRM models made with VRoid Studio."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="a VRoid model (VRM)",
    source="names of VRoid Studio's exported models",
    joints={
        "Hips": ("J_Bip_C_Hips",), "Head": ("J_Bip_C_Head",),
        "LeftUpLeg": ("J_Bip_L_UpperLeg",), "LeftLeg": ("J_Bip_L_LowerLeg",), "LeftFoot": ("J_Bip_L_Foot",),
        "LeftToe": ("J_Bip_L_ToeBase",), "LeftShoulder": ("J_Bip_L_Shoulder",), "LeftArm": ("J_Bip_L_UpperArm",),
        "LeftForeArm": ("J_Bip_L_LowerArm",), "LeftHand": ("J_Bip_L_Hand",),
    },
    spine=("J_Bip_C_Spine", "J_Bip_C_Chest", "J_Bip_C_UpperChest"),
    neck=("J_Bip_C_Neck",),
    sides=("_L_", "_R_"),
)
