"""A batch of short takes as a detector reports them, beside the truth; mirror images; and what can be missing from such reports.

Both sources of training data (`models.synthesis`: mocap with imagined cameras, `models.detections`: what MediaPipe saw of rendered
people) end here, so that both are thinned out in the same way: files without confidence or depth, other conventions, hidden limbs.
numpy only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from core.camera import assume_intrinsics
from core.keypoints import CANONICAL, CONVENTIONS
from core.markers import MARKERS
from core.skeleton import INDEX, Skeleton, mirror_order

_MIRRORED_KEYPOINTS = mirror_order(CANONICAL)
_MIRRORED_MARKERS = mirror_order(MARKERS)
_CONVENTION_MASKS = np.array([[n in names for n in CANONICAL] for names in CONVENTIONS.values()])
_LIMBS = tuple(np.array([CANONICAL.index(f"{side}_{part}") for part in parts]) for side in "lr" for parts in (
    ("elbow", "wrist", "index", "pinky", "thumb"), ("wrist", "index", "pinky", "thumb"), ("knee", "ankle", "heel", "toe"),
    ("ankle", "heel", "toe")))
_BONES = [(f"{side}{a}", f"{side}{b}") for side in ("Left", "Right") for a, b in (
    ("UpLeg", "Leg"), ("Leg", "Foot"), ("Arm", "ForeArm"), ("ForeArm", "Hand"))]
_BONE_STARTS, _BONE_ENDS = ([MARKERS.index(bone[i]) for bone in _BONES] for i in (0, 1))
_MEAN_BONES = float(np.linalg.norm(Skeleton.mean().rest_offsets[[INDEX[end] for _, end in _BONES]], axis=-1).sum())
_LOWER = np.array([i for i, n in enumerate(CANONICAL) if n[2:] in ("knee", "ankle", "heel", "toe")])


TIMED = ("xy", "confidence", "depth", "world", "seconds", "real", "target", "weight")
"""The arrays of `Windows` that have a row a frame."""


@dataclass(frozen=True)
class Windows:
    """N takes of T frames.

    xy: (N, T, 27, 2) pixels, NaN where missing; confidence: (N, T, 27); depth: (N, T, 27) pixels, NaN where missing; world:
    (N, T, 27, 3) metres, likewise; K: (N, 3, 3) true intrinsics; size: (N, 2) width and height; seconds: (N, T); real: (N, T) bool,
    False for padding; target: (N, T, M, 3) `MARKERS` in metres about the hips' middle, camera axes; weight: (N, T, M) of the target's
    errors, 0 where it is not defined.
    """

    xy: np.ndarray
    confidence: np.ndarray
    depth: np.ndarray
    world: np.ndarray
    K: np.ndarray
    size: np.ndarray
    seconds: np.ndarray
    real: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.xy)

    def take(self, index: np.ndarray) -> Windows:
        """The windows `index` (n,), copied."""
        return Windows(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(self)})


def joined(parts: list[Windows]) -> Windows:
    """Equally long windows of several sources one after the other."""
    return Windows(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in dataclasses.fields(Windows)})


def mirrored(w: Windows, which: np.ndarray) -> Windows:
    """The windows `which` (N,) bool seen in a mirror: x turned, left and right exchanged."""
    pick = which[:, None, None]
    flip_x = np.where(which, -1.0, 1.0)[:, None, None, None] * [1, 0, 0] + [0, 1, 1]
    width = w.size[:, 0]
    xy, confidence = (np.where(pick[..., None] if a.ndim == 4 else pick, a[:, :, _MIRRORED_KEYPOINTS], a) for a in (w.xy, w.confidence))
    x = np.where(pick, width[:, None, None] - xy[..., 0], xy[..., 0])
    K = w.K.copy()
    K[which, 0, 2] = width[which] - K[which, 0, 2]
    return dataclasses.replace(
        w, xy=np.stack([x, xy[..., 1]], axis=-1), confidence=confidence, K=K,
        depth=np.where(pick, w.depth[:, :, _MIRRORED_KEYPOINTS], w.depth),
        world=np.where(pick[..., None], w.world[:, :, _MIRRORED_KEYPOINTS], w.world) * flip_x,
        target=np.where(pick[..., None], w.target[:, :, _MIRRORED_MARKERS], w.target) * flip_x,
        weight=np.where(pick, w.weight[:, :, _MIRRORED_MARKERS], w.weight))


def rolled(w: Windows, angle: np.ndarray) -> Windows:
    """Each window as if the camera had been turned by angle (N,) radians about its axis; the picture becomes a square of its longer side.

    MediaPipe turns the person upright before it looks, so its errors turn along.
    """
    cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros(len(w))
    R = np.stack([np.stack([cosine, -sine, zero], -1), np.stack([sine, cosine, zero], -1), np.tile([0.0, 0.0, 1.0], (len(w), 1))], axis=-2)
    side = w.size.max(-1)  # from which the lens is guessed
    centred = w.xy - w.K[:, None, None, :2, 2]
    K = w.K.copy()
    K[:, :2, 2] = side[:, None] / 2
    return dataclasses.replace(
        w, xy=np.einsum("nij,ntkj->ntki", R[:, :2, :2], centred) + K[:, None, None, :2, 2], K=K, size=np.stack([side, side], axis=-1),
        world=np.einsum("nij,ntkj->ntki", R, w.world), target=np.einsum("nij,ntkj->ntki", R, w.target))


def any_roll(w: Windows, rng: np.random.Generator) -> Windows:
    """A third of the windows rolled: most a little, some all the way round. What is then outside the picture is missing."""
    index = np.flatnonzero(rng.random(len(w)) < 0.33)
    angle = np.where(rng.random(len(index)) < 0.3, rng.uniform(-np.pi, np.pi, len(index)), rng.normal(0, 0.25, len(index)))
    turned = within_picture(rolled(w.take(index), angle))
    changed = {}
    for name in ("xy", "confidence", "depth", "world", "K", "size", "target"):
        changed[name] = getattr(w, name).astype(np.float64)
        changed[name][index] = getattr(turned, name)
    return dataclasses.replace(w, **changed)


def retimed(w: Windows, rng: np.random.Generator) -> Windows:
    """Each window at another speed, 0.8 to 1.25 of its own, a third of them backwards."""
    back = rng.random(len(w)) < 0.33
    seconds = (w.seconds - w.seconds[:, :1]) * np.exp(rng.uniform(-0.22, 0.22, len(w)))[:, None]
    changed = {name: getattr(w, name).copy() for name in TIMED if name != "seconds"}
    for value in changed.values():
        value[back] = value[back, ::-1]
    seconds[back] = seconds[back, -1:] - seconds[back, ::-1]
    return dataclasses.replace(w, **changed, seconds=seconds)


def jittered(w: Windows, rng: np.random.Generator) -> Windows:
    """Windows with more noise, each its own amount: so that a network cannot know a take by its errors.

    Every keypoint gets an error that stays and one that changes from frame to frame; so does the logit of its confidence.
    """
    size = _spread(w.xy)[:, None, None, None]
    amount = np.abs(rng.normal(size=(len(w), 1, 1, 1)))

    def noise(like: np.ndarray, stays: float, changes: float) -> np.ndarray:
        return amount * (stays * rng.normal(size=like[:, :1].shape) + changes * rng.normal(size=like.shape))

    depth = noise(w.depth[..., None], 0.1, 0.05)[..., 0]
    logit = np.log(np.clip(w.confidence, 1e-4, 1 - 1e-4) / (1 - np.clip(w.confidence, 1e-4, 1 - 1e-4)))
    confidence = 1 / (1 + np.exp(-logit - noise(logit[..., None], 0.4, 0.2)[..., 0]))
    return dataclasses.replace(
        w, xy=w.xy + size * noise(w.xy, 0.03, 0.015), depth=w.depth + size[..., 0] * depth,
        world=w.world + noise(w.world, 0.02, 0.01), confidence=np.where(w.confidence > 0, confidence, 0.0))


def of_mean_size(w: Windows) -> Windows:
    """Targets as large as the mean adult's, measured by the bones of arms and legs.

    How large a person is cannot be seen (a child close by fills the picture like an adult further away), so a network that has to say
    it learns its training people by heart, and its guess is worse than the mean. The solver decides about size.
    """
    lengths = np.linalg.norm(w.target[:, :, _BONE_ENDS] - w.target[:, :, _BONE_STARTS], axis=-1).sum(-1).max(1)
    return dataclasses.replace(w, target=w.target * (_MEAN_BONES / np.maximum(lengths, 0.1))[:, None, None, None])


def thinned(w: Windows, rng: np.random.Generator) -> Windows:
    """Windows as poorer sources would report them; more than a quarter are left as they are but for the camera."""
    n, frames = w.real.shape
    lost = lost_keypoints(rng, n, frames)
    world_gone = np.less(rng.random(n), 0.3)
    depth_gone = np.where(rng.random(n) < 0.85, world_gone, ~world_gone)
    depth_gone &= rng.random(n) < 0.9
    flat = np.less(rng.random(n), 0.12)
    confidence = np.where(flat[:, None, None] & (w.confidence > 0), 1.0, w.confidence)
    poorer = dataclasses.replace(w, confidence=confidence, depth=np.where(depth_gone[:, None, None], np.nan, w.depth),
                                 world=np.where(world_gone[:, None, None, None], np.nan, w.world))
    return without(poorer, lost)


def without(w: Windows, lost: np.ndarray) -> Windows:
    """Windows in which the keypoints `lost` (N, T, 27) bool are missing."""
    nowhere = lost[..., None]
    return dataclasses.replace(w, xy=np.where(nowhere, np.nan, w.xy), confidence=np.where(lost, 0.0, w.confidence),
                               depth=np.where(lost, np.nan, w.depth), world=np.where(nowhere, np.nan, w.world))


def within_picture(w: Windows) -> Windows:
    """Windows in which the keypoints outside the picture are missing, as the 2D stage drops them."""
    return without(w, ~np.asarray(((w.xy >= 0) & (w.xy < w.size[:, None, None])).all(-1)))


def guessed_intrinsics(w: Windows, rng: np.random.Generator, share: float = 0.5) -> np.ndarray:
    """K (N, 3, 3) as a run would have it: of `share` of the windows assumed from the picture's size, else true within 3 %."""
    assumed = np.stack([assume_intrinsics(*size) for size in w.size])
    close = w.K.copy()
    close[:, :2, :2] *= np.exp(rng.normal(0.0, 0.03, (len(w), 1, 1)))
    return np.where((rng.random(len(w)) < share)[:, None, None], assumed, close)


