"""Where a rig's bones are when some of them are turned: Blender's parenting in numpy.

Limits: of the rig's constraints only those count that `Rig.held_by` and `placed_by` tell of; bone scale is ignored.
"""

from __future__ import annotations

import numpy as np

from .. import rotations
from .rig import Rig


class Pose:
    """Orientations and places of bones in armature space over T frames; bones by index.

    wanted: bone -> (T, 4) orientations in armature space. turned: bone -> (T, 4) rotations relative to rest, as channels hold them.
    places: bone -> (T, 3) locations likewise. The other bones follow and keep the rig's present pose.
    """

    def __init__(self, rig: Rig, wanted: dict[int, np.ndarray], turned: dict[int, np.ndarray] | None = None,
                 places: dict[int, np.ndarray] | None = None) -> None:
        self._rig = rig
        self._rest = rig.rest_rotations
        self._posed: dict[int, np.ndarray] = dict(wanted)
        self._turned, self._places = turned or {}, places or {}
        self._heads: dict[int, np.ndarray] = {}

    def before(self, bone: int) -> np.ndarray:
        """(..., 4) the orientation that the bone gets from its parent alone."""
        parent = int(self._rig.parents[bone]) if self._rig.inherits_rotation[bone] else -1
        share = float(self._rig.hold[bone])
        if share < 1e-3:
            return self._carried(bone, parent)
        return rotations.slerp(self._carried(bone, parent), self._carried(bone, int(self._rig.held_by[bone])), np.array(share))

    def _carried(self, bone: int, by: int) -> np.ndarray:
        """(..., 4) the orientation that the bone has when it moves with another one as at rest; -1 stands for the armature."""
        if by < 0:
            return self._rest[bone]
        offset = rotations.multiply(rotations.inverse(self._rest[by]), self._rest[bone])
        return rotations.multiply(self.of(by), offset)

    def local(self, bone: int) -> np.ndarray:
        """(..., 4) the bone's rotation relative to rest, as its channels hold it."""
        return rotations.multiply(rotations.inverse(self.before(bone)), self.of(bone))

    def of(self, bone: int) -> np.ndarray:
        """(..., 4) the bone's orientation in armature space; bones that nothing drives keep the rig's present pose."""
        if bone not in self._posed:
            self._posed[bone] = rotations.multiply(self.before(bone), self._turned.get(bone, self._rig.basis[bone]))
        return self._posed[bone]

    def location_axes(self, bone: int) -> np.ndarray:
        """(..., 4) the axes along which the bone's location channel moves it, in armature space."""
        parent = int(self._rig.parents[bone])
        if not self._rig.local_location[bone]:
            return rotations.IDENTITY if parent < 0 else self.of(parent)
        return self._carried(bone, parent)

    def head(self, bone: int) -> np.ndarray:
        """(..., 3) where the bone's head is in armature space."""
        if bone not in self._heads:
            self._heads[bone] = self._at_its_parent(bone)
            if bone in self._places:
                self._heads[bone] = self._heads[bone] + rotations.rotate(self.location_axes(bone), self._places[bone])
        return self._heads[bone]

    def middle(self, a: str, b: str) -> np.ndarray:
        """(..., 3) the point half way between two bones' heads, armature space."""
        return 0.5 * (self.head(self._rig.index(a)) + self.head(self._rig.index(b)))

    def _at_its_parent(self, bone: int) -> np.ndarray:
        parent = self._rig.carrier(bone)
        place = self._rig.rest[bone, :3, 3]
        if parent < 0:
            return place
        arm = rotations.rotate(rotations.inverse(self._rest[parent]), place - self._rig.rest[parent, :3, 3])
        return self.head(parent) + rotations.rotate(self.of(parent), arm)
