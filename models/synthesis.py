"""Training windows from mocap: other bodies, other speeds, recombined limbs, imagined cameras, and a modelled detector.

Problem: the pack holds 25 people and 23 minutes; the world does not. Method, all vectorised over the windows of a batch:
- a stretch of a file at a random frame rate and speed, forwards and backwards again where the file is too short;
- arms or legs of one window on the trunk of another (rotations relative to the trunk), now and then the whole tilted; for training
  also poses that nobody took (`models.variety`);
- the body of a MakeHuman person (`models.fit_bodies`: errors are measured on that rig), sometimes blended towards the file's own bones;
- keypoints ride on joints as offsets, which vary from person to person;
- a camera at any azimuth, from the floor to overhead, rolled, 24 to 85 mm, near or far, the person anywhere in the frame or cut off;
- MediaPipe's errors as fitted (`models.noise`).
Limits: nothing is hidden by anything but the frame's edge; recombined bodies may intersect. numpy only.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from core.camera import FULL_FRAME
from core.keypoints import ATTACHMENTS, CANONICAL
from core.markers import MARKERS
from core.rotations import from_rotation_vector, to_matrix
from core.skeleton import END_PARENTS, ENDS, INDEX, JOINTS, MEAN_STATURE, PARENTS

from .mocap import Pack, Part
from .noise import HELD_OUT, NoiseModel, observe
from .variety import tumbling, turned_over, varied
from .windows import Windows

BODIES = Path(__file__).parent / "data" / "bodies.json"
_FRAME_RATES = (14.0, 62.0)
_LENSES = (24.0, 85.0)  # mm
ANY_ELEVATION = (-np.pi / 2, np.pi / 2)
_LOWEST, _HIGHEST = -np.arcsin(0.7), 1.45  # radians; from straight above nobody films
_LONG_SIDE = 1000.0  # pixels; nothing depends on it
_LEGS = tuple([INDEX[f"{side}{n}"] for n in ("UpLeg", "Leg", "Foot", "Toe")] for side in ("Left", "Right"))
_ARMS = tuple([INDEX[f"{side}{n}"] for n in ("Shoulder", "Arm", "ForeArm", "Hand")] for side in ("Left", "Right"))
_POINTS = MARKERS + ("l_eye", "r_eye")
_RIDERS = tuple(n for n in _POINTS if n not in JOINTS and n != "HeadEnd")
_RIDER_JOINT = np.array([INDEX[ATTACHMENTS[n][0]] for n in _RIDERS])
_RIDER_OFFSET = np.array([ATTACHMENTS[n][1] for n in _RIDERS])
_KEYPOINT = np.array([_POINTS.index(n if n in _POINTS else ATTACHMENTS[n][0]) for n in CANONICAL])
_HIPS = [INDEX["LeftUpLeg"], INDEX["RightUpLeg"]]


class Synthesis:
    """Draws windows from one part of the pack, filmed by cameras whose elevation above the person's middle lies between two angles
    (lowest, highest) in radians; positive ones look down. invented: with poses and mixtures of the detector's errors beyond the
    measured ones, to train on, not to judge by. noise: the detector's errors, those for training if None."""

    def __init__(self, part: Part, elevations: tuple[float, float] = ANY_ELEVATION, *, invented: bool = False,
                 noise: NoiseModel | None = None) -> None:
        self._part = part
        self._invented = invented
        if elevations[0] >= _HIGHEST or elevations[1] <= _LOWEST:
            raise ValueError(f"cameras are drawn between {_LOWEST:.2f} and {_HIGHEST:.2f} radians, so none stands between "
                             f"{elevations[0]:.2f} and {elevations[1]:.2f}")
        self._elevations = elevations
        bodies = json.loads(BODIES.read_text())
        self._mean, self._directions = np.array(bodies["mean"]), np.array(bodies["directions"])
        self._noise = noise or NoiseModel.load()
        legs = [INDEX["LeftLeg"], INDEX["LeftFoot"]]
        self._leg = np.linalg.norm(part.offsets[:, legs], axis=-1).sum(-1)

    def draw(self, rng: np.random.Generator, count: int, frames: int) -> Windows:
        """`count` windows of `frames` frames."""
        return self._seen(rng, *self._film(rng, count, frames))

    def draw_with_keypoints(self, rng: np.random.Generator, count: int, frames: int) -> tuple[Windows, np.ndarray]:
        """`draw`, and where the keypoints truly are in the picture: (N, T, 27, 2) pixels, NaN behind the camera."""
        camera, K, size, rate = self._film(rng, count, frames)
        exact = camera[:, :, _KEYPOINT]
        flat = exact[..., :2] / np.where(exact[..., 2:] > 0.15, exact[..., 2:], np.nan)
        return self._seen(rng, camera, K, size, rate), flat * K[:, None, None, [0, 1], [0, 1]] + K[:, None, None, :2, 2]

    def _film(self, rng: np.random.Generator, count: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """`_POINTS` (N, T, P, 3) of random people in the axes of random cameras, K (N, 3, 3), size (N, 2), frames a second (N,)."""
        files = self._part.draw_files(rng, count)
        rate = _log_uniform(rng, *_FRAME_RATES, count)
        turns, root = self._part.stretches(rng, files, rate, frames)
        turns, root = recombined(rng, turns, root)
        if self._invented:
            turns, root = tumbling(rng, varied(rng, turns), root)
        turns, root = _tilted(rng, turns, root)
        offsets = self._bodies(rng, files)
        leg = np.linalg.norm(offsets[:, [INDEX["LeftLeg"], INDEX["LeftFoot"]]], axis=-1).sum(-1)
        points = _points(rng, turns, root * (leg / self._leg[files])[:, None, None], offsets)
        return *_filmed(rng, points, self._elevations), rate

    def _bodies(self, rng: np.random.Generator, files: np.ndarray) -> np.ndarray:
        """Offsets (N, 26, 3) of people: mostly MakeHuman's kind, sometimes part of the way to the file's own."""
        n = len(files)
        drawn = self._mean + np.einsum("nd,djc->njc", 1.2 * rng.normal(size=(n, len(self._directions))), self._directions)
        own = self._part.offsets[files] * (_stature(drawn) / _stature(self._part.offsets[files]))[:, None, None]
        share = np.where(rng.random(n) < 0.3, rng.uniform(0.0, 0.6, n), 0.0)[:, None, None]
        blended = (1 - share) * drawn + share * own
        blended *= np.exp(rng.normal(0.0, 0.03, (n, len(JOINTS) + len(ENDS), 1)))
        return blended * np.exp(rng.normal(0.0, 0.03, (n, 1, 1)))

    def _seen(self, rng: np.random.Generator, camera: np.ndarray, K: np.ndarray, size: np.ndarray, rate: np.ndarray) -> Windows:
        """What the detector reports of points (N, T, P, 3) in camera axes, and the truth."""
        n, frames = camera.shape[:2]
        keypoints = camera[:, :, _KEYPOINT]
        rays, depth, world, confidence = observe(self._noise, rng, keypoints, 1 / rate, self._invented)
        focal = K[:, 0, 0][:, None, None]
        xy = rays[..., :2] / np.maximum(rays[..., 2:], 0.05) * focal[..., None] + K[:, None, None, :2, 2]
        behind = (keypoints[..., 2] < 0.15) | (rays[..., 2] < 0.15)
        outside = ~((xy >= 0) & (xy < size[:, None, None])).all(-1)  # the 2D stage drops them as well
        gone = behind | outside
        xy[gone] = np.nan
        target = camera[:, :, : len(MARKERS)] - camera[:, :, _HIPS].mean(2, keepdims=True)
        return Windows(
            xy=xy, confidence=np.where(gone, 0.0, confidence), depth=np.where(gone, np.nan, depth * focal),
            world=np.where(gone[..., None], np.nan, world), K=K, size=size, seconds=np.arange(frames) / rate[:, None],
            real=np.ones((n, frames), dtype=bool), target=target, weight=np.ones((n, frames, len(MARKERS))))


def unseen(pack: Pack, elevations: tuple[float, float] = ANY_ELEVATION) -> Synthesis:
    """Windows to judge by: motions and errors of the detector that training never sees."""
    return Synthesis(pack.part("val"), elevations, noise=NoiseModel.load(HELD_OUT))


def _log_uniform(rng: np.random.Generator, low: float, high: float, count: int) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def _stature(offsets: np.ndarray) -> np.ndarray:
    """Ankle to crown (N,) of offsets (N, 26, 3), metres."""
    chain = [INDEX[n] for n in ("LeftUpLeg", "LeftLeg", "LeftFoot")]
    up = [INDEX[n] for n in ("Spine", "Spine1", "Neck", "Head")] + [len(JOINTS)]
    return offsets[:, up, 2].sum(-1) - offsets[:, chain, 2].sum(-1)


def recombined(rng: np.random.Generator, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Global rotations (N, T, 21, 3, 3) and roots (N, T, 3) again; a third of the windows get both arms or both legs of their neighbour in
    the batch, relative to the trunk."""
    other = np.roll(turns, 1, axis=0)
    turns = turns.copy()
    kind = rng.random(len(turns))
    for low, limbs, base in ((0.0, _ARMS, INDEX["Spine1"]), (0.2, _LEGS, INDEX["Hips"])):
        which = np.flatnonzero((kind >= low) & (kind < low + (0.2 if base else 0.12)))
        carry = turns[which][:, :, base] @ np.swapaxes(other[which][:, :, base], -1, -2)
        for joint in [j for limb in limbs for j in limb]:
            turns[which, :, joint] = carry @ other[which, :, joint]
    return turns, root


def _tilted(rng: np.random.Generator, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of the windows lie, hang or fall: everything turned about a level axis by up to 120 degrees; the others by a little."""
    n = len(turns)
    angle = np.where(rng.random(n) < 0.1, rng.uniform(0, 2.1, n), np.abs(rng.normal(0, 0.05, n)))
    return turned_over(rng, angle[:, None], turns, root)


def _points(rng: np.random.Generator, turns: np.ndarray, root: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """World positions (N, T, P, 3) of `_POINTS` in metres."""
    n, frames = root.shape[:2]
    parents = np.array(PARENTS)
    bones = np.einsum("ntjab,njb->ntja", turns[:, :, parents[1:]], offsets[:, 1 : len(JOINTS)])
    joints = np.empty((n, frames, len(JOINTS), 3))
    joints[:, :, 0] = root
    for j in range(1, len(JOINTS)):
        joints[:, :, j] = joints[:, :, parents[j]] + bones[:, :, j - 1]
    head = INDEX[END_PARENTS["HeadEnd"]]
    crown = joints[:, :, head] + np.einsum("ntab,nb->nta", turns[:, :, head], offsets[:, len(JOINTS)])
    scale = (_stature(offsets) + 0.09) / MEAN_STATURE
    riders = _RIDER_OFFSET * scale[:, None, None] * np.exp(rng.normal(0, 0.06, (n, 1, 1))) + rng.normal(0, 0.006, (n, len(_RIDERS), 3))
    ridden = joints[:, :, _RIDER_JOINT] + np.einsum("ntkab,nkb->ntka", turns[:, :, _RIDER_JOINT], riders)
    return np.concatenate([joints, crown[:, :, None], ridden], axis=2)


def _filmed(rng: np.random.Generator, points: np.ndarray,
            elevations: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N, T, P, 3) in the axes of a drawn camera each, its K (N, 3, 3), and the picture's size (N, 2)."""
    n = len(points)
    focal = _log_uniform(rng, *_LENSES, n) / FULL_FRAME * _LONG_SIDE
    size = _LONG_SIDE * np.stack([np.ones(n), np.where(rng.random(n) < 0.5, 3 / 4, 9 / 16)], axis=-1)
    portrait = rng.random(n) < 0.45
    size[portrait] = size[portrait, ::-1]
    middle = (points.min((1, 2)) + points.max((1, 2))) / 2
    radius = np.linalg.norm(points - middle[:, None, None], axis=-1).max((1, 2))
    fill = np.where(rng.random(n) < 0.25, rng.uniform(0.9, 1.7, n), rng.uniform(0.2, 0.95, n))
    distance = np.maximum(focal * 2 * np.minimum(radius, 1.6) / (fill * size[:, 1]), radius + 0.4)
    eye = middle + distance[:, None] * _directions_between(rng, middle[:, 2], distance, elevations)
    R = _looking(middle - eye, rng.normal(0, 1, n) * np.where(rng.random(n) < 0.3, 0.15, 0.02))
    K = np.zeros((n, 3, 3))
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, :2, 2], K[:, 2, 2] = size / 2, 1.0
    free = np.maximum(size / 2 - 0.8 * (focal * radius / distance)[:, None], 0.06 * size)
    aim = rng.uniform(-1, 1, (n, 2)) * free
    low = rng.random(n) < 0.15  # legs below the frame
    aim[low, 1] += rng.uniform(0.2, 0.5, low.sum()) * size[low, 1]
    R = _aside(aim / focal[:, None]) @ R
    return np.einsum("nij,ntpj->ntpi", R, points - eye[:, None, None]), K, size


def _directions_between(rng: np.random.Generator, height: np.ndarray, distance: np.ndarray, elevations: tuple[float, float]) -> np.ndarray:
    """`_directions` (N, 3), drawn again until their elevations lie in the range."""
    directions = _directions(rng, height, distance)
    low, high = np.sin(elevations)
    while len(again := np.flatnonzero((directions[:, 2] < low) | (directions[:, 2] > high))):
        directions[again] = _directions(rng, height[again], distance[again])
    return directions


def _directions(rng: np.random.Generator, height: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Unit vectors (N, 3) from persons at `height` to cameras at `distance`: all around, mostly at hand height, some from overhead."""
    n = len(height)
    camera = np.where(rng.random(n) < 0.6, rng.normal(1.4, 0.3, n), rng.uniform(0.05, 3.0, n))
    elevation = np.arcsin(np.clip((camera - height) / distance, np.sin(_LOWEST), -np.sin(_LOWEST)))
    elevation = np.where(rng.random(n) < 0.15, rng.uniform(0.0, _HIGHEST, n), elevation)
    azimuth = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1)


def _looking(forward: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """World to camera (N, 3, 3) for cameras that look along `forward` (N, 3), upright but for `roll` (N,)."""
    z = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)
    upright = np.stack([x, np.cross(z, x), z], axis=-2)
    return to_matrix(from_rotation_vector(roll[:, None] * [0.0, 0.0, 1.0])) @ upright


def _aside(tangents: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) of the camera that move what is in the middle of the picture to `tangents` (N, 2)."""
    yaw, pitch = np.arctan(tangents[:, 0]), -np.arctan(tangents[:, 1])
    zero = np.zeros_like(yaw)
    turn = to_matrix(from_rotation_vector(np.stack([zero, yaw, zero], axis=-1)))
    return to_matrix(from_rotation_vector(np.stack([pitch, zero, zero], axis=-1))) @ turn
