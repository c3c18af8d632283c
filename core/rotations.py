"""Rotations as unit quaternions (w, x, y, z) and 3x3 matrices that act on column vectors; numpy, any leading batch dimensions.

numpy only, because Blender's own Python has no scipy: the solver, the exporters and the add-on share these few functions.
"""

from __future__ import annotations

import numpy as np

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product a*b: rotate by b, then by a. (..., 4), broadcast."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, dtype=np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    return np.stack([
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ], axis=-1)


def inverse(q: np.ndarray) -> np.ndarray:
    """The inverse of unit quaternions (..., 4)."""
    return np.asarray(q, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def normalise(q: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4)."""
    q = np.asarray(q, dtype=np.float64)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) with length 1; those without a length stay without one."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12))


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) rotated by unit quaternions (..., 4), broadcast."""
    q = np.asarray(q, dtype=np.float64)
    v = np.asarray(v, dtype=np.float64)
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * np.cross(u, v)
    return v + w * t + np.cross(u, t)


def to_matrix(q: np.ndarray) -> np.ndarray:
    """(..., 4) to (..., 3, 3)."""
    w, x, y, z = np.moveaxis(normalise(q), -1, 0)
    return np.stack([
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
        np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
        np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
    ], axis=-2)


def from_matrix(m: np.ndarray) -> np.ndarray:
    """(..., 3, 3) proper rotations to (..., 4); of the two signs, the one with w >= 0."""
    m = np.asarray(m, dtype=np.float64)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # The four squared components times four; the largest is safe to divide by (Shepperd's choice).
    squares = np.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], axis=-1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    rows = np.stack([
        np.stack([squares[..., 0], wx, wy, wz], axis=-1),
        np.stack([wx, squares[..., 1], xy, xz], axis=-1),
        np.stack([wy, xy, squares[..., 2], yz], axis=-1),
        np.stack([wz, xz, yz, squares[..., 3]], axis=-1),
    ], axis=-2)
    best = np.argmax(squares, axis=-1)[..., None, None]
    q = normalise(np.take_along_axis(rows, best, axis=-2)[..., 0, :])
    return np.where(q[..., :1] < 0, -q, q)


def nearest(m: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) nearest to any matrices, by Frobenius' norm; of a sum of rotations: their mean."""
    u, _, vt = np.linalg.svd(m)
    u[..., 2] *= np.linalg.det(u @ vt)[..., None]
    return np.asarray(u @ vt)


def from_rotation_vector(r: np.ndarray) -> np.ndarray:
    """Axis times angle (radians), (..., 3) to (..., 4)."""
    r = np.asarray(r, dtype=np.float64)
    half = 0.5 * np.linalg.norm(r, axis=-1, keepdims=True)
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * r], axis=-1)


def to_rotation_vector(q: np.ndarray) -> np.ndarray:
    """(..., 4) to axis times angle in radians (..., 3), the angle in [0, pi]."""
    q = normalise(q)
    q = np.where(q[..., :1] < 0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-300), 2.0)


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The angle in radians, in [0, pi], of the rotation that takes unit quaternions a (..., 4) to b (..., 4)."""
    return np.linalg.norm(to_rotation_vector(multiply(inverse(a), b)), axis=-1)


def between_vectors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotation (..., 4) that turns direction a (..., 3) into direction b (..., 3); opposite ones turn about any normal."""
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    a, b = np.broadcast_arrays(a / np.linalg.norm(a, axis=-1, keepdims=True), b / np.linalg.norm(b, axis=-1, keepdims=True))
    w = 1.0 + np.sum(a * b, axis=-1, keepdims=True)
    axis = np.cross(a, b)
    smallest = np.eye(3)[np.argmin(np.abs(a), axis=-1)]
    opposite = w < 1e-9
    return normalise(np.concatenate([np.where(opposite, 0.0, w), np.where(opposite, np.cross(a, smallest), axis)], axis=-1))


def slerp(a: np.ndarray, b: np.ndarray, s: np.ndarray) -> np.ndarray:
    """From a (..., 4) at s = 0 to b (..., 4) at s = 1 along the shorter arc; s broadcasts against (...)."""
    difference = to_rotation_vector(multiply(inverse(a), b))
    return multiply(a, from_rotation_vector(difference * np.asarray(s, dtype=np.float64)[..., None]))


def continuous(q: np.ndarray) -> np.ndarray:
    """The same rotations (T, ..., 4) with signs chosen so that each is nearest to the one before it in time."""
    q = np.array(q, dtype=np.float64)
    if len(q) > 1:
        flips = np.sum(q[1:] * q[:-1], axis=-1) < 0
        q[1:] *= np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0)[..., None]
    return q


def from_euler(angles: np.ndarray, order: str) -> np.ndarray:
    """(..., 3) radians about the axes named in `order` ("ZXY": R = Rz Rx Ry, as a BVH's channels) to (..., 4)."""
    angles = np.asarray(angles, dtype=np.float64)
    q = IDENTITY
    for i, axis in enumerate(order):
        q = multiply(q, from_rotation_vector(angles[..., i, None] * np.eye(3)["XYZ".index(axis)]))
    return q


def to_euler(q: np.ndarray, order: str) -> np.ndarray:
    """(T, ..., 4) to (T, ..., 3) radians for three different axes in `order`; R = R_first R_second R_last.

    Of the triples that mean the same rotation each frame takes the one nearest to the frame before (the first: to zero), so that nothing
    jumps by a full turn, nor by half a one where the middle angle passes 90 degrees.
    """
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    m = to_matrix(q)
    middle = np.arcsin(np.clip(sign * m[..., i, k], -1.0, 1.0))
    first = np.arctan2(-sign * m[..., j, k], m[..., k, k])
    last = np.arctan2(-sign * m[..., i, j], m[..., i, i])
    # In gimbal lock only the sum of first and last is known: give it all to the first.
    locked = np.abs(m[..., i, k]) > 1.0 - 1e-12
    first = np.where(locked, np.arctan2(sign * m[..., k, j], m[..., j, j]), first)
    last = np.where(locked, 0.0, last)
    both = np.stack([np.stack([first, middle, last], axis=-1), np.stack([first + np.pi, np.pi - middle, last + np.pi], axis=-1)], axis=-2)
    angles = np.empty_like(both[..., 0, :])
    previous = np.zeros_like(angles[:1])[..., None, :]
    for t in range(len(both)):
        near = both[t:t + 1] + 2 * np.pi * np.round((previous - both[t:t + 1]) / (2 * np.pi))
        best = np.abs(near - previous).sum(-1).argmin(-1)[..., None, None]
        previous = np.take_along_axis(near, best, axis=-2)
        angles[t] = previous[0, ..., 0, :]
    return angles
