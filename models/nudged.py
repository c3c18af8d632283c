"""Detections of people who stand a little otherwise, or are seen from a little elsewhere: for training only.

Problem: some two thousand recorded takes are soon known by heart: after a hundred visits a network errs on them half as much as on takes
that it has not seen. Method: the whole body, each upper and each lower limb are turned by about ten degrees, arms and legs grow or
shrink by a few percent, both sides alike; the detector is taken to err by as much as it did, in the picture, in depth and in its world
landmarks, all in the view that looks at the hips (`models.noise`). Limits: what hides what stays as it was; lower limbs turn about the
hinge's other axes, too. numpy only.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from core.camera import pixel_rays
from core.keypoints import CANONICAL
from core.markers import MARKERS
from core.rotations import from_rotation_vector, to_matrix

from .noise import scene
from .windows import Windows

_WHOLE, _UPPER, _LOWER = np.radians((10.0, 10.0, 7.0))  # standard deviations about each axis
_NUDGED = 0.6  # of the limbs
_GROWN = 0.05  # standard deviation of the logarithm of a factor on arms, and on legs
_HIPS = [CANONICAL.index("l_hip"), CANONICAL.index("r_hip")]
_POINTS = (*CANONICAL, *MARKERS)
_HAND, _SOLE = ("wrist", "index", "pinky", "thumb"), ("ankle", "heel", "toe")
_RIG = {"elbow": ("ForeArm",), "wrist": ("Hand",), "knee": ("Leg",), "ankle": ("Foot", "Toe")}


def _chain(side: str, base: str, parts: tuple[str, ...]) -> tuple[int, np.ndarray]:
    """The column of the joint about which a limb turns, and those of what turns."""
    long = {"l": "Left", "r": "Right"}[side]
    names = {f"{side}_{p}" for p in parts} | {f"{long}{n}" for p in parts for n in _RIG.get(p, ())}
    return CANONICAL.index(f"{side}_{base}"), np.array([i for i, n in enumerate(_POINTS) if n in names])


_UPPER_LIMBS = [[_chain(side, base, parts) for side in "lr"]
                for base, parts in (("shoulder", ("elbow", *_HAND)), ("hip", ("knee", *_SOLE)))]
_LOWER_LIMBS = [[_chain(side, base, parts) for side in "lr"] for base, parts in (("elbow", _HAND), ("knee", _SOLE))]


def nudged(w: Windows, exact: np.ndarray, rng: np.random.Generator) -> Windows:
    """Windows of detections whose true keypoints are `exact` (N, T, 27, 3), metres in camera axes (anything before the camera in frames
    that are padding)."""
    hips = exact[:, :, _HIPS].mean(2, keepdims=True)
    points = np.concatenate([exact - hips, w.target], axis=2)
    for kind in _UPPER_LIMBS:
        size = np.exp(rng.normal(0, _GROWN, len(w)))
        for limb in kind:
            _turn(rng, points, *limb, _UPPER, size)
    for kind in _LOWER_LIMBS:
        for limb in kind:
            _turn(rng, points, *limb, _LOWER, np.ones(len(w)))
    points = points @ np.swapaxes(_turns(rng, len(w), _WHOLE), -1, -2)[:, None]
    before, after = scene(exact), scene(points[:, :, : len(CANONICAL)] + hips)
    far = before.distance[..., None, None]
    rays = pixel_rays(w.xy, w.K[:, None]) @ np.swapaxes(before.rotation, -1, -2)
    flat = rays[..., :2] / rays[..., 2:] * far + after.flat() - before.flat()
    rays = np.concatenate([flat, np.broadcast_to(far, flat[..., :1].shape)], axis=-1) @ before.rotation
    focal, centre = w.K[:, None, None, [0, 1], [0, 1]], w.K[:, None, None, :2, 2]
    moved = after.body - before.body
    return dataclasses.replace(
        w, xy=rays[..., :2] / rays[..., 2:] * focal + centre, depth=w.depth + moved[..., 2] / far[..., 0] * focal[..., 0],
        world=w.world + moved, target=points[:, :, len(CANONICAL):])


def _turn(rng: np.random.Generator, points: np.ndarray, base: int, limb: np.ndarray, spread: float, size: np.ndarray) -> None:
    """Turns a limb of points (N, T, P, 3) about a joint in some of the windows, and makes it `size` (N,) times as long in all; in place."""
    turn = np.where((rng.random(len(points)) < _NUDGED)[:, None, None], _turns(rng, len(points), spread), np.eye(3))
    joint = points[:, :, base : base + 1]
    points[:, :, limb] = joint + (points[:, :, limb] - joint) @ (size[:, None, None] * np.swapaxes(turn, -1, -2))[:, None]


def _turns(rng: np.random.Generator, count: int, spread: float) -> np.ndarray:
    return to_matrix(from_rotation_vector(spread * rng.normal(size=(count, 3))))
