"""What a lifting network makes of pictures from cameras that it does not know, told apart by virtual views.

Problem: a network that has never seen people from above takes them for small, crouched people seen from the front. Following the
gradient of a reprojection loss from there ends in worse poses, for the right one is far away. Method: suppose a tilt of the camera. The
keypoints, at supposed depths, are seen by a virtual camera that is turned back by that tilt, which the network knows better; it lifts
what that camera sees, the pose is turned back again, its depths replace the supposed ones, and so a few times until picture and pose
agree (rotate, project, lift, rotate back: Chen et al., "Unsupervised 3D pose estimation with geometric self-supervision", CVPR 2019, use
this cycle as a loss). A wrong tilt gives crooked people: bones that change, differ between the sides, or are not human
(`models.reprojection.body_loss`). One take alone errs easily, so all takes together say first how likely each tilt is (expectation
maximisation over the takes): among usual cameras nothing changes.
Limits: the tilt is that of the view on the person, up or down, the same over a take; no other unfamiliarity is looked for.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from core.camera import pixel_rays
from core.keypoints import CANONICAL

from .features import View, make_view
from .reprojection import LIFTED, LIFTED_MARKERS, body_loss, place, typical_bones
from .windows import Windows, joined

TILTS = tuple(np.radians((-30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)))
"""Radians by which a camera may look down more than those that the network knows best."""
_ROUNDS = 3
_SURE = 0.004  # metres of `body_loss` that make a tilt e times less likely
_FEWEST = 6  # keypoints of a frame that say something about its pose
_FOCAL = 1000.0  # pixels of the virtual camera; nothing depends on it
_SIDE = 10 * _FOCAL
_BATCH = 64  # windows at a time

_DEPTH_OF = np.array([LIFTED_MARKERS[LIFTED.index(i if i in LIFTED else CANONICAL.index("nose"))] for i in range(len(CANONICAL))])
"""The marker that is as deep as each keypoint: the eyes are taken for as deep as the nose."""


def view_of(w: Windows) -> View:
    """The network's input for windows that are seen through their lenses w.K."""
    return make_view(w.xy, w.confidence, _per_frame(w), w.size[:, None], w.depth, w.world)


