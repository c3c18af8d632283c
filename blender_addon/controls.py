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
        shares, rigid = _probed(armature, rig, driven)
    held_by, hold, carried = rig.held_by.copy(), rig.hold.copy(), rig.carried.copy()
    for bone in driven:
        parent = next((a for a in rig.ancestors(bone) if a in driven), -1)
        held_by[bone], hold[bone] = _held(bone, parent, shares)
        carried[bone] = hold[bone] > 0.99 and (bone, int(held_by[bone])) in rigid
    off = tuple((bone, f'.constraints["{bpy.utils.escape_identifier(c.name)}"].influence', 0.0) for bone, c in solvers)
    return dataclasses.replace(rig, held_by=held_by, hold=hold, carried=carried, switches=(*rig.switches, *off))


def _held(bone: int, parent: int, shares: dict[int, dict[int, float]]) -> tuple[int, float]:
    """Whom the bone follows beside the nearest mapped bone above it, and how far; (-1, 0) when it follows that one and nobody else."""
    fully = [a for a, share in shares[bone].items() if share > 0.99]
    # Of those that it follows, the one that follows all others is the nearest.
    nearest = max(fully, key=lambda a: sum(shares[a].get(b, 0.0) > 0.99 for b in fully), default=-1)
    if nearest == parent:
        return -1, 0.0
    return nearest, 1.0 if parent in fully else 1.0 - shares[bone].get(parent, 0.0)


def _probed(armature: Any, rig: Rig, driven: list[int]) -> tuple[dict[int, dict[int, float]], set[tuple[int, int]]]:
    """bone -> bones that turn it -> how far, 1 for all the way; and (bone, other) where it goes along with the other's place as well."""
    still = _frames(armature, rig, driven)
    shares: dict[int, dict[int, float]] = {b: {} for b in driven}
    rigid = set()
    whole = rotations.angle_between(rotations.IDENTITY, _TURN)
    for bone in driven:
        posed = armature.pose.bones[rig.names[bone]]
        matrix = posed.matrix_basis.copy()
        posed.matrix_basis = matrix @ _matrix(_TURN)
        turned = _frames(armature, rig, driven)
        posed.matrix_basis = matrix
        change = turned[bone] @ np.linalg.inv(still[bone])
        for other in (b for b in driven if b != bone):
            a, b = (rotations.from_matrix(f[other][:3, :3]) for f in (still, turned))
            share = float(rotations.angle_between(a, b) / whole)
            if share > 0.01:
                shares[other][bone] = share
            if np.allclose((change @ still[other])[:3, 3], turned[other][:3, 3], atol=1e-3 * np.abs(still[other][:3, 3]).max()):
                rigid.add((other, bone))
    return shares, rigid


def _frames(armature: Any, rig: Rig, bones: list[int]) -> dict[int, np.ndarray]:
    """bone -> (4, 4) where it is now, armature space, without scale."""
    bpy.context.view_layer.update()
    return {b: np.array(armature.pose.bones[rig.names[b]].matrix.normalized()) for b in bones}


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
