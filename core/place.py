"""Where the hips are in the camera: from the picture and the lifted markers, before any fit.

Problem: lifting gives a body about its hips; the picture says where it is. Method: a keypoint at normalised image place (u, v) of a
body point X + t means t_x - u t_z = u X_z - X_x, likewise for v: linear in t, solved for each frame by weighted least squares,
reweighted so that single bad keypoints count little; depth outliers are taken out by a median over time.
Limits: as good as the focal length; frames with fewer than 4 points borrow from their neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

_FEWEST = 4
_NEAREST = 0.3  # metres: nobody's hips are nearer to a camera


def locate(points: np.ndarray, image: np.ndarray, weight: np.ndarray, typical_depth: float) -> np.ndarray:
    """(T, 3) metres, camera axes: the translation that puts points (T, K, 3) onto normalised image places (T, K, 2).

    weight: (T, K), 0 for what is missing (NaN allowed there). typical_depth: metres, where no frame can tell.
    """
    usable = (weight > 0) & np.isfinite(points).all(-1) & np.isfinite(image).all(-1)
    points, image = np.where(usable[..., None], points, 0.0), np.where(usable[..., None], image, 0.0)
    base = np.where(usable, weight, 0.0)
    robust = base
    for _ in range(4):
        place = _least_squares(points, image, robust)
        moved = points + place[:, None]
        error = np.linalg.norm(moved[..., :2] / np.maximum(moved[..., 2:], _NEAREST) - image, axis=-1) * place[:, None, 2]
        robust = base / (1.0 + (error / 0.08) ** 2)
    bad = (usable.sum(1) < _FEWEST) | (place[:, 2] < _NEAREST) | ~np.isfinite(place).all(1)
    return _mend(place, bad, typical_depth)


def _least_squares(points: np.ndarray, image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    u, v = image[..., 0], image[..., 1]
    b_u, b_v = u * points[..., 2] - points[..., 0], v * points[..., 2] - points[..., 1]
    w, wu, wv = weight.sum(1), (weight * u).sum(1), (weight * v).sum(1)
    zero = np.zeros_like(w)
    normal = np.stack([np.stack([w, zero, -wu], -1), np.stack([zero, w, -wv], -1),
                       np.stack([-wu, -wv, (weight * (u * u + v * v)).sum(1)], -1)], -2)
    right = np.stack([(weight * b_u).sum(1), (weight * b_v).sum(1), -(weight * (u * b_u + v * b_v)).sum(1)], -1)
    normal += 1e-9 * np.eye(3)
    return np.linalg.solve(normal, right[..., None])[..., 0]


def _mend(place: np.ndarray, bad: np.ndarray, typical_depth: float) -> np.ndarray:
    """Bad frames are filled from good ones; lone outliers in depth slide along their line of sight to the median around them."""
    if bad.all():
        return np.tile([0.0, 0.0, typical_depth], (len(place), 1))
    frames = np.arange(len(place))
    place = np.stack([np.interp(frames, frames[~bad], place[~bad, i]) for i in range(3)], axis=-1)
    middle = median_filter(place[:, 2], size=min(15, len(place)), mode="nearest")
    off = np.abs(place[:, 2] / middle - 1.0) > 0.15
    return np.where(off[:, None], place * (middle / place[:, 2])[:, None], place)
