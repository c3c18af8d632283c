"""The camera's own motion: told from synthetic backgrounds, undone before the solver, refused where it cannot be undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rotations
from core.camera import assume_intrinsics, pixel_rays
from core.camera_motion import (
    SHAKING,
    STILL,
    TRAVELLING,
    TURNING,
    ZOOMING,
    CameraMotion,
    as_filmed,
    check_camera,
    steadied,
    steadied_lift,
    through_one_lens,
)
from core.cli import SAMPLE
from core.detect import Detection, extract_keypoints
from core.detect.background import BackgroundTracker
from core.detect.egomotion import egomotion
from core.errors import InputError
from core.events import Reporter
from core.keypoints import load_keypoints
from core.motion import Motion, load_motion, project
from core.options import RunOptions
from core.pipeline import run
from core.skeleton import INDEX
from core.solve import solve
from core.source import Frame, Source
from core.video import open_source
from tests.synthetic import film, walk

WIDTH, HEIGHT, FOCAL = 320, 240, 0.8
K = assume_intrinsics(WIDTH, HEIGHT, FOCAL * WIDTH)
NOBODY: list[np.ndarray] = []


@cache
def panorama(seed: int, sharp: float = 2.0) -> np.ndarray:
    """(700, 1200) uint8, blots of every size, seen far away by a camera with K in its middle."""
    noise = np.random.default_rng(seed).normal(size=(700, 1200)).astype(np.float32)
    image = np.sum([scale * cv2.GaussianBlur(noise, (0, 0), sharp * scale) for scale in (1.0, 2.0, 4.0)], axis=0)
    return np.clip(128 + 40 * image / image.std(), 0, 255).astype(np.uint8)


def picture(wall: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) what a camera sees whose pixels are `plane` times those of one that sees the wall's middle."""
    shift = np.array([[1.0, 0, -(wall.shape[1] - WIDTH) / 2], [0, 1, -(wall.shape[0] - HEIGHT) / 2], [0, 0, 1]])
    return np.repeat(cv2.warpPerspective(wall, plane @ shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)[..., None], 3, axis=2)


def turned(turn: np.ndarray, focal: float = FOCAL) -> np.ndarray:
    """K R K^-1 for pixel centres at integers."""
    centre = assume_intrinsics(WIDTH, HEIGHT, focal * WIDTH)
    centre[:2, 2] -= 0.5
    return centre @ turn @ np.linalg.inv(centre)


def turns_of(vectors: np.ndarray) -> np.ndarray:
    return rotations.to_matrix(rotations.from_rotation_vector(vectors))


def watched(pictures: list[np.ndarray], people: list[list[np.ndarray]] | None = None) -> CameraMotion:
    tracker = BackgroundTracker()
    for index, rgb in enumerate(pictures):
        tracker.add(rgb, people[index] if people else NOBODY)
    return egomotion(tracker.background(), np.arange(len(pictures)) / 30)


def shake(seed: int, frames: int, degrees: float) -> np.ndarray:
    """(T, 3) rotation vectors of a hand."""
    rough = np.random.default_rng(seed).normal(size=(frames + 20, 3))
    smooth = np.stack([np.convolve(rough[:, i], np.hanning(9), "same") for i in range(3)], axis=-1)[10:-10]
    return np.radians(degrees) * smooth / smooth.std(0)


def relative(turns: np.ndarray) -> np.ndarray:
    """Without the choice of the reference view."""
    return turns @ turns[0].T


def degrees_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(rotations.angle_between(rotations.from_matrix(a), rotations.from_matrix(b)))


