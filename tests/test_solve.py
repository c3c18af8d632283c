"""core.solve: synthetic motions come back; odd input gives a sane result or one sentence."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from synthetic import Lifted, Listener, Scene, about_hips, film, jump, walk, wander
from walking import planted_walk

from core import rotations
from core.corrections import corrected
from core.errors import Cancelled, InputError
from core.evaluate import below_floor
from core.events import Reporter
from core.export.bvh import read_bvh
from core.flips import by_continuity, exchanged
from core.keypoints import ATTACHMENTS, CANONICAL, CONVENTIONS, LIMB_KEYPOINTS, Keypoints
from core.lift import lift, resolve_lifter
from core.motion import Motion
from core.runs import runs
from core.skeleton import INDEX, JOINTS, PARENTS, Skeleton
from core.solve import Choices, solve
from core.solve.body import Body
from core.solve.contacts import FLESH, FOOT_POINTS
from core.solve.quality import sentences
from core.solve.world import never_upright

SHARED = Path(os.environ.get("VIDEO_MOCAP_SHARED", Path(__file__).parents[2] / "shared"))


FLOATING = Choices(contacts=False, ground=False)


def solved(scene: Scene, stature: float | None = None, choices: Choices | None = None) -> Motion:
    motion = solve(scene.lifted, scene.keypoints, scene.K, stature, choices=choices)
    check(motion)
    return motion


def check(motion: Motion) -> None:
    """What holds for every result."""
    for value in (motion.local_rotations, motion.root_translation, motion.confidence, motion.camera.R, motion.camera.t,
                  motion.skeleton.rest_offsets, motion.skeleton.end_offsets):
        assert np.isfinite(value).all()
    assert np.allclose(np.linalg.norm(motion.local_rotations, axis=-1), 1)
    assert (np.sum(motion.local_rotations[1:] * motion.local_rotations[:-1], axis=-1) >= 0).all()
    assert motion.confidence.min() >= 0 and motion.confidence.max() <= 1
    joints = motion.joints_world()
    lengths = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-9
    bones = motion.skeleton.bone_lengths
    for name in JOINTS:
        if name.startswith("Left"):
            assert bones[INDEX[name]] == pytest.approx(bones[INDEX[name.replace("Left", "Right")]])


def error(motion: Motion, scene: Scene) -> np.ndarray:
    """(T, 21) metres, about the hips."""
    return np.linalg.norm(about_hips(motion.joints_camera()) - about_hips(scene.joints), axis=-1)


def somebody(seed: int, stature: float) -> Skeleton:
    """A body whose thighs, shins, arms, hips and shoulders differ from the mean adult's by some percent each, both sides alike."""
    generator, mean = np.random.default_rng(seed), Skeleton.mean(stature)
    offsets = mean.rest_offsets.copy()
    for name in ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand"):
        factor = generator.uniform(0.93, 1.07)
        for side in ("Left", "Right"):
            offsets[INDEX[f"{side}{name}"]] *= [factor, 1.0, 1.0] if name in ("UpLeg", "Arm") else factor
    return Skeleton(offsets, mean.end_offsets)


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking a failure would take minutes
@given(st.integers(0, 2**31), st.floats(-3.1, 3.1), st.floats(-0.1, 0.4), st.floats(1.3, 2.1))
def test_noise_free_motion_comes_back(seed: int, azimuth: float, tilt: float, stature: float) -> None:
    """Within 1 mm and half a degree; but for what no point shows (how the spine's bend is shared out, twist within neck and forearm)."""
    scene = film(*wander(seed, 45), azimuth, tilt, distance=3 * stature, skeleton=somebody(seed, stature))
    motion = solved(scene, choices=FLOATING)
    limbs = [INDEX[ATTACHMENTS[n][0]] for n in LIMB_KEYPOINTS]
    off = error(motion, scene)
    assert off[:, limbs].mean(0).max() < 0.001 and off.mean() < 0.001 and off[:, INDEX["Spine1"]].mean() < 0.02
    turned = [motion.skeleton.forward_kinematics(motion.local_rotations, motion.root_translation)[1],
              scene.skeleton.forward_kinematics(scene.local, scene.root)[1]]
    views = [rotations.from_matrix(motion.camera.R)[:, None], rotations.from_matrix(scene.view)]
    turned_off = np.degrees(rotations.angle_between(*(rotations.multiply(v, q) for v, q in zip(views, turned, strict=True))))
    evident = [INDEX[n] for n in ("Hips", "Head")] + [INDEX[f"{s}{n}"] for s in ("Left", "Right")
                                                      for n in ("UpLeg", "Leg", "Foot", "Arm", "Hand")]
    assert turned_off[:, evident].mean() < 0.5
    assert np.linalg.norm(motion.joints_camera()[:, 0] - scene.joints[:, 0], axis=-1).mean() < 0.025 * 3 * stature


@pytest.mark.skipif(not (SHARED / "mocap").is_dir(), reason="the mocap pack is not here")
@pytest.mark.parametrize("clip", ["val/55_02*", "val/49_08*", "train/02_04*"])
def test_noise_free_mocap_comes_back(clip: str) -> None:
    take = read_bvh(next((SHARED / "mocap").glob(clip)))
    cut = slice(60, 260, 2)
    scene = film(take.local_rotations[cut], take.root_translation[cut], azimuth=0.9)
    motion = solved(scene)
    assert error(motion, scene).mean() < 0.005
    speed = np.linalg.norm(np.diff(about_hips(scene.joints), axis=0), axis=-1).max(0)
    again = np.linalg.norm(np.diff(about_hips(motion.joints_camera()), axis=0), axis=-1).max(0)
    limbs = [INDEX[f"{s}{j}"] for s in ("Left", "Right") for j in ("Hand", "Foot")]
    assert again[limbs] == pytest.approx(speed[limbs], rel=0.15)


