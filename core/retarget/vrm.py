"""The humanoid bones that a VRM model declares in its own metadata, version 0.x (a list) and 1.0 (a dict), as joints of ours.

Names after the VRM specification's humanoid bones; the metadata are what the VRM add-on for Blender stores with the armature.
"""

from __future__ import annotations

from typing import Any

_LIMBS = {"UpLeg": "upper_leg", "Leg": "lower_leg", "Foot": "foot", "Toe": "toes", "Shoulder": "shoulder", "Arm": "upper_arm",
          "ForeArm": "lower_arm", "Hand": "hand"}
_JOINTS = {"hips": "Hips", "spine": "Spine", "chest": "Chest", "upper_chest": "UpperChest", "neck": "Neck", "head": "Head"} | {
    f"{side.lower()}_{vrm}": side + part for side in ("Left", "Right") for part, vrm in _LIMBS.items()}


def declared_bones(extension: dict[str, Any]) -> dict[str, str]:
    """Joint (and "Chest", "UpperChest") -> bone name from the dict that the VRM add-on keeps; empty when it holds no assignment."""
    if str(extension.get("spec_version", "")).startswith("1"):
        bones = extension.get("vrm1", {}).get("humanoid", {}).get("human_bones", {})
        pairs = [(name, value) for name, value in bones.items() if isinstance(value, dict)]
    else:
        bones = extension.get("vrm0", {}).get("humanoid", {}).get("human_bones", [])
        pairs = [(_snake(str(value.get("bone", ""))), value) for value in bones]
    found = {_JOINTS[name]: str(value.get("node", {}).get("bone_name", "")) for name, value in pairs if name in _JOINTS}
    return {joint: bone for joint, bone in found.items() if bone}


def _snake(name: str) -> str:
    """leftUpperLeg -> left_upper_leg, as version 1.0's dict writes it."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name)
