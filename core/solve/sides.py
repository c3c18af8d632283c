"""Left and right of lifted markers: stretches in which the body is the other way round than before and after.

Problem: a network that takes the front for the back for a while makes a body that turns about within a frame and back again later; it may
do so where the picture's sides are right, and see through where they are not. Method: the markers are set right by their own continuity
over the whole take, with the search of `core.flips`. An exchange is the body reflected along the line of sight, so that the picture
stays what it was. Limits: those of `core.flips`.
"""

from __future__ import annotations

import numpy as np

from ..camera import person_view, pixel_rays
from ..flips import exchanged, find_flips
from ..keypoints import Keypoints

_PIXELS = 1000.0  # a metre, for a search that thinks in pixels
_HALF = 0.15  # metres of stated uncertainty that halve a marker's say


def one_way_round(names: tuple[str, ...], positions: np.ndarray, sigma: np.ndarray, keypoints: Keypoints,
                  K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lifted positions and their sigma with the sides that they have in the rest of the take.

    positions: (T, M, 3) metres about the hips' middle, camera axes, of markers `names`, NaN where unseen; sigma: (T, M), inf there;
    keypoints: where the person is in the picture.
    """
    view = person_view(pixel_rays(keypoints.xy, K), keypoints.confidence)
    facing = np.einsum("tij,tmj->tmi", view, positions)
    states = find_flips(keypoints.replace(names=names, xy=_PIXELS * facing[..., :2], confidence=1.0 / (1.0 + (sigma / _HALF) ** 2),
                                          depth=None, world=facing))
    if not states.any():
        return positions, sigma
    turned = np.einsum("tji,tmj->tmi", view, exchanged(facing, names, states, reflect=True))
    return turned, exchanged(sigma, names, states)
