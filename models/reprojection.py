"""What a lifted pose owes to its picture, and what all bodies have in common: losses that need no 3D truth.

Problem: 3D truth is rare outside laboratories, pictures are not. Method: the markers of a frame must appear where the keypoints are.
Where the body stands is not known, but for a given pose it is a linear least-squares problem with a closed solution (`place`), so the
error of the picture is a differentiable function of the pose alone. A picture leaves depth open; what bodies have in common closes much
of it: bones keep their length, left ones are as long as right ones, both are near the population's, and motion is smooth
(Pavllo et al., VideoPose3D 2019, train on unlabelled video by reprojection and bone lengths).
Limits: which of two mirrored depths is right, and how large the person is, no term here can tell. All lengths are metres; every loss is
zero for a rigid, symmetric, resting mean body that is seen without noise, and about the error in metres otherwise. torch only.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.keypoints import ATTACHMENTS, CANONICAL, LIMB_KEYPOINTS
from core.markers import MARKERS
from core.skeleton import INDEX, JOINT_PARENTS, Skeleton, mirror_name

_BODIES = Path(__file__).parent / "data" / "bodies.json"
_MARKER = {n: ATTACHMENTS[n][0] if n in LIMB_KEYPOINTS else n for n in CANONICAL}
LIFTED = [i for i, n in enumerate(CANONICAL) if _MARKER[n] in MARKERS]
"""The keypoints that are markers: all but the eyes."""
LIFTED_MARKERS = [MARKERS.index(_MARKER[CANONICAL[i]]) for i in LIFTED]

BONES = tuple((child, parent) for child, parent in JOINT_PARENTS.items() if parent) + (("HeadEnd", "Head"),)
"""Child and parent marker of the bones that have a typical length."""
_RIDERS = tuple((n, ATTACHMENTS[n][0]) for n in CANONICAL if n in MARKERS)
_RIGID = BONES + _RIDERS
_CHILD, _PARENT = ([MARKERS.index(pair[i]) for pair in _RIGID] for i in (0, 1))
_MIRROR = [_RIGID.index((mirror_name(a), mirror_name(b))) for a, b in _RIGID]
_LIMBS = [BONES.index((f"{side}{a}", f"{side}{b}")) for side in ("Left", "Right") for a, b in (
    ("Leg", "UpLeg"), ("Foot", "Leg"), ("ForeArm", "Arm"), ("Hand", "ForeArm"))]

_NEAREST = 0.3  # metres of the nearest point in front of the camera
_ROBUST = 0.02  # metres: from here on the loss grows with the error, not with its square
FRAME = 1 / 30
"""Seconds: accelerations are the second differences that they would be at 30 frames a second."""


def place(points: Tensor, tangents: Tensor, weight: Tensor) -> Tensor:
    """Where the origin of points (..., P, 3) stands before the camera, (..., 3) metres, so that they appear at tangents (..., P, 2).

    weight: (..., P), 0 where a tangent is not known (it may be anything finite). Least squares over the distance of each point from
    its ray, measured across the view: (X + x) - u (Z + z) = 0 is linear in (x, y, z), and weighted means over the points eliminate x
    and y. The points end up at least 0.3 m before the camera. Without two different known tangents the distance means nothing.
    """
    w = (weight / weight.sum(-1, keepdim=True).clamp_min(1e-6))[..., None]
    offset = tangents * points[..., 2:] - points[..., :2]
    mean_tangent, mean_offset = (w * tangents).sum(-2), (w * offset).sum(-2)
    spread = tangents - mean_tangent[..., None, :]
    distance = -(w * spread * (offset - mean_offset[..., None, :])).sum((-1, -2)) / (w * spread.square()).sum((-1, -2)).clamp_min(1e-6)
    distance = torch.maximum(distance, _NEAREST - points[..., 2].amin(-1))[..., None]
    return torch.cat([mean_offset + mean_tangent * distance, distance], dim=-1)


def reprojection(points: Tensor, tangents: Tensor, weight: Tensor) -> Tensor:
    """How far points (..., P, 3), best placed, appear from tangents (..., P, 2): (..., P) metres at the body's distance.

    The distance that turns angles into metres passes no gradient: else smaller bodies would have smaller errors.
    """
    position = place(points, tangents, weight)
    stands = points + position[..., None, :]
    return length(stands[..., :2] / stands[..., 2:] - tangents) * position[..., 2:].detach()


def bone_lengths(markers: Tensor) -> Tensor:
    """(..., B) metres of `BONES`, then of what rides on them, in markers (..., M, 3)."""
    return length(markers[..., _CHILD, :] - markers[..., _PARENT, :])


def typical_bones() -> tuple[Tensor, Tensor]:
    """Mean and deviation over the population of the lengths of `BONES`, (B,) metres each, in bodies of the mean size."""
    bodies = json.loads(_BODIES.read_text())
    names = bodies["names"]
    directions = np.array(bodies["directions"])
    drawn = np.array(bodies["mean"]) + np.einsum("nd,djc->njc", np.random.default_rng(0).normal(size=(1000, len(directions))), directions)
    lengths = np.linalg.norm(drawn, axis=-1)[:, [names.index(child) for child, _ in BONES]]
    mean_adult = Skeleton.mean().bone_lengths[[INDEX[BONES[b][0]] for b in _LIMBS]].sum()  # as `models.windows.of_mean_size` has it
    lengths *= mean_adult / lengths[:, _LIMBS].sum(-1, keepdims=True)
    return torch.tensor(lengths.mean(0), dtype=torch.float32), torch.tensor(lengths.std(0), dtype=torch.float32)


def body_loss(markers: Tensor, real: Tensor, typical: tuple[Tensor, Tensor]) -> Tensor:
    """How far each window of markers (N, T, M, 3) is from one symmetric body: (N,) metres, mean over bones.

    real: (N, T), 1 for frames that count. Lengths that change over the window, that differ between the sides, and mean lengths further
    from the `typical_bones` than the population's deviation.
    """
    lengths = bone_lengths(markers)
    frames = real.sum(1, keepdim=True).clamp_min(1.0)
    mean = (real[..., None] * lengths).sum(1) / frames
    changes = (real[..., None] * robust(lengths - mean[:, None])).sum(1) / frames
    middle, deviation = typical
    strange = ((mean[:, : len(BONES)] - middle).abs() - deviation).clamp_min(0.0)
    return changes.mean(1) + robust(mean - mean[:, _MIRROR]).mean(1) + robust(strange).mean(1)


def motion_loss(markers: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
    """Mean second difference of markers (N, T, M, 3) in axes that do not turn, metres as of 30 frames a second. seconds, real: (N, T)."""
    if markers.shape[1] < 3:
        return markers.new_zeros(())
    step = seconds.diff(dim=1).clamp_min(1e-3)[..., None, None] / FRAME
    velocity = markers.diff(dim=1) / step
    change = velocity.diff(dim=1) / (0.5 * (step[:, 1:] + step[:, :-1]))
    there = real[:, 2:] * real[:, 1:-1] * real[:, :-2]
    return (there[..., None] * robust(length(change))).sum() / (there.sum() * markers.shape[2]).clamp_min(1.0)


def length(vectors: Tensor) -> Tensor:
    """Lengths of the last axis, with a gradient at zero."""
    return torch.sqrt(vectors.square().sum(-1) + 1e-12)


def robust(error: Tensor) -> Tensor:
    """Metres to metres: a parabola up to 2 cm, then almost the error itself (Charbonnier)."""
    return torch.sqrt(error.square() + _ROBUST**2) - _ROBUST
