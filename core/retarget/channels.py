"""Quaternions as the channels of Blender's rotation modes: every bone keeps the mode it has.

Every frame's values are those of the same rotation that are nearest to the frame before: Euler angles (`core.rotations`) do not jump by
180 degrees where the middle angle passes 90, and axis and angle turn sign together.
"""

from __future__ import annotations

import numpy as np

from .. import rotations

PATHS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}


def rotation_channels(quaternions: np.ndarray, mode: str) -> tuple[str, np.ndarray]:
    """(property, values) for (T, 4) quaternions (w, x, y, z): (T, 4) or, for Euler modes, (T, 3) radians about x, y, z.

    mode: "QUATERNION", "AXIS_ANGLE" (angle first) or an order such as "XYZ" (x is applied first, as in Blender).
    """
    if mode == "QUATERNION":
        return PATHS[mode], rotations.continuous(quaternions)
    if mode == "AXIS_ANGLE":
        return PATHS[mode], _axis_angle(quaternions)
    return "rotation_euler", _euler(quaternions, mode)


def from_channels(values: np.ndarray, mode: str) -> np.ndarray:
    """(T, 4) unit quaternions of what `rotation_channels` gave, or of values near that, as Blender understands them."""
    if mode == "QUATERNION":
        return rotations.normalise(values)
    if mode == "AXIS_ANGLE":
        axis = values[:, 1:] / np.maximum(np.linalg.norm(values[:, 1:], axis=-1, keepdims=True), 1e-12)
        return rotations.from_rotation_vector(values[:, :1] * axis)
    outer_first = mode[::-1]
    return rotations.from_euler(values[:, ["XYZ".index(axis) for axis in outer_first]], outer_first)


def _euler(quaternions: np.ndarray, order: str) -> np.ndarray:
    """(T, 3) angles about x, y, z."""
    outer_first = order[::-1]  # Blender names the axis that acts first; as a product R = R_last ... R_first.
    return rotations.to_euler(quaternions, outer_first)[:, [outer_first.index(axis) for axis in "XYZ"]]


def _axis_angle(quaternions: np.ndarray) -> np.ndarray:
    """(T, 4) angle in radians and unit axis, both continuous; where nothing is turned, the axis before is kept."""
    vector = rotations.to_rotation_vector(quaternions)
    angle = np.linalg.norm(vector, axis=-1)
    values = np.empty((len(vector), 4))
    previous, turns = np.array([0.0, 1.0, 0.0]), 0.0
    for t in range(len(vector)):
        axis = vector[t] / angle[t] if angle[t] > 1e-6 else previous
        sign = 1.0 if axis @ previous >= 0 else -1.0
        turns = sign * angle[t] + 2 * np.pi * np.round((turns - sign * angle[t]) / (2 * np.pi))
        values[t] = turns, *(sign * axis)
        previous = sign * axis
    return values
