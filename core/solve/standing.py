"""Which heels and toes stand, before any fit: as the network says that has learned it from whole bodies' motion (`models.contacts`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..markers import MARKERS
from .contacts import FOOT_POINTS
from .gaps import stretches

if TYPE_CHECKING:
    from models.contacts import Seen

    from .solver import Posed


def standing(problem: Posed, K: np.ndarray) -> np.ndarray:
    """(S, 4) in [0, 1], how likely each of `FOOT_POINTS` stands in the frames of a problem; K: (3, 3) pixels. Raises InputError (weights
    missing or damaged)."""
    from models.contacts import load

    seen, network = as_seen(problem, K), load()
    chances = np.zeros((len(seen.seconds), len(FOOT_POINTS)))
    for start, stop in stretches(np.ones(len(seen.seconds), dtype=bool), seen.seconds):
        chances[start:stop] = network.chances(seen.between(start, stop))
    return chances


def as_seen(problem: Posed, K: np.ndarray) -> Seen:
    """A problem's frames as the network wants them; K: (3, 3) pixels."""
    from models.contacts import Seen

    evidence, rows, keypoints = problem.evidence, problem.rows, problem.keypoints
    markers = np.full((len(evidence.times), len(MARKERS), 3), np.nan)
    lifted = problem.body.names[:evidence.positions.shape[1]]
    markers[:, [MARKERS.index(n) for n in lifted]] = np.where(evidence.weight_3d[..., None] > 0, evidence.positions, np.nan)
    image = (keypoints.xy[rows] - K[:2, 2]) / np.array([K[0, 0], K[1, 1]])
    return Seen(markers, problem.start.root, image, keypoints.confidence[rows], keypoints.times[rows], problem.body.skeleton.stature)
