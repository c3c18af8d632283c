"""Who is upside down or lies: the picture turned by quarter turns, and which turn's answer to go by.

Problem: people mostly stand, and a network takes who does a cartwheel for somebody who bends, however well its keypoints are seen.
Method: turned by half a turn a handstand is a person with arms raised. Where a network expects a large error it is asked for the other
three turns as well, and the answers are averaged by the errors that it expects of them over a while: nearly only the best counts. A turn
has to be the better by some margin, for upright people are what networks know best.
Limits: a person who hides is not unsure in one turn and sure in another; three times more work where something is unsure.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from .frame_times import usual_step
from .keypoints import Keypoints

UNSURE = 0.09
"""Metres of expected error: standing people's is half of it. With 0.1 twelve takes in turned pictures were lifted by up to 7 % worse than
in upright ones, with this by up to 2 % (measured once)."""
_WHILE = 0.7  # seconds over which expected errors are averaged: a turn must not come and go from frame to frame
_AROUND = 2.0  # seconds around what is unsure that are lifted in other turns, for a network looks around as well
_ODDS = 20.0  # of answers: the inverse expected error to this power
_MARGIN = 0.1  # of the expected error's logarithm by which a turn has to be the better
_FADE = 0.2  # of that logarithm: from unsure to where turns count fully


def turned(keypoints: Keypoints, K: np.ndarray, quarters: int) -> tuple[Keypoints, np.ndarray]:
    """Keypoints and intrinsics K (3, 3) of the same take in a picture that is turned clockwise by quarter turns; how the camera moved is
    left out."""
    for _ in range(quarters % 4):
        k, height = keypoints, keypoints.height
        world = None if k.world is None else turned_points(k.world, 1)
        keypoints = k.replace(xy=turned_places(k.xy, 1, k.width, height), world=world, width=height, height=k.width, camera=None)
        K = np.array([[K[1, 1], 0.0, height - K[1, 2]], [0.0, K[0, 0], K[0, 2]], [0.0, 0.0, 1.0]])
    return keypoints, K


def turned_places(xy: np.ndarray, quarters: int, width: int, height: int) -> np.ndarray:
    """Places (..., 2) in a picture of width x height pixels, in that picture after quarter turns clockwise."""
    for _ in range(quarters % 4):
        xy = np.stack([height - xy[..., 1], xy[..., 0]], axis=-1)
        width, height = height, width
    return xy


def turned_points(points: np.ndarray, quarters: int) -> np.ndarray:
    """Points (..., 3) in camera axes after quarter turns clockwise about the line of sight."""
    for _ in range(quarters % 4):
        points = np.stack([-points[..., 1], points[..., 0], points[..., 2]], axis=-1)
    return points


def around_doubt(sigma: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) bool, the frames in and around which upright answers with expected errors sigma (T, M) are unsure; times: (T,) seconds."""
    unsure = times[_expected_error(sigma, times) > np.log(UNSURE)]
    return np.searchsorted(unsure, times + _AROUND, side="right") > np.searchsorted(unsure, times - _AROUND)


def _expected_error(sigma: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) the logarithm of the markers' expected errors (T, M) in metres, on average over a while; times: (T,) seconds."""
    step = max(usual_step(times), 1e-3)
    width = int(np.clip(round(_WHILE / step), 1, len(times)))
    return np.asarray(uniform_filter1d(np.log(sigma).mean(axis=1), width, mode="nearest"))


def blended(answers: list[tuple[np.ndarray, np.ndarray]], times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, M, 3) and expected errors (T, M) from those of each turn, the upright one first; as they are where that one is sure."""
    positions, sigma = (np.stack(arrays) for arrays in zip(*answers, strict=True))
    expected = np.stack([_expected_error(s, times) for s in sigma])
    doubt = np.clip((expected[0] - np.log(UNSURE)) / _FADE, 0.0, 1.0)
    expected[1:] += _MARGIN
    weight = np.exp(_ODDS * (expected.min(axis=0) - expected))
    weight *= doubt / weight.sum(axis=0)
    weight[0] += 1.0 - doubt
    return np.einsum("at,atmk->tmk", weight, positions), np.exp(np.einsum("at,atm->tm", weight, np.log(sigma)))
