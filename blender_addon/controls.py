"""Which bone a control really follows: the rig's constraints may make it follow another one than its parent (Rigify's head and neck); and
what really follows a control: a rig that stands on inverse kinematics may leave it alone.

Method: the mapped bones are put to rest, each is turned in turn, and Blender's own evaluation says who came along and how far; limits are
off meanwhile, for the turn may be beyond them. A bone that carries the way is put where the take will have it, with its constraints and
without, and so is one whose rotation is limited in its own axes. Where other bones than a limb's controls deform, the properties that drive
constraints on these are set to 0 and to 1, one after the other: those on which it depends how well the controls are followed belong to the
take. The rig is left as it was, to the last bit. Time on the UI thread: one evaluation of the armature for each mapped bone, one more for
each control of a limb, at most 6 for each of 24 properties, 14 for the way and 13 for each limited bone, about 0.6 s for a Rigify rig;
nothing for a rig without constraints. Limits: a constraint that acts in some poses only is taken as it acts near rest, limits of rotation
are seen in a bone's own axes only, and at the extremes of its turn; of switches only bones' properties are tried, one at a time.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np

from . import versions
from .core import rotations
from .core.errors import InputError
from .core.retarget import Mapping, Rig
from .core.retarget.mapping import LIMB_OF
from .curves import bone_path

_TURN = rotations.from_rotation_vector(np.array([0.3, 0.4, 0.5]))
_SOLVERS = ("IK", "SPLINE_IK")
_SOLVERS_LIMIT = "mmd_ik_limit_override"  # what MMD Tools calls a limit of the knee that goes with the inverse kinematics
_CHANNELS = ("location", "rotation_quaternion", "rotation_euler", "rotation_axis_angle", "scale")
_FREE = 0.9  # of what its channels turn a bone by; with less, something else has a say
_IDLE = 0.1  # likewise: a control that turns what deforms by less moves nothing
_MATTERS = 0.5  # of one control's turn: a property that changes less of what deforms is no switch
_TURNING = ("COPY_TRANSFORMS", "COPY_ROTATION", "ARMATURE", "CHILD_OF", "TRANSFORM", "DAMPED_TRACK", "TRACK_TO", "LOCKED_TRACK",
            "STRETCH_TO")
_MOST_SWITCHES = 24  # that are asked, each in two or three evaluations
_AT_ONE_PLACE = 0.005  # of the rig's size, within which a deforming bone begins where its control does
_LIMB_JOINTS = tuple(dict.fromkeys(joint for end, joints in LIMB_OF.items() if not end.endswith("Toe") for joint in joints))
_PROPERTY = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)+)"\](\["(?:[^"\\]|\\.)+"\])')
_ASTRAY = 0.02  # of the rig's size, about 3 cm of a grown person
_CLIPPED = np.radians(5.0)  # what a limit may take off unnoticed


def with_constraints(armature: Any, rig: Rig, mapping: Mapping) -> tuple[Rig, tuple[str, ...]]:
    """The rig with `held_by`, `hold` and `placed_by` as the armature's constraints make them, and the bones that do not follow their own
    channels: mapped ones that constraints or drivers turn, and those with a switch that a driver keeps as it is.

    Inverse kinematics that reaches mapped bones would overrule the motion: turning it off becomes a switch of the rig.
    Raises InputError when Blender moves no bone, whatever its channels say.
    """
    driven = sorted(rig.index(name) for name in {*mapping.joints.values(), *mapping.spine, *mapping.neck})
    names = [rig.names[b] for b in driven]
    passed = {rig.names[a] for b in driven for a in (b, *rig.ancestors(b))}
    active = [(bone, c) for bone in armature.pose.bones for c in bone.constraints if not c.mute]
    solvers = [(bone, c) for bone, c in active if c.type in _SOLVERS and not {b.name for b in _chain(bone, c)}.isdisjoint(names)]
    limits = [c for _, c in active if c.type.startswith("LIMIT_")]
    turned = {link for bone, c in solvers for link in _chain(bone, c)}
    theirs = [(bone, c) for bone, c in active if bone in turned and c.name == _SOLVERS_LIMIT]
    switches = (*rig.switches, *(_off(armature, bone.name, c.name) for bone, c in (*solvers, *theirs)))
    kept = _kept_switches(armature, switches)
    overruled = {name for name in names if has_driver(armature, f"{bone_path(name)}.rotation")}
    if not solvers and not any(bone.name in passed and c not in limits for bone, c in active):
        return rig, tuple(sorted(overruled | kept))
    with _at_rest(armature, names), _muted([*(c for _, c in solvers), *limits]):
        shares, along = _probed(armature, rig, driven)
    overruled |= {rig.names[b] for b in driven if shares[b].pop(b, 0.0) < _FREE}
    if len(overruled) == len(driven):
        raise InputError(f"None of the bones of the armature '{armature.name}' follows its own keys: constraints or drivers move them all, "
                         "or Blender does not show the armature; switch these off, or choose the armature that they follow.")
    made = dataclasses.replace(rig, held_by=rig.held_by.copy(), hold=rig.hold.copy(), placed_by=rig.placed_by.copy(), switches=switches)
    for bone in driven:
        parent = next((a for a in rig.ancestors(bone) if a in driven), -1)
        made.held_by[bone], made.hold[bone] = _held(bone, parent, shares)
        nearest = _placed(bone, parent, int(made.held_by[bone]), along)
        # Bones that constraints tie to each other both ways would be carried in a circle.
        if nearest >= 0 and bone not in (nearest, *made.carriers(nearest)):
            made.placed_by[bone] = nearest
    handles = [rig.index(name) for names in mapping.ik.values() for name in names]
    turning = {*driven, *handles}
    for bone in {a for b in turning for a in rig.ancestors(b)} - turning:  # hidden ones may hang from the bone that carries the way
        parent = _parent_by_constraint(armature, rig, bone)
        above = {parent, *made.carriers(parent)} if parent >= 0 else {bone}
        if bone not in above and not above & turning:
            made.placed_by[bone] = parent
    return made, tuple(sorted(overruled | kept))


def _parent_by_constraint(armature: Any, rig: Rig, bone: int) -> int:
    """The bone that the bone's only constraint makes its parent (Armature or Child Of at full strength, as generated rigs do), or -1."""
    acting = [c for c in armature.pose.bones[rig.names[bone]].constraints if not c.mute]
    if len(acting) != 1 or acting[0].influence < 1.0 or acting[0].type not in ("ARMATURE", "CHILD_OF"):
        return -1
    (constraint,) = acting
    armature_like = constraint.type == "ARMATURE"
    if not armature_like and not (constraint.use_location_x and constraint.use_location_y and constraint.use_location_z):
        return -1
    targets = [t for t in constraint.targets if t.weight > 0.0] if armature_like else [constraint]
    if len(targets) != 1 or targets[0].target != armature or targets[0].subtarget not in rig.names:
        return -1
    return rig.index(targets[0].subtarget)


