"""The rig that Rigify generates: its FK controls. The torso carries the figure; the pelvis controls below the middle stay at rest.

Its IK chains may stretch, and Blender's solver stretches them rather than bend the joint in the middle, by up to 7 degrees of a limb's
direction: with the IK controls stretching is off, and so is that of what they pull at (IK_Stretch), lest the foot part from the leg.
"""

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
    ik={"LeftFoot": ("foot_ik.L", "thigh_ik_target.L"), "LeftHand": ("hand_ik.L", "upper_arm_ik_target.L"), "LeftToe": ("toe_ik.L",)},
    ik_switches=tuple((bone, f'["{name}"]', value) for bone in ("thigh_parent.L", "upper_arm_parent.L") for name, value in (
        ("IK_FK", 0.0), ("IK_Stretch", 0.0), ("pole_vector", 1.0), ("pole_parent", 1.0), ("IK_parent", 1.0)))  # parent 1: the root bone
    + tuple((bone, ".ik_stretch", 0.0) for bone in ("thigh_ik.L", "MCH-shin_ik.L", "upper_arm_ik.L", "MCH-forearm_ik.L")),
)
