"""A model of how MediaPipe's keypoints differ from the truth: data/noise.json, fitted by `models.fit_noise`.

Problem: networks trained on clean projections trust their input too much. Method: the difference of each keypoint (2D, the detector's
depth and world landmark, and its confidence's logit) is a linear function of where the keypoint is and which way the person faces
(bias, flattened depth), plus correlated noise: principal directions over all keypoints and channels, one part that is constant over a
take and one that wanders (a first-order autoregression with fitted correlation), both scaled by a take's own log-normal size, which
makes the tails heavy. Apart from that, left and right are exchanged for a while, front with back. Limits: linear and Gaussian within a
take; what is occluded is not known, only how confidence and error go together; ankles and wrists are as before the 2D stage replaces
implausible ones, so that those of training err a little more than those of a run.

Differences are measured in metres at the hips' distance, in the view that looks at the hips, so they fit any camera. numpy only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.camera import person_view
from core.keypoints import CANONICAL
from core.skeleton import mirror_name

DATA = Path(__file__).parent / "data" / "noise.json"
CHANNELS = 7
"""x, y (metres at the hips' distance), depth (metres), world x, y, z (metres), confidence's logit."""
REFERENCE = 1 / 30  # seconds that the fitted correlations belong to
MIRRORED = np.array([CANONICAL.index(mirror_name(n)) for n in CANONICAL])
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
    body = np.einsum("...ij,...kj->...ki", rotation, keypoints - hips)
    return Scene(body, rotation, np.linalg.norm(hips[..., 0, :], axis=-1))


def regressors(body: np.ndarray) -> np.ndarray:
    """(..., 27, 8): one, the facing angle's first two harmonics, and the keypoint's own position."""
    across = body[..., _HIPS[0], :] - body[..., _HIPS[1], :]
    angle = np.arctan2(across[..., 2], across[..., 0])
    whole = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=-1)
    return np.concatenate([np.broadcast_to(whole[..., None, :], body.shape[:-1] + (5,)), body], axis=-1)


@dataclass(frozen=True)
class NoiseModel:
    """The fitted numbers; D = 27 x CHANNELS. bias: (27, 8, CHANNELS); scale: (D,); steady: (P, D) and moving: (Q, D) directions in
    units of scale; memory: (Q,) correlation over `REFERENCE`; rest: (D,) what the directions leave, in units of scale;
    size_spread: (2,) deviation of the logarithm of a take's steady and moving size; swaps: share of takes with an exchange."""

    bias: np.ndarray
    scale: np.ndarray
    steady: np.ndarray
    moving: np.ndarray
    memory: np.ndarray
    rest: np.ndarray
    size_spread: np.ndarray
    swaps: float

    @classmethod
    def load(cls) -> NoiseModel:
        """From data/noise.json."""
        values = json.loads(DATA.read_text())
        values.pop("about")
        swaps = float(values.pop("swaps"))
        return cls(**{k: np.array(v) for k, v in values.items()}, swaps=swaps)

    def differences(self, rng: np.random.Generator, body: np.ndarray, step: np.ndarray) -> np.ndarray:
        """(N, T, 27, CHANNELS) for bodies (N, T, 27, 3) seen every `step` (N,) seconds."""
        n, frames = body.shape[:2]
        sizes = np.exp(rng.normal(-self.size_spread**2, self.size_spread, (n, 2)))
        steady = sizes[:, :1] * rng.normal(size=(n, len(self.steady))) @ self.steady
        keep = self.memory ** (step[:, None] / REFERENCE)
        state = rng.normal(size=(n, len(self.memory)))
        crumbs, keep_crumbs = rng.normal(size=(n, len(self.scale))), keep.mean(-1, keepdims=True)
        noise = np.empty((n, frames, len(self.scale)))
        for t in range(frames):
            noise[:, t] = state @ self.moving + self.rest * crumbs
            state = keep * state + np.sqrt(1 - keep**2) * rng.normal(size=state.shape)
            crumbs = keep_crumbs * crumbs + np.sqrt(1 - keep_crumbs**2) * rng.normal(size=crumbs.shape)
        noise = (noise * sizes[:, 1:, None] + steady[:, None]) * self.scale
        return np.einsum("ntkp,kpc->ntkc", regressors(body), self.bias) + noise.reshape(n, frames, len(CANONICAL), CHANNELS)


def observe(model: NoiseModel, rng: np.random.Generator, keypoints: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the detector would report of true keypoints (N, T, 27, 3) in metres, camera axes, seen every `step` (N,) seconds.

    Returns rays (N, T, 27, 3) in camera axes, depth (N, T, 27) over the distance of the hips, world (N, T, 27, 3) metres, and
    confidence (N, T, 27).
    """
    true = scene(keypoints)
    difference = model.differences(rng, true.body, step)
    flat = true.flat() + difference[..., :2]
    depth = true.body[..., 2] + difference[..., 2]
    world = true.body + difference[..., 3:6]
    confidence = 1 / (1 + np.exp(-np.clip(difference[..., 6], -8, 8)))
    exchanged = _exchanges(model, rng, *keypoints.shape[:2])[..., None]
    flat = np.where(exchanged[..., None], flat[:, :, MIRRORED], flat)
    depth = np.where(exchanged, -depth[:, :, MIRRORED], depth)
    world = np.where(exchanged[..., None], world[:, :, MIRRORED] * [1, 1, -1], world)
    rays = np.concatenate([flat, np.broadcast_to(true.distance[..., None, None], flat.shape[:-1] + (1,))], axis=-1)
    rays = np.einsum("...ji,...kj->...ki", true.rotation, rays)
    return rays, depth / true.distance[..., None], world, confidence


def _exchanges(model: NoiseModel, rng: np.random.Generator, n: int, frames: int) -> np.ndarray:
    """(n, frames) bool: where left and right, front and back are exchanged: up to half a take, in `swaps` of the takes."""
    length = rng.integers(2, max(frames // 2, 2) + 1, n)
    start = rng.integers(1 - length, frames)
    index = np.arange(frames)
    return (rng.random(n) < model.swaps)[:, None] & (index >= start[:, None]) & (index < (start + length)[:, None])