def test_noise_is_taken_out_and_fast_motion_stays() -> None:
    scene = film(*walk(90), azimuth=1.2, noise=0.03, pixels=4.0)
    motion = solved(scene)
    raw = np.linalg.norm(about_hips(scene.lifted.positions[:, :21]) - about_hips(scene.joints), axis=-1)
    assert error(motion, scene).mean() < 0.55 * raw.mean()
    truth = about_hips(scene.joints)

    def jitter(joints: np.ndarray) -> float:
        return float(np.linalg.norm(np.diff(about_hips(joints) - truth, n=2, axis=0), axis=-1).mean())

    assert jitter(motion.joints_camera()) < 0.12 * jitter(scene.lifted.positions[:, :21])
    speed = [np.linalg.norm(np.diff(about_hips(j), axis=0), axis=-1).max(0)[INDEX["LeftFoot"]] for j in (motion.joints_camera(), truth)]
    assert speed[0] == pytest.approx(speed[1], rel=0.15)


@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.floats(-3, 3))
def test_turning_the_person_turns_nothing_but_the_camera(angle: float) -> None:
    """The world is fixed to the person, so the result hardly knows from where the camera looked."""
    local, root = walk(40)
    a, b = (solved(film(local, root, azimuth=azimuth)) for azimuth in (0.4, 0.4 + angle))
    assert np.linalg.norm(about_hips(a.joints_world()) - about_hips(b.joints_world()), axis=-1).mean() < 0.01
    way = [m.joints_world()[:, 0] - m.joints_world()[0, 0] for m in (a, b)]
    assert np.abs(way[0] - way[1]).max() < 0.2  # of 1.6 m: depth is what the picture says least about


@pytest.mark.parametrize("take", ["walk", "jump"])
def test_mirrored_input_gives_the_mirrored_motion(take: str) -> None:
    """Noise must not tip it: the jump's wrists were 40 mm apart while the pelvis started from the left hip."""
    from core.skeleton import mirror_name

    scene = film(*(walk(40) if take == "walk" else jump(Skeleton.mean(1.7), 30.0, 0.5)), azimuth=0.5, noise=0.02, pixels=2.0)
    a = solved(scene)
    flip = np.array([-1.0, 1, 1])
    order = [scene.lifted.names.index(mirror_name(n)) for n in scene.lifted.names]
    lifted = Lifted(scene.lifted.names, (scene.lifted.positions * flip)[:, order], scene.lifted.sigma)
    columns = [CANONICAL.index(mirror_name(n)) for n in CANONICAL]
    xy = (scene.keypoints.xy * [-1, 1] + [1280, 0])[:, columns]
    b = solve(lifted, scene.keypoints.replace(xy=xy), scene.K)
    joints = [INDEX[mirror_name(n)] for n in JOINTS]
    assert np.abs(a.joints_world() - (b.joints_world() * flip)[:, joints]).max() < 0.001


@pytest.mark.parametrize(("fps", "noise", "seed"), [(30.0, 0.03, 0), (60.0, 0.03, 1), (240.0, 0.02, 1)])
def test_no_limb_winds_once_around(fps: float, noise: float, seed: int) -> None:
    """Noisy first poses that step by nearly half a turn wound a limb around, and the fit left the whole turn in a few frames."""
    scene = film(*wander(seed, int(3 * fps), fps), fps=fps, noise=noise, pixels=2.0, seed=seed)
    turned = rotations.continuous(solved(scene).local_rotations)
    for frames in range(1, int(0.25 * fps) + 1):
        assert (turned[frames:] * turned[:-frames]).sum(-1).min() > -0.7


@pytest.mark.parametrize(("length", "picture", "network"), [(6, True, True), (36, True, True), (36, False, True), (36, True, False)])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_body_that_is_the_other_way_round_for_a_while_is_turned_back(seed: int, length: int, picture: bool, network: bool) -> None:
    scene = film(*wander(seed, 90), azimuth=0.3 * seed, distance=8.0)
    states = np.zeros(90, dtype=int)
    states[30:30 + length] = 1
    names, lifted, keypoints = scene.lifted.names, scene.lifted, scene.keypoints
    if network:
        lifted = Lifted(names, exchanged(lifted.positions, names, states, reflect=True), lifted.sigma)
    if picture:
        keypoints = keypoints.replace(xy=exchanged(keypoints.xy, CANONICAL, states))
    assert error(solve(lifted, keypoints, scene.K), scene).mean(1).max() < 0.04  # 0.25 to 0.5 where it is left


def turned_about(fps: float, turn: float, back: float, unseen: float) -> tuple[Scene, np.ndarray]:
    """Somebody who faces the camera, turns about in `turn` seconds, stays so for `back` seconds and turns again; `unseen` seconds of
    each turn are missing. And the frames between the turns."""
    frames = round((2.0 + back + 2 * turn) * fps)
    time = np.arange(frames) / fps
    local, root = wander(0, frames, fps)
    share = [np.clip((time - start) / turn, 0, 1) for start in (1.0, 1.0 + turn + back)]
    heading = np.pi * (share[0] ** 2 * (3 - 2 * share[0]) - share[1] ** 2 * (3 - 2 * share[1]))
    local[:, 0] = rotations.from_rotation_vector(heading[:, None] * [0.0, 0.0, 1.0])
    scene = film(local, 0.0 * root + [0, 0, 0.95], azimuth=0.0, fps=fps, noise=0.02, pixels=1.5)
    gone = np.any([np.abs(time - middle) < unseen / 2 for middle in (1.0 + turn / 2, 1.0 + 1.5 * turn + back)], axis=0)
    lifted = Lifted(scene.lifted.names, np.where(gone[:, None, None], np.nan, scene.lifted.positions),
                    np.where(gone[:, None], np.inf, 0.0 * scene.lifted.sigma + 0.05))
    keypoints = scene.keypoints.replace(xy=np.where(gone[:, None, None], np.nan, scene.keypoints.xy),
                                        confidence=np.where(gone[:, None], 0.0, scene.keypoints.confidence))
    return dataclasses.replace(scene, lifted=lifted, keypoints=keypoints), (time > 1.0 + turn) & (time < 1.0 + turn + back)


