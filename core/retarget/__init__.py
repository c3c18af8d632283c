"""From a motion on the canonical skeleton to a rig of any make: mapping by name or shape and rest-pose independent maths.

numpy only and free of bpy: Blender hands in a `Rig` (rest matrices and flags), this package hands back bone rotations and
the root's locations (`RigMotion`), and the add-on writes them as curves. Limits: rigs that have both kinds of controls are switched to
forward kinematics, unless the inverse ones are asked for (`inverse`).
"""

from .channels import rotation_channels
from .mapping import Mapping, check_mapping, map_names, map_rig
from .placement import Placement
from .rig import Rig
from .transfer import RigMotion, retarget

__all__ = ["Mapping", "Placement", "Rig", "RigMotion", "check_mapping", "map_names", "map_rig", "retarget", "rotation_channels"]
