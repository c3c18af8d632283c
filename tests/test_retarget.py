"""Retargeting without Blender: random rigs posed by a forward kinematics of the test's own, rotation modes, mapping by name."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rotations
from core.errors import InputError
from core.motion import Camera, Motion
from core.retarget import Mapping, Rig, RigMotion, map_names, map_rig, retarget, rotation_channels
from core.retarget.mapping import REQUIRED, apply_map, pelvic_bones
from core.retarget.maps import RIG_MAPS
from core.skeleton import INDEX, JOINT_PARENTS, JOINTS, Skeleton

LIMBS = [(side + a, side + b) for side in ("Left", "Right")
         for a, b in (("UpLeg", "Leg"), ("Leg", "Foot"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))]
OPTIONAL = ("LeftShoulder", "RightShoulder", "Neck", "Spine1", "LeftToe", "RightToe", "Head")


def some_motion(rng: np.random.Generator, frames: int = 5) -> Motion:
    turns = rotations.continuous(rotations.from_rotation_vector(rng.normal(0, 0.5, (1, 21, 3)) + rng.normal(0, 0.05, (frames, 21, 3))))
    camera = Camera(np.eye(3), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3)), 640, 480)
    return Motion(Skeleton.mean(), turns, rng.normal(0, 1, (frames, 3)), np.arange(frames) / 30, 30.0, np.ones((frames, 21)),
                  np.zeros((frames, 4), bool), camera, (), np.zeros((frames, 0, 3)))


def some_rig(rng: np.random.Generator, missing: tuple[str, ...] = (), extra: int = 0, sway: float = 0.5, scale: float = 1.0,
             heading: float = 0.0) -> tuple[Rig, Mapping]:
    """A rig with canonical names, any proportions, rest pose, rolls, axes; a posed root; `extra` bones in between; joints missing."""
    skeleton = Skeleton.mean()
    share = dict(zip(JOINTS, rng.uniform(0.7, 1.3, 21)))
    symmetric = np.array([share[j.replace("Right", "Left")] for j in JOINTS])
    skeleton = dataclasses.replace(skeleton, rest_offsets=skeleton.rest_offsets * symmetric[:, None])
    pose = rotations.from_rotation_vector(sway * rng.uniform(-1, 1, (21, 3)) * np.array([
        0.0 if j in ("Hips", "Spine", "Spine1", "Neck", "Head") else 1.0 for j in JOINTS])[:, None])
    heads, _ = skeleton.forward_kinematics(pose, np.array([0.0, 0.0, 0.9]))
    names, parents, places = ["root"], [-1], [np.array([0.1, 0.2, 0.0])]
    for joint in JOINTS:
        if joint in missing:
            continue
        parent = JOINT_PARENTS[joint]
        while parent in missing:
            parent = JOINT_PARENTS[parent]
        above = names.index(parent or "root")
        for k in range(extra if parent is not None else 0):
            names.append(f"between {joint} {k}")
            parents.append(above)
            places.append(heads[INDEX[parent]] + (k + 1) / (extra + 1) * (heads[INDEX[joint]] - heads[INDEX[parent]]))
            above = len(names) - 1
        names.append(joint)
        parents.append(above)
        places.append(heads[INDEX[joint]])
    count = len(names)
    rest = np.tile(np.eye(4), (count, 1, 1))
    rest[:, :3, :3] = rotations.to_matrix(rotations.normalise(rng.normal(size=(count, 4))))
    rest[:, :3, 3] = np.array(places) / scale
    world = np.eye(4)
    world[:3, :3] = scale * rotations.to_matrix(rotations.from_rotation_vector(np.array([0, 0, heading])))
    basis = np.tile(rotations.IDENTITY, (count, 1))
    basis[0] = rotations.normalise(rng.normal(size=4))
    rig = Rig(tuple(names), np.array(parents), rest, rest[:, :3, 3] + 0.1 * rest[:, :3, 1] / scale, world, ("QUATERNION",) * count,
              np.zeros(count, bool), rng.random(count) < [0.8 if n in JOINTS else 1.0 for n in names], rng.random(count) < 0.8, basis)
    spine = tuple(j for j in ("Spine", "Spine1") if j not in missing)
    neck = tuple(j for j in ("Neck",) if j not in missing)
    joints = {j: j for j in JOINTS if j not in missing and j not in ("Spine", "Spine1", "Neck")}
    return rig, Mapping("test", joints, spine, neck)


def pose_rig(rig: Rig, moved: RigMotion) -> tuple[np.ndarray, np.ndarray]:
    """World heads (T, B, 3) and orientations in armature space (T, B, 4): Blender's parenting, written down a second time."""
    frames = len(moved.root_location)
    rest = rig.rest_rotations
    heads, turned = np.zeros((frames, len(rig.names), 3)), np.zeros((frames, len(rig.names), 4))
    for b, (name, p) in enumerate(zip(rig.names, rig.parents)):
        basis = moved.rotations.get(name, np.tile(rig.basis[b], (frames, 1)))
        if p < 0:
            before, place = np.tile(rest[b], (frames, 1)), np.tile(rig.rest[b, :3, 3], (frames, 1))
            axes = before if rig.local_location[b] else np.tile(rotations.IDENTITY, (frames, 1))
        else:
            offset = np.linalg.inv(rig.rest[p]) @ rig.rest[b]
            inherited = rotations.multiply(turned[:, p], rotations.from_matrix(offset[:3, :3]))
            place = heads[:, p] + rotations.rotate(turned[:, p], offset[:3, 3])
            before = inherited if rig.inherits_rotation[b] else np.tile(rest[b], (frames, 1))
            axes = inherited if rig.local_location[b] else turned[:, p]
        if name in moved.locations:
            place = place + rotations.rotate(axes, moved.locations[name])
        heads[:, b], turned[:, b] = place, rotations.multiply(before, basis)
    return rig.to_world(heads), turned


