"""What an earlier pose, action or strip has left in channels that a take does not key, where it would bend the take.

Method: such channels of the body, which are the mapped bones, those that lie between them, those that constraints make the latter follow,
and those that carry feet and hands that hang from elsewhere, get one key at rest in the take's action. Bones above the hips are how a user
places the figure: of them only a location goes that an action or a strip has made. Bones outside the body (hair, fingers, face) keep their
pose, and heads, hands and toes their size: nothing of the body hangs from them. Limits: a channel that has a driver is left to it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import versions
from .controls import has_driver
from .core import rotations
from .core.retarget import Mapping, Rig, RigMotion, rotation_channels
from .core.retarget.channels import PATHS
from .core.retarget.mapping import LIMB_OF, is_parted
from .curves import bone_path, key_curves

_OFF = 1e-5  # radians, and of a bone's size: what is nearer to rest is at rest
_TURNS = (*PATHS.values(), "rotation_euler")


@dataclass(frozen=True)
class Leftovers:
    """The bones whose location, rotation and scale are left over. placed: those above the hips that stay moved or turned, unless the take
    keys them."""

    moved: frozenset[str]
    turned: frozenset[str]
    scaled: frozenset[str]
    placed: frozenset[str] = frozenset()

    def put_to_rest(self, rig: Rig) -> Rig:
        """The rig as it poses when `key` has been at work."""
        basis = rig.basis.copy()
        basis[[rig.index(bone) for bone in self.turned]] = rotations.IDENTITY
        return dataclasses.replace(rig, basis=basis)

    def key(self, curves: Any, rig: Rig, taken: RigMotion, frame: np.ndarray) -> None:
        """Puts all of it to rest with one key at `frame` (1,), but for what the take itself keys."""
        for bone in sorted(self.moved - set(taken.locations)):
            key_curves(curves, f"{bone_path(bone)}.location", bone, frame, np.zeros((1, 3)), "CONSTANT")
        for bone in sorted(self.turned - set(taken.rotations)):
            channel, values = rotation_channels(rotations.IDENTITY[None], rig.modes[rig.index(bone)])
            key_curves(curves, f"{bone_path(bone)}.{channel}", bone, frame, values, "CONSTANT")
        for bone in sorted(self.scaled):
            key_curves(curves, f"{bone_path(bone)}.scale", bone, frame, np.ones((1, 3)), "CONSTANT")


def find_leftovers(armature: Any, rig: Rig, mapping: Mapping, controls: str) -> Leftovers:
    """What is left over on the armature, which must be evaluated as it poses now. controls: what a take keys, as in `Choices`."""
    mapped = {*mapping.joints.values(), *mapping.spine, *mapping.neck}
    above_mapped = {a for bone in mapped for a in _above(rig, bone)}
    between = {bone for bone in above_mapped - mapped if mapped & _above(rig, bone)}
    between |= {bone for bone in _leading(armature, between) - mapped if mapped & _above(rig, bone)}
    above_hips = _above(rig, mapping.bones["Hips"])
    between |= _carrying_parted(rig, mapping) - mapped - above_hips
    carrying = between | (mapped & above_mapped)
    if controls != "fk":
        carrying |= {control for end in mapping.ik.values() for control in end}
    strips = {curve.data_path for curve in versions.curves_in_strips(armature)}
    before = strips | {curve.data_path for curve in versions.curves_of(armature)}
    moved = {b for b in mapped | between if any(armature.pose.bones[b].location) or _keyed(b, strips, "location")}
    moved |= {b for b in above_hips if _keyed(b, before, "location")}
    turned = {b for b in between if _is_turned(rig, b) or _keyed(b, strips, *_TURNS)}
    scaled = {b for b in carrying if _is_scaled(armature, b) or _keyed(b, strips, "scale")}
    placed = {b for b in above_hips if (b not in moved and any(armature.pose.bones[b].location)) or _is_turned(rig, b)}

    def free(bones: set[str], channel: str) -> frozenset[str]:
        return frozenset(b for b in bones if not has_driver(armature, f"{bone_path(b)}.{channel}"))

    return Leftovers(free(moved, "location"), free(turned, "rotation"), free(scaled, "scale"), frozenset(placed - turned))


def _carrying_parted(rig: Rig, mapping: Mapping) -> set[str]:
    """The bones above feet and hands that do not hang from their limbs, as a control of its own that rolls the foot does."""
    parted = [mapping.joints[joint] for joint in LIMB_OF if joint in mapping.joints and is_parted(rig, mapping, joint)]
    return {above for bone in parted for above in _above(rig, bone)}


def _leading(armature: Any, bones: set[str]) -> set[str]:
    """The bones that these ones follow by constraints, as what lies between the joints of a control rig follows its chest."""
    acting = [c for bone in bones for c in armature.pose.bones[bone].constraints if not c.mute and getattr(c, "target", None) == armature]
    return {constraint.subtarget for constraint in acting} & set(armature.pose.bones.keys())


def _above(rig: Rig, bone: str) -> set[str]:
    return {rig.names[a] for a in rig.ancestors(rig.index(bone))}


def _keyed(bone: str, paths: set[str], *channels: str) -> bool:
    return any(f"{bone_path(bone)}.{channel}" in paths for channel in channels)


def _is_turned(rig: Rig, bone: str) -> bool:
    return bool(rotations.angle_between(rotations.IDENTITY, rig.basis[rig.index(bone)]) > _OFF)


def _is_scaled(armature: Any, bone: str) -> bool:
    return any(abs(size - 1.0) > _OFF for size in armature.pose.bones[bone].scale)