def tangents_of(w: Windows, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tangents (N, T, 27, 2) of the keypoints in views (N, T, 3, 3), and confidences (N, T, 27), 0 where that says nothing about a pose."""
    rays = np.einsum("ntij,ntkj->ntki", rotation, pixel_rays(w.xy, _per_frame(w)))
    ahead = rays[..., 2] > 0.3 * np.linalg.norm(rays, axis=-1)  # NaN is not
    tangents = np.where(ahead[..., None], rays[..., :2] / np.where(ahead, rays[..., 2], 1.0)[..., None], 0.0)
    confidence = np.where(ahead & w.real[..., None], w.confidence, 0.0)
    return tangents, confidence * ((confidence[..., LIFTED] > 0).sum(-1, keepdims=True) >= _FEWEST)


def with_best_answers(network: nn.Module, w: Windows, takes: np.ndarray,
                      tilts: tuple[float, ...] = TILTS) -> tuple[Windows, Windows, np.ndarray]:
    """The windows with the network's answers under each window's likeliest tilt as targets; the same as the virtual cameras see them, with
    what the network said there; and how likely each of `tilts` is. takes: (N,) numbers; windows of one number have the same camera."""
    view = view_of(w)
    tangents, confidence = tangents_of(w, view.rotation)
    tried = [_lifted(network, w, tangents, confidence, tilt) for tilt in tilts]
    real = torch.from_numpy((confidence > 0).any(-1).astype(np.float32))
    typical = typical_bones()
    with torch.inference_mode():
        crooked = np.stack([body_loss(torch.from_numpy(v.target.astype(np.float32)), real, typical).numpy() for v in tried])
    likely, usual = likely_tilts(crooked, confidence.sum((1, 2)), takes)
    chosen = likely.argmax(0)
    target = np.empty_like(w.target)
    virtual = []
    for number, (tilt, seen) in enumerate(zip(tilts, tried, strict=True)):
        mine = np.flatnonzero(chosen == number)
        target[mine] = np.einsum("ntji,ntmj->ntmi", view.rotation[mine], seen.target[mine] @ _turn(tilt))
        virtual.append(seen.take(mine))
    return dataclasses.replace(w, target=target), joined(virtual), usual


def likely_tilts(crooked: np.ndarray, weight: np.ndarray, takes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How likely each of H tilts is for each of N windows (H, N), and over all (H,).

    crooked: (H, N) metres; weight: (N,) of a window in its take; takes: (N,) numbers.
    """
    _, take = np.unique(takes, return_inverse=True)
    total = np.maximum(np.bincount(take, weight), 1e-9)
    energy = np.stack([np.bincount(take, weight * row) / total for row in crooked]) / _SURE
    evidence = np.exp(energy.min(0) - energy)
    usual = np.full(len(crooked), 1 / len(crooked))
    for _ in range(100):
        likely = usual[:, None] * evidence
        likely /= likely.sum(0)
        usual = likely.mean(1)
    return likely[:, take], usual


def _lifted(network: nn.Module, w: Windows, tangents: np.ndarray, confidence: np.ndarray, tilt: float) -> Windows:
    """The windows as a virtual camera sees them that looks along tangents (N, T, 27, 2), but down by `tilt` less, with the network's
    answers to that as targets."""
    turn = _turn(tilt)
    weight = confidence / np.maximum(confidence.sum(-1, keepdims=True), 1e-6)
    middle = (weight[..., None] * tangents).sum(-2, keepdims=True)
    distance = np.ones((*confidence.shape[:2], 1))
    depth = distance / np.clip(1 - np.tan(tilt) * (tangents[..., 1] - middle[..., 1]), 0.3, 3.0)  # an upright plane, tilted
    known, weights = (torch.from_numpy(a[:, :, LIFTED].astype(np.float32)) for a in (tangents, confidence))
    for _ in range(_ROUNDS if tilt else 1):  # without a tilt the virtual camera is the true one, whatever the depths
        points = np.concatenate([tangents * depth[..., None], depth[..., None]], axis=-1)
        pivot = np.concatenate([middle, np.ones_like(middle[..., :1])], axis=-1) * distance[..., None]
        seen = _filmed(w, (points - pivot) @ turn.T + pivot, confidence, turn)
        view = view_of(seen)
        answer = _ask(network, torch.from_numpy(view.features), w)[..., :3].numpy().astype(np.float64)
        seen = dataclasses.replace(seen, target=np.einsum("ntji,ntmj->ntmi", view.rotation, answer))
        markers = seen.target @ turn
        position = place(torch.from_numpy(markers[:, :, LIFTED_MARKERS].astype(np.float32)), known, weights).numpy()
        distance = position[..., 2:]
        depth = np.maximum(distance + markers[:, :, _DEPTH_OF, 2], 0.3)
    return seen


def _filmed(w: Windows, points: np.ndarray, confidence: np.ndarray, turn: np.ndarray) -> Windows:
    """The windows w, but points (N, T, 27, 3) before a virtual camera, in its axes; `turn`: (3, 3) w's view on the person to its axes."""
    ahead = points[..., 2:] > 0.1
    tangents = points[..., :2] / np.where(ahead, points[..., 2:], 1.0)
    there = ahead[..., 0] & (confidence > 0)
    K = np.array([[_FOCAL, 0, _SIDE / 2], [0, _FOCAL, _SIDE / 2], [0, 0, 1]])
    straight = np.array_equal(turn, np.eye(3))  # the detector's depth is along w's view only
    return dataclasses.replace(
        w, xy=np.where(there[..., None], tangents * _FOCAL + _SIDE / 2, np.nan), confidence=np.where(there, confidence, 0.0),
        depth=w.depth * (_FOCAL / w.K[:, None, None, 0, 0]) if straight else np.full_like(w.depth, np.nan), world=w.world @ turn.T,
        K=np.tile(K, (len(w), 1, 1)), size=np.full((len(w), 2), _SIDE))


def _turn(tilt: float) -> np.ndarray:
    """(3, 3) from the axes of a camera to those of one that looks down by `tilt` less."""
    cosine, sine = np.cos(tilt), np.sin(tilt)
    return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])


def _ask(network: nn.Module, features: Tensor, w: Windows) -> Tensor:
    """The network's answers (N, T, M, 4) for features (N, T, F) of the frames of windows."""
    seconds = torch.from_numpy((w.seconds - w.seconds[:, :1]).astype(np.float32))
    real = torch.from_numpy(w.real)
    with torch.inference_mode():
        return torch.cat([network(*(a[i : i + _BATCH] for a in (features, seconds, real))) for i in range(0, len(w), _BATCH)])


def _per_frame(w: Windows) -> np.ndarray:
    return np.repeat(w.K[:, None], w.real.shape[1], axis=1)
