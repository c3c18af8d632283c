"""Integral regression: each marker's place is the mean of a heat map over the space around the person.

Sun, Xiao, Wei, Liang, Wei: "Integral human pose regression", ECCV 2018: a network fills a volume of scores for each joint, softmax
makes a distribution of it, and its expectation (soft-argmax) is the joint, so that heat maps are trained by the error of the joint
itself and answer more finely than their cells. The paper reads pixels; here the keypoints of a frame, through the body of
`models.residual`, fill the volume, which is kept as its three marginals: the expectation needs no more. Beside the plain linear answer
of that network it learns faster and better. Its maps begin flat, which measured better than narrow ones; how wide they are says nothing,
so the expected error has an answer of its own. It knows no time. Limits: nothing further than `_REACH` along an axis from the hips.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .heads import log_error, precisely
from .residual import Residual

_REACH = 1.4  # metres on either side of the hips' middle; a raised hand of the mean body is 1.2 away


class VolumeHead(nn.Module):
    """Hidden (..., W) to (..., M, 4): x, y, z metres, and log of the expected error in metres.

    cells: of an axis; channels: what a marker's three heat maps are drawn from.
    """

    places: Tensor

    def __init__(self, width: int, markers: int, cells: int, channels: int) -> None:
        super().__init__()
        self.markers = markers
        self.of_marker = nn.Linear(width, markers * channels)
        self.scores = nn.Linear(channels, 3 * cells)
        self.prior = nn.Parameter(torch.zeros(markers, 3 * cells))
        self.expected = nn.Linear(width, markers)
        self.register_buffer("places", torch.linspace(-_REACH, _REACH, cells), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = torch.relu(precisely(self.of_marker, x).unflatten(-1, (self.markers, -1)))
        scores = precisely(self.scores, channels) + self.prior
        heat = torch.softmax(scores.unflatten(-1, (3, -1)), dim=-1)
        return torch.cat([heat @ self.places, log_error(precisely(self.expected, x))[..., None]], dim=-1)


class Integral(Residual):
    """Frames (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, width: int, blocks: int, cells: int, channels: int, dropout: float) -> None:
        super().__init__(inputs, markers, width, blocks, dropout)
        self.head = VolumeHead(width, markers, cells, channels)
