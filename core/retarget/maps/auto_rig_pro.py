"""Auto-Rig Pro's FK controls; the root master carries the figure."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Auto-Rig Pro rig",
    source="Auto-Rig Pro's documentation of its controllers (c_ prefix, .l/.r/.x sides, ik_fk_switch on the foot and hand controls)",
    joints={
        "Hips": ("c_root_master.x",), "Head": ("c_head.x",),
        "LeftUpLeg": ("c_thigh_fk.l",), "LeftLeg": ("c_leg_fk.l",), "LeftFoot": ("c_foot_fk.l",), "LeftToe": ("c_toes_fk.l",),
        "LeftShoulder": ("c_shoulder.l",), "LeftArm": ("c_arm_fk.l",), "LeftForeArm": ("c_forearm_fk.l",),
        "LeftHand": ("c_hand_fk.l",),
    },
    spine=("c_spine_01.x", "c_spine_02.x", "c_spine_03.x", "c_spine_04.x", "c_spine_05.x"),
    neck=("c_neck.x",),
    sides=(".l", ".r"),
)
