"""One person's bones from the lifted joints of the whole clip.

Problem: a network's bones change length from frame to frame; a person's do not, and left and right are equal. Method: distances between
joints that a picture shows well (limbs, width of hips and shoulders, trunk, neck to crown) are measured as weighted medians over
time and both sides; an overall size comes from all of them, and each one's ratio to the mean adult is shrunk towards that size
by how uncertain it is beside how much people differ. The trunk's inner joints keep the mean adult's places within what was measured.
Limits: directions of the rest offsets stay about those of the mean adult; an unseen bone gets its proportion; a picture cannot show the
overall size, so the network's guess stands unless the person's height is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..skeleton import END_PARENTS, ENDS, INDEX, JOINTS, Skeleton

PROPORTION_SPREAD = 0.06
"""How much a distance differs between people of one height (relative standard deviation)."""
_INDEPENDENT_FRAMES = 10.0
"""A network's error hardly changes over a clip: more frames than this teach nothing new about a bone."""

Pair = tuple[tuple[str, ...], tuple[str, ...]]
# Measure -> pairs of places whose distance it is; a place is the mean of its markers.
_BOTH = ("Left", "Right")
_MEASURES: dict[str, tuple[Pair, ...]] = {
    "thigh": tuple(((f"{s}UpLeg",), (f"{s}Leg",)) for s in _BOTH),
    "shin": tuple(((f"{s}Leg",), (f"{s}Foot",)) for s in _BOTH),
    "foot": tuple(((f"{s}Foot",), (f"{s}Toe",)) for s in _BOTH),
    "upper arm": tuple(((f"{s}Arm",), (f"{s}ForeArm",)) for s in _BOTH),
    "forearm": tuple(((f"{s}ForeArm",), (f"{s}Hand",)) for s in _BOTH),
    "hips": ((("LeftUpLeg",), ("RightUpLeg",)),),
    "shoulders": ((("LeftArm",), ("RightArm",)),),
    "trunk": ((("LeftUpLeg", "RightUpLeg"), ("LeftArm", "RightArm")),),
    "head": ((("Neck",), ("HeadEnd",)),),
}
# Which measure scales a joint's (or end's) offset: sideways, and in the body's middle plane.
_SCALES: dict[str, tuple[str, str]] = {
    "UpLeg": ("hips", "trunk"), "Leg": ("thigh", "thigh"), "Foot": ("shin", "shin"), "Toe": ("foot", "foot"), "ToeEnd": ("foot", "foot"),
    "Shoulder": ("shoulders", "trunk"), "Arm": ("shoulders", "trunk"), "ForeArm": ("upper arm", "upper arm"),
    "Hand": ("forearm", "forearm"), "HandEnd": ("forearm", "forearm"), "Head": ("head", "head"), "HeadEnd": ("head", "head"),
}
_TRUNK = ("trunk", "trunk")


@dataclass(frozen=True)
class _Measure:
    """expected: metres on the mean adult; ratio to it; spread: relative uncertainty, inf where never seen."""

    expected: float
    ratio: float
    spread: float

    @property
    def trust(self) -> float:
        """The share of what was measured beside what is known of people."""
        return float(PROPORTION_SPREAD**2 / (PROPORTION_SPREAD**2 + self.spread**2))


def estimate_skeleton(names: tuple[str, ...], positions: np.ndarray, sigma: np.ndarray, stature: float | None) -> Skeleton:
    """The skeleton for lifted `positions` (T, M, 3) metres with uncertainty `sigma` (T, M); NaN and inf where unseen.

    stature: the person's height in metres, which sets the overall size; None keeps the size of the positions.
    """
    mean = Skeleton.mean()
    rest = dict(zip(JOINTS, mean.rest_positions(), strict=True))
    rest |= {end: rest[parent] + mean.end_offsets[i] for i, (end, parent) in enumerate(END_PARENTS.items())}
    columns = {n: i for i, n in enumerate(names)}
    measures = {}
    for name, pairs in _MEASURES.items():
        expected = np.concatenate([_length(p, lambda ms: np.mean([rest[m] for m in ms], axis=0))[None] for p in pairs])
        measures[name] = _measure(positions, sigma, columns, np.repeat(expected, len(positions)), pairs)
    factors = _shrunk(measures)
    skeleton = Skeleton(mean.rest_offsets * _scales(JOINTS, factors), mean.end_offsets * _scales(ENDS, factors))
    return skeleton if stature is None else of_stature(skeleton, stature)


