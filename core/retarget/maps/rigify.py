"""The rig that Rigify generates: its FK controls. The torso carries the figure; the pelvis controls below the middle stay at rest."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Rigify rig",
    source="Rigify, rigs/limbs/limb_rigs.py and rigs/spines/basic_spine.py (control names and the IK_FK property)",
    joints={
        "Hips": ("torso",), "Head": ("head",),
        "LeftUpLeg": ("thigh_fk.L",), "LeftLeg": ("shin_fk.L",), "LeftFoot": ("foot_fk.L",), "LeftToe": ("toe_fk.L", "toe.L"),
        "LeftShoulder": ("shoulder.L",), "LeftArm": ("upper_arm_fk.L",), "LeftForeArm": ("forearm_fk.L",),
        "LeftHand": ("hand_fk.L",),
    },
    spine=("spine_fk.002", "spine_fk.003"),
    neck=("neck",),
    sides=(".L", ".R"),
)
