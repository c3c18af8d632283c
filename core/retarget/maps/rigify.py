"""The rig that Rigify generates: its FK controls. The torso carries the figure; the pelvis controls below the middle stay at rest."""

from ..mapping import RigMap

RIG_MAP = RigMap(
    name="the Rigify rig",
    source="Rigify, rigs/limbs/limb_rigs.py and rigs/spines/basic_spine.py (control names, IK_FK and the other properties)",
    joints={
        "Hips": ("torso",), "Head": ("head",),
        "LeftUpLeg": ("thigh_fk.L",), "LeftLeg": ("shin_fk.L",), "LeftFoot": ("foot_fk.L",), "LeftToe": ("toe_fk.L", "toe.L"),
        "LeftShoulder": ("shoulder.L",), "LeftArm": ("upper_arm_fk.L",), "LeftForeArm": ("forearm_fk.L",),
        "LeftHand": ("hand_fk.L",),
    },
    spine=("spine_fk.002", "spine_fk.003"),
    neck=("neck",),
    sides=(".L", ".R"),
    ik={"LeftFoot": ("foot_ik.L", "thigh_ik_target.L"), "LeftHand": ("hand_ik.L", "upper_arm_ik_target.L")},
    ik_switches=tuple((bone, f'["{name}"]', value) for bone in ("thigh_parent.L", "upper_arm_parent.L") for name, value in (
        ("IK_FK", 0.0), ("pole_vector", 1.0), ("pole_parent", 1.0), ("IK_parent", 1.0))),  # parent 1: the root bone
)
