"""The rest alignment is known where the canonical figure itself, posed and turned with its object, is the rig."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_retarget import pose_rig
from walking import own_rig, planted_walk

from core import rotations
from core.retarget import Mapping, Rig, map_rig, retarget
from core.retarget.alignment import facing, rest_alignment, stood_up
from core.retarget.placement import place
from core.skeleton import END_PARENTS, ENDS, INDEX, JOINT_PARENTS, JOINTS, Skeleton

SKELETON = Skeleton.mean()
X, Y, Z = np.eye(3)
WORLD_AXES = {"up": Z, "down": -Z, "back": Y, "left": X}
OFFSETS = dict(zip((*JOINTS, *ENDS), (*SKELETON.rest_offsets, *SKELETON.end_offsets)))
WAYS = np.array([next(OFFSETS[c] for c, parent in (JOINT_PARENTS | END_PARENTS).items() if parent == j) for j in JOINTS])
TRUNK = ("Hips", "Spine", "Neck", "Head")
Pose = dict[str, np.ndarray]


def turned(axis: np.ndarray, degrees: float) -> np.ndarray:
    return rotations.from_rotation_vector(np.radians(degrees) * axis)


def both(part: str, axis: np.ndarray, degrees: float) -> Pose:
    """A joint of both sides, mirrored."""
    mirrored = axis * [1.0, -1.0, -1.0]
    return {"Left" + part: turned(axis, degrees), "Right" + part: turned(mirrored, degrees)}


A_POSE = both("Arm", Y, 45)


def figure(pose: Pose, world: np.ndarray = rotations.IDENTITY, tails: np.ndarray | None = None, without: tuple[str, ...] = (),
           children: dict[str, list[list[float]]] | None = None) -> tuple[Rig, Mapping, np.ndarray]:
    """The canonical figure in a pose, soles at the object's origin, the object turned by `world` (4,); and its joints' rotations (21, 4).

    tails: where all of them point, (3,); else along the limbs. without: joints that it lacks. children: left joint -> where its unmapped
    children begin, (3,) metres from it as seen by the joint in the T-pose; the right one's are mirrored.
    """
    rig, mapping = own_rig(SKELETON)
    local = np.array([pose.get(j, rotations.IDENTITY) for j in JOINTS])
    heads, turns = SKELETON.forward_kinematics(local, np.zeros(3))
    heads = heads + [0.0, 0.0, 0.025 - SKELETON.rest_positions()[:, 2].min()]
    ends = heads + (rotations.rotate(turns, WAYS) if tails is None else 0.1 * tails)
    extra = [(side + part, np.array(at) * [sign, 1, 1]) for part, places in (children or {}).items() for at in places
             for side, sign in (("Left", 1.0), ("Right", -1.0))]
    keep = [i for i, j in enumerate(JOINTS) if j not in without]
    names = [JOINTS[i] for i in keep]
    parents = [names.index(p) if (p := JOINT_PARENTS[j]) else -1 for j in names] + [names.index(joint) for joint, _ in extra]
    places = np.array([heads[i] for i in keep] + [heads[INDEX[j]] + rotations.rotate(turns[INDEX[j]], at) for j, at in extra])
    count = len(places)
    rest = np.tile(np.eye(4), (count, 1, 1))
    rest[:, :3, 3] = places
    object_ = np.eye(4)
    object_[:3, :3], object_[:3, 3] = rotations.to_matrix(world), [1.0, 2.0, 0.3]
    yes = np.ones(count, bool)
    rig = Rig((*names, *(f"extra {i}" for i in range(len(extra)))), np.array(parents), rest,
              np.concatenate([ends[keep], places[len(keep):] + 0.05 * X]), object_, ("QUATERNION",) * count, ~yes, yes, yes,
              np.tile(rotations.IDENTITY, (count, 1)))
    mapping = dataclasses.replace(mapping, joints={j: b for j, b in mapping.joints.items() if j not in without})
    return rig, mapping, turns


def degrees_off(rig: Rig, mapping: Mapping, turns: np.ndarray, joints: tuple[str, ...]) -> float:
    """How far the alignment is from what takes the joints back to the T-pose, at most."""
    frame = facing(rig, mapping)
    aligned = rest_alignment(rig, mapping, SKELETON, frame)
    at_rest = rotations.from_matrix(frame.T @ rig.world[:3, :3])
    return max(float(np.degrees(rotations.angle_between(aligned[j], rotations.inverse(rotations.multiply(at_rest, turns[INDEX[j]])))))
               for j in joints)


ENDS_OF_LIMBS = tuple(side + part for side in ("Left", "Right") for part in ("Hand", "Foot"))
TOES = ("LeftToe", "RightToe")


@pytest.mark.parametrize("tails", WORLD_AXES)
def test_tails_along_an_axis_of_the_world_turn_neither_hands_nor_feet(tails: str) -> None:
    """Hands without fingers were off by 45 to 135 degrees, feet without toes by 90 or 180."""
    assert degrees_off(*figure(A_POSE, tails=WORLD_AXES[tails], without=TOES), ENDS_OF_LIMBS) < 1e-4


@pytest.mark.parametrize("along", [True, False], ids=["tails along limbs", "tails up"])
@pytest.mark.parametrize("children", [
    {"Hand": [[0.06, -0.03, -0.06]]}, {"Hand": [[0.03, -0.03, 0.0]]}, {"Hand": [[0.03, -0.03, 0.0], [0.02, 0.0, -0.05]]},
    {"Foot": [[0.0, 0.05, -0.06]]}, {"Foot": [[x, 0.05, -0.06] for x in (-0.03, 0.0, 0.03)]}, {"Foot": [[0.05, 0.0, 0.02]]}],
    ids=["socket", "thumb", "thumb and socket", "heel", "heel of three", "ornament"])
def test_what_a_hand_or_foot_carries_does_not_turn_it(children: dict[str, list[list[float]]], along: bool) -> None:
    """Hands were off by 45 to 48 degrees, feet by 90 or 180."""
    tails = None if along else Z
    assert degrees_off(*figure(A_POSE, tails=tails, without=TOES, children=children), ENDS_OF_LIMBS) < 1e-4


FINGERS = [[0.1, y, 0.0] for y in (-0.02, 0.0, 0.02)]


@pytest.mark.parametrize("fingers", [True, False])
def test_a_hand_that_is_bent_at_rest_is_believed(fingers: bool) -> None:
    pose = A_POSE | both("Hand", Y, 60)
    rig = figure(pose, tails=Z, children={"Hand": FINGERS}) if fingers else figure(pose)
    assert degrees_off(*rig, ENDS_OF_LIMBS) < 1e-4


def test_one_bone_that_goes_on_from_the_forearm_is_believed() -> None:
    pose = A_POSE | both("Hand", Y, 20)
    assert degrees_off(*figure(pose, tails=Z, children={"Hand": [[0.05, 0.0, 0.0]]}), ENDS_OF_LIMBS) < 1e-4


@pytest.mark.parametrize("without", [(), TOES], ids=["toes", "tails"])
def test_feet_that_are_turned_out_go_to_the_front(without: tuple[str, ...]) -> None:
    assert degrees_off(*figure(both("Foot", Z, 45), without=without), ENDS_OF_LIMBS) < 1e-4


@pytest.mark.parametrize("without", [(), TOES], ids=["toes", "tails"])
@pytest.mark.parametrize("degrees", [30, 60])
def test_feet_on_their_toes_keep_their_slope(degrees: float, without: tuple[str, ...]) -> None:
    rig, mapping, _ = figure(both("Foot", X, degrees), without=without)
    assert degrees_off(rig, mapping, np.tile(rotations.IDENTITY, (21, 1)), ENDS_OF_LIMBS) < 1e-4


def test_feet_that_point_backwards_are_not_turned_upside_down() -> None:
    for yaw in (10, 70, 130):
        assert degrees_off(*figure(both("Foot", Z, 180), turned(Z, yaw)), ENDS_OF_LIMBS) < 1e-4


def test_a_limb_whose_end_is_not_mapped_goes_on_straight_where_tails_mean_nothing() -> None:
    """Forearms and shins pointed along their tails."""
    straight = figure(A_POSE, tails=-Y, without=(*ENDS_OF_LIMBS, *TOES))
    assert degrees_off(*straight, ("LeftForeArm", "LeftLeg")) < 1e-4
    bent = figure(A_POSE | both("ForeArm", Z, -80), tails=-Y, without=(*ENDS_OF_LIMBS, *TOES), children={"ForeArm": [[0.24, 0.0, 0.0]]})
    assert degrees_off(*bent, ("LeftForeArm", "RightForeArm")) < 1e-4


EVERYWHERE = (*TRUNK, *ENDS_OF_LIMBS, "LeftArm", "RightLeg")
YAW = turned(Z, 70)


@pytest.mark.parametrize("axis", [X, Y], ids=["forwards", "sideways"])
@pytest.mark.parametrize("degrees", [-55, -45, -20, 10, 20, 25, 40, 55])
@pytest.mark.parametrize("without", [(), TOES], ids=["toes", "no toes"])
def test_a_tilted_object_is_stood_up(axis: np.ndarray, degrees: float, without: tuple[str, ...]) -> None:
    """Feet and head kept up to 27 degrees of the tilt."""
    tilt = rotations.multiply(YAW, turned(axis, degrees))
    assert degrees_off(*figure(A_POSE, tilt, without=without), EVERYWHERE) < 0.1


CROUCH = both("UpLeg", X, -50) | both("Leg", X, 90) | both("Foot", X, -40)
BOW = {"Spine": turned(X, 40)}
LEAN = {"Hips": turned(X, 20)} | both("Foot", X, -20)
KNEES = {"Hips": turned(X, -30)} | both("Leg", X, 30)


@pytest.mark.parametrize(("pose", "without"), [(CROUCH, TOES), (BOW, TOES), (KNEES, TOES), (LEAN, ())],
                         ids=["crouch", "bow", "knees", "lean on flat feet"])
def test_who_crouches_bows_or_leans_is_not_stood_up(pose: Pose, without: tuple[str, ...]) -> None:
    rig, mapping, _ = figure(A_POSE | pose, YAW, without=without)
    assert rotations.angle_between(stood_up(rig, mapping, SKELETON, facing(rig, mapping)), rotations.IDENTITY) < 1e-6


@pytest.mark.parametrize("pose", [{}, CROUCH, BOW, LEAN], ids=["straight", "crouch", "bow", "lean on flat feet"])
def test_a_little_more_tilt_never_makes_a_jump(pose: Pose) -> None:
    before = None
    for degrees in np.arange(-90.0, 91.0):
        rig, mapping, _ = figure(A_POSE | pose, turned(X, degrees))
        frame = facing(rig, mapping)
        placement, up = place(SKELETON, rig, mapping, frame), stood_up(rig, mapping, SKELETON, frame)
        if before is not None:
            assert np.degrees(rotations.angle_between(up, before[0])) < 5.0 and abs(placement.origin[2] - before[1]) < 0.02
        before = up, placement.origin[2]


LYING = {"face up": turned(X, -90), "face down": turned(X, 90), "left side": turned(Y, 90), "right side": turned(Y, -90),
         "between back and side": rotations.multiply(turned(Y, 45), turned(X, -90)), "upside down": turned(X, 180),
         "upside down, other way": turned(Y, 180), "nearly upside down": turned(X, 179)}


@pytest.mark.parametrize("yaw", [0, 70, 180])
@pytest.mark.parametrize("lying", LYING)
def test_however_a_rig_lies_it_is_stood_up(lying: str, yaw: float) -> None:
    """On a turned side limbs were off by 38 to 179 degrees; exactly upside down a rig was back to front."""
    assert degrees_off(*figure(A_POSE, rotations.multiply(turned(Z, yaw), LYING[lying])), EVERYWHERE) < 0.1


@pytest.mark.parametrize("slope", [-20, 0, 5, 20, 30])
@pytest.mark.parametrize("lying", [*LYING, "upright", "tilted"])
def test_however_a_rig_lies_its_names_are_believed(lying: str, slope: float) -> None:
    """Feet that go down steeply were taken for ones that point to the back, and all sides exchanged."""
    bent = A_POSE | both("Foot", X, slope)
    world = LYING.get(lying, turned(X, 80 if lying == "tilted" else 0))
    assert map_rig(figure(bent, world)[0]).joints["LeftFoot"] == "LeftFoot"


@pytest.mark.parametrize("knee", [60, 90, 130])
def test_whoever_kneels_has_feet_that_point_to_the_back(knee: float) -> None:
    for bend in (-knee, knee):
        kneeling = A_POSE | both("Leg", X, bend) | both("Foot", X, 60)
        assert map_rig(figure(kneeling)[0]).joints["LeftFoot"] == "LeftFoot"


@pytest.mark.parametrize("yaw", [0, 70, 180])
@pytest.mark.parametrize(("lying", "column", "kept"), [
    ("left side", 1, Y), ("right side", 1, Y), ("face up", 0, X), ("face down", 0, X), ("upside down", 0, X),
    ("upside down, other way", 0, X), ("nearly upside down", 0, X)])
def test_where_a_lying_rig_faces(lying: str, column: int, kept: np.ndarray, yaw: float) -> None:
    """On its side: where its front lies. On its back, its front or its head: its left stays its left."""
    world = rotations.multiply(turned(Z, yaw), LYING[lying])
    frame = facing(*figure(A_POSE, world)[:2])
    assert np.allclose(frame.T @ frame, np.eye(3)) and np.allclose(frame[:, 2], Z) and np.linalg.det(frame) > 0
    assert frame[:, column] @ rotations.rotate(world, kept) > 0.999


@pytest.mark.parametrize("lying", [*LYING, "tilted"])
def test_the_floor_of_a_lying_rig_is_at_its_origin(lying: str) -> None:
    """Soles ended up to 122 mm below."""
    rig, mapping, _ = figure(A_POSE, LYING.get(lying, turned(X, 20)))
    assert place(SKELETON, rig, mapping, facing(rig, mapping)).origin[2] == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("lying", ["face up", "face down", "upside down"])
def test_feet_that_are_planted_stand_on_the_floor_of_a_lying_rig(lying: str) -> None:
    """Ankles were planted as high above the floor as the lying rig's are: up to 172 mm too low."""
    motion, heights = planted_walk(30), []
    for world in (rotations.IDENTITY, LYING[lying]):
        rig, mapping, _ = figure(A_POSE, world)
        heads, _ = pose_rig(rig, retarget(motion, rig, mapping))
        heights.append(heads[:, [rig.index("LeftFoot"), rig.index("RightFoot")], 2])
    np.testing.assert_allclose(heights[1], heights[0], atol=1e-6)