@pytest.mark.parametrize("take", [(10.0, 0.4, 0.6, 0.1), (15.0, 0.2, 1.5, 0.1), (30.0, 0.3, 1.2, 0.2), (30.0, 0.3, 0.6, 0.0)])
def test_who_turns_about_is_left_as_seen(take: tuple[float, float, float, float]) -> None:
    scene, between = turned_about(*take)
    motion = solved(scene, 1.7)
    assert error(motion, scene)[between].mean() < 0.05
    assert not any("other way round" in s for s in motion.meta["quality"]["bad_ranges"])


def test_legs_alone_that_the_picture_exchanges_go_by_the_lifted_body() -> None:
    scene = film(*walk(60), azimuth=0.4)
    legs = np.zeros(60, dtype=int)
    legs[20:35] = 3
    xy = exchanged(scene.keypoints.xy, CANONICAL, legs)
    assert not np.allclose(xy, scene.keypoints.xy)
    assert error(solve(scene.lifted, scene.keypoints.replace(xy=xy), scene.K), scene).mean(1).max() < 0.01


def test_what_was_turned_back_is_said() -> None:
    scene = film(*wander(1, 60), distance=6.0)
    states = np.zeros(60, dtype=int)
    states[20:40] = 1
    lifted = Lifted(scene.lifted.names, exchanged(scene.lifted.positions, scene.lifted.names, states, reflect=True), scene.lifted.sigma)
    said = solve(lifted, scene.keypoints, scene.K).meta["quality"]["bad_ranges"]
    assert any(s.startswith("frames 21 to 40: left and right") for s in said)


def test_sides_exchanged_for_a_second_cost_little_on_the_whole_path() -> None:
    scene = film(*walk(90), azimuth=0.9, tilt=0.1, pixels=1.5)
    states = np.zeros(90, dtype=int)
    states[30:62] = 1
    mended = by_continuity(scene.keypoints.replace(xy=exchanged(scene.keypoints.xy, CANONICAL, states)))
    network = resolve_lifter("temporal", "cpu")
    clean, ours = (error(solve(lift(k, scene.K, network), k, scene.K, 1.7), scene).mean() for k in (scene.keypoints, mended))
    assert ours < clean + 0.01  # 0.07 more where it is left


def test_the_world_stands_on_its_feet() -> None:
    scene = film(*walk(90), azimuth=1.3, tilt=0.2)
    motion = solved(scene)
    up_error = np.degrees(np.arccos(np.clip(motion.camera.R[0, :, 2] @ scene.view[:, 2], -1, 1)))
    assert up_error < 6
    joints = motion.joints_world()
    assert np.abs(joints[:10, 0, :2].mean(0)).max() < 0.3
    went = joints[-1, 0] - joints[0, 0]
    assert went[1] < -2.8 and abs(went[0]) < 0.5 and abs(went[2]) < 0.35
    forward = -rotations.to_matrix(motion.local_rotations[:, 0])[0, :, 1]
    assert forward[1] < -0.9
    assert -0.1 < joints[:, [INDEX["LeftToe"], INDEX["RightToe"]], 2].min() < 0.1


def test_stature_sets_the_size() -> None:
    scene = film(*walk(30), stature=1.7)
    motion = solved(scene, stature=1.9)
    assert motion.skeleton.stature == pytest.approx(1.9, abs=1e-6)
    ratio = motion.joints_camera()[:, 0, 2].mean() / scene.joints[:, 0, 2].mean()
    assert ratio == pytest.approx(1.9 / scene.skeleton.stature, rel=0.03)
    np.testing.assert_allclose(motion.confidence, solved(scene, stature=1.1).confidence, atol=1e-9)  # how well seen is no matter of size


def test_a_planted_foot_does_not_move_and_none_goes_through_the_floor() -> None:
    local, root = walk(90)
    scene = film(local, root, azimuth=1.3, noise=0.03, pixels=3.0)
    motion = solved(scene)
    feet = Body(motion.skeleton, FOOT_POINTS).pose(motion.local_rotations, motion.root_translation).points
    assert motion.contacts.any()
    for point in range(4):
        for start, stop in runs(motion.contacts[:, point]):
            assert np.ptp(feet[start:stop, point], axis=0).max() < 0.002
    assert (feet[..., 2] - FLESH).min() > -0.005


@pytest.mark.parametrize("fps", [8.0, 30.0])
@pytest.mark.parametrize("rolling", [False, True])
def test_a_walk_stands_where_it_stood(fps: float, rolling: bool) -> None:
    """Steps are found at any frame rate, and ground and planted feet do not move the walk."""
    steps = planted_walk(round(3 * fps), fps, rolling)
    scene = film(steps.local_rotations, steps.root_translation, azimuth=0.9, tilt=0.15, fps=fps)
    motion = solved(scene)
    assert np.abs(motion.joints_camera()[:, 0] - scene.joints[:, 0]).max() < 0.015
    assert (motion.contacts & steps.contacts).sum() > 0.8 * steps.contacts.sum()
    assert (motion.contacts & ~steps.contacts).sum() < 0.15 * motion.contacts.sum()


