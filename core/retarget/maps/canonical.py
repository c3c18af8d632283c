"""Our own skeleton: the armatures that the add-on and the exporters make."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the canonical skeleton",
    source="core/skeleton.py",
    joints={
        "Hips": ("Hips",), "Head": ("Head",),
        "LeftUpLeg": ("LeftUpLeg",), "LeftLeg": ("LeftLeg",), "LeftFoot": ("LeftFoot",), "LeftToe": ("LeftToe",),
        "LeftShoulder": ("LeftShoulder",), "LeftArm": ("LeftArm",), "LeftForeArm": ("LeftForeArm",),
        "LeftHand": ("LeftHand",),
    },
    spine=("Spine", "Spine1"),
    neck=("Neck",),
    sides=("Left", "Right"),
)
