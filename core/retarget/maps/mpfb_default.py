"""MakeHuman's default rig, also as MPFB makes it; limbs are split in two, each foot has five toe chains instead of a toe joint."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the MakeHuman default rig",
    source="MPFB2, rig.default.json",
    joints={
        "Hips": ("root",), "Head": ("head",),
        "LeftUpLeg": ("upperleg01.L",), "LeftLeg": ("lowerleg01.L",), "LeftFoot": ("foot.L",),
        "LeftShoulder": ("clavicle.L",), "LeftArm": ("upperarm01.L",), "LeftForeArm": ("lowerarm01.L",),
        "LeftHand": ("wrist.L",),
    },
    spine=("spine05", "spine04", "spine03", "spine02", "spine01"),
    neck=("neck01", "neck02", "neck03"),
    sides=(".L", ".R"),
)
