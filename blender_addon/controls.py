"""Which bone a control really follows: the rig's constraints may make it follow another one than its parent (Rigify's head and neck).

Method: the mapped bones are put to rest, each is turned in turn, and Blender's own evaluation says who came along and how far. The
rig is left as it was, to the last bit. Time on the UI thread: one evaluation of the armature for each mapped bone, about 0.3 s for a
Rigify rig; nothing for a rig without constraints. Limits: a constraint that acts in some poses only is taken as it acts near rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np

from . import versions
from .core import rotations
from .core.retarget import Mapping, Rig

_TURN = rotations.from_rotation_vector(np.array([0.3, 0.4, 0.5]))
_SOLVERS = ("IK", "SPLINE_IK")
_CHANNELS = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale")


def with_constraints(armature: Any, rig: Rig, mapping: Mapping) -> Rig:
    """The rig with `held_by` and `hold` as the armature's constraints make them; the rig itself where there are none to matter.

    Inverse kinematics on mapped bones would overrule the motion: turning it off becomes a switch of the rig.
    """
    driven = sorted(rig.index(name) for name in {*mapping.joints.values(), *mapping.spine, *mapping.neck})
    passed = {a for b in driven for a in (b, *rig.ancestors(b))}
    if not any(not c.mute for b in passed for c in armature.pose.bones[rig.names[b]].constraints):
        return rig
    names = [rig.names[b] for b in driven]
    solvers = [(bone, c) for bone in names for c in armature.pose.bones[bone].constraints if c.type in _SOLVERS and not c.mute]
    with _at_rest(armature, names), _muted([c for _, c in solvers]):
        shares = _probed(armature, rig, driven)
    held_by, hold = rig.held_by.copy(), rig.hold.copy()
    for bone in driven:
        parent = next((a for a in rig.ancestors(bone) if a in driven), -1)
        held_by[bone], hold[bone] = _held(bone, parent, shares)
    off = tuple((bone, f'.constraints["{bpy.utils.escape_identifier(c.name)}"].influence', 0.0) for bone, c in solvers)
    return dataclasses.replace(rig, held_by=held_by, hold=hold, switches=(*rig.switches, *off))


def _held(bone: int, parent: int, shares: dict[int, dict[int, float]]) -> tuple[int, float]:
    """Whom the bone follows beside the nearest mapped bone above it, and how far; (-1, 0) when it follows that one and nobody else."""
    fully = [a for a, share in shares[bone].items() if share > 0.99]
    # Of those that it follows, the one that follows all others is the nearest.
    nearest = max(fully, key=lambda a: sum(shares[a].get(b, 0.0) > 0.99 for b in fully), default=-1)
    if nearest == parent:
        return -1, 0.0
    return nearest, 1.0 if parent in fully else 1.0 - shares[bone].get(parent, 0.0)


def _probed(armature: Any, rig: Rig, driven: list[int]) -> dict[int, dict[int, float]]:
    """bone -> bones that turn it -> how far, 1 for all the way."""
    still = _orientations(armature, rig, driven)
    shares: dict[int, dict[int, float]] = {b: {} for b in driven}
    for bone in driven:
        posed = armature.pose.bones[rig.names[bone]]
        matrix = posed.matrix_basis.copy()
        posed.matrix_basis = matrix @ _matrix(_TURN)
        turned = _orientations(armature, rig, driven)
        posed.matrix_basis = matrix
        whole = rotations.angle_between(rotations.IDENTITY, _TURN)
        for other in driven:
            share = float(rotations.angle_between(still[other], turned[other]) / whole)
            if other != bone and share > 0.01:
                shares[other][bone] = share
    return shares


def _orientations(armature: Any, rig: Rig, bones: list[int]) -> dict[int, np.ndarray]:
    bpy.context.view_layer.update()
    found = {b: np.array(armature.pose.bones[rig.names[b]].matrix.to_quaternion()) for b in bones}
    return {b: rotations.normalise(q) for b, q in found.items()}


def _matrix(quaternion: np.ndarray) -> Any:
    from mathutils import Quaternion

    return Quaternion(quaternion).to_matrix().to_4x4()


@contextmanager
def _muted(constraints: list[Any]) -> Iterator[None]:
    """The constraints do nothing, for a while."""
    for constraint in constraints:
        constraint.mute = True
    try:
        yield
    finally:
        for constraint in constraints:
            constraint.mute = False


@contextmanager
def _at_rest(armature: Any, bones: list[str]) -> Iterator[None]:
    """The bones' own channels at rest and no action at work, for a while."""
    channels = {name: {c: tuple(getattr(armature.pose.bones[name], c)) for c in _CHANNELS} for name in bones}
    moved_by, animation = versions.taken(armature), armature.animation_data
    use_nla = animation is not None and animation.use_nla
    try:
        if animation is not None:
            animation.action, animation.use_nla = None, False
        for name in bones:
            armature.pose.bones[name].matrix_basis = _matrix(rotations.IDENTITY)
        yield
    finally:
        for name, values in channels.items():
            for channel, value in values.items():
                setattr(armature.pose.bones[name], channel, value)
        if animation is not None:
            versions.put_back(armature, moved_by)
            animation.use_nla = use_nla
        bpy.context.view_layer.update()
