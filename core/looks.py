"""What people wear, compared: one person's sights show the same colours, two people's mostly do not.

Colours are (3, 3): CIE Lab of upper trunk, lower trunk and thighs (`core.detect.appearance` picks them), NaN for what is not to be seen.
Hue and saturation count, lightness hardly: the light changes more than the clothes do.
Limits: black and white are nearly alike, and who wears one hue in front and another on the back looks like two people when they turn
round at once. numpy only.
"""

from __future__ import annotations

import numpy as np

OTHER = 22.0
"""Of Lab's units: people whose colours are further apart are not one."""
_LIGHTNESS = 0.1  # against chroma
_LATELY, _LONG = 0.17, 2.0  # seconds that the two memories go back
_ENOUGH = 3  # sights after which they count


def unlikeness(a: np.ndarray, b: np.ndarray) -> float:
    """How far the colours (3, 3) of two sights are apart, the mean over the parts that both show; NaN where they share none."""
    apart = np.linalg.norm((a - b) * (_LIGHTNESS, 1.0, 1.0), axis=-1)
    known = np.isfinite(apart)
    return float(apart[known].mean()) if known.any() else float("nan")


class Looks:
    """What a person wore just now and in the last seconds: who turns round shows another side bit by bit."""

    def __init__(self) -> None:
        self._means = np.full((2, 3, 3), np.nan)
        self._sights = np.zeros(3)  # of each part

    def add(self, colours: np.ndarray | None, dt: float) -> None:
        """One more sight, dt seconds after the one before; None: nobody looked."""
        if colours is None:
            return
        shown = np.isfinite(colours).all(-1)
        self._sights += shown
        for mean, reach in zip(self._means, (_LATELY, _LONG), strict=True):
            share = np.maximum(1.0 / np.maximum(self._sights, 1), 1.0 - np.exp(-dt / reach))[:, None]
            known = np.where(np.isnan(mean), colours, mean)
            mean[shown] = (known + share * (colours - known))[shown]

    def unlikeness(self, colours: np.ndarray | None) -> float:
        """How far a sight is from what the person wore, in the last seconds or just now, whichever is nearer; NaN where too little is
        known."""
        if colours is None:
            return float("nan")
        return min(unlikeness(np.where(self._sights[:, None] >= _ENOUGH, mean, np.nan), colours) for mean in self._means)
