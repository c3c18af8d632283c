"""Who does not stand on their feet: the body lies on the floor, not beneath it and not above it."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import Scene, film

from core import rotations
from core.keypoints import CANONICAL
from core.motion import Motion
from core.skeleton import INDEX, JOINTS, Skeleton
from core.solve import solve
from core.solve.body import Body
from core.solve.contacts import SOLE, SOLE_POINTS
from core.solve.rests import REST_KEYPOINTS, REST_POINTS, flesh

_HALF = np.pi / 2
_HIPS = {"handstand": (np.pi, 0.0, 0.0), "on the back": (-_HALF, 0.0, 0.0), "on all fours": (_HALF, 0.0, 0.0),
         "legs raised": (-_HALF, 0.0, 0.0), "legs up": (-_HALF, 0.0, 0.0), "boat": (-0.7, 0.0, 0.0), "bowed": (1.1, 0.0, 0.0)}
_LIMBS = {  # of the left side: arm, forearm, thigh, shin
    "handstand": ((0.0, -1.4, 0.0), (0.0, 0.0, -0.1), (0.0, 0.0, 0.0), (0.1, 0.0, 0.0)),
    "on the back": ((0.0, 0.9, 0.0), (0.0, 0.0, -0.2), (-1.0, 0.0, 0.0), (0.3, 0.0, 0.0)),
    "on all fours": ((0.0, 0.2, -1.4), (0.0, 0.0, -0.1), (-1.5, 0.0, 0.0), (1.6, 0.0, 0.0)),
    "legs raised": ((0.0, 1.2, 0.0), (0.0, 0.0, 0.0), (-0.3, 0.0, 0.0), (0.05, 0.0, 0.0)),  # feet 0.4 m above the floor
    "legs up": ((0.0, 1.2, 0.0), (0.0, 0.0, 0.0), (-0.7, 0.0, 0.0), (0.05, 0.0, 0.0)),
    "bowed": ((0.0, 0.3, -1.4), (0.0, 0.0, 0.0), (-1.1, 0.0, 0.0), (0.05, 0.0, 0.0)),
    "boat": ((0.0, 0.2, -1.3), (0.0, 0.0, 0.0), (-1.2, 0.0, 0.0), (0.1, 0.0, 0.0)),
}


def held(posture: str, frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations and root of somebody of 1.7 m who sways a little in a posture, their lowest skin at z = 0."""
    sway = 0.08 * np.sin(np.linspace(0, 2 * np.pi, frames))
    turns = np.zeros((frames, len(JOINTS), 3))
    turns[:, 0] = _HIPS[posture]
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        for part, turn in zip(("Arm", "ForeArm", "UpLeg", "Leg"), _LIMBS[posture], strict=True):
            turns[:, INDEX[side + part]] = turn * np.array([1.0, sign, sign])
    turns[:, INDEX["Head"], 2] = 3 * sway
    local = rotations.from_rotation_vector(turns)
    local[:, 0] = rotations.multiply(rotations.from_rotation_vector(sway[:, None] * [0.0, 0.0, 1.0]), local[:, 0])
    root = np.zeros((frames, 3))
    root[:, 2] = -skin(Skeleton.mean(1.7), local, root).min(1)
    return local, root


def skin(skeleton: Skeleton, local: np.ndarray, root: np.ndarray) -> np.ndarray:
    """(T, P) heights of the lowest skin of soles and of all that a body may rest on."""
    points = Body(skeleton, SOLE_POINTS + REST_POINTS).pose(local, root).points
    return np.asarray(points[..., 2] - np.concatenate([SOLE, flesh(skeleton.stature)]))


def off_upright(scene: Scene, motion: Motion) -> float:
    """Degrees between the world's up and the true one."""
    return float(np.degrees(np.arccos(np.clip(motion.camera.R[0, :, 2] @ scene.view[:, 2], -1, 1))))