def with_person(rgb: np.ndarray, x: float, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A textured block as tall as half the picture, standing at x, and its keypoints."""
    rgb = rgb.copy()
    left, top = round(x), 70
    rgb[top:top + 120, left:left + 50] = texture[:120, :50, None][:, : rgb.shape[1] - left]
    return rgb, np.array([[left + 5.0, top + 10.0], [left + 45.0, top + 110.0]])


@pytest.mark.parametrize(("seed", "degrees"), [(1, 0.4), (2, 1.0), (3, 2.5)])
def test_a_shaken_camera_is_told_with_a_person_in_front(seed: int, degrees: float) -> None:
    wall, texture, truth = panorama(seed), panorama(seed + 1, 1.0), turns_of(shake(seed, 24, degrees))
    shots = [with_person(picture(wall, turned(turn)), 20 + 9 * t, texture) for t, turn in enumerate(truth)]
    motion = watched([rgb for rgb, _ in shots], [[xy] for _, xy in shots])
    assert motion.kind == SHAKING and motion.seen == 1.0
    got = relative(motion.turns_with(FOCAL))
    largest = degrees_apart(relative(truth), np.eye(3)).max()
    assert degrees_apart(got, relative(truth)).max() < 0.1 + 0.03 * largest  # it was found with another focal length


@pytest.mark.parametrize(("seed", "side"), [(4, -1.0), (5, 1.0)])
def test_a_panning_camera_is_told_with_its_focal_length(seed: int, side: float) -> None:
    wall = panorama(seed)
    angles = np.radians(side * 50 * (np.linspace(0, 1, 40) - 0.5))
    truth = turns_of(np.stack([0.02 * np.sin(np.arange(40)), angles, 0 * angles], axis=-1))
    motion = watched([picture(wall, turned(turn)) for turn in truth])
    assert motion.kind == TURNING and motion.measured
    assert motion.focal == pytest.approx(FOCAL, rel=0.04)
    assert degrees_apart(relative(motion.turns), relative(truth)).max() < 1.5
    assert degrees_apart(motion.turns, truth).max() < 1.5  # about the mean view


@pytest.mark.parametrize(("seed", "degrees", "focal"), [(4, 4.0, 1.6), (4, 4.0, 2.0), (5, 3.0, 1.6), (5, 6.0, 2.3)])
def test_a_pan_with_a_long_lens_is_no_travel(seed: int, degrees: float, focal: float) -> None:
    """The assumed focal length leaves as much of it unexplained as a travel would, the true one nothing."""
    angles = np.radians(degrees) * np.sin(np.linspace(0, 2 * np.pi, 60))
    truth = turns_of(np.stack([0.4 * angles, angles, 0.1 * angles], axis=-1))
    motion = watched([picture(panorama(seed), turned(turn, focal)) for turn in truth])
    assert motion.kind in (SHAKING, TURNING) and motion.measured
    assert motion.focal == pytest.approx(focal, rel=0.08)


def test_there_and_back_does_not_drift() -> None:
    wall = panorama(5)
    angles = np.radians(25) * np.sin(np.linspace(0, 4 * np.pi, 61))
    truth = turns_of(np.stack([0 * angles, angles, 0 * angles], axis=-1))
    motion = watched([picture(wall, turned(turn)) for turn in truth])
    assert motion.kind != STILL
    assert degrees_apart(motion.turns[::15], motion.turns[:1]).max() < 0.1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_camera_that_stands_is_still_whatever_moves_before_it(seed: int) -> None:
    """A person over half of the picture whom no detector saw, flicker, and noise."""
    generator = np.random.default_rng(seed)
    wall, other = picture(panorama(seed), np.eye(3)), panorama(seed + 1)
    pictures = []
    for t in range(24):
        rgb = wall.astype(float)
        rgb[40:, 8 * t:8 * t + 160] = other[40:HEIGHT, :160, None][:, : WIDTH - 8 * t]
        rgb = rgb * (1 + 0.1 * np.sin(t)) + generator.normal(size=rgb.shape) * 4
        pictures.append(np.clip(rgb, 0, 255).astype(np.uint8))
    motion = watched(pictures)
    assert motion.kind == STILL and (motion.turns == np.eye(3)).all()


def test_the_only_thing_with_corners_may_move_by_itself() -> None:
    """A person whom no detector saw before a bare wall is not the background."""
    wall, texture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8), panorama(9, 1.0)
    assert watched([with_person(wall, 20 + 6 * t, texture)[0] for t in range(20)]).kind == STILL


def shadowed(seed: int, strength: float, noise: float, shadows: int, degrees: float) -> CameraMotion:
    """Shadows that change their form while they wander over a dull wall with an edge and a seam, in a noisy picture that pans."""
    generator = np.random.default_rng(seed)
    wall = np.clip(128 + strength * (panorama(seed).astype(float) - 128), 0, 255)
    wall[430:] -= 14
    wall[:, 700:706] += 10
    corners = np.array([[0, 30], [22, 0], [60, 15], [95, 50], [50, 95], [20, 80], [-10, 70]])
    pictures = []
    for t in range(40):
        rgb = picture(wall.astype(np.uint8), turned(turns_of(np.radians([0, degrees * t / 40, 0])))).astype(float)
        dark = np.zeros((HEIGHT, WIDTH), np.uint8)
        sway = (8 * np.sin(t / 3 + np.arange(7) * 2)).round().astype(int)[:, None]
        for number in range(shadows):
            cv2.fillPoly(dark, [corners + sway + (60 + 4 * t - 120 * number, 120 - 50 * number)], 255)
        rgb *= 1 - 0.35 * cv2.GaussianBlur(dark, (0, 0), 1.5)[..., None] / 255
        pictures.append(np.clip(rgb + generator.normal(0, noise, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8))
    return watched(pictures)


@pytest.mark.parametrize(("strength", "noise", "shadows"), [(0.06, 4, 2), (0.02, 2, 1)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shadows_on_a_dull_wall_do_not_move_the_camera(seed: int, strength: float, noise: float, shadows: int) -> None:
    """Recorded: 7 of 110 rendered clips of a camera that stands were "shaken", by up to 2.8 degrees, where nearly all corners lay on
    shadows and on noise."""
    motion = shadowed(seed, strength, noise, shadows, 0.0)
    assert motion.kind == STILL and (motion.turns == np.eye(3)).all()
    assert shadowed(seed, strength, noise, shadows, 6.0).kind != STILL  # it looks, and does not only say no


@pytest.mark.parametrize("what", ["bars", "fade-in", "short"])
def test_a_shake_is_not_taken_for_standing(what: str) -> None:
    """Bars beside an upright film always stand, what fades in cannot be compared with what it fades from, and some takes are short."""
    vectors = shake(3, 8 if what == "short" else 60, 2.5)
    if what == "fade-in":
        vectors[:45] = 0.0
    pictures = [picture(panorama(3), turned(turn)) for turn in turns_of(vectors)]
    if what == "bars":
        pictures = [np.where(np.abs(np.arange(WIDTH) - 160)[None, :, None] < 50, rgb, 0).astype(np.uint8) for rgb in pictures]
    if what == "fade-in":
        pictures = [(rgb * min(1.0, t / 15)).astype(np.uint8) for t, rgb in enumerate(pictures)]
    assert watched(pictures).kind == SHAKING


@pytest.mark.parametrize("what", ["grey", "black", "noise", "stripes"])
def test_a_picture_without_corners_says_nothing(what: str) -> None:
    generator = np.random.default_rng(0)
    pictures = []
    for t in range(6):
        rgb = np.full((HEIGHT, WIDTH, 3), {"grey": 128, "black": 0}.get(what, 128), np.uint8)
        if what == "noise":
            rgb = generator.integers(0, 255, rgb.shape).astype(np.uint8)
        if what == "stripes":
            rgb[:] = (128 + 60 * np.sin((np.arange(WIDTH) + 3 * t) / 9))[None, :, None]
        pictures.append(rgb)
    assert watched(pictures).kind == STILL


def test_a_cut_is_no_motion() -> None:
    first, second = picture(panorama(1), np.eye(3)), picture(panorama(2), np.eye(3))
    assert watched([first] * 10 + [second] * 10 + [first] * 10).kind == STILL


def cuts_in(pictures: list[np.ndarray]) -> list[int]:
    tracker = BackgroundTracker()
    for rgb in pictures:
        tracker.add(rgb, NOBODY)
    return tracker.background().cuts()


def test_cuts_are_told() -> None:
    shots = [picture(panorama(seed), np.eye(3)) for seed in (1, 2, 3)]
    panned = [picture(panorama(4), turned(turns_of(np.radians([[0, 0.5 * t, 0]]))[0])) for t in range(12)]
    assert cuts_in([shots[0]] * 12 + [shots[1]] * 9 + [shots[2]] * 12 + panned) == [12, 21, 33]
    assert cuts_in([shots[0], shots[1]]) == []  # two pictures are no shots
    jerk = [picture(panorama(5), turned(turns_of(np.radians([[0, 12.0 * t, 0]]))[0])) for t in range(5)]
    assert len(cuts_in([jerk[0]] * 12 + jerk + [jerk[-1]] * 12)) <= 1  # one event is told once


@pytest.mark.parametrize("what", ["flash", "pan", "shake", "noise", "slow"])
def test_what_is_no_cut(what: str) -> None:
    wall, generator = panorama(5), np.random.default_rng(5)
    turns = {"pan": np.stack([np.zeros(30), np.radians(1.8 * np.arange(30)), np.zeros(30)], axis=-1), "shake": shake(5, 30, 2.0)}
    pictures = [picture(wall, turned(turn)) for turn in turns_of(turns.get(what, np.zeros((30, 3))))]
    if what == "flash":
        pictures[12] = np.full_like(pictures[12], 250)
    if what == "noise":
        pictures = [np.clip(128 + generator.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8) for rgb in pictures]
    if what == "slow":  # a picture now and then, each of something else
        pictures = [picture(panorama(seed), np.eye(3)) for seed in range(6)]
    assert cuts_in(pictures) == []


def test_each_side_of_a_cut_has_its_own_mean_view() -> None:
    truth = turns_of(shake(3, 40, 1.0))
    walls = [panorama(1)] * 20 + [panorama(2)] * 20
    motion = watched([picture(wall, turned(turn)) for wall, turn in zip(walls, truth, strict=True)])
    assert motion.kind == SHAKING
    for part in (slice(0, 20), slice(20, 40)):
        assert degrees_apart(relative(motion.turns_with(FOCAL)[part]), relative(truth[part])).max() < 0.2


def room(place: np.ndarray, focal: float = FOCAL, path: float = np.inf) -> np.ndarray:
    """What a camera at `place` (3,), metres, sees of a wall 6 m off and a floor 1.4 m below, plain but for a path of this half width."""
    centre = assume_intrinsics(WIDTH, HEIGHT, focal * WIDTH)
    centre[:2, 2] -= 0.5
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(centre).T
    to_wall = 6.0 - place[2] + 0 * rays[..., 0]
    to_floor = np.where(rays[..., 1] > 1e-6, (1.4 - place[1]) / np.maximum(rays[..., 1], 1e-6), np.inf)
    depth = np.minimum(to_wall, to_floor)
    points = place + rays * depth[..., None]
    on_floor = to_floor < to_wall
    u = 600 + 120 * points[..., 0]
    v = np.where(on_floor, 100 + 90 * points[..., 2], 350 + 120 * points[..., 1])
    seen = [cv2.remap(panorama(seed), u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR) for seed in (7, 8)]
    seen[0] = np.where(np.abs(points[..., 0]) < path, seen[0], 128).astype(np.uint8)
    return np.repeat(np.where(on_floor, seen[0], seen[1])[..., None], 3, axis=2)


@pytest.mark.parametrize("path", [0.5, 0.8])
def test_a_walk_along_a_path_is_no_zoom(path: float) -> None:
    assert watched([room(np.array([0, 0, way]), path=path) for way in np.linspace(0, 1.5, 30)]).kind == TRAVELLING


@pytest.mark.parametrize("direction", [(1.0, 0, 0), (0, 0, 1.5), (0.7, 0, 0.7)])
def test_a_travelling_camera_is_refused(direction: tuple[float, float, float]) -> None:
    ways = np.linspace(0, 1, 30)[:, None] * np.array(direction)
    motion = watched([room(place) for place in ways])
    assert motion.kind == TRAVELLING and motion.travels
    keypoints = film(*walk(30)).keypoints
    with pytest.raises(InputError, match=r"travels in clip\.mp4 \(\d"):
        check_camera(motion, keypoints, K, "clip.mp4")


def zoomed(zoom: float) -> np.ndarray:
    """A plane for `picture`: so many times larger about the middle."""
    return np.array([[zoom, 0, (1 - zoom) * (WIDTH - 1) / 2], [0, zoom, (1 - zoom) * (HEIGHT - 1) / 2], [0, 0, 1]])


@pytest.mark.parametrize("degrees", [0.0, 1.0])
def test_a_zoom_is_measured(degrees: float) -> None:
    truth, zooms = turns_of(shake(4, 45, degrees)), np.concatenate([np.ones(10), np.geomspace(1, 1.6, 25), np.full(10, 1.6)])
    motion = watched([picture(panorama(4), zoomed(z) @ turned(turn)) for turn, z in zip(truth, zooms, strict=True)])
    assert motion.kind == (SHAKING if degrees else ZOOMING)
    assert motion.zooms is not None
    np.testing.assert_allclose(motion.zooms, zooms, rtol=0.01)
    assert degrees_apart(relative(motion.turns_with(FOCAL)), relative(truth)).max() < 0.1 + 0.05 * degrees
    assert "zooms, by up to 1.60 times" in motion.sentence


@pytest.mark.parametrize(("seed", "focal"), [(0, 0.8), (1, 1.6), (1, 2.2), (2, 2.2)])
def test_a_hands_sway_is_no_travel(seed: int, focal: float) -> None:
    sway = 0.04 * shake(seed, 60, 1.0) / np.radians(1.0)
    motion = watched([room(place, focal) for place in sway])
    assert motion.kind in (STILL, SHAKING) and not motion.measured


def test_a_travel_is_told_from_its_beginning_to_its_end() -> None:
    # Standing for a second, travelling for one, standing for one: it takes way to show, and afterwards the camera stands elsewhere.
    ways = np.clip(np.arange(90) / 30 - 1, 0, 1)[:, None] * np.array([0.9, 0, 0.5])
    (travel,) = watched([room(place) for place in ways]).travels
    assert travel == pytest.approx((1.0, 2.0), abs=0.15)


class Filmed(Source):
    """Pictures without a person; `read` counts those that were asked for."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        super().__init__(Path("filmed.mp4"), None, None)
        self.width, self.height, self.fps, self.expected_frames = WIDTH, HEIGHT, 30.0, len(pictures)
        self.pictures, self.read = pictures, 0

    def frames(self) -> Iterator[Frame]:
        for index, rgb in enumerate(self.pictures):
            self.read = index + 1
            yield Frame(index, index / 30, rgb)


class Nobody:
    """A detector that sees nobody."""

    def detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("direction", [(0, 0, 1.0), (0.7, 0, 0.7)])
def test_a_travel_is_refused_before_the_rest_is_read(direction: tuple[float, float, float]) -> None:
    ways = np.maximum(np.arange(240) / 30 - 1, 0)[:, None] * 0.35 * np.array(direction)
    source = Filmed([room(place) for place in ways])
    with pytest.raises(InputError, match=r"travels in filmed\.mp4 \(from (0\.9|1\.[0-3]) s on; read until [3-6]"):
        extract_keypoints(source, "largest", Reporter(), detector=Nobody())
    assert source.read < 200


@pytest.mark.parametrize("what", ["hand", "pan"])
def test_who_stands_is_read_to_the_end(what: str) -> None:
    # A pan begins before it tells its focal length, and looks like a travel until then.
    if what == "hand":
        pictures = [room(place) for place in 0.04 * shake(5, 150, 1.0) / np.radians(1.0)]
    else:
        turns = turns_of(np.radians(np.arange(150) / 5)[:, None] * np.array([0, 1.0, 0]))
        pictures = [picture(panorama(3), turned(turn)) for turn in turns]
    source = Filmed(pictures)
    with pytest.raises(InputError, match="No person was found in the 150 frames"):
        extract_keypoints(source, "largest", Reporter(), detector=Nobody())


def seen_by(camera: CameraMotion, xy: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """Pixels (T, K, 2) of the reference view where the camera of each frame sees them."""
    return project(np.einsum("tij,tkj->tki", camera.turns, pixel_rays(xy, lens)), lens)


@given(st.integers(0, 2**16), st.floats(0.5, 20.0))
@settings(max_examples=8, deadline=None)
def test_steadied_keypoints_are_those_of_a_camera_that_stands(seed: int, degrees: float) -> None:
    scene = film(*walk(20))
    camera = CameraMotion(SHAKING, turns_of(np.clip(shake(seed, 20, degrees), -0.5, 0.5)), scene.K[0, 0] / 2 / scene.K[:2, 2].max())
    still = scene.keypoints
    shaken = still.replace(xy=seen_by(camera, still.xy, scene.K), camera=camera)
    back = steadied(shaken, scene.K)
    there = back.confidence > 0
    assert there.mean() > 0.9 * (still.confidence > 0).mean()
    np.testing.assert_allclose(back.xy[there], still.xy[there], atol=1e-6)


def test_a_walk_filmed_by_a_turning_camera_is_the_same_walk_and_fits_the_picture() -> None:
    scene = film(*walk(45))
    pan, nod = np.linspace(-0.3, 0.3, 45), 0.02 * np.sin(np.arange(45))
    camera = CameraMotion(TURNING, turns_of(np.stack([nod, pan, nod], axis=-1)), scene.K[0, 0] / 2 / scene.K[:2, 2].max())
    filmed = scene.keypoints.replace(xy=seen_by(camera, scene.keypoints.xy, scene.K), camera=camera)
    lifted = dataclasses.replace(scene.lifted, positions=np.einsum("tij,tmj->tmi", camera.turns, scene.lifted.positions))
    wanted = solve(scene.lifted, scene.keypoints, scene.K)
    got = as_filmed(solve(steadied_lift(lifted, camera, scene.K), steadied(filmed, scene.K), scene.K), filmed, scene.K)
    np.testing.assert_allclose(got.joints_world(), wanted.joints_world(), atol=2e-3)
    np.testing.assert_array_equal(got.keypoints_2d[..., :2], filmed.xy)
    ankle = project(got.joints_camera(), got.camera.K)[:, INDEX["LeftFoot"]]
    assert np.nanmedian(np.linalg.norm(ankle - filmed.xy[:, filmed.names.index("l_ankle")], axis=-1)) < 5.0


def test_a_walk_filmed_with_a_zoom_is_the_same_walk_and_fits_the_picture(tmp_path: Path) -> None:
    scene = film(*walk(45))
    zooms = np.concatenate([np.ones(10), np.geomspace(1.0, 1.8, 35)])
    camera = CameraMotion(ZOOMING, np.tile(np.eye(3), (45, 1, 1)), scene.K[0, 0] / 2 / scene.K[:2, 2].max(), zooms=zooms)
    middle = scene.K[:2, 2]
    filmed = scene.keypoints.replace(xy=(scene.keypoints.xy - middle) * zooms[:, None, None] + middle, camera=camera)
    level = through_one_lens(filmed)
    np.testing.assert_allclose(level.xy, scene.keypoints.xy, atol=1e-9)
    assert level.camera is not None and level.camera.zooms is None
    got = as_filmed(solve(steadied_lift(scene.lifted, camera, scene.K), steadied(level, scene.K), scene.K), filmed, scene.K)
    wanted = solve(scene.lifted, scene.keypoints, scene.K)
    np.testing.assert_allclose(got.joints_world(), wanted.joints_world(), atol=2e-3)
    got.save(tmp_path / "motion.npz")
    again = load_motion(tmp_path / "motion.npz").resampled(got.fps / 2)
    ankle = project(again.joints_camera(), again.camera.lenses)[:, INDEX["LeftFoot"]]
    assert np.nanmedian(np.linalg.norm(ankle - again.keypoints_2d[:, filmed.names.index("l_ankle"), :2], axis=-1)) < 5.0


def test_turns_for_another_focal_length_move_the_picture_alike() -> None:
    camera = CameraMotion(SHAKING, turns_of(np.array([[0.01, 0.02, 0.03]])), 1.0)
    vector = rotations.to_rotation_vector(rotations.from_matrix(camera.turns_with(2.0)))
    np.testing.assert_allclose(vector, [[0.005, 0.01, 0.03]], atol=1e-9)
    np.testing.assert_allclose(camera.turns_with(1.0), camera.turns, atol=1e-12)


def test_a_keypoint_file_keeps_what_the_camera_did(tmp_path: Path) -> None:
    camera = CameraMotion(TRAVELLING, turns_of(shake(1, 20, 3.0)), 0.8, True, ((0.1, 0.5),), 0.9, np.geomspace(1, 2, 20))
    film(*walk(20)).keypoints.replace(camera=camera).save(tmp_path / "keypoints.npz")
    again = load_keypoints(tmp_path / "keypoints.npz").camera
    assert again is not None
    np.testing.assert_allclose(again.turns, camera.turns, atol=1e-6)
    np.testing.assert_allclose(again.zooms, camera.zooms, atol=1e-6)
    assert (again.kind, again.focal, again.measured, again.travels, again.seen) == (TRAVELLING, 0.8, True, ((0.1, 0.5),), 0.9)


@pytest.mark.parametrize("wrong", [{"turns": np.tile(np.eye(3), (5, 1, 1))}, {"zooms": np.ones(5)}, {"zooms": np.zeros(20)}])
def test_a_keypoint_file_whose_camera_does_not_fit_is_refused(tmp_path: Path, wrong: dict[str, np.ndarray]) -> None:
    camera = CameraMotion(ZOOMING, np.tile(np.eye(3), (20, 1, 1)), 1.0, zooms=np.geomspace(1, 2, 20))
    film(*walk(20)).keypoints.replace(camera=dataclasses.replace(camera, **wrong)).save(tmp_path / "keypoints.npz")
    with pytest.raises(InputError, match="one of each frame"):
        load_keypoints(tmp_path / "keypoints.npz")


def test_the_detectors_own_depth_does_not_grow_with_the_zoom() -> None:
    zooms, seen = np.geomspace(1, 2, 20), film(*walk(20)).keypoints
    camera = CameraMotion(ZOOMING, np.tile(np.eye(3), (20, 1, 1)), 1.0, zooms=zooms)
    depth = np.random.default_rng(0).normal(size=seen.confidence.shape)
    np.testing.assert_allclose(through_one_lens(seen.replace(depth=depth * zooms[:, None], camera=camera)).depth, depth)


def test_a_camera_that_turns_too_far_from_its_mean_view_is_refused() -> None:
    keypoints = film(*walk(20)).keypoints
    angles = np.linspace(-1.6, 1.6, 20)
    camera = CameraMotion(TURNING, turns_of(np.stack([0 * angles, angles, 0 * angles], axis=-1)), 1.0)
    with pytest.raises(InputError, match="turns too far in clip"):
        check_camera(camera, keypoints, K, "clip")


def film_again(path: Path, turns: np.ndarray, zooms: np.ndarray | None = None) -> None:
    """The sample's first frames, a little enlarged, through a camera that turns (T, 3, 3) and zooms (T,) so."""
    with av.open(str(path), "w") as container:
        source = open_source(SAMPLE)
        width, height = source.width, source.height
        stream = container.add_stream("libx264", rate=30, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        lens = assume_intrinsics(width, height)
        middle = np.array([width, height]) / 2
        for frame, turn, zoom in zip(source.frames(), turns, 1.1 * (np.ones(len(turns)) if zooms is None else zooms), strict=False):
            enlarged = np.array([[zoom, 0, (1 - zoom) * middle[0]], [0, zoom, (1 - zoom) * middle[1]], [0, 0, 1]])
            plane = lens @ turn @ np.linalg.inv(lens) @ enlarged
            image = cv2.warpPerspective(frame.rgb, plane, (width, height), borderMode=cv2.BORDER_REFLECT)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def test_a_shaken_video_gives_the_motion_of_the_steady_one(tmp_path: Path) -> None:
    film_again(tmp_path / "steady.mp4", np.tile(np.eye(3), (30, 1, 1)))
    film_again(tmp_path / "shaken.mp4", turns_of(shake(6, 30, 0.8)))
    options = RunOptions(formats=("npz",))
    steady, shaken = (run(tmp_path / f"{name}.mp4", tmp_path / name, options, Reporter()).motion for name in ("steady", "shaken"))
    assert (steady.meta["camera"]["motion"], shaken.meta["camera"]["motion"]) == (STILL, SHAKING)
    assert np.ptp(steady.camera.R, axis=0).max() == 0 and np.ptp(shaken.camera.R, axis=0).max() > 0.01
    ignored = load_keypoints(tmp_path / "shaken" / "keypoints.npz").replace(camera=None)
    ignored.save(tmp_path / "ignored.npz")
    naive = run(tmp_path / "ignored.npz", tmp_path / "naive", options, Reporter()).motion

    def jitter(motion: Motion) -> float:
        return float(np.abs(np.diff(motion.root_translation, n=2, axis=0)).mean())

    assert jitter(shaken) < 0.5 * (jitter(naive) + jitter(steady))
    off = np.linalg.norm(project(shaken.joints_camera(), shaken.camera.K)[:, INDEX["LeftFoot"]]
                         - shaken.keypoints_2d[:, shaken.keypoint_names.index("l_ankle"), :2], axis=-1)
    assert np.nanmedian(off) < 8.0


def test_a_zoomed_video_gives_the_motion_of_the_steady_one(tmp_path: Path) -> None:
    still, zooms = np.tile(np.eye(3), (30, 1, 1)), np.concatenate([np.ones(5), np.geomspace(1, 1.4, 20), np.full(5, 1.4)])
    film_again(tmp_path / "steady.mp4", still)
    film_again(tmp_path / "zoomed.mp4", still, zooms)
    options = RunOptions(formats=("npz",))
    steady, zoomed = (run(tmp_path / f"{name}.mp4", tmp_path / name, options, Reporter()).motion for name in ("steady", "zoomed"))
    assert (steady.meta["camera"]["motion"], zoomed.meta["camera"]["motion"]) == (STILL, ZOOMING)
    assert zoomed.camera.zooms is not None and steady.camera.zooms is None
    np.testing.assert_allclose(zoomed.camera.zooms, zooms, rtol=0.01)
    nearer = zoomed.joints_camera()[:, 0, 2] / steady.joints_camera()[:, 0, 2]
    assert np.ptp(nearer) < 0.04 and abs(nearer.mean() - 1) < 0.05  # untold, a zoom of 1.4 comes nearer by 0.29


def test_nothing_changes_for_a_camera_that_stands(tmp_path: Path) -> None:
    run(SAMPLE, tmp_path / "video", RunOptions(end=0.5, formats=("npz",)), Reporter())
    keypoints = load_keypoints(tmp_path / "video" / "keypoints.npz")
    assert keypoints.camera is not None and keypoints.camera.kind == STILL
    keypoints.save(tmp_path / "told.npz")
    keypoints.replace(camera=None).save(tmp_path / "untold.npz")
    told, untold = (run(tmp_path / f"{name}.npz", tmp_path / name, RunOptions(), Reporter()).motion for name in ("told", "untold"))
    np.testing.assert_array_equal(told.joints_world(), untold.joints_world())
    np.testing.assert_array_equal(told.camera.R, untold.camera.R)


def test_a_part_has_its_own_widest_view() -> None:
    times, zooms = np.arange(20) / 10, np.concatenate([np.full(8, 1.5), np.geomspace(1.5, 3.0, 4), np.full(8, 3.0)])
    camera = CameraMotion(ZOOMING, np.tile(np.eye(3), (20, 1, 1)), 0.8, zooms=zooms / 1.5)
    late = camera.cut(times >= 0.9, times)
    assert late.zooms is not None and late.kind == ZOOMING
    np.testing.assert_allclose(late.focal * late.zooms, 0.8 * camera.zooms[9:])
    end = camera.cut(times >= 1.2, times)
    assert (end.kind, end.zooms) == (STILL, None)


def test_a_part_has_its_own_mean_view() -> None:
    angles, times = np.concatenate([np.full(10, -1.7), np.linspace(-1.7, 1.7, 40)]), np.arange(50) / 10
    camera = CameraMotion(TURNING, turns_of(angles[:, None] * [0.0, 1.0, 0.0]), 0.8)
    pan = camera.cut(times >= 4.0, times)
    assert pan.kind == TURNING and np.radians(pan.describe()["largest_turn_deg"]) == pytest.approx(np.ptp(angles[40:]) / 2, abs=0.01)
    np.testing.assert_allclose(pan.turns @ pan.turns[0].T, camera.turns[40:] @ camera.turns[40].T, atol=1e-12)
    stood = camera.cut(times < 0.9, times)
    assert stood.kind == STILL and np.array_equal(stood.turns, np.tile(np.eye(3), (9, 1, 1)))


def test_a_part_in_which_the_camera_does_not_travel_can_be_used() -> None:
    times = np.arange(20) / 10
    camera = CameraMotion(TRAVELLING, turns_of(shake(1, 20, 3.0)), 0.8, True, ((0.1, 0.5),), 0.9)
    after = camera.cut(times >= 1.0, times)
    assert after.kind == SHAKING and after.travels == ()
    np.testing.assert_allclose(after.turns @ after.turns[0].T, camera.turns[10:] @ camera.turns[10].T, atol=1e-12)
    assert camera.cut(times >= 0.3, times).kind == TRAVELLING
    still = CameraMotion(TRAVELLING, np.tile(np.eye(3), (20, 1, 1)), 0.8, False, ((0.1, 0.5),))
    assert still.cut(times >= 1.0, times).kind == STILL