def directions(points: dict[str, np.ndarray], a: str, b: str) -> np.ndarray:
    way = points[b] - points[a]
    return way / np.linalg.norm(way, axis=-1, keepdims=True)


def test_a_neck_of_two_bones_turns_evenly_towards_the_head() -> None:
    turns = np.zeros((2, 21, 3))
    turns[1, INDEX["Head"], 2] = 0.8
    motion = dataclasses.replace(some_motion(np.random.default_rng(0), 2), local_rotations=rotations.from_rotation_vector(turns))
    rig, mapping = some_rig(np.random.default_rng(0), extra=1)
    neck = ("Neck", "between Head 0")
    _, turned = pose_rig(rig, retarget(motion, rig, dataclasses.replace(mapping, neck=neck)))
    by = [float(rotations.angle_between(turned[0, b], turned[1, b])) for b in map(rig.index, (*neck, "Head"))]
    assert by == pytest.approx([0.0, 0.4, 0.8], abs=1e-6)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**31), missing=st.sets(st.sampled_from(OPTIONAL)), extra=st.integers(0, 2),
       scale=st.sampled_from([1.0, 0.01, 3.0]), heading=st.floats(-3, 3), sway=st.floats(0, 1))
def test_limbs_of_any_rig_follow(seed: int, missing: set[str], extra: int, scale: float, heading: float, sway: float) -> None:
    rng = np.random.default_rng(seed)
    motion = some_motion(rng)
    rig, mapping = some_rig(rng, tuple(missing), extra, sway, scale, heading)
    moved = retarget(motion, rig, mapping)
    heads, _ = pose_rig(rig, moved)
    there = {name: heads[:, i] for i, name in enumerate(rig.names)}
    here = {joint: motion.joints_world()[:, i] for joint, i in INDEX.items()}
    for a, b in LIMBS:
        np.testing.assert_allclose(directions(there, a, b), directions(here, a, b) @ moved.placement.turn.T, atol=1e-6)
    middle = 0.5 * (there["LeftUpLeg"] + there["RightUpLeg"])
    np.testing.assert_allclose(middle, moved.placement(0.5 * (here["LeftUpLeg"] + here["RightUpLeg"])), atol=1e-6)
    assert all(np.abs(np.linalg.norm(q, axis=-1) - 1).max() < 1e-9 for q in moved.rotations.values())
    assert all((np.sum(q[1:] * q[:-1], -1) > 0).all() for q in moved.rotations.values())


