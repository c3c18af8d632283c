"""A lifting network that looks twice: at what it is given and at its mirror image, and answers with the mean of both.

Problem: people have no side that is drawn differently, but a trained network's errors have; part of them is chance. Method: the features'
mirror image (left and right exchanged, x turned) goes through the same network, its answer is turned back, and the two are averaged
(as is usual since Newell et al. 2016, Stacked Hourglass Networks), the expected errors by their logarithm. So the mirror image of a take
gives the mirror image of its motion. Limits: twice the time; where the two differ much, limbs come out a little too short.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from core.keypoints import CANONICAL
from core.markers import MARKERS
from core.skeleton import mirror_order

from .features import CHANNELS, SIZE, X_COLUMNS

_COLUMNS = torch.tensor([CHANNELS * k + c for k in mirror_order(CANONICAL) for c in range(CHANNELS)]
                        + list(range(CHANNELS * len(CANONICAL), SIZE)))
_SIGN = torch.ones(SIZE).index_fill(0, torch.tensor(X_COLUMNS), -1.0)
_MARKERS = torch.from_numpy(mirror_order(MARKERS))
_TURNED = torch.tensor([-1.0, 1.0, 1.0, 1.0])


class Symmetric(nn.Module):
    """`network`'s answers, averaged with those for the mirror image; see `models.registry` for what it takes and gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def margin(self, rate: float) -> int:
        """The network's own."""
        return cast(Any, self.network).margin(rate)

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        answer = self.network(features, seconds, real)
        return 0.5 * (answer + mirrored_answer(self.network(mirrored_features(features), seconds, real)))


def mirrored_features(features: Tensor) -> Tensor:
    """Features (..., SIZE) of the same frames in a mirror."""
    return features.index_select(-1, _COLUMNS.to(features.device)) * _SIGN.to(features.device)


def mirrored_answer(answer: Tensor) -> Tensor:
    """A network's answer (..., M, 4) for the same markers in a mirror."""
    return answer.index_select(-2, _MARKERS.to(answer.device)) * _TURNED.to(answer.device)
