"""Daz Genesis 3 to 8.1 (limbs split into Bend and Twist) and Genesis 1 and 2."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="a Daz Genesis figure",
    source="names of Daz Studio's Genesis figures",
    joints={
        "Hips": ("hip",), "Head": ("head",),
        "LeftUpLeg": ("lThighBend", "lThigh"), "LeftLeg": ("lShin",), "LeftFoot": ("lFoot",), "LeftToe": ("lToe",),
        "LeftShoulder": ("lCollar",), "LeftArm": ("lShldrBend", "lShldr"), "LeftForeArm": ("lForearmBend", "lForeArm"),
        "LeftHand": ("lHand",),
    },
    spine=("abdomenLower", "abdomenUpper", "abdomen", "abdomen2", "chestLower", "chestUpper", "chest"),
    neck=("neckLower", "neckUpper", "neck"),
    sides=("l", "r"),
)