def reparented(rig: Rig, parents: dict[str, str | None]) -> Rig:
    """The rig with other parents for some bones; None: the bone hangs from nothing."""
    changed = [rig.index(parents[n]) if parents.get(n) else -1 if n in parents else p for n, p in zip(rig.names, rig.parents)]
    return dataclasses.replace(rig, parents=np.array(changed))


def test_thighs_beside_the_hips_go_along() -> None:
    """Both hang from the root, which then carries the figure; the legs stayed behind."""
    rng = np.random.default_rng(4)
    motion = some_motion(rng)
    hanging, mapping = some_rig(rng, sway=0.2)
    beside = reparented(hanging, {"LeftUpLeg": "root", "RightUpLeg": "root"})
    moved = retarget(motion, beside, mapping)
    heads, _ = pose_rig(beside, moved)
    middle = 0.5 * (heads[:, beside.index("LeftUpLeg")] + heads[:, beside.index("RightUpLeg")])
    off = np.array([motion.joints_world()[:, INDEX[side + "UpLeg"]] for side in ("Left", "Right")]).mean(axis=0)
    assert {*retarget(motion, beside, mapping, way="root").locations} == {"root", "LeftUpLeg", "RightUpLeg"}
    assert moved.root_bone == "root" and retarget(motion, hanging, mapping).root_bone == "Hips"
    np.testing.assert_allclose(middle, moved.placement(off), atol=1e-6)
    apart = np.linalg.norm(heads[:, beside.index("Hips")] - middle, axis=-1)
    assert apart.max() < 0.3  # both in one body


def test_a_trunk_beside_the_hips_goes_along() -> None:
    """Hips and spine both hang from a root on the floor, which then carries the figure; the trunk stayed behind."""
    rng = np.random.default_rng(4)
    motion = some_motion(rng)
    hanging, mapping = some_rig(rng, sway=0.2)
    beside = reparented(hanging, {"Spine": "root"})
    moved = retarget(motion, beside, mapping)
    heads, _ = pose_rig(beside, moved)
    apart = np.linalg.norm(heads[:, beside.index("Spine")] - heads[:, beside.index("Hips")], axis=-1)
    assert moved.root_bone == "root" and apart.max() < 0.3 < np.ptp(heads[:, beside.index("Hips")], axis=0).max()


def test_legs_that_hang_from_nothing_are_refused_unless_constraints_carry_them() -> None:
    rng = np.random.default_rng(4)
    motion = some_motion(rng)
    rig, mapping = some_rig(rng)
    loose = reparented(rig, {"RightUpLeg": None})
    with pytest.raises(InputError, match=r"^The armature has legs that do not hang from 'Hips' \(Hips\), nor from a bone above it .*\.$"):
        retarget(motion, loose, mapping)
    held_by, placed_by = loose.held_by.copy(), loose.placed_by.copy()
    held_by[loose.index("RightUpLeg")] = placed_by[loose.index("RightUpLeg")] = loose.index("Hips")
    assert retarget(motion, dataclasses.replace(loose, held_by=held_by, placed_by=placed_by), mapping).root_bone == "Hips"