def of_stature(skeleton: Skeleton, stature: float) -> Skeleton:
    """The same proportions at another height (metres); the flesh under the feet does not grow."""
    flesh = skeleton.stature - _bare_stature(skeleton)
    scale = max(stature - flesh, 0.1) / _bare_stature(skeleton)
    return Skeleton(scale * skeleton.rest_offsets, scale * skeleton.end_offsets)


def _bare_stature(skeleton: Skeleton) -> float:
    rest = skeleton.rest_positions()
    return float(rest[INDEX["Head"], 2] + skeleton.end_offsets[0, 2] - rest[INDEX["LeftToe"], 2])


def refine_skeleton(skeleton: Skeleton, names: tuple[str, ...], positions: np.ndarray, weight: np.ndarray, posed: np.ndarray,
                    stature: float | None) -> Skeleton:
    """The skeleton after a first fit: a bent trunk is shorter than a straight one, so distances are compared with those of the fit.

    positions: (T, M, 3) metres; weight: (T, M) 1 / variance, 0 where unseen; posed: (T, M, 3) where the fit has the markers.
    """
    columns = {n: i for i, n in enumerate(names)}
    sigma = np.where(weight > 0, 1.0 / np.sqrt(np.where(weight > 0, weight, 1.0)), np.inf)
    factors = {}
    for name, pairs in _MEASURES.items():
        expected = np.concatenate([_length(pair, lambda markers: _place(posed, columns, markers)) for pair in pairs])
        measure = _measure(positions, sigma, columns, np.maximum(expected, 1e-3), pairs)
        factors[name] = measure.ratio ** measure.trust
    refined = Skeleton(skeleton.rest_offsets * _scales(JOINTS, factors), skeleton.end_offsets * _scales(ENDS, factors))
    return refined if stature is None else of_stature(refined, stature)


def _scales(names: tuple[str, ...], factors: dict[str, float]) -> np.ndarray:
    """(N, 3) what the mean adult's offsets are multiplied with."""
    bare = [n.removeprefix("Left").removeprefix("Right") for n in names]
    pairs = [_SCALES.get(n, _TRUNK) for n in bare]
    return np.array([[factors[side], factors[plane], factors[plane]] for side, plane in pairs])


def _length(pair: Pair, place: Callable[[tuple[str, ...]], np.ndarray]) -> np.ndarray:
    return np.linalg.norm(place(pair[0]) - place(pair[1]), axis=-1)


def _place(positions: np.ndarray, columns: dict[str, int], markers: tuple[str, ...]) -> np.ndarray:
    return positions[:, [columns[m] for m in markers]].mean(1)


def _measure(positions: np.ndarray, sigma: np.ndarray, columns: dict[str, int], expected: np.ndarray, pairs: tuple[Pair, ...]) -> _Measure:
    """One distance over all frames and its pairs, beside the expected metres (pairs x T,)."""
    lengths = np.concatenate([_length(pair, lambda markers: _place(positions, columns, markers)) for pair in pairs])
    spread = np.concatenate([np.hypot(*(sigma[:, [columns[m] for m in markers]].mean(1) for markers in pair)) for pair in pairs])
    seen = np.isfinite(lengths) & np.isfinite(spread) & (lengths > 1e-3)
    if not seen.any():
        return _Measure(float(np.median(expected)), 1.0, np.inf)
    lengths, spread, expected = lengths[seen], np.maximum(spread[seen], 1e-4), expected[seen]
    ratio = float(np.clip(weighted_median(lengths / expected, (expected / spread) ** 2), 0.3, 3.0))
    independent = min(_INDEPENDENT_FRAMES, float(seen.sum()))
    return _Measure(float(np.median(expected)), ratio, float(np.median(spread / expected) / np.sqrt(independent)))


def _shrunk(measures: dict[str, _Measure]) -> dict[str, float]:
    """Factor of each measure: its ratio, drawn towards the body's overall size as far as it is uncertain."""
    seen = [m for m in measures.values() if np.isfinite(m.spread)]
    weight = np.array([m.expected / (PROPORTION_SPREAD**2 + m.spread**2) for m in seen])
    size = float(np.exp(np.sum(weight * np.log([m.ratio for m in seen])) / np.sum(weight))) if seen else 1.0

    return {name: size * (m.ratio / size) ** m.trust for name, m in measures.items()}


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value that halves the weight, between the two where both do; values, weights (N,)."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    half = (0.5 * total[-1] * (1.0 - 1e-12), 0.5 * total[-1] * (1.0 + 1e-12))
    return float(values[order][np.minimum(np.searchsorted(total, half), len(values) - 1)].mean())
