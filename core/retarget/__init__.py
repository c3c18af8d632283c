"""From a motion on the canonical skeleton to a rig of any make: mapping by name and rest-pose independent maths.

numpy only and free of bpy: Blender hands in a `Rig` (rest matrices and flags), this package hands back bone rotations and
the root's locations (`RigMotion`), and the add-on writes them as curves. Limits: bones are found by the names in `maps`
(by shape comes later), and inverse-kinematics controls of a rig are not driven.
"""

from .channels import rotation_channels
from .mapping import Mapping, map_names, map_rig
from .rig import Rig
from .transfer import Placement, RigMotion, retarget

__all__ = ["Mapping", "Placement", "Rig", "RigMotion", "map_names", "map_rig", "retarget", "rotation_channels"]
