"""A model of how MediaPipe's keypoints differ from the truth: data/noise.npz, fitted by `models.fit_noise`; data/noise_held_out.npz has the
errors of takes of val/'s motions, to judge by.

Problem: networks trained on clean projections trust their input too much, and ones trained on Gaussian noise too little: an ankle is
mostly right to 3 cm and now and then half a metre off. Method: the difference of each keypoint (2D, the detector's depth and world
landmark, and its confidence's logit) is a linear function of where the keypoint is and which way the person faces (bias, flattened depth;
fitted robustly), plus what that leaves in a measured take whose person faces about the same way and has the limbs in about the same
places, as it is: all keypoints and channels together over time, so that tails, correlations, drop-outs and confidences that lie are the
detector's own. Limbs may take them from another take, where that limb is in about the same place: the measured ones are few, and a
network that is trained for long knows them by heart. Apart from that, left and right are exchanged for a while, front with back. Limits:
what is occluded belongs to the measured take's pose, not to the one that is drawn; ankles and wrists are as before the 2D stage
replaces implausible ones, so that those of training err a little more than those of a run.

Differences are measured in metres at the hips' distance, in the view that looks at the hips, so they fit any camera. numpy only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.camera import person_view
from core.keypoints import CANONICAL
from core.skeleton import mirror_order

TRAINING, HELD_OUT = (Path(__file__).parent / "data" / name for name in ("noise.npz", "noise_held_out.npz"))
CHANNELS = 7
"""x, y (metres at the hips' distance), depth (metres), world x, y, z (metres), confidence's logit."""
_STEP = 2.0**-9  # of what is kept
_ALIKE = 0.04  # of the takes, those whose persons stand most alike, lend their errors
_TURN = 0.3  # metres that a radian of facing apart counts for, beside how far apart the limbs are
_SIZES = 0.2  # standard deviation of the logarithm of a factor on a window's errors: more takes than there are
MIRRORED = mirror_order(CANONICAL)
SIGN = np.array([-1, 1, 1, -1, 1, 1, 1])  # of each channel in a mirror
_MIXED = 0.5  # of the limbs take their errors from elsewhere, where they may
_LIMBS = tuple(np.array([n[:2] == side and n[2:] in parts for n in CANONICAL]) for parts in (
    ("elbow", "wrist", "index", "pinky", "thumb"), ("knee", "ankle", "heel", "toe")) for side in ("l_", "r_"))
_LIMB_ENDS = np.array([[CANONICAL.index(f"{side}_{n}") for n in names]
                       for names in (("elbow", "wrist"), ("knee", "ankle")) for side in "lr"])
_HIPS = [CANONICAL.index(n) for n in ("l_hip", "r_hip")]


@dataclass(frozen=True)
class Scene:
    """True keypoints as the detector's model sees them. body: (..., 27, 3) metres about the hips in the view that looks at the hips;
    rotation: (..., 3, 3) camera to that view; distance: (...) metres to the hips."""

    body: np.ndarray
    rotation: np.ndarray
    distance: np.ndarray

    def flat(self) -> np.ndarray:
        """(..., 27, 2) where the keypoints appear, as metres in the plane at the hips' distance."""
        far = self.distance[..., None]
        return self.body[..., :2] * (far / np.maximum(far + self.body[..., 2], 0.1))[..., None]


def scene(keypoints: np.ndarray) -> Scene:
    """From keypoints (..., 27, 3) in metres, camera axes."""
    hips = keypoints[..., _HIPS, :].mean(-2, keepdims=True)
    rotation = person_view(hips, np.ones(hips.shape[:-1]))
    body = (keypoints - hips) @ np.swapaxes(rotation, -1, -2)
    return Scene(body, rotation, np.linalg.norm(hips[..., 0, :], axis=-1))


def facing(body: np.ndarray) -> np.ndarray:
    """(...) radians about the vertical of the view in which bodies (..., 27, 3) face: 0 towards the camera, pi away from it."""
    across = body[..., _HIPS[0], :] - body[..., _HIPS[1], :]
    return np.arctan2(across[..., 2], across[..., 0])


def mean_facing(body: np.ndarray) -> np.ndarray:
    """(...) the mean of `facing` over the frames of bodies (..., T, 27, 3): of directions, for people seen from behind are at +-pi."""
    return np.angle(np.exp(1j * facing(body)).mean(-1))


def limb_places(body: np.ndarray) -> np.ndarray:
    """(..., 4, 2, 3) where elbows and wrists, knees and ankles of bodies (..., T, 27, 3) are on average, in the order of `_LIMBS`."""
    return np.asarray(body[..., _LIMB_ENDS, :].mean(-4))


def regressors(body: np.ndarray) -> np.ndarray:
    """(..., 27, 8): one, the facing angle's first two harmonics, and the keypoint's own position."""
    angle = facing(body)
    whole = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=-1)
    return np.concatenate([np.broadcast_to(whole[..., None, :], body.shape[:-1] + (5,)), body], axis=-1)


