"""A body that moves as told before a camera, and what a perfect (or noisy) lifter and detector would say about it. For tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from walking import walk as walk  # for those who import it from here

from core import rotations
from core.events import Reporter
from core.keypoints import CANONICAL, Keypoints
from core.markers import MARKERS
from core.skeleton import INDEX, JOINTS, Skeleton
from core.solve.body import Body, point_of
from core.solve.fit import State
from core.solve.gravity import GRAVITY, centre_of_mass


@dataclass(frozen=True)
class Lifted:
    """As core.lift hands over."""

    names: tuple[str, ...]
    positions: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Truth: skeleton, local rotations (T, 21, 4), root (T, 3) in the world, joints (T, 21, 3) in the camera; view (3, 3) and
    place (3,): x_camera = view x + place. Evidence: lifted, keypoints, K."""

    skeleton: Skeleton
    local: np.ndarray
    root: np.ndarray
    joints: np.ndarray
    view: np.ndarray
    place: np.ndarray
    lifted: Lifted
    keypoints: Keypoints
    K: np.ndarray


class Listener(Reporter):
    """Keeps the sentences."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _emit(self, event: dict) -> None:
        self.said += [event["text"]] if event["event"] in ("log", "warning") else []


def wander(seed: int, frames: int, fps: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random poses within what joints can do: local rotations, root."""
    generator = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / fps
    waves = [np.sin(2 * np.pi * (rate * time + generator.uniform(size=(1, 21, 3)))) * generator.uniform(0.2, 1, (1, 21, 3))
             for rate in (0.25, 0.6)]
    wave = 0.5 * (waves[0] + waves[1])
    reach = np.full((21, 3), 0.15)
    middle = np.zeros((21, 3))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        reach[INDEX[f"{side}UpLeg"]], middle[INDEX[f"{side}UpLeg"]] = (0.7, 0.25, 0.25), (-0.5, sign * -0.1, 0)
        reach[INDEX[f"{side}Leg"]], middle[INDEX[f"{side}Leg"]] = (0.8, 0, 0), (0.9, 0, 0)
        reach[INDEX[f"{side}Toe"]] = (0.1, 0, 0)
        reach[INDEX[f"{side}Arm"]], middle[INDEX[f"{side}Arm"]] = (0.4, 0.7, 0.6), (0, sign * 0.5, sign * -0.3)
        reach[INDEX[f"{side}ForeArm"]], middle[INDEX[f"{side}ForeArm"]] = (0, 0, 0.8), (0, 0, sign * -0.9)
        reach[INDEX[f"{side}Shoulder"]] = 0.05
    turns = middle + wave * reach
    turns[:, 0] = [0, 0, generator.uniform(-np.pi, np.pi)] + 0.2 * wave[:, 0]
    root = 0.4 * wave[:, 1] * [1, 1, 0.2] + [0, 0, 0.95]
    return rotations.from_rotation_vector(turns), root


def jump(skeleton: Skeleton, fps: float, air: float, forwards: float = 0.5, stretched: float = 1.0,
         drop: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Stands for 0.7 s, flies for `air` seconds with knees drawn up and arms raised, stands again: local rotations, root. stretched: how
    much slower than in truth everything is shown. drop: metres from the first stand down to the second, which is at z = 0."""
    time = np.arange(round(stretched * (1.4 + air) * fps)) / fps / stretched - 0.7
    share = np.clip(time / air, 0.0, 1.0)
    lift = np.sin(np.pi * share) ** 2
    turns = np.zeros((len(time), len(JOINTS), 3))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        turns[:, INDEX[f"{side}Arm"], 1] = sign * (1.2 - 1.5 * lift)
        turns[:, INDEX[f"{side}UpLeg"], 0], turns[:, INDEX[f"{side}Leg"], 0] = -0.1 - 0.5 * lift, 0.2 + 0.9 * lift
        turns[:, INDEX[f"{side}Foot"], 0] = -0.1
    local = rotations.from_rotation_vector(turns)
    mass = centre_of_mass(skeleton, State(local, np.zeros((len(time), 3))))
    flown = share * air
    path = mass[:1] + np.stack([0 * flown, -forwards * flown, 0.5 * GRAVITY * flown * (air - flown) - drop * share], axis=-1)
    toe = Body(skeleton, ("LeftToe",)).pose(local[:1], np.zeros((1, 3))).points[0, 0, 2]
    return local, path - mass + [0.0, 0.0, 0.028 + drop - toe]


def film(local: np.ndarray, root: np.ndarray, azimuth: float = 0.6, tilt: float = 0.1, distance: float = 4.5, stature: float = 1.7,
         fps: float = 30.0, skeleton: Skeleton | None = None, noise: float = 0.0, pixels: float = 0.0, seed: int = 0,
         roll: float = 0.0, focal: float = 1100.0) -> Scene:
    """Looks at the motion from `distance` metres at `azimuth` (0: from the front), tilted down and rolled; noise in metres and pixels;
    focal: pixels of 1280 x 720."""
    generator = np.random.default_rng(seed)
    skeleton = skeleton or Skeleton.mean(stature)
    body = Body(skeleton, MARKERS + tuple(sorted({point_of(n) for n in CANONICAL} - set(MARKERS))))
    forward = np.array([np.sin(azimuth) * np.cos(tilt), np.cos(azimuth) * np.cos(tilt), -np.sin(tilt)])
    right = np.cross([0, 0, -1.0], forward)
    right /= np.linalg.norm(right)
    view = np.stack([right, np.cross(forward, right), forward])
    view = np.array([[np.cos(roll), -np.sin(roll), 0.0], [np.sin(roll), np.cos(roll), 0.0], [0.0, 0.0, 1.0]]) @ view
    place = -view @ (root.mean(0) - distance * forward)
    points = body.pose(local, root).points @ view.T + place
    hips = points[:, [INDEX["LeftUpLeg"], INDEX["RightUpLeg"]]].mean(1, keepdims=True)
    K = np.array([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])
    columns = [body.names.index(point_of(n)) for n in CANONICAL]
    xy = (points @ K.T)[:, columns]
    xy = xy[..., :2] / xy[..., 2:] + pixels * generator.normal(size=(len(root), len(columns), 2))
    markers = points[:, :len(MARKERS)] - hips + noise * generator.normal(size=(len(root), len(MARKERS), 3))
    keypoints = Keypoints(CANONICAL, xy, np.ones(xy.shape[:2]), np.arange(len(root)) / fps, 1280, 720, fps)
    lifted = Lifted(MARKERS, markers, np.full(markers.shape[:2], max(1.6 * noise, 1e-3)))
    return Scene(skeleton, local, root, points[:, :len(JOINTS)], view, place, lifted, keypoints, K)


def about_hips(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 21, 3) about the middle of the hip joints."""
    return joints - joints[:, [INDEX["LeftUpLeg"], INDEX["RightUpLeg"]]].mean(1, keepdims=True)