def test_the_motions_own_skeleton_is_moved_exactly() -> None:
    rng = np.random.default_rng(3)
    motion = some_motion(rng)
    rest = np.tile(np.eye(4), (21, 1, 1))
    heads = motion.skeleton.rest_positions()
    heads[:, 2] += 0.025 - heads[:, 2].min()
    rest[:, :3, :3] = rotations.to_matrix(rotations.normalise(rng.normal(size=(21, 4))))
    rest[:, :3, 3] = heads
    tails = heads + 0.1 * np.array([0, 0, 1.0])
    tails[[INDEX["LeftHand"], INDEX["RightHand"]]] = heads[[INDEX["LeftHand"], INDEX["RightHand"]]] + [[0.1, 0, 0], [-0.1, 0, 0]]
    rig = Rig(JOINTS, np.array([-1 if p is None else JOINTS.index(p) for p in JOINT_PARENTS.values()]), rest, tails, np.eye(4),
              ("XYZ",) * 21, np.zeros(21, bool), np.ones(21, bool), np.ones(21, bool), np.tile(rotations.IDENTITY, (21, 1)))
    moved = retarget(motion, rig, map_rig(rig))
    assert moved.placement.scale == pytest.approx(1) and np.abs(moved.placement.origin).max() < 1e-9
    there, turned = pose_rig(rig, moved)
    np.testing.assert_allclose(there, motion.joints_world(), atol=1e-9)
    wanted = motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)[1]
    assert rotations.angle_between(rotations.multiply(turned, rotations.inverse(rig.rest_rotations)), wanted).max() < 1e-6


def test_flat_feet_stay_flat_and_at_the_rigs_own_height() -> None:
    """The canonical T-pose, on a rig with steep feet that point outwards and high ankles: it stands on its floor as it did at rest."""
    rng = np.random.default_rng(0)
    motion = some_motion(rng, 2)
    standing = dataclasses.replace(
        motion, local_rotations=np.tile(rotations.IDENTITY, (2, 21, 1)),
        root_translation=np.tile([0, 0, 0.025 - motion.skeleton.rest_positions()[:, 2].min()], (2, 1)))
    rig, mapping = some_rig(rng, sway=0.0)
    rest = rig.rest.copy()
    for side, x in (("Left", 0.05), ("Right", -0.05)):
        foot = rest[rig.index(side + "Foot"), :3, 3]
        rest[rig.index(side + "Toe"), :3, 3] = foot + [x, -0.12, -0.09]
    rig = dataclasses.replace(rig, rest=rest, basis=np.tile(rotations.IDENTITY, (len(rig.names), 1)))
    moved = retarget(standing, rig, mapping)
    heads, _ = pose_rig(rig, moved)
    for joint in ("LeftFoot", "LeftToe", "RightFoot", "RightToe"):
        assert heads[0, rig.index(joint), 2] == pytest.approx(rest[rig.index(joint), 2, 3], abs=0.01)
    foot = (heads[0, rig.index("LeftToe")] - heads[0, rig.index("LeftFoot")]) @ moved.placement.turn
    assert foot[0] == pytest.approx(0, abs=1e-6) and foot[1] < -0.1


def test_legs_that_hang_from_the_lowest_bone_of_the_spine_turn_with_the_hips() -> None:
    """As in 3ds Max's Biped: that bone bent with the back, and the line of the hip joints was up to 21 degrees off."""
    rng = np.random.default_rng(6)
    motion = some_motion(rng)
    rig, plain = some_rig(rng, sway=0.0)
    rest = rig.rest.copy()
    rest[rig.index("root"), :3, 3] = rest[rig.index("Hips"), :3, 3] - [0.0, 0.0, 0.05]
    rig = dataclasses.replace(rig, rest=rest)
    mapping = dataclasses.replace(plain, joints=plain.joints | {"Hips": "root"}, spine=("Hips", *plain.spine))
    assert pelvic_bones(rig, mapping) == ("Hips",) and not pelvic_bones(rig, plain)
    assert not pelvic_bones(rig, dataclasses.replace(mapping, spine=("Hips",)))  # a trunk of one bone bends
    moved = retarget(motion, rig, mapping)
    heads, _ = pose_rig(rig, moved)
    there = {name: heads[:, i] for i, name in enumerate(rig.names)}
    here = {joint: motion.joints_world()[:, i] for joint, i in INDEX.items()}
    for a, b in (("LeftUpLeg", "RightUpLeg"), *LIMBS):
        np.testing.assert_allclose(directions(there, a, b), directions(here, a, b) @ moved.placement.turn.T, atol=1e-6)


