"""One person's bones from the lifted joints of the whole clip.

Problem: a network's bones change length from frame to frame; a person's do not. Method: for each bone the weighted median of its
length over time, both sides together; overall size from all bones, then each bone's ratio to the mean adult is shrunk towards that
size by how uncertain the measurement is beside how much people differ. Directions of the rest offsets stay those of the mean adult.
Limits: a bone that is never seen gets the mean adult's proportion; a wrong overall size cannot be seen in one picture, so the
network's guess stands unless the person's height is given.
"""

from __future__ import annotations

import numpy as np

from ..skeleton import END_PARENTS, ENDS, INDEX, JOINTS, PARENTS, Skeleton, mirror_name

PROPORTION_SPREAD = 0.06
"""How much bones differ between people of one height (relative standard deviation)."""
_INDEPENDENT_FRAMES = 10.0
"""A network's error hardly changes over a clip: more frames than this teach nothing new about a bone."""


def estimate_skeleton(names: tuple[str, ...], positions: np.ndarray, sigma: np.ndarray, stature: float | None) -> Skeleton:
    """The skeleton for lifted `positions` (T, M, 3) metres with uncertainty `sigma` (T, M); NaN and inf where unseen.

    stature: the person's height in metres, which sets the overall size; None keeps the size of the positions.
    """
    mean = Skeleton.mean()
    index = {n: i for i, n in enumerate(names)}
    ratio, spread = np.ones(len(JOINTS)), np.full(len(JOINTS), np.inf)
    for joint in range(len(JOINTS)):
        if mean.bone_lengths[joint] > 0.0:
            sides = {JOINTS[joint], mirror_name(JOINTS[joint])}
            pairs = [(index[s], index[JOINTS[PARENTS[INDEX[s]]]]) for s in sorted(sides)]
            ratio[joint], spread[joint] = _measure(positions, sigma, pairs, mean.bone_lengths[joint])
    size = _overall(ratio, spread, mean.bone_lengths)
    trust = PROPORTION_SPREAD**2 / (PROPORTION_SPREAD**2 + spread**2)
    factor = size * np.exp(np.where(np.isfinite(spread), trust * np.log(ratio / size), 0.0))
    end_factor = np.array([_end_factor(name, factor) for name in ENDS])
    skeleton = Skeleton(mean.rest_offsets * factor[:, None], mean.end_offsets * end_factor[:, None])
    if stature is None:
        return skeleton
    scale = stature / skeleton.stature
    return Skeleton(scale * skeleton.rest_offsets, scale * skeleton.end_offsets)


def _measure(positions: np.ndarray, sigma: np.ndarray, pairs: list[tuple[int, int]], expected: float) -> tuple[float, float]:
    """Ratio of the measured to the expected length over all frames and both sides, and its relative uncertainty (inf: not seen)."""
    lengths = np.concatenate([np.linalg.norm(positions[:, a] - positions[:, b], axis=-1) for a, b in pairs])
    spread = np.concatenate([np.hypot(sigma[:, a], sigma[:, b]) for a, b in pairs])
    seen = np.isfinite(lengths) & np.isfinite(spread) & (lengths > 1e-3)
    if not seen.any():
        return 1.0, np.inf
    lengths, spread = lengths[seen], np.maximum(spread[seen], 1e-4)
    middle = weighted_median(lengths, 1.0 / spread**2)
    independent = min(_INDEPENDENT_FRAMES, float(seen.sum()))
    return float(np.clip(middle / expected, 0.3, 3.0)), float(np.median(spread) / np.sqrt(independent) / expected)


def _overall(ratio: np.ndarray, spread: np.ndarray, lengths: np.ndarray) -> float:
    """The body's size beside the mean adult's, from all bones that were measured."""
    seen = np.isfinite(spread)
    if not seen.any():
        return 1.0
    weight = lengths[seen] / (PROPORTION_SPREAD**2 + spread[seen] ** 2)
    return float(np.exp(np.sum(weight * np.log(ratio[seen])) / np.sum(weight)))


def _end_factor(name: str, factor: np.ndarray) -> float:
    """Ends are hardly measured: they scale with the bone that leads to them."""
    return float(factor[INDEX[END_PARENTS[name]]])


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value that halves the weight; values, weights (N,)."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
