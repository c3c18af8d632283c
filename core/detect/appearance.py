"""What colours a person wears, to tell people from each other and to notice somebody else in one's place.

Method:  the median colour, in CIE Lab, of the upper and the lower trunk and of the thighs, picked at points between the keypoints; how
         colours are compared: `core.looks`.
Limits:  a hint, not an identity. Of 1,200 pairs of sights of one person, 0.3 to 2.5 s apart, one is more than `looks.OTHER` apart (the
         median 2.5), of pairs of different people, who were filmed in different places, 77 %; but two in grey against the light are 7.
"""

from __future__ import annotations

import dataclasses
import warnings

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..looks import OTHER, unlikeness
from ..runs import runs
from .detector import BLAZEPOSE, Detection

_CORNERS = [BLAZEPOSE.index(n) for n in ("l_shoulder", "r_shoulder", "l_hip", "r_hip")]
_THIGHS = [BLAZEPOSE.index(n) for n in ("l_hip", "r_hip", "l_knee", "r_knee")]
_FEWEST = 5  # pixels of a part that must be in the picture
_SIGHTS, _LONGER = 5, 8  # before and after a gap, and where there is none, whose median counts
_GAP = 0.3  # seconds: after a shorter gap the light is the same, too
_SURELY = 30.0  # of Lab's units: so other that it need not be light; of one person's 71 takes none had 28


def _weights() -> np.ndarray:
    """(3, P, 33) for each part how its points lie between the keypoints."""
    down, across = (v.ravel() for v in np.meshgrid(np.linspace(0.1, 0.9, 8), np.linspace(0.15, 0.85, 5), indexing="ij"))
    trunk = np.zeros((40, len(BLAZEPOSE)))
    trunk[:, _CORNERS] = np.stack([(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across], axis=-1)
    thighs = np.zeros((20, len(BLAZEPOSE)))
    for side, along in enumerate((np.linspace(0.15, 0.8, 10),) * 2):
        rows = slice(10 * side, 10 * side + 10)
        thighs[rows, _THIGHS[side]], thighs[rows, _THIGHS[side + 2]] = 1 - along, along
    return np.stack([trunk[:20], trunk[20:], thighs])


_BETWEEN = _weights()


def colours(rgb: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """(3, 3) Lab of upper trunk, lower trunk and thighs of a person with BlazePose's keypoints xy (33, 2) pixels in rgb (H, W, 3); NaN for
    what is outside the picture."""
    result = np.full((len(_BETWEEN), 3), np.nan, dtype=np.float32)
    for part, points in enumerate(np.floor(_BETWEEN @ xy).astype(int)):
        x, y = points[((points >= 0) & (points < rgb.shape[1::-1])).all(-1)].T
        if len(x) >= _FEWEST:
            scaled = (rgb[y, x][None] / 255.0).astype(np.float32)
            result[part] = np.median(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0], axis=0)
    return result


def dressed(detection: Detection, rgb: np.ndarray) -> Detection:
    """A detection with the colours that its person wears in rgb (H, W, 3); another detector's keypoints as they are."""
    return dataclasses.replace(detection, colours=colours(rgb, detection.xy)) if detection.names == BLAZEPOSE else detection


def looks_changed(colours: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T,) bool, the frames that show other colours than those before them: where a gap lies between, or, without one, where they are
    `_SURELY` other for a while; colours (T, 3, 3), NaN where not seen; times (T,) seconds."""
    changed = np.zeros(len(colours), dtype=bool)
    seen = np.flatnonzero(np.isfinite(colours).any(axis=(1, 2)))
    if len(seen) < 2:
        return changed
    apart = _apart_at(colours[seen], _SIGHTS)
    changed[seen[1:]] = (np.diff(seen) > 1) & (np.diff(times[seen]) > _GAP) & (apart[1:] > OTHER)
    longer = _apart_at(colours[seen], _LONGER)
    longer[:_LONGER] = longer[len(seen) - _LONGER + 1:] = np.nan  # a few sights are no while
    for first, last in runs(longer > _SURELY):  # around the change: as soon as half of the sights are others
        gaps = first + np.flatnonzero(np.diff(seen[first - 1:last]) > 1)
        middle = (first + last) // 2
        changed[seen[min(gaps, key=lambda at: abs(at - middle), default=middle)]] = True
    return changed


def _apart_at(colours: np.ndarray, sights: int) -> np.ndarray:
    """(S,) how far the median colours of as many sights before each one and from it on are apart; colours (S, 3, 3)."""
    padded = np.concatenate([np.full((sights, 3, 3), np.nan, dtype=colours.dtype), colours, np.full((sights - 1, 3, 3), np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a part that none of the sights shows
        median = np.nanmedian(sliding_window_view(padded, sights, axis=0), axis=-1)
    return np.array([unlikeness(before, after) for before, after in zip(median[:len(colours)], median[sights:], strict=True)])
