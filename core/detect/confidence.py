"""From BlazePose's visibility and presence to an honest confidence.

Problem: visibility stays near 0.99 for hips and shoulders that cannot be seen, is low for good guesses, and joints outside the
         picture are predicted like all others.
Method:  confidence is the chance that the keypoint lies within `NEAR` of the body's size of the truth: a logistic curve a keypoint,
         fitted by `models.fit_confidence` on 360 rendered runs with exact joints (8,800 frames); on motions left out of the fit its log
         loss is 0.445, that of visibility times presence 0.616. A keypoint that jumps away from the path of its neighbours in time
         loses confidence; outside the picture it is missing.
Limits:  the curves know rendered people only; a wrong guess that stays in place keeps its confidence.
"""

from __future__ import annotations

import numpy as np

from ..frame_times import usual_step
from .detector import BLAZEPOSE

NEAR = 0.05  # of the body's size: 8 cm of a standing adult
_CLIP = 1e-3  # visibilities nearer to 0 or 1 say no more than this
_JUMP = 0.06  # of the body's size: a jump that halves the confidence
_NEIGHBOURS = 2  # frames on either side that a keypoint is compared with,
_STEP = 1 / 30  # about so many seconds apart: of a faster video not every one
_BLOCK = 500  # frames compared at a time: it takes many times the room of the keypoints
_NEIGHBOUR_SECONDS = 0.1  # and no further away in time

# keypoint (both sides): bias, weight of the visibility's logit, weight of the presence's logit
_CURVES: dict[str, tuple[float, float, float]] = {
    "nose": (-1.63, 0.484, 0.037),
    "eye": (-1.006, 0.568, 0.018),
    "ear": (-0.566, 0.265, 0.148),
    "shoulder": (-1.396, 0.117, 0.345),
    "elbow": (-1.212, 0.243, 0.36),
    "wrist": (-0.673, 0.461, 0.244),
    "pinky": (-0.653, 0.497, 0.212),
    "index": (-0.903, 0.555, 0.244),
    "thumb": (-1.604, 0.144, 0.199),
    "hip": (-0.296, 0.214, 0.103),
    "knee": (-0.66, 0.347, 0.238),
    "ankle": (-2.221, 0.426, 0.417),
    "heel": (-1.803, 0.394, 0.346),
    "toe": (-1.655, 0.579, 0.229),
}
_STAND_IN = {"eye_inner": "eye", "eye_outer": "eye", "mouth": "nose"}


def honest_confidence(visibility: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """The chance (..., 33) that each BlazePose keypoint is right, from its visibility and presence (..., 33) in [0, 1]."""
    bias, by_visibility, by_presence = _TABLE.T
    return 1.0 / (1.0 + np.exp(-(bias + by_visibility * logit(visibility) + by_presence * logit(presence))))


def inside_picture(xy: np.ndarray, width: int, height: int) -> np.ndarray:
    """(..., K) bool for xy (..., K, 2) pixels."""
    return np.asarray(((xy >= 0.0) & (xy < (width, height))).all(-1))


def steadiness(xy: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, K) in (0, 1]: near 0 for a keypoint that stands off the median of its neighbours in time; 1 where it has too few.

    xy: (T, K, 2) pixels, NaN where missing; times: (T,) seconds. Even motion is its own median and loses nothing.
    """
    result = np.ones(xy.shape[:2])
    stride = max(1, round(_STEP / max(usual_step(times), 1e-3)))
    reach = _NEIGHBOURS * stride
    for first in range(0, len(xy), _BLOCK):
        low = max(0, first - reach)
        block = slice(low, first + _BLOCK + reach)
        result[first: first + _BLOCK] = _block_steadiness(xy[block], times[block], stride)[first - low:][:_BLOCK]
    return result


def _block_steadiness(xy: np.ndarray, times: np.ndarray, stride: int) -> np.ndarray:
    shifts = range(-_NEIGHBOURS * stride, _NEIGHBOURS * stride + 1, stride)
    window = np.full((len(shifts), *xy.shape), np.nan)
    for row, s in zip(window, shifts, strict=True):
        if abs(s) >= len(xy):  # a video of a few frames
            continue
        here, there = slice(max(0, -s), len(xy) - max(0, s)), slice(max(0, s), len(xy) - max(0, -s))
        near = np.abs(times[there] - times[here]) <= _NEIGHBOUR_SECONDS + 1e-3  # however it was rounded
        row[here] = np.where(near[:, None, None], xy[there], np.nan)
    complete = np.isfinite(window).all(axis=(0, -1))
    off = np.linalg.norm(np.median(window, axis=0) - xy, axis=-1)
    relative = np.where(complete, off, 0.0) / body_size(xy)[:, None]
    return 1.0 / (1.0 + (np.nan_to_num(relative) / _JUMP) ** 2)


def body_size(xy: np.ndarray) -> np.ndarray:
    """(T,) the longer side of the box of xy (T, K, 2), pixels; 1 at least, also where nothing is seen."""
    low = np.min(np.where(np.isfinite(xy), xy, np.inf), axis=1)
    high = np.max(np.where(np.isfinite(xy), xy, -np.inf), axis=1)
    return np.maximum((high - low).max(axis=-1), 1.0)


def logit(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), p kept away from 0 and 1."""
    p = np.clip(probability, _CLIP, 1.0 - _CLIP)
    return np.log(p / (1.0 - p))


def _curve(name: str) -> tuple[float, float, float]:
    bare = name.removeprefix("l_").removeprefix("r_")
    return _CURVES[_STAND_IN.get(bare, bare)]


_TABLE = np.array([_curve(name) for name in BLAZEPOSE])