@pytest.mark.parametrize("posture", [p for p in _HIPS if p != "bowed"])
@pytest.mark.parametrize("azimuth", [0.3, 1.4, 2.6])
def test_a_body_that_is_not_on_its_feet_lies_on_the_floor(posture: str, azimuth: float) -> None:
    """handstand, 2026-11-23: feet in the air were taken to stand, the body was 1.7 m beneath the floor; push-up and kneel: 0.15 m. Who lies
    or sits with the legs raised does not tell how far the camera looks down (0.15 rad); up leant by 16 to 54 degrees to let them stand."""
    scene = film(*held(posture), azimuth=azimuth, tilt=0.15, noise=0.02, pixels=1.5)
    motion = solve(scene.lifted, scene.keypoints, scene.K, 1.7)
    ours = skin(motion.skeleton, motion.local_rotations, motion.root_translation)
    assert ours.min() > -0.035
    assert abs(np.median(ours.min(1))) < 0.03
    assert off_upright(scene, motion) < (3 if posture == "handstand" else 12)  # who stands on the hands is as upright as on the feet
    truth = (scene.joints - scene.place) @ scene.view
    assert np.abs(motion.joints_world()[..., 2] - truth[..., 2]).mean() < 0.1


@pytest.mark.parametrize(("posture", "tilt"), [("on the back", 0.17), ("on the back", 0.35), ("on all fours", 0.17)])
def test_who_lies_with_the_head_towards_the_camera_does_not_turn_the_world_over(posture: str, tilt: float) -> None:
    """Up is as vague there as the level camera makes it, and no vaguer: 62 degrees off in a version of 2026-11-23."""
    scene = film(*held(posture, 30), azimuth=np.pi, tilt=tilt, noise=0.02, pixels=1.5, distance=6.0)
    assert off_upright(scene, solve(scene.lifted, scene.keypoints, scene.K, 1.7)) < 1.7 * np.degrees(tilt)


@pytest.mark.parametrize("azimuth", [0.3, 2.6])
def test_who_bows_throughout_does_not_tilt_the_world(azimuth: float) -> None:
    """Up followed the axis from ankles to neck, which leans ahead in who bows: 10 to 14 degrees off until 2026-11-23."""
    scene = film(*held("bowed"), azimuth=azimuth, tilt=0.15, noise=0.02, pixels=1.5)
    assert off_upright(scene, solve(scene.lifted, scene.keypoints, scene.K, 1.7)) < 8


def test_hands_that_wipe_the_floor_do_not_go_through_it() -> None:
    """Hands that never rest are not put on the floor, and yet it keeps them out (0.07 m beneath without)."""
    local, root = held("on all fours")
    wipe = 0.3 * np.sin(np.linspace(0, 8 * np.pi, len(root)))[:, None]
    for arm, sign in (("LeftArm", 1.0), ("RightArm", -1.0)):
        local[:, INDEX[arm]] = rotations.multiply(local[:, INDEX[arm]], rotations.from_rotation_vector(wipe * [0.0, 0.5 * sign, sign]))
    root[:, 2] -= skin(Skeleton.mean(1.7), local, root).min(1)
    scene = film(local, root, azimuth=0.9, tilt=0.1, noise=0.02, pixels=1.5)
    motion = solve(scene.lifted, scene.keypoints, scene.K, 1.7)
    assert skin(motion.skeleton, motion.local_rotations, motion.root_translation).min() > -0.045


def test_every_part_that_rests_has_a_keypoint_and_its_other_side() -> None:
    assert len(REST_POINTS) == len(REST_KEYPOINTS) == len(flesh(1.7)) and set(REST_KEYPOINTS) <= set(CANONICAL)
    sizes = dict(zip(REST_POINTS, zip(REST_KEYPOINTS, flesh(1.7), strict=True), strict=True))
    for name, (keypoint, metres) in sizes.items():
        if name.startswith("Left"):
            assert sizes["Right" + name[4:]] == ("r" + keypoint[1:], metres)
    np.testing.assert_allclose(flesh(0.85), 0.5 * flesh(1.7))