def test_feet_of_which_only_ankles_are_seen_do_not_skate() -> None:
    steps = planted_walk(120, rolling=True)
    scene = film(steps.local_rotations, steps.root_translation, azimuth=0.8, tilt=0.12, distance=5.0, noise=0.03, pixels=1.5)
    motion = solve(scene.lifted, scene.keypoints.select(CONVENTIONS["coco17"]), scene.K, 1.7)
    feet = Body(motion.skeleton, FOOT_POINTS).pose(motion.local_rotations, motion.root_translation).points
    standing = steps.contacts[1:] & steps.contacts[:-1]
    assert np.linalg.norm(np.diff(feet, axis=0), axis=-1)[standing].mean() < 0.0005
    assert (motion.contacts == steps.contacts).mean() > 0.92


@pytest.mark.parametrize("contacts", [True, False])
def test_feet_that_are_seen_beneath_the_floor_stay_on_it(contacts: bool) -> None:
    scene = film(*walk(90), azimuth=1.3, noise=0.01, pixels=1.0)
    low = [scene.lifted.names.index(f"Right{n}") for n in ("Foot", "Toe")] + [scene.lifted.names.index("r_heel")]
    positions, xy = scene.lifted.positions.copy(), scene.keypoints.xy.copy()
    positions[40:60, low] += 0.12 * -scene.view[:, 2]
    seen = [CANONICAL.index(n) for n in ("r_ankle", "r_heel", "r_toe")]
    xy[40:60, seen, 1] += 0.12 * scene.K[0, 0] / scene.joints[40:60, :1, 2]
    motion = solve(Lifted(scene.lifted.names, positions, scene.lifted.sigma), scene.keypoints.replace(xy=xy), scene.K,
                   choices=Choices(contacts=contacts))
    feet = Body(motion.skeleton, FOOT_POINTS).pose(motion.local_rotations, motion.root_translation).points
    assert (feet[..., 2] - FLESH).min() > -0.01


def test_a_known_camera() -> None:
    scene = film(*walk(60), azimuth=1.3, tilt=0.3)
    motion = solved(scene, choices=Choices(camera_pitch=0.3))
    assert motion.meta["quality"]["camera_tilt_deg"] == pytest.approx(np.degrees(0.3), abs=0.5)
    height = -(motion.camera.R[0].T @ motion.camera.t[0])[2]  # of the camera's place
    taller = solved(scene, choices=Choices(camera_pitch=0.3, camera_height=1.2 * height))
    assert taller.skeleton.stature == pytest.approx(1.2 * motion.skeleton.stature, rel=0.03)
    assert -(taller.camera.R[0].T @ taller.camera.t[0])[2] == pytest.approx(1.2 * height, rel=1e-6)
    with pytest.raises(InputError, match="the person would be"):
        solved(scene, choices=Choices(camera_pitch=0.3, camera_height=10 * height))


def test_a_camera_height_alone_does_not_spoil_the_size() -> None:
    """Up was off by 3 degrees, so the floor beneath the feet by 20 cm, and the person was solved 15 % too small; people differ by 6 %."""
    steps = planted_walk(45, rolling=True)
    for seed, azimuth, tilt, distance in ((0, 0.3, 0.0, 4.5), (1, -2.0, 0.1, 6.0)):
        scene = film(steps.local_rotations, steps.root_translation, azimuth, tilt, distance, noise=0.03, pixels=3.0, seed=seed)
        motion = solved(scene, choices=Choices(camera_height=float(scene.root[:, 2].mean() + distance * np.sin(tilt))))
        assert motion.skeleton.stature == pytest.approx(1.7, rel=0.07)
    reporter = Listener()
    solve(scene.lifted, scene.keypoints, scene.K, choices=Choices(camera_height=0.6 * float(scene.root[:, 2].mean() + 0.6)),
          reporter=reporter)
    assert sum("its pitch is only estimated" in sentence for sentence in reporter.warnings) == 1
    with pytest.raises(InputError, match="the person would be"):
        solved(scene, choices=Choices(camera_height=30.0))


@pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0])
def test_a_picture_that_is_turned_is_told_of(degrees: float) -> None:
    scene, reporter = film(*walk(30), noise=0.01, pixels=1.0, roll=np.radians(degrees)), Listener()
    solve(scene.lifted, scene.keypoints, scene.K, 1.7, reporter)
    assert ["rotate the video" in s for s in reporter.warnings] == [True] * (degrees > 0)


def test_who_bows_deeply_is_upright_all_the_same() -> None:
    ankles, hips, neck = (np.tile(p, (9, 1)) for p in ([0.0, 0.0, 0.1], [0.0, 0.3, 0.9], [0.0, -0.1, 0.8]))
    assert not never_upright(ankles, hips, neck)
    quarter = rotations.from_rotation_vector(np.array([0.0, np.pi / 2, 0.0]))
    assert never_upright(*(rotations.rotate(quarter, p) for p in (ankles, hips, neck)))


@pytest.mark.parametrize("degrees", [-10.0, 0.0, 5.0])
@pytest.mark.parametrize("azimuth", [0.3, 1.5])
def test_up_under_a_rolled_camera(degrees: float, azimuth: float) -> None:
    scene = film(*walk(60), azimuth=azimuth, noise=0.01, pixels=1.0, roll=np.radians(degrees))
    up = solved(scene).camera.R[0, :, 2]
    assert np.degrees(np.arccos(np.clip(up @ scene.view[:, 2], -1, 1))) < 4.5


def test_frames_that_are_stamped_in_bursts_are_believed_as_even_ones_are() -> None:
    """2 ms and 65 ms apart in turn: by the median step they counted a fifteenth each, and contacts of less than 50 frames none."""
    steps = planted_walk(90)
    scene = film(steps.local_rotations, steps.root_translation, azimuth=0.9, tilt=0.1, noise=0.01, pixels=1.0)
    even = scene.keypoints.times
    bursts = np.where(np.arange(90) % 2, np.roll(even, 1) + 0.002, even)
    contacts = [solve(scene.lifted, scene.keypoints.replace(times=times), scene.K).contacts.mean() for times in (even, bursts)]
    assert contacts[0] > 0.3 and contacts[1] > 0.7 * contacts[0]


