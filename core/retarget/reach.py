"""Two bones that bring the third joint where it should be: the analytic inverse kinematics of legs and arms.

Method: the line from the first joint to the third is swung to the target, then the middle joint is put where both bones keep their
lengths, in the plane that the motion gives. Limits: what is further away than the limb is long is only pointed at.
"""

from __future__ import annotations

import numpy as np

from .. import rotations

STRETCH = 1.0 - 1e-5  # of the limb's length; a limb that is exactly straight has no plane to bend in


def two_bones(hip: np.ndarray, knee: np.ndarray, ankle: np.ndarray, target: np.ndarray, front: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (T, 4) of upper and lower bone that bring the ankle to the target, and where it gets (T, 3).

    hip, knee, ankle, target: (T, 3) metres. The knee stays in its plane; front: (T, 3) says where it bends when it is straight.
    """
    upper, lower = np.linalg.norm(knee - hip, axis=-1), np.linalg.norm(ankle - knee, axis=-1)
    reach = np.linalg.norm(target - hip, axis=-1)
    length = np.clip(reach, np.abs(upper - lower) + 1e-6, STRETCH * (upper + lower))
    along = rotations.unit(target - hip)
    swing = rotations.between_vectors(ankle - hip, along)
    aside = _across(rotations.rotate(swing, knee - hip), along) + 1e-3 * _across(rotations.unit(front), along)
    near = (upper**2 - lower**2 + length**2) / (2 * length)
    bent = hip + near[:, None] * along + np.sqrt(np.maximum(upper**2 - near**2, 0.0))[:, None] * rotations.unit(aside)
    end = hip + length[:, None] * along
    thigh = rotations.multiply(rotations.between_vectors(rotations.rotate(swing, knee - hip), bent - hip), swing)
    shin = rotations.multiply(rotations.between_vectors(rotations.rotate(swing, ankle - knee), end - bent), swing)
    still = (np.linalg.norm(target - ankle, axis=-1) < 1e-9)[:, None]
    return np.where(still, rotations.IDENTITY, thigh), np.where(still, rotations.IDENTITY, shin), np.where(still, ankle, end)


def _across(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
    return v - np.sum(v * axis, axis=-1, keepdims=True) * axis
