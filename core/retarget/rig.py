"""What the retargeting needs to know of an armature, as plain arrays: names, tree, rest pose, flags, where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .. import rotations
from ..errors import InputError


@dataclass(frozen=True)
class Rig:
    """An armature of B bones, parents before children; lengths in armature units, matrices act on column vectors.

    names: bone names. parents: (B,) index of the parent or -1. rest: (B, 4, 4) rest matrices in armature space, Y along the bone.
    tails: (B, 3) rest tails in armature space. world: (4, 4) the armature object in the world.
    modes: Blender's rotation mode of each bone. connected: (B,) bool, the bone cannot be moved off its parent's tail.
    inherits_rotation, local_location: (B,) bool, Blender's flags of the same names.
    basis: (B, 4) quaternions (w, x, y, z), the present pose; it counts for bones that the motion does not drive.
    controls: (B,) bool, bones that animators are meant to move: with a custom shape, free to turn and without constraints.
    held_by, hold: (B,) a bone that constraints of the rig make this one turn with instead of its parent (-1: none, or the armature itself),
    and how much, in [0, 1]. placed_by: (B,) a bone with whose place this one goes along instead of its parent's (-1: none).
    switches: (bone, property, value) of what must be set before the controls of joints act; property as it follows the bone in a path.
    declared: joint -> bone, as the rig's own metadata say (VRM).
    """

    names: tuple[str, ...]
    parents: np.ndarray
    rest: np.ndarray
    tails: np.ndarray
    world: np.ndarray
    modes: tuple[str, ...]
    connected: np.ndarray
    inherits_rotation: np.ndarray
    local_location: np.ndarray
    basis: np.ndarray
    label: str = "The armature"
    controls: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    held_by: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    hold: np.ndarray = field(default_factory=lambda: np.zeros(0))
    placed_by: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    switches: tuple[tuple[str, str, float], ...] = ()
    declared: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.names)
        for name, default in (("controls", False), ("held_by", -1), ("hold", 0.0), ("placed_by", -1)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(count, default))
        for name, shape, kind in (
                ("parents", (count,), int), ("rest", (count, 4, 4), float), ("tails", (count, 3), float), ("world", (4, 4), float),
                ("connected", (count,), bool), ("inherits_rotation", (count,), bool), ("local_location", (count,), bool),
                ("basis", (count, 4), float), ("controls", (count,), bool), ("held_by", (count,), int), ("hold", (count,), float),
                ("placed_by", (count,), int)):
            value = np.asarray(getattr(self, name), dtype=kind)
            if value.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {value.shape}")
            object.__setattr__(self, name, value)
        if np.any(self.parents >= np.arange(count)):
            raise ValueError("parents must stand before their children")
        size = np.linalg.det(self.world[:3, :3])
        if abs(size) < 1e-18:
            raise InputError(f"{self.label} has a scale of zero; give the object a scale and try again.")
        if size < 0:  # left and right of its bones are exchanged for whoever looks at it
            raise InputError(f"{self.label} is mirrored by a negative scale; apply its scale (Ctrl A) and try again.")

    def index(self, name: str) -> int:
        """Where the bone stands in `names`."""
        return self.names.index(name)

    @property
    def rest_rotations(self) -> np.ndarray:
        """(B, 4) rest orientations in armature space."""
        return rotations.from_matrix(self.rest[:, :3, :3])

    @property
    def world_rotation(self) -> np.ndarray:
        """(4,) the object's orientation without its scale: the rotation nearest to its matrix."""
        u, _, vt = np.linalg.svd(self.world[:3, :3])
        return rotations.from_matrix(u @ vt)

    @property
    def stretch(self) -> float:
        """How many times as large as across the object's scale is in one direction; 1 for an even scale. Limbs miss theirs by the rest."""
        sizes = np.linalg.svd(self.world[:3, :3], compute_uv=False)
        return float(sizes[0] / sizes[-1])

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Armature-space points (..., 3) in the world, metres."""
        return points @ self.world[:3, :3].T + self.world[:3, 3]

    def from_world(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in armature space."""
        return (points - self.world[:3, 3]) @ np.linalg.inv(self.world[:3, :3]).T

    @property
    def heads_world(self) -> np.ndarray:
        """(B, 3) rest heads in the world, metres."""
        return self.to_world(self.rest[:, :3, 3])

    def ancestors(self, bone: int) -> list[int]:
        """The bone's parent, its parent, and so on up to the root."""
        chain = []
        while (bone := int(self.parents[bone])) >= 0:
            chain.append(bone)
        return chain

    def carriers(self, bone: int) -> list[int]:
        """The bones that this one goes along with when they are moved: its ancestors, or whom constraints make it go along with."""
        chain = []
        while (bone := self.carrier(bone)) >= 0:
            chain.append(bone)
        return chain

    def carrier(self, bone: int) -> int:
        """The nearest of them, or -1."""
        return int(self.placed_by[bone] if self.placed_by[bone] >= 0 else self.parents[bone])

    def children(self, bone: int) -> list[int]:
        """The bones whose parent this is."""
        return [int(i) for i in np.flatnonzero(self.parents == bone)]