@pytest.mark.parametrize("mode", ["QUATERNION", "AXIS_ANGLE", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_every_rotation_mode_gives_the_rotation_back_without_jumps(mode: str) -> None:
    t = np.linspace(0, 8, 400)[:, None]
    quaternions = rotations.continuous(rotations.from_rotation_vector(np.concatenate([2.5 * np.sin(t), 2 * np.cos(1.3 * t), t], axis=1)))
    path, values = rotation_channels(quaternions, mode)
    if mode == "QUATERNION":
        back = values
    elif mode == "AXIS_ANGLE":
        back = rotations.from_rotation_vector(values[:, :1] * values[:, 1:])
    else:
        back = rotations.from_euler(values[:, ["XYZ".index(a) for a in mode[::-1]]], mode[::-1])
    assert path == {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}.get(mode, "rotation_euler")
    assert rotations.angle_between(quaternions, back).max() < 1e-6
    # Euler angles turn fast near gimbal lock, but never by half a turn from one key to the next.
    assert np.abs(np.diff(values, axis=0)).max() < math.pi / 2


def test_a_bone_that_does_not_turn_has_quiet_channels() -> None:
    still = np.tile(rotations.IDENTITY, (4, 1))
    assert not np.abs(rotation_channels(still, "XYZ")[1]).any()
    np.testing.assert_array_equal(rotation_channels(still, "AXIS_ANGLE")[1], np.tile([0.0, 0.0, 1.0, 0.0], (4, 1)))


@pytest.mark.parametrize("rig_map", RIG_MAPS, ids=lambda m: m.name)
def test_every_map_finds_its_own_names_and_mirrors_them(rig_map: object) -> None:
    names = tuple(dict.fromkeys([a for j in JOINTS for a in rig_map.aliases(j)[:1]] + [*rig_map.spine, *rig_map.neck]))  # type: ignore[attr-defined]
    found = map_names(names, "The armature")
    assert found == apply_map(rig_map, names) and not found.missing  # type: ignore[arg-type]
    assert len(set(found.bones.values())) == len(found.bones)
    for joint in (j for j in found.bones if j.startswith("Left") and j != "Left"):
        assert found.bones["Right" + joint[4:]] == rig_map.right(found.bones[joint])  # type: ignore[attr-defined]


@pytest.mark.parametrize("prefix", ["mixamorig:", "mixamorig9:", "mixamorig", "MIXAMORIG_", "Character|mixamorig:", ""])
def test_mixamo_with_any_prefix(prefix: str) -> None:
    mixamo = next(m for m in RIG_MAPS if m.name == "Mixamo")
    limbs = [n for j in JOINTS for n in mixamo.aliases(j)[:1]]
    names = tuple(prefix + n for n in [*limbs, "Spine", "Spine1", "Spine2", "Neck"])
    found = map_names(names, "The armature")
    assert found.map_name == "Mixamo" and found.bones["Spine1"] == prefix + "Spine2" and found.bones["LeftToe"] == prefix + "LeftToeBase"


def test_what_does_not_fit_is_named_in_one_sentence() -> None:
    with pytest.raises(InputError, match=r"^The armature 'a' holds no figure that this add-on finds by its bones' names or .*\.$"):
        map_names(("Bone", "Bone.001"), "The armature 'a'")
    with pytest.raises(InputError, match=r"looks like the canonical skeleton but has no bone for LeftForeArm, and its"):
        map_names(tuple(j for j in JOINTS if j != "LeftForeArm"), "The armature")
    with pytest.raises(InputError, match="two figures"):
        map_names(tuple(p + j for p in ("a:", "b:") for j in JOINTS), "The armature")
    assert set(REQUIRED) <= set(JOINTS)