@dataclass(frozen=True)
class NoiseModel:
    """The fitted bias, and what it left in every take. bias: (27, 8, CHANNELS); errors: (F, 27, CHANNELS) the takes' frames one take after
    the other; first, frames: (R,) where a take begins and how long it is; rate: (R,) its frames a second; facing: (R,) radians, which way
    its person faces; limbs: (R, 4, 2, 3) their `limb_places`; swaps: share of takes with an exchange."""

    bias: np.ndarray
    errors: np.ndarray
    first: np.ndarray
    frames: np.ndarray
    rate: np.ndarray
    facing: np.ndarray
    limbs: np.ndarray
    swaps: float

    @classmethod
    def load(cls, path: Path = TRAINING) -> NoiseModel:
        """From `TRAINING` or `HELD_OUT`."""
        with np.load(path) as data:
            values = {name: data[name].astype(np.float32 if name == "errors" else data[name].dtype) for name in data.files}
        return cls(**values | {"swaps": float(values["swaps"])})

    def save(self, path: Path) -> None:
        """To `TRAINING` or `HELD_OUT`; errors (metres and logits) to 2^-9, far below the usual 40 mm, because that packs well."""
        np.savez_compressed(path, **dataclasses.asdict(self) | {"errors": (np.round(self.errors / _STEP) * _STEP).astype(np.float16)})

    def differences(self, rng: np.random.Generator, body: np.ndarray, step: np.ndarray, mixed: bool = False) -> np.ndarray:
        """(N, T, 27, CHANNELS) for bodies (N, T, 27, 3) seen every `step` (N,) seconds; mixed: half of the limbs take
        their errors from another take."""
        both = np.concatenate([self.facing, -self.facing])  # a take in a mirror is another take
        turned = np.abs((mean_facing(body)[:, None] - both + np.pi) % (2 * np.pi) - np.pi)
        places = np.concatenate([self.limbs, self.limbs[:, [1, 0, 3, 2]] * [-1, 1, 1]])
        apart = _distances(limb_places(body), places).mean(-1)  # (N, R, 4) metres
        count = max(round(_ALIKE * len(both)), 1)

        def alike(distance: np.ndarray) -> np.ndarray:
            return np.argpartition(turned * _TURN + distance, count - 1, axis=1)[:, :count]

        errors = self._lent(rng, alike(apart.mean(-1)), step, body.shape[1])
        for i, limb in enumerate(_LIMBS if mixed else ()):
            chosen = np.less(rng.random(len(body)), _MIXED)[:, None, None, None]
            errors = np.where(chosen & limb[:, None], self._lent(rng, alike(apart[..., i]), step, body.shape[1]), errors)
        errors[..., :6] *= np.exp(rng.normal(0, _SIZES, (len(body), 1, 1, 1)))
        return (regressors(body)[..., None, :] @ self.bias)[..., 0, :] + errors

    def _lent(self, rng: np.random.Generator, alike: np.ndarray, step: np.ndarray, frames: int) -> np.ndarray:
        """(N, T, 27, CHANNELS) the errors of one of the takes alike (N, A) each; those from len(first) on are takes in a mirror."""
        n, count = alike.shape
        take = alike[np.arange(n), rng.integers(0, count, n)]
        mirrored, take = take >= len(self.first), take % len(self.first)
        last = np.maximum(self.frames[take] - 1, 1)[:, None]
        place = rng.uniform(0, 2 * last) + step[:, None] * self.rate[take][:, None] * np.arange(frames)
        place = np.minimum(last - np.abs(last - place % (2 * last)), self.frames[take][:, None] - 1)  # forwards and backwards again
        errors = self.errors[self.first[take][:, None] + np.rint(place).astype(int)].astype(np.float64)
        errors[mirrored] = errors[mirrored][:, :, MIRRORED] * SIGN
        return errors


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, R, ...) from each of a (N, ..., 3) to each of b (R, ..., 3); by products, as there are many."""
    squares = (a**2).sum(-1)[:, None] + (b**2).sum(-1)
    products = np.moveaxis(a, 0, -2) @ np.swapaxes(np.moveaxis(b, 0, -2), -1, -2)
    return np.sqrt(np.maximum(squares - 2 * np.moveaxis(products, (-2, -1), (0, 1)), 0.0))


def observe(model: NoiseModel, rng: np.random.Generator, keypoints: np.ndarray, step: np.ndarray,
            mixed: bool = False) -> tuple[np.ndarray, ...]:
    """What the detector would report of true keypoints (N, T, 27, 3) in metres, camera axes, seen every `step` (N,) seconds; mixed: see
    `NoiseModel.differences`.

    Returns rays (N, T, 27, 3) in camera axes, depth (N, T, 27) over the distance of the hips, world (N, T, 27, 3) metres, and
    confidence (N, T, 27).
    """
    true = scene(keypoints)
    difference = model.differences(rng, true.body, step, mixed)
    flat = true.flat() + difference[..., :2]
    depth = true.body[..., 2] + difference[..., 2]
    world = true.body + difference[..., 3:6]
    confidence = 1 / (1 + np.exp(-np.clip(difference[..., 6], -8, 8)))
    exchanged = _exchanges(model, rng, *keypoints.shape[:2])[..., None]
    flat = np.where(exchanged[..., None], flat[:, :, MIRRORED], flat)
    depth = np.where(exchanged, -depth[:, :, MIRRORED], depth)
    world = np.where(exchanged[..., None], world[:, :, MIRRORED] * [1, 1, -1], world)
    confidence = np.where(exchanged, confidence[:, :, MIRRORED], confidence)
    rays = np.concatenate([flat, np.broadcast_to(true.distance[..., None, None], flat.shape[:-1] + (1,))], axis=-1)
    rays = rays @ true.rotation
    return rays, depth / true.distance[..., None], world, confidence


def _exchanges(model: NoiseModel, rng: np.random.Generator, n: int, frames: int) -> np.ndarray:
    """(n, frames) bool: where left and right, front and back are exchanged: up to half a take, in `swaps` of the takes."""
    length = rng.integers(2, max(frames // 2, 2) + 1, n)
    start = rng.integers(1 - length, frames)
    index = np.arange(frames)
    return (rng.random(n) < model.swaps)[:, None] & (index >= start[:, None]) & (index < (start + length)[:, None])
