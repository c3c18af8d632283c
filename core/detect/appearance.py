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

from ..looks import OTHER, unlikeness
from .detector import BLAZEPOSE, Detection

_CORNERS = [BLAZEPOSE.index(n) for n in ("l_shoulder", "r_shoulder", "l_hip", "r_hip")]
_THIGHS = [BLAZEPOSE.index(n) for n in ("l_hip", "r_hip", "l_knee", "r_knee")]
_FEWEST = 5  # pixels of a part that must be in the picture
_SIGHTS = 5  # before and after a gap, whose median counts


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


def looks_changed(colours: np.ndarray) -> np.ndarray:
    """(T,) bool, the frames that follow a gap and show other colours than before it; colours (T, 3, 3), NaN where not seen."""
    changed = np.zeros(len(colours), dtype=bool)
    seen = np.flatnonzero(np.isfinite(colours).any(axis=(1, 2)))
    for i in np.flatnonzero(np.diff(seen) > 1) + 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a part that none of the sights shows
            before, after = (np.nanmedian(colours[rows], axis=0) for rows in (seen[max(0, i - _SIGHTS):i], seen[i:i + _SIGHTS]))
        changed[seen[i]] = unlikeness(before, after) > OTHER
    return changed
