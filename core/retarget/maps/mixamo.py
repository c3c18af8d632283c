"""Mixamo characters: any prefix (mixamorig:, mixamorig5:, none), also as glTF tools write it (mixamorigHips, mixamorig_Hips)."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="Mixamo",
    source="names of Mixamo's exported characters",
    joints={
        "Hips": ("Hips",), "Head": ("Head",),
        "LeftUpLeg": ("LeftUpLeg",), "LeftLeg": ("LeftLeg",), "LeftFoot": ("LeftFoot",),
        "LeftToe": ("LeftToeBase", "LeftToe_Base"), "LeftShoulder": ("LeftShoulder",), "LeftArm": ("LeftArm",),
        "LeftForeArm": ("LeftForeArm",), "LeftHand": ("LeftHand",),
    },
    spine=("Spine", "Spine1", "Spine2", "Spine3"),
    neck=("Neck", "Neck1"),
    sides=("Left", "Right"),
    prefix=r"(?:.*[:|])?(?:mixamorig\d*_?)?",
)