def kept_from_the_way(armature: Any, rig: Rig, locations: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Those of the bones that a take moves, see `RigMotion.locations`, that constraints or drivers keep from going there."""
    kept = []
    for name, path in locations.items():
        above = [name, *(rig.names[a] for a in rig.ancestors(rig.index(name)))]
        acting = [c for bone in above for c in armature.pose.bones[bone].constraints if not c.mute and c.type not in _SOLVERS]
        if has_driver(armature, f"{bone_path(name)}.location") or (acting and _astray(armature, rig, name, path, acting)):
            kept.append(name)
    return tuple(kept)


def kept_from_turning(armature: Any, rig: Rig, turns: dict[str, np.ndarray]) -> tuple[str, ...]:
    """Those of the bones that a take turns, see `RigMotion.rotations`, that limits in their own axes keep from it by a few degrees when the
    rig is switched as the take does."""
    kept = []
    for name, quaternions in turns.items():
        posed = armature.pose.bones[name]
        limits = [c for c in posed.constraints if c.type == "LIMIT_ROTATION" and c.owner_space == "LOCAL" and not c.mute]
        if not limits:
            continue
        vectors = rotations.to_rotation_vector(quaternions)
        extremes = quaternions[[*vectors.argmin(axis=0), *vectors.argmax(axis=0)]]
        with _at_rest(armature, [name]), _switched(armature, rig.switches):
            limited = _turned(posed, extremes)
            with _muted(limits):
                free = _turned(posed, extremes)
        if rotations.angle_between(limited, free).max() > _CLIPPED:
            kept.append(name)
    return tuple(kept)


def switched_to_controls(armature: Any, rig: Rig, mapping: Mapping) -> tuple[Rig, tuple[str, ...]]:
    """The rig with the switches of properties on which it depends whether what deforms follows the limbs' controls, as these are best
    followed; and the controls that nothing follows even so."""
    led = _led(armature, rig, mapping)
    if not led:
        return rig, ()
    limits = [c for bone in armature.pose.bones for c in bone.constraints if not c.mute and c.type.startswith("LIMIT_")]
    mapped = [*mapping.joints.values(), *mapping.spine, *mapping.neck]
    with _at_rest(armature, list(dict.fromkeys(mapped))), _muted(limits), _switched(armature, rig.switches):
        first = _first_of_limbs(led, mapping)
        found = [(*prop, value) for prop in _driving(armature, led, rig.switches)
                 if (value := _best_followed(armature, first, prop)) is not None]
        with _switched(armature, found):
            before = _orientations(armature, led)
            idle = tuple(control for control, bones in led.items() if not any(_shares(armature, {control: bones}, before).values()))
    return dataclasses.replace(rig, switches=(*rig.switches, *found)), idle


def _led(armature: Any, rig: Rig, mapping: Mapping) -> dict[str, list[str]]:
    """Each mapped control of a limb -> the deforming bones that begin where it does, if constraints turn any of them. What deforms a mesh
    itself is no such control."""
    posed, heads = armature.pose.bones, rig.rest[:, :3, 3]
    near = _AT_ONE_PLACE * np.ptp(rig.tails, axis=0).max()
    mapped, weighted = {*mapping.joints.values(), *mapping.spine, *mapping.neck}, _weighted(armature)
    found = {}
    for bone in (mapping.joints[joint] for joint in _LIMB_JOINTS if joint in mapping.joints):
        b = rig.index(bone)
        if bone in weighted or (posed[bone].bone.use_deform and not rig.controls[b]):
            continue
        there = [rig.names[i] for i in np.flatnonzero(np.linalg.norm(heads - heads[b], axis=-1) < near)]
        led = [name for name in there if name not in mapped and posed[name].bone.use_deform]
        if any(c.type in _TURNING and not c.mute for name in led for c in posed[name].constraints):
            found[bone] = led
    return found


def _weighted(armature: Any) -> set[str]:
    """The bones that have a vertex group in a mesh which the armature deforms."""
    meshes = (o for o in bpy.data.objects if o.type == "MESH" and any(m.type == "ARMATURE" and m.object == armature for m in o.modifiers))
    return {group.name for mesh in meshes for group in mesh.vertex_groups}


def _first_of_limbs(led: dict[str, list[str]], mapping: Mapping) -> dict[str, list[str]]:
    """The first control of each arm and leg, below the shoulders: they can be turned at once, for none hangs from another."""
    limbs = [[mapping.joints[j] for j in joints if j in mapping.joints and not j.endswith("Shoulder")] for joints in LIMB_OF.values()]
    first = (next((bone for bone in limb if bone in led), None) for limb in limbs)
    return {bone: led[bone] for bone in first if bone is not None}


def _best_followed(armature: Any, first: dict[str, list[str]], prop: tuple[str, str]) -> float | None:
    """The property's value with which the controls are best followed, its own where others are no better; None where it does not matter."""
    own = float(_value(armature, *prop))
    followed = {}
    for value in dict.fromkeys((own, 0.0, 1.0)):
        with _switched(armature, [(*prop, value)]):
            followed[value] = sum(_shares(armature, first, _orientations(armature, first)).values())
    best = max(followed, key=lambda value: followed[value])  # the first of equals
    if followed[best] - min(followed.values()) < _MATTERS:
        return None
    return best if followed[best] - followed[own] > _IDLE else own


def _shares(armature: Any, led: dict[str, list[str]], before: dict[str, np.ndarray]) -> dict[str, float]:
    """How much of each control's turn the best of the bones that it leads follows, in [0, 1], while the controls, which are at rest, are
    turned at once; 0 for hardly any; before: as `_orientations` gives it."""
    for control in led:
        armature.pose.bones[control].matrix_basis = _matrix(_TURN)
    after = _orientations(armature, led)
    for control in led:
        armature.pose.bones[control].matrix_basis = _matrix(rotations.IDENTITY)
    whole = rotations.angle_between(rotations.IDENTITY, _TURN)
    most = {control: max(float(rotations.angle_between(before[bone], after[bone]) / whole) for bone in theirs)
            for control, theirs in led.items()}
    return {control: min(share, 1.0) if share > _IDLE else 0.0 for control, share in most.items()}


def _orientations(armature: Any, led: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """bone -> (4,) how each bone that is led lies now, armature space."""
    bpy.context.view_layer.update()
    posed = armature.pose.bones
    return {bone: rotations.from_matrix(np.array(posed[bone].matrix.normalized())[:3, :3]) for theirs in led.values() for bone in theirs}


def _driving(armature: Any, led: dict[str, list[str]], known: tuple[tuple[str, str, float], ...]) -> list[tuple[str, str]]:
    """The bones' properties, see `Rig.switches`, by which drivers govern constraints on the bones that are led or on what these go by."""
    reached = {bone_path(name) for name in _gone_by(armature, {bone for theirs in led.values() for bone in theirs})}
    drivers = list(armature.animation_data.drivers) if armature.animation_data is not None else []
    parted = ((curve.driver, *curve.data_path.partition(".constraints[")[:2]) for curve in drivers)
    governing = [driver for driver, owner, constraint in parted if constraint and owner in reached]
    targets = [target for driver in governing for variable in driver.variables for target in variable.targets if target.id == armature]
    named = dict.fromkeys((bpy.utils.unescape_identifier(match[1]), match[2]) for target in targets
                          if (match := _PROPERTY.fullmatch(target.data_path)))
    asked = {switch[:2] for switch in known}
    return [prop for prop in named if prop not in asked and _can_be_set(armature, *prop)][:_MOST_SWITCHES]


def _gone_by(armature: Any, bones: set[str]) -> set[str]:
    """The bones, those that their constraints name, what these go by, and so on; with all that they hang from."""
    posed, found, waiting = armature.pose.bones, set[str](), list(bones)
    while waiting:
        name = waiting.pop()
        if name in found or name not in posed:
            continue
        found.add(name)
        waiting += [parent.name for parent in posed[name].parent_recursive]
        for constraint in posed[name].constraints:
            targets = constraint.targets if constraint.type == "ARMATURE" else [constraint]
            waiting += [t.subtarget for t in targets if getattr(t, "target", None) == armature and getattr(t, "subtarget", "")]
    return found


def _can_be_set(armature: Any, bone: str, path: str) -> bool:
    """Whether this is a number that is there, on a bone of the armature, and that no driver has."""
    if bone not in armature.pose.bones or has_driver(armature, bone_path(bone) + path):
        return False
    try:
        return isinstance(_value(armature, bone, path), (bool, int, float))
    except ValueError:  # a driver that asks for a property which is gone
        return False


def _turned(posed: Any, quaternions: np.ndarray) -> np.ndarray:
    """(K, 4) the bone's orientation in armature space with each of these rotations (K, 4) in its channels."""
    found = []
    for quaternion in quaternions:
        posed.matrix_basis = _matrix(quaternion)
        bpy.context.view_layer.update()
        found.append(rotations.from_matrix(np.array(posed.matrix.normalized())[:3, :3]))
    return np.array(found)


def _astray(armature: Any, rig: Rig, bone: str, path: np.ndarray, acting: list[Any]) -> bool:
    """Whether the constraints keep the bone from where `path` (T, 3) goes; that they carry all of it elsewhere does not count."""
    ends = np.concatenate([np.zeros((1, 3)), path[path.argmin(axis=0)], path[path.argmax(axis=0)]])
    with _at_rest(armature, [bone]):
        kept = _apart(armature, bone, ends)
        with _muted(acting):
            free = _apart(armature, bone, ends)
    return bool(np.abs(kept - free).max() > _ASTRAY * np.ptp(rig.tails, axis=0).max())


def _apart(armature: Any, bone: str, locations: np.ndarray) -> np.ndarray:
    """(K, K) how far apart the bone is with these values (K, 3) in its location, armature units."""
    posed, places = armature.pose.bones[bone], []
    for location in locations:
        posed.location = location
        bpy.context.view_layer.update()
        places.append(np.array(posed.matrix.translation))
    return np.linalg.norm(np.array(places)[:, None] - np.array(places), axis=-1)


def _chain(bone: Any, solver: Any) -> list[Any]:
    """The pose bones that a solver on `bone` turns."""
    chain = [bone, *bone.parent_recursive]
    if solver.type == "IK" and not solver.use_tail:
        chain = chain[1:]
    return chain[:solver.chain_count or None]


def _off(armature: Any, bone: str, constraint: str) -> tuple[str, str, float]:
    """The switch that takes a constraint out, see `Rig.switches`: by its influence, unless a driver has that."""
    path = f'.constraints["{bpy.utils.escape_identifier(constraint)}"]'
    return (bone, f"{path}.mute", 1.0) if has_driver(armature, f"{bone_path(bone)}{path}.influence") else (bone, f"{path}.influence", 0.0)


def has_driver(armature: Any, path: str) -> bool:
    """Whether a driver has a channel whose path begins so."""
    animation = armature.animation_data
    return animation is not None and any(d.data_path.startswith(path) and not d.mute for d in animation.drivers)


def _kept_switches(armature: Any, switches: tuple[tuple[str, str, float], ...]) -> set[str]:
    """The bones with a switch that stands otherwise because a driver has it."""
    evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    paths = [(bone, bone_path(bone) + path, value) for bone, path, value in switches]
    return {bone for bone, path, value in paths if has_driver(armature, path) and evaluated.path_resolve(path) != value}


def _held(bone: int, parent: int, shares: dict[int, dict[int, float]]) -> tuple[int, float]:
    """Whom the bone follows beside the nearest mapped bone above it, and how far; (-1, 0) when it follows that one and nobody else."""
    fully = [a for a, share in shares[bone].items() if share > 0.99]
    # Of those that it follows, the one that follows all others is the nearest.
    nearest = max(fully, key=lambda a: sum(shares[a].get(b, 0.0) > 0.99 for b in fully), default=-1)
    if nearest == parent:
        return -1, 0.0
    return nearest, 1.0 if parent in fully else 1.0 - shares[bone].get(parent, 0.0)


def _placed(bone: int, parent: int, held_by: int, along: dict[tuple[int, int], bool]) -> int:
    """With whose place the bone goes along when not with that of `parent`, the nearest mapped bone above it; else -1."""
    fellows = [a for (b, a), moved in along.items() if b == bone and (moved or a in (parent, held_by))]
    # Of those that begin at one point each goes along with the other: there the one above counts.
    nearest = max(fellows, key=lambda a: (sum((a, b) in along for b in fellows), a == parent, a == held_by), default=-1)
    return -1 if nearest == parent else nearest


def _probed(armature: Any, rig: Rig, driven: list[int]) -> tuple[dict[int, dict[int, float]], dict[tuple[int, int], bool]]:
    """bone -> bones that turn it, itself among them -> how far, 1 for all the way; and (bone, other) where it goes along with the other's
    place as well -> whether that moved it (where both begin at one point nothing does)."""
    still = _frames(armature, rig, driven)
    shares: dict[int, dict[int, float]] = {b: {} for b in driven}
    along: dict[tuple[int, int], bool] = {}
    whole = rotations.angle_between(rotations.IDENTITY, _TURN)
    for bone in driven:
        posed = armature.pose.bones[rig.names[bone]]
        matrix = posed.matrix_basis.copy()
        posed.matrix_basis = matrix @ _matrix(_TURN)
        turned = _frames(armature, rig, driven)
        posed.matrix_basis = matrix
        change = turned[bone] @ np.linalg.inv(still[bone])
        for other in driven:
            a, b = (rotations.from_matrix(f[other][:3, :3]) for f in (still, turned))
            share = float(rotations.angle_between(a, b) / whole)
            if share > 0.01:
                shares[other][bone] = share
            near = 1e-3 * np.abs(still[other][:3, 3]).max()
            if other != bone and np.allclose((change @ still[other])[:3, 3], turned[other][:3, 3], atol=near):
                along[other, bone] = not np.allclose(still[other][:3, 3], turned[other][:3, 3], atol=near)
    return shares, along


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
def _switched(armature: Any, switches: Iterable[tuple[str, str, float]]) -> Iterator[None]:
    """The rig is switched so, see `Rig.switches`, for a while; what drivers have stays theirs."""
    before = [(bone, path, _value(armature, bone, path)) for bone, path, _ in switches]
    try:
        for bone, path, value in switches:
            _set_value(armature, bone, path, value)
        yield
    finally:
        for bone, path, value in before:
            _set_value(armature, bone, path, value)


def _value(armature: Any, bone: str, path: str) -> Any:
    return armature.path_resolve(bone_path(bone) + path)


def _set_value(armature: Any, bone: str, path: str, value: Any) -> None:
    """Sets a property of a pose bone or of its constraints, whose type stays."""
    value = type(_value(armature, bone, path))(value)
    owner, _, name = path.rpartition("].")
    if owner:
        setattr(armature.path_resolve(f"{bone_path(bone)}{owner}]"), name, value)
    else:
        armature.pose.bones[bone][bpy.utils.unescape_identifier(path[2:-2])] = value
    armature.update_tag()  # drivers do not notice a custom property that a script sets


@contextmanager
def posable(armature: Any) -> Iterator[None]:
    """The armature is evaluated and poses, for a while: out of Edit Mode and Rest Position, and not hidden by anything."""
    data, layer, home = armature.data, bpy.context.view_layer, bpy.context.scene.collection.objects
    edited = [thing for thing in layer.objects if thing.mode == "EDIT"] if armature.mode == "EDIT" else []
    position, hidden, away = data.pose_position, armature.hide_viewport, False
    _switch_mode(edited, armature, "OBJECT")
    try:
        if position != "POSE":
            data.pose_position = "POSE"
        if hidden:
            armature.hide_viewport = False
        shown = [thing.original for thing in bpy.context.evaluated_depsgraph_get().objects]
        away = armature not in shown and armature not in home.values()
        if away:
            home.link(armature)
        layer.update()
        yield
    finally:
        if away:
            home.unlink(armature)
        if hidden:
            armature.hide_viewport = True
        if position != "POSE":
            data.pose_position = position
        layer.update()
        _switch_mode(edited, armature, "EDIT")


def _switch_mode(things: list[Any], first: Any, mode: str) -> None:
    """Brings objects into or out of a mode, as Blender's operator can: all that are selected, with one of them active."""
    if not things:
        return
    objects = bpy.context.view_layer.objects
    active, selected = objects.active, list(objects.selected)
    for thing in objects:
        thing.select_set(thing in things)
    objects.active = first
    bpy.ops.object.mode_set(mode=mode)
    for thing in objects:
        thing.select_set(thing in selected)
    objects.active = active


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