@pytest.mark.parametrize("lean", [-35.0, 35.0])
def test_legs_that_nobody_sees_do_not_tilt_the_world(lean: float) -> None:
    """Behind a table for most of the take; the network guesses that they lean towards the camera or away from it."""
    scene = film(*walk(90), azimuth=0.6, tilt=0.15, noise=0.01, pixels=1.0)
    confidence, positions, sigma = scene.keypoints.confidence.copy(), scene.lifted.positions.copy(), scene.lifted.sigma.copy()
    legs = [i for i, n in enumerate(CANONICAL) if n[2:] in ("knee", "ankle", "heel", "toe")]
    guessed = [i for i, n in enumerate(scene.lifted.names) if n[2:] in ("heel", "toe") or n.endswith(("Leg", "Foot", "Toe", "ToeEnd"))]
    confidence[25:, legs], sigma[25:, guessed] = 0.0, 0.15
    turn = rotations.to_matrix(rotations.from_rotation_vector(np.radians([lean, 0.0, 0.0])))
    positions[25:, guessed] = positions[25:, guessed] @ turn.T
    motion = solve(Lifted(scene.lifted.names, positions, sigma), scene.keypoints.replace(confidence=confidence), scene.K)
    assert np.degrees(np.arccos(motion.camera.R[0, :, 2] @ scene.view[:, 2])) < 2.5  # 3.1 at 35 with them, 2.0 without


@pytest.mark.parametrize("tilt", [0.0, 25.0, 50.0])
def test_up_under_a_tilted_camera(tilt: float) -> None:
    scene = film(*walk(60), azimuth=0.6, tilt=np.radians(tilt), distance=6.0, noise=0.01, pixels=1.0)
    up = solved(scene).camera.R[0, :, 2]
    assert np.degrees(np.arccos(np.clip(up @ scene.view[:, 2], -1, 1))) < 3


def test_a_camera_high_above_is_no_traceback() -> None:
    scene = film(*walk(40), tilt=np.radians(65.0), distance=6.0)
    solved(scene, stature=1.7)
    told = solved(scene, stature=1.7, choices=Choices(camera_pitch=np.radians(65.0))).camera.R[0, :, 2]
    assert np.degrees(np.arccos(np.clip(told @ scene.view[:, 2], -1, 1))) < 3


def test_more_frames_of_the_same_errors_say_no_more() -> None:
    """What 120 frames a second show four times is believed as 30 are."""
    local, root = walk(120)
    wrong = np.repeat(np.random.default_rng(3).normal(0, 0.03, (30, len(film(local, root).lifted.names), 3)), 4, axis=0)
    shake = {}
    for rate, every in ((120.0, 1), (30.0, 4)):
        scene = film(local[::every], root[::every], fps=rate)
        lifted = Lifted(scene.lifted.names, scene.lifted.positions + wrong[::every], np.full(scene.lifted.sigma.shape, 0.05))
        joints = solve(lifted, scene.keypoints, scene.K, choices=FLOATING).joints_camera()
        off = (about_hips(joints) - about_hips(scene.joints))[:: 4 // every]
        shake[rate] = np.linalg.norm(off, axis=-1).mean()
    assert shake[120.0] == pytest.approx(shake[30.0], rel=0.25)


def test_what_joints_like_weighs_as_much_at_any_frame_rate() -> None:
    """A bowed head that is hardly known: evidence and priors settle on the same compromise."""
    local, root = walk(120)
    local[:, INDEX["Neck"]] = rotations.from_rotation_vector(np.array([0.7, 0.0, 0.0]))
    bent = {}
    for rate, every in ((120.0, 1), (30.0, 4)):
        scene = film(local[::every], root[::every], fps=rate)
        unsure = Lifted(scene.lifted.names, scene.lifted.positions, np.full(scene.lifted.sigma.shape, 0.2))
        blind = scene.keypoints.replace(confidence=np.full_like(scene.keypoints.confidence, 0.1))
        motion = solve(unsure, blind, scene.K, choices=FLOATING)
        bent[rate] = np.degrees(np.linalg.norm(rotations.to_rotation_vector(motion.local_rotations[:, INDEX["Neck"]]), axis=-1).mean())
    assert 3 < bent[30.0] < 37 and bent[120.0] == pytest.approx(bent[30.0], abs=1.0)


@pytest.mark.parametrize("smooth", ["none", "strong"])
def test_smoothing(smooth: str) -> None:
    scene = film(*walk(60), azimuth=1.2, noise=0.03, pixels=4.0)
    shake = [np.linalg.norm(np.diff(solved(scene, choices=Choices(smooth=s)).joints_world(), n=2, axis=0), axis=-1).mean()
             for s in ("light", smooth)]
    assert (shake[1] > shake[0]) == (smooth == "none")


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames(frames: int) -> None:
    scene = film(*walk(frames))
    assert error(solved(scene), scene).mean() < 0.02


def test_a_still_image_stays_still() -> None:
    local, root = walk(1)
    motion = solved(film(np.repeat(local, 60, axis=0), np.repeat(root, 60, axis=0)))
    assert np.ptp(motion.joints_world(), axis=0).max() < 0.01
    assert motion.contacts.any(0).any() and (motion.contacts == motion.contacts[0]).all()


def without(scene: Scene, gone: np.ndarray) -> tuple[Lifted, Keypoints]:
    """The scene with frames (T,) bool in which nobody is seen."""
    positions, sigma = scene.lifted.positions.copy(), scene.lifted.sigma.copy()
    positions[gone], sigma[gone] = np.nan, np.inf
    xy = np.where(gone[:, None, None], np.nan, scene.keypoints.xy)
    return Lifted(scene.lifted.names, positions, sigma), scene.keypoints.replace(xy=xy)


def test_short_gaps_go_on_and_long_ones_are_held() -> None:
    scene = film(*walk(150), azimuth=1.5)
    gone = np.zeros(150, bool)
    gone[:5] = gone[30:42] = gone[80:125] = True
    motion = solve(*without(scene, gone), scene.K)
    check(motion)
    assert len(motion) == 150
    assert (motion.confidence[gone] == 0).all() and (motion.confidence[~gone].max(1) > 0.5).all()
    assert not motion.contacts[:5].any() and not motion.contacts[80:125].any()
    joints = motion.joints_world()
    assert np.allclose(joints[:5], joints[5])
    assert error(motion, scene)[30:42].mean() < 0.025  # a walk goes on; a straight line from end to end is 0.047 off
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1)
    assert steps[29:43].max() < 0.15 and steps[79:126].max() < 0.15
    assert np.allclose(joints[80:95], joints[79])


