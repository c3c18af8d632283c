"""The camera as far as lifting needs it: an assumed lens, rays of pixels, and a virtual camera that looks at the person.

Problem: the same pose at the edge of a wide picture and in its middle gives different pixels, so a network would have to learn every
pose once per place in the frame. Method: pixels become rays, and the rays are turned by the rotation that brings the person to the
middle of a virtual camera; what the network answers there is turned back. Limits: a pinhole without lens distortion; with a wrong
assumed focal length the rotation is wrong in proportion to the angle between the person and the picture's middle.
"""

from __future__ import annotations

import numpy as np

from . import rotations
from .errors import InputError

ASSUMED_FOCAL = 1.0
"""Focal length over the longer image side when nobody tells it: 53 degrees, the same as 36 mm on full frame. A phone's main camera is
26 to 28 mm, about 30 mm after the crop of video stabilisation; other cameras are mostly longer. 36 mm is off by at most a factor of
1.3 for phones and 2 for an 80 mm lens."""
FULL_FRAME = 36.0
"""Millimetres of the longer side to which focal lengths are equivalent."""


def assume_intrinsics(width: int, height: int, focal: float | None = None) -> np.ndarray:
    """K (3, 3) of a picture of `width` x `height` pixels; `focal` in pixels, None: `ASSUMED_FOCAL`. Principal point in the middle.

    Raises InputError when the size or the focal length is not positive.
    """
    if width <= 0 or height <= 0:
        raise InputError(f"The picture is {width} x {height} pixels; both must be positive.")
    if focal is None:
        focal = ASSUMED_FOCAL * max(width, height)
    if not (np.isfinite(focal) and focal > 0):
        raise InputError(f"The focal length is {focal:g} pixels; it must be positive.")
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def focal_in_pixels(equivalent: float, width: int, height: int) -> float:
    """The focal length in pixels of a lens of so many millimetres (35 mm equivalent) for a picture of this size.

    By the longer side: wide pictures are 5 % narrower than by the diagonal, and video stabilisation cuts off about as much.
    """
    return equivalent / FULL_FRAME * max(width, height)


def pixel_rays(xy: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Rays (..., 3) with z = 1, camera axes, of pixels xy (..., 2). K is (3, 3) or (..., 3, 3) with the leading axes of xy's frames."""
    xy = np.asarray(xy)
    K = np.asarray(K)
    focal = np.stack([K[..., 0, 0], K[..., 1, 1]], axis=-1)
    if K.ndim > 2:
        focal, centre = focal[..., None, :], K[..., None, :2, 2]
    else:
        centre = K[:2, 2]
    flat = (xy - centre) / focal
    return np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)


def person_view(rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) from the camera to a virtual camera that looks at the person: v_view = R v_camera.

    rays: (..., K, 3) of the person's keypoints, NaN where missing; weights: (..., K), zero where missing. The shortest rotation that
    takes the weighted mean direction to the z axis; the identity for a frame without keypoints.
    """
    weights = np.where(np.isfinite(rays).all(-1), weights, 0.0)
    units = np.nan_to_num(rays) / np.maximum(np.linalg.norm(np.nan_to_num(rays), axis=-1, keepdims=True), 1e-9)
    direction = np.sum(weights[..., None] * units, axis=-2)
    forward = np.array([0.0, 0.0, 1.0])
    empty = np.linalg.norm(direction, axis=-1, keepdims=True) < 1e-9
    return rotations.to_matrix(rotations.between_vectors(np.where(empty, forward, direction), forward))
