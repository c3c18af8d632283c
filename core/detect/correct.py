"""Replaces ankles and wrists that cannot be where the detector puts them.

Problem: a detector that loses a foot or a hand puts it on the other one, on a chair or on the elbow, often with full confidence; such
         a keypoint pulls the whole limb along.
Method:  `models.correction` says where the limb's end should be, and how wrong it may be, from the rest of the body alone. The chance
         that the detection is right follows by Bayes from its confidence and from how well it agrees: a detection that is right
         scatters about the expected place as the network says (with heavy tails), a wrong one lies anywhere on the body or where the
         other side's end is expected. That makes suspects. The second look, which decides, has the frames about the one in question in
         view as well, but for the suspects: it clears a rare pose that is come to smoothly, and finds jumps. What is implausible is
         predicted again from the rest and from the plausible frames about it; its confidence is the chance that the prediction is near,
         and no more than the detector's. A prediction that is hardly ever near is no better than nothing: the keypoint goes missing.
Limits:  what is plausible stays as it was, to the bit, wrong or not. What is missing stays missing. The detector's own
         depths stay: without those of the replaced points lifting is up to 2 % worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.correction import FRAMES, LIMBS, POINTS, Loaded, Take, load, window_rows

from ..events import Reporter
from ..keypoints import CANONICAL, Keypoints
from .confidence import NEAR, body_size, inside_picture

_IMPLAUSIBLE = 0.2  # chance of being right below which an ankle or a wrist is not believed
_DOUBTFUL = 0.5  # the same for the other points of a limb whose ankle or wrist is not believed
_DOUBT = 0.2  # no confidence counts for more than 1 - this, or for less than this
_SCATTER = 0.02  # of the body's size: how far a detection that is right is from the truth
_ONTO_OTHER = 0.5  # share of the wrong detections that lie where the other side's end should be
_WORTHLESS = 0.15  # confidence below which a prediction is left out
_OTHER_SIDE = [1, 0, 3, 2]


@dataclass(frozen=True)
class Expected:
    """Where the ends of the four `LIMBS` should be. xy: (T, 4, 4, 2) pixels, of each limb its `POINTS`; error: (T, 4, 4) pixels, the
    mean distance to reckon with; NaN where nothing is known."""

    xy: np.ndarray
    error: np.ndarray


def correct(keypoints: Keypoints, reporter: Reporter) -> Keypoints:
    """The keypoints with implausible ends of limbs replaced or missing; all others are the same numbers.

    Raises InputError when the network's weights are missing or damaged.
    """
    network = load()
    k = keypoints.canonical()
    take = Take(k.xy, k.confidence, np.full_like(k.confidence, np.nan) if k.depth is None else k.depth, k.times)
    wrong = find_implausible(take, network)
    if not wrong.any():
        return keypoints
    expected = expect(take, network, wrong, wrong)
    size = body_size(k.xy)[:, None, None]
    doubtful = _chance(take, expected, expected, size) < _DOUBTFUL
    doubtful[..., 0] = True
    frame, limb, point = np.nonzero(wrong[..., None] & doubtful & (take.confidence[:, POINTS] > 0))
    place = {name: i for i, name in enumerate(keypoints.names)}
    column = np.array([place[CANONICAL[i]] for i in POINTS[limb, point]])
    near = np.nan_to_num(_within(NEAR * size, expected.error))[frame, limb, point]
    there = (near > _WORTHLESS) & inside_picture(expected.xy[frame, limb, point], k.width, k.height)
    xy, confidence = keypoints.xy.copy(), keypoints.confidence.copy()
    xy[frame, column] = expected.xy[frame, limb, point]
    confidence[frame, column] = np.where(there, np.minimum(near, confidence[frame, column]), 0.0)
    ends = ((wrong[:, :2].sum(), "ankle"), (wrong[:, 2:].sum(), "wrist"))
    counts = " and ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in ends if n)
    reporter.log(f"The detector had {counts} where they cannot be, in {int(wrong.any(1).sum())} of {len(k)} frames; they were estimated "
                 f"from the rest of the body or left out.")
    return keypoints.replace(xy=xy, confidence=confidence)


def find_implausible(take: Take, network: Loaded) -> np.ndarray:
    """(T, 4) bool, for each of the `LIMBS` whether its end is seen and cannot be where it is."""
    size = body_size(take.xy)[:, None, None]
    every = np.ones((len(take.xy), len(LIMBS)), dtype=bool)
    alone = expect(take, network, every, None)
    suspect = _chance(take, alone, alone, size)[..., 0] < _IMPLAUSIBLE
    among = expect(take, network, every, suspect)
    return _chance(take, among, alone, size)[..., 0] < _IMPLAUSIBLE


def expect(take: Take, network: Loaded, wanted: np.ndarray, hidden: np.ndarray | None) -> Expected:
    """Where the ends should be for those (T, 4) that are `wanted`, without looking at the ends that are `hidden` (T, 4), nor at the one
    in question; None: all others in view, the limb in question hidden in every frame."""
    frame, limb = np.nonzero(wanted)
    rows = window_rows(0, len(take.xy), frame, take.seconds)
    own = np.equal(limb[:, None], np.arange(len(LIMBS)))
    unseen = np.repeat(own[:, None], len(FRAMES), axis=1) if hidden is None else hidden[rows]
    xy, error = np.full((*wanted.shape, 4, 2), np.nan), np.full((*wanted.shape, 4), np.nan)
    xy[frame, limb], error[frame, limb] = network.answer(take, rows, limb, unseen)
    return Expected(xy, error)


def _chance(take: Take, expected: Expected, others: Expected, size: np.ndarray) -> np.ndarray:
    """(T, 4, 4) the chance that each limb's points are right; 1 where there is nothing to judge or to judge by.

    others: where the other side's ends should be; size: (T, 1, 1) of the body in pixels.
    """
    detected, confidence = take.xy[:, POINTS], np.clip(take.confidence[:, POINTS], _DOUBT, 1 - _DOUBT)
    right = _density(detected - expected.xy, np.hypot(expected.error, _SCATTER * size))
    onto_other = _density(detected - others.xy[:, _OTHER_SIDE], np.hypot(others.error[:, _OTHER_SIDE], _SCATTER * size))
    anywhere = 1.0 / size**2
    wrong = (1 - _ONTO_OTHER) * anywhere + _ONTO_OTHER * np.where(np.isfinite(onto_other), onto_other, anywhere)
    chance = confidence * right / (confidence * right + (1 - confidence) * wrong)
    return np.where(np.isfinite(chance), chance, 1.0)


def _density(difference: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Of differences (..., 2) in the plane, whose tails are those of Student's t with two degrees of freedom: rare poses are real."""
    scale = mean * 2 / np.pi
    return np.asarray(1.0 / (np.pi * scale**2 * (1.0 + (difference**2).sum(-1) / scale**2) ** 2))


def _within(radius: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The chance of lying within the radius under the same distribution."""
    return 1.0 / (1.0 + (mean * 2 / np.pi / radius) ** 2)