def test_nobody_gets_a_sentence() -> None:
    scene = film(*walk(5))
    with pytest.raises(InputError, match="No person"):
        solve(*without(scene, np.ones(5, bool)), scene.K)


def test_a_foot_that_is_seen_again_after_a_long_hole_stands_anew() -> None:
    """The clock jumps while somebody walks half a metre aside: no contact reaches across."""
    turns = np.zeros((60, len(JOINTS), 3))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        turns[:, INDEX[f"{side}Arm"], 1] = sign * 1.2
    scene = film(rotations.from_rotation_vector(turns), [0, 0, 0.93] + np.where(np.arange(60)[:, None] < 30, 0.0, 0.5) * [1.0, 0, 0],
                 azimuth=0.3, noise=0.005, pixels=0.5)
    times = np.arange(60) / 30 + np.where(np.arange(60) < 30, 0.0, 2.0)
    motion = solve(scene.lifted, scene.keypoints.replace(times=times), scene.K, 1.7)
    assert motion.contacts[:30].any() and motion.contacts[31:].any() and not motion.contacts[30].any()
    assert motion.meta["quality"]["contact_slide_cm"] < 3


def test_a_glimpse_of_the_legs_does_not_show_them() -> None:
    scene = film(*wander(2, 60), distance=5.0)
    legs = np.array([n[2:] in ("knee", "ankle", "heel", "toe") for n in CANONICAL])
    seen = np.where(legs, np.where(np.arange(60) == 17, 0.12, 0.0)[:, None], scene.keypoints.confidence)
    scene = dataclasses.replace(scene, keypoints=scene.keypoints.replace(confidence=seen, xy=np.where(seen[..., None] > 0,
                                                                                                  scene.keypoints.xy, np.nan)))
    knee = solved(scene).local_rotations[:, INDEX["LeftLeg"]]
    assert np.abs(knee - knee[0]).max() < 0.25  # 0.5 in truth


def test_a_person_cut_off_at_the_hips() -> None:
    scene = film(*walk(60))
    below = [i for i, n in enumerate(CANONICAL) if n.endswith(("knee", "ankle", "heel", "toe"))]
    xy = scene.keypoints.xy.copy()
    xy[:, below] = np.nan
    lifted = scene.lifted
    wild = lifted.positions + np.where(np.isin(lifted.names, ["LeftLeg", "LeftFoot", "RightFoot", "l_toe"])[:, None],
                                       np.random.default_rng(0).normal(size=lifted.positions.shape), 0.0)
    motion = solve(Lifted(lifted.names, wild, lifted.sigma), scene.keypoints.replace(xy=xy), scene.K)
    check(motion)
    legs = [INDEX[f"{s}{j}"] for s in ("Left", "Right") for j in ("Leg", "Foot", "Toe")]
    assert (motion.confidence[:, legs] == 0).all()
    assert np.degrees(rotations.angle_between(motion.local_rotations[:, legs], rotations.IDENTITY)).max() < 30
    arms = [INDEX[f"{s}{j}"] for s in ("Left", "Right") for j in ("Arm", "ForeArm", "Hand")]
    assert error(motion, scene)[:, arms].mean() < 0.02


def test_shins_whose_knees_are_seen_go_by_the_lifted_body() -> None:
    """The recorded failure: legs behind a box below the knees were solved straight, half a metre off."""
    scene = film(*walk(60))
    below = [i for i, n in enumerate(CANONICAL) if n.endswith(("ankle", "heel", "toe"))]
    xy = scene.keypoints.xy.copy()
    xy[:, below] = np.nan
    motion = solve(scene.lifted, scene.keypoints.replace(xy=xy), scene.K)
    ankles = [INDEX["LeftFoot"], INDEX["RightFoot"]]
    assert error(motion, scene)[:, ankles].mean() < 0.05  # 0.15 with straight knees
    assert (motion.confidence[:, ankles] < 0.1).all()


def test_feet_that_are_never_seen_do_not_stand() -> None:
    local, root = walk(1)
    sway = 0.05 * np.sin(np.linspace(0, 6, 60))[:, None] * np.array([1.0, 0.0, 0.0])
    scene = film(np.repeat(local, 60, axis=0), root + sway)
    assert solved(scene).contacts.any()
    xy = scene.keypoints.xy.copy()
    xy[:, [i for i, n in enumerate(CANONICAL) if n.endswith(("hip", "knee", "ankle", "heel", "toe"))]] = np.nan
    assert not solve(scene.lifted, scene.keypoints.replace(xy=xy), scene.K).contacts.any()


