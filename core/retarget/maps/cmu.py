"""CMU's motion capture skeleton with MotionBuilder-friendly names, and MPFB's rig of that name."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the CMU skeleton",
    source="cgspeed's BVH conversion of CMU's data; MPFB2 rig.cmu_mb.json",
    joints={
        "Hips": ("Hips",), "Head": ("Head",),
        "LeftUpLeg": ("LeftUpLeg",), "LeftLeg": ("LeftLeg",), "LeftFoot": ("LeftFoot",), "LeftToe": ("LeftToeBase",),
        "LeftShoulder": ("LeftShoulder",), "LeftArm": ("LeftArm",), "LeftForeArm": ("LeftForeArm",),
        "LeftHand": ("LeftHand",),
    },
    spine=("LowerBack", "Spine", "Spine1"),
    neck=("Neck", "Neck1"),
    sides=("Left", "Right"),
)