@pytest.mark.parametrize("lying", ["face up", "left side"])
def test_an_origin_that_is_far_away_is_no_floor(lying: str) -> None:
    rig, mapping, _ = figure(A_POSE, LYING[lying])
    raised = dataclasses.replace(rig, rest=rig.rest.copy())
    raised.rest[:, :3, 3] += rotations.rotate(rotations.inverse(LYING[lying]), 5.0 * Z)
    assert place(SKELETON, raised, mapping, facing(raised, mapping)).origin[2] == pytest.approx(5.3, abs=0.35)


@pytest.mark.parametrize("pose", [{}, CROUCH, BOW], ids=["straight", "crouch", "bow"])
def test_the_floor_of_a_standing_rig_is_under_its_feet_wherever_its_origin_is(pose: Pose) -> None:
    rig, mapping, _ = figure(A_POSE | pose)
    raised = dataclasses.replace(rig, rest=rig.rest.copy())
    raised.rest[:, 2, 3] += 1.0
    floor = rig.heads_world[rig.index("LeftFoot"), 2] + SKELETON.rest_offsets[INDEX["LeftToe"], 2] - 0.025
    assert place(SKELETON, rig, mapping, facing(rig, mapping)).origin[2] == pytest.approx(floor)
    assert place(SKELETON, raised, mapping, facing(raised, mapping)).origin[2] == pytest.approx(floor + 1.0)
