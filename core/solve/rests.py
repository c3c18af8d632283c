"""What a body rests on besides its feet: knees, hands, hips, back, head, and how far their skin is from the joints.

Problem: who kneels, crawls, lies or falls does not stand on their feet; held to the floor by the feet alone they sink into it or hang above
it. Method: the joints in `REST_POINTS` are each in the middle of a ball of flesh; the fit and the world treat its lowest point like a
sole. Limits: balls are rough (a hip's skin is 8 to 11 cm from the joint, by the direction); crown, middle of the back, forearms and
fingers have none; clothes, mats and beds are not known of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..skeleton import MEAN_STATURE

_LEFT = {"LeftUpLeg": ("l_hip", 0.10), "LeftLeg": ("l_knee", 0.055), "LeftArm": ("l_shoulder", 0.075),
         "LeftForeArm": ("l_elbow", 0.04), "LeftHand": ("l_wrist", 0.03)}
_PARTS = {n.replace("Left", side): (k.replace("l_", side[0].lower() + "_", 1), radius)
          for side in ("Left", "Right") for n, (k, radius) in _LEFT.items()} | {"Head": ("nose", 0.09)}
REST_POINTS: tuple[str, ...] = tuple(_PARTS)
REST_KEYPOINTS: tuple[str, ...] = tuple(keypoint for keypoint, _ in _PARTS.values())
"""Which keypoint tells whether each of `REST_POINTS` moves."""

_RADII = np.array([radius for _, radius in _PARTS.values()])
"""Metres of flesh at a stature of `MEAN_STATURE`: as measured on 30 MakeHuman people, in the direction in which the part is lain upon."""


@dataclass(frozen=True)
class Rests:
    """points: (T, N, 3) where `REST_POINTS` are, in the camera; flesh: (N,) metres from them to the skin."""

    points: np.ndarray
    flesh: np.ndarray

    def skin(self, up: np.ndarray) -> np.ndarray:
        """(T, N) heights along `up` of the lowest skin of each."""
        return np.asarray(self.points @ up - self.flesh)


def flesh(stature: float) -> np.ndarray:
    """(N,) metres from each of `REST_POINTS` to the skin that lies on the floor."""
    return stature / MEAN_STATURE * _RADII