@pytest.mark.parametrize(("side", "theirs"), [("l", slice(0, 2)), ("r", slice(2, 4))])
def test_a_foot_that_is_never_seen_leaves_the_other_one_standing(side: str, theirs: slice) -> None:
    local, root = walk(1)
    scene = film(np.repeat(local, 30, axis=0), np.repeat(root, 30, axis=0))
    xy = scene.keypoints.xy.copy()
    xy[:, [CANONICAL.index(f"{side}_{part}") for part in ("ankle", "heel", "toe")]] = np.nan
    contacts, stood = solve(scene.lifted, scene.keypoints.replace(xy=xy), scene.K).contacts, solved(scene).contacts
    assert not contacts[:, theirs].any()
    assert contacts.any() == np.delete(stood, np.r_[theirs], axis=1).any()


def test_missing_hands_and_feet() -> None:
    """COCO's 17 keypoints: the network still guesses the rest, and nothing breaks."""
    scene = film(*walk(40))
    few = scene.keypoints.select(tuple(n for n in CANONICAL if not n.endswith(("index", "pinky", "thumb", "heel", "toe"))))
    motion = solve(scene.lifted, few, scene.K)
    check(motion)
    assert error(motion, scene).mean() < 0.01 and motion.keypoints_2d.shape == (40, 17, 3)


def test_an_outlier_frame_does_not_shake_the_motion() -> None:
    scene = film(*walk(60), noise=0.01, pixels=1.0)
    positions, xy = scene.lifted.positions.copy(), scene.keypoints.xy.copy()
    positions[30, scene.lifted.names.index("LeftHand")] += [0.5, 0.3, 0.8]
    xy[30, CANONICAL.index("l_wrist")] += [150, 90]
    motion = solve(Lifted(scene.lifted.names, positions, scene.lifted.sigma), scene.keypoints.replace(xy=xy), scene.K)
    assert error(motion, scene)[30, INDEX["LeftHand"]] < 0.08


def test_what_somebody_has_put_right_counts_against_all_else() -> None:
    """The detector sees the left hand elsewhere for a third of a second and the network believes it; one point of it is put right."""
    scene = film(*walk(60), azimuth=0.9, noise=0.01, pixels=1.0)
    rows, hand = slice(25, 36), [CANONICAL.index(f"l_{n}") for n in ("wrist", "index", "pinky", "thumb")]
    positions, xy = scene.lifted.positions.copy(), scene.keypoints.xy.copy()
    for name in ("LeftHand", "l_index", "l_pinky", "l_thumb"):
        positions[rows, scene.lifted.names.index(name)] += [0.3, -0.2, 0.0]
    xy[rows, hand] = xy[rows, hand] + (60, -40)
    lifted, seen = Lifted(scene.lifted.names, positions, scene.lifted.sigma), scene.keypoints.replace(xy=xy)
    mended = xy.copy()
    mended[rows, hand[0]] = scene.keypoints.xy[rows, hand[0]]
    by_hand = corrected(seen, mended)
    before, after = (error(solve(lifted, k, scene.K), scene)[rows, INDEX["LeftHand"]].mean() for k in (seen, by_hand))
    assert before > 0.2 and after < 0.1
    doubted = seen.replace(xy=mended)  # the same places, as a detector's
    assert error(solve(lifted, doubted, scene.K), scene)[rows, INDEX["LeftHand"]].mean() > 1.5 * after


def test_sides_that_somebody_has_settled_stay_so() -> None:
    scene = film(*wander(0, 60), distance=8.0)
    states = np.zeros(60, dtype=int)
    states[30:36] = 1
    lifted = Lifted(scene.lifted.names, exchanged(scene.lifted.positions, scene.lifted.names, states, reflect=True), scene.lifted.sigma)
    by_hand = corrected(scene.keypoints, exchanged(scene.keypoints.xy, CANONICAL, states))
    assert error(solve(lifted, by_hand.replace(by_hand=None), scene.K), scene)[30:36].mean() < 0.05
    motion = solve(lifted, by_hand, scene.K)
    assert error(motion, scene)[30:36].mean() > 0.1
    xy = by_hand.xy.copy()
    xy[:, CANONICAL.index("l_thumb")], seen = np.nan, scene.keypoints.replace(xy=exchanged(scene.keypoints.xy, CANONICAL, states))
    touched = corrected(seen, np.where(np.isnan(xy), np.nan, seen.xy))  # who switches off a thumb has said nothing of sides
    assert error(solve(lifted, touched, scene.K), scene)[30:36].mean() < 0.05
    assert not any("left and right" in s for s in motion.meta["quality"]["bad_ranges"])


def test_a_point_that_somebody_has_moved_stays_theirs_where_sides_are_exchanged() -> None:
    """Two of them, or one: its own side's."""
    scene = film(*wander(0, 60), distance=8.0)
    states = np.zeros(60, dtype=int)
    states[30:36] = 1
    seen = scene.keypoints.replace(xy=exchanged(scene.keypoints.xy, CANONICAL, states))
    for names in (["l_wrist", "r_wrist"], ["l_wrist"]):
        columns = [CANONICAL.index(n) for n in names]
        xy = seen.xy.copy()
        xy[30:36, columns] = scene.keypoints.xy[30:36, columns] + 2.0
        motion = solve(scene.lifted, corrected(seen, xy), scene.K)
        assert any("left and right" in s for s in motion.meta["quality"]["bad_ranges"])
        assert error(motion, scene)[30:36][:, [INDEX["LeftHand"], INDEX["RightHand"]]].mean() < 0.05


def test_a_wrist_that_is_missing_for_a_moment_moves_nothing_else() -> None:
    scene = film(*walk(60), azimuth=1.3, noise=0.02, pixels=2.0)
    confidence = scene.keypoints.confidence.copy()
    confidence[30:34, CANONICAL.index("l_wrist")] = 0.0
    with_it = solved(scene)
    without_it = solve(scene.lifted, scene.keypoints.replace(confidence=confidence), scene.K)
    moved = np.linalg.norm(with_it.joints_camera() - without_it.joints_camera(), axis=-1)
    assert moved.max() < 0.05 and moved[:, [i for i, n in enumerate(JOINTS) if n not in ("LeftForeArm", "LeftHand")]].max() < 0.02
    hand = INDEX["LeftHand"]
    assert without_it.confidence[30:34, hand].max() == 0 and without_it.confidence[[29, 34], hand].min() > 0.5