def _spread(xy: np.ndarray) -> np.ndarray:
    """(N,) pixels: deviation of the keypoints (N, T, K, 2) from their middle, in the frame where it is largest; NaN is left out."""
    there = np.isfinite(xy).all(-1, keepdims=True)
    count = np.maximum(there.sum(2, keepdims=True), 1)
    middle = np.where(there, xy, 0.0).sum(2, keepdims=True) / count
    variance = np.where(there, (xy - middle) ** 2, 0.0).sum((2, 3)) / count[..., 0, 0]
    return np.asarray(np.sqrt(variance.max(1)))


def lost_keypoints(rng: np.random.Generator, n: int, frames: int) -> np.ndarray:
    """(n, frames, 27) bool: keypoints that go missing, alone, as limbs, as the lower body, for a while, or by convention."""
    lost = np.zeros((n, frames, len(CANONICAL)), dtype=bool)
    for i in np.flatnonzero(rng.random(n) < 0.5):
        kind = rng.random()
        if kind < 0.25:
            lost[i] |= ~_CONVENTION_MASKS[rng.integers(len(_CONVENTION_MASKS))]
        elif kind < 0.5:
            lost[i] |= rng.random((frames, len(CANONICAL))) < rng.uniform(0.02, 0.5)
        elif kind < 0.65:
            lost[i] |= rng.random(len(CANONICAL)) < rng.uniform(0.05, 0.5)
        elif kind < 0.75:
            lost[i][:, _LOWER] = True
        else:
            begin, end = np.sort(rng.integers(0, frames + 1, 2))
            for _ in range(rng.integers(1, 4)):
                lost[i, begin:end, _LIMBS[rng.integers(len(_LIMBS))][:, None]] = True
    return lost
