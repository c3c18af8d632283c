"""How much picture evidence stands behind each joint.

Method: a joint that a keypoint sits on takes that keypoint's confidence; the trunk takes the mean of the hips' and shoulders'; toes
and hands count with their own points; all fall with the uncertainty that the lifting network states.
Limits: detectors overrate themselves; 1 means "seen", not "exact".
"""

from __future__ import annotations

import numpy as np

from ..keypoints import Keypoints
from ..skeleton import JOINTS

_SIDES = {
    "UpLeg": ("hip",), "Leg": ("knee",), "Foot": ("ankle",), "Toe": ("toe",), "Shoulder": ("shoulder",), "Arm": ("shoulder",),
    "ForeArm": ("elbow",), "Hand": ("wrist",),
}
_TRUNK = ("l_hip", "r_hip", "l_shoulder", "r_shoulder")
_HEAD = ("nose", "l_ear", "r_ear", "l_eye", "r_eye")
_HALF = 0.15  # metres of stated uncertainty that halve the confidence


def _evidence(joint: str) -> tuple[str, ...]:
    for side, s in (("Left", "l_"), ("Right", "r_")):
        if joint.startswith(side):
            return tuple(s + name for name in _SIDES[joint[len(side):]])
    return {"Hips": ("l_hip", "r_hip"), "Head": _HEAD}.get(joint, _TRUNK)


def joint_confidence(names: tuple[str, ...], sigma: np.ndarray, keypoints: Keypoints) -> np.ndarray:
    """(T, 21) in [0, 1]; sigma: (T, M) metres of the markers `names` on a mean adult, inf where unseen: how tall somebody is said to be
    does not make them better seen."""
    index = {n: i for i, n in enumerate(names)}
    columns = []
    for joint in JOINTS:
        there = [keypoints.names.index(n) for n in _evidence(joint) if n in keypoints.names]
        seen = keypoints.confidence[:, there].mean(1) if there else np.zeros(len(keypoints))
        columns.append(seen / (1.0 + (sigma[:, index[joint]] / _HALF) ** 2))
    return np.stack(columns, axis=1)