def sane(motion: Motion) -> None:
    """Nothing explodes, whatever was seen."""
    joints, step = motion.joints_world(), 1 / motion.fps
    assert np.linalg.norm(np.diff(about_hips(joints), axis=0), axis=-1).max() / step < 15
    assert np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1).max() / step < 15 * max(1.0, motion.joints_camera()[:, 0, 2].max() / 20)
    assert 0.5 < motion.skeleton.stature < 2.5 and below_floor(motion) < 5


@pytest.mark.parametrize("focal", [60.0, 90000.0])
def test_absurd_focal_lengths(focal: float) -> None:
    scene = film(*walk(30))
    K = np.array([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])
    sane(solved(dataclasses.replace(scene, lifted=lift(scene.keypoints, K, resolve_lifter()), K=K)))


def test_keypoints_on_one_line() -> None:
    scene = film(*walk(20))
    xy = scene.keypoints.xy.copy()
    xy[..., 0] = 640
    keypoints = scene.keypoints.replace(xy=xy)
    sane(solved(dataclasses.replace(scene, keypoints=keypoints, lifted=lift(keypoints, scene.K, resolve_lifter()))))


def test_windows_meet_without_a_seam() -> None:
    from core.solve.solver import _windows

    scene = film(*walk(330), azimuth=1.5, distance=12, noise=0.02, pixels=2)
    assert len(_windows(scene.keypoints.times, scene.keypoints.seen)) == 2
    motion = solved(scene)
    steps = np.linalg.norm(np.diff(about_hips(motion.joints_camera()) - about_hips(scene.joints), axis=0), axis=-1).max(1)
    assert steps.max() < 5 * np.median(steps)


def test_limbs_bend_one_way_and_nothing_twists_through() -> None:
    motion = solved(film(*walk(60), noise=0.02, pixels=2))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        shin = rotations.rotate(motion.local_rotations[:, INDEX[f"{side}Leg"]], np.array([0, 0, -1.0]))
        forearm = rotations.rotate(motion.local_rotations[:, INDEX[f"{side}ForeArm"]], np.array([sign, 0, 0]))
        assert shin[:, 1].min() > -0.1 and forearm[:, 1].max() < 0.1
    turns = rotations.angle_between(motion.local_rotations[1:], motion.local_rotations[:-1])
    assert np.degrees(turns.max()) < 15


@pytest.mark.filterwarnings("error")
def test_repeated_and_swapped_time_stamps() -> None:
    scene = film(*walk(40))
    times = scene.keypoints.times.copy()
    times[10] = times[9]
    times[[20, 21]] = times[[21, 20]]
    motion = solve(scene.lifted, scene.keypoints.replace(times=times), scene.K)
    check(motion)
    assert np.array_equal(motion.times, times) and error(motion, scene).mean() < 0.01


def test_the_fit_says_how_good_it_is() -> None:
    scene = film(*walk(40), tilt=0.2)
    said = solved(scene).meta["quality"]
    assert said["reprojection_px"] < 2 and said["stature_m"] == pytest.approx(scene.skeleton.stature, abs=0.02)
    assert any("px (" in s and "of its height) from the keypoints" in s for s in sentences(said))
    assert said["camera_tilt_deg"] == pytest.approx(np.degrees(0.2), abs=6) and abs(said["camera_roll_deg"]) < 3


def test_progress_and_cancel() -> None:
    class Listener(Reporter):
        def __init__(self) -> None:
            super().__init__()
            self.events: list[dict] = []

        def _emit(self, event: dict) -> None:
            self.events.append(event)

    scene = film(*walk(20))
    listener = Listener()
    solve(scene.lifted, scene.keypoints, scene.K, reporter=listener)
    done = [e["done"] for e in listener.events]
    assert done == sorted(done) and done[-1] == 20 and {e["stage"] for e in listener.events} == {"solve"}
    listener.cancel()
    with pytest.raises(Cancelled):
        solve(scene.lifted, scene.keypoints, scene.K, reporter=listener)


def test_bones_are_measured() -> None:
    mean = Skeleton.mean(1.7)
    offsets = mean.rest_offsets.copy()
    offsets[[INDEX["LeftLeg"], INDEX["RightLeg"]]] *= 1.1
    offsets[[INDEX["LeftHand"], INDEX["RightHand"]]] *= 0.9
    tall = Skeleton(offsets, mean.end_offsets)
    motion = solved(film(*walk(60), skeleton=tall))
    assert motion.skeleton.bone_lengths == pytest.approx(tall.bone_lengths, abs=0.006)


def test_unseen_stretches_are_told_in_sentences() -> None:
    scene = film(*walk(60))
    arm = [CANONICAL.index(f"l_{n}") for n in ("elbow", "wrist", "index", "pinky", "thumb")]
    xy = scene.keypoints.xy.copy()
    xy[20:40, arm] = np.nan
    said = solve(scene.lifted, scene.keypoints.replace(xy=xy), scene.K).meta["quality"]
    assert said["bad_ranges"] == ["frames 21 to 40: left arm not seen"]
    assert said["limb_confidence"]["left arm"] < 0.8 < said["limb_confidence"]["right arm"]
    assert said["contact_slide_cm"] < 0.2
    gone = np.zeros(60, bool)
    gone[:10] = True
    assert solve(*without(scene, gone), scene.K).meta["quality"]["bad_ranges"] == ["frames 1 to 10: nobody seen"]
