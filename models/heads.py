"""The first and the last layer that all lifting networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_TYPICAL_ERROR = 0.05  # metres; the uncertainty starts here
_RANGE = 3.0  # natural logarithm: from 2.5 mm to 1 m


def precisely(layer: nn.Module, x: Tensor) -> Tensor:
    """layer(x) in float32, also where autocast is on: a bfloat16 metre is only good to 4 mm."""
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())


def log_error(raw: Tensor) -> Tensor:
    """What a layer says as the logarithm of an expected error in metres, bounded to 2.5 mm .. 1 m."""
    return math.log(_TYPICAL_ERROR) + _RANGE * torch.tanh(raw / _RANGE)


class Standardise(nn.Module):
    """Input (..., F) minus the training data's mean over its deviation; both are set once before training and saved with the weights.

    columns: those of the input that are passed on, (..., len(columns)); None for all.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int, columns: Sequence[int] | None = None) -> None:
        super().__init__()
        self.columns = None if columns is None else torch.tensor(columns)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))

    def fit(self, features: Tensor) -> None:
        """Takes mean and deviation of features (N, F); a column that hardly changes is not blown up."""
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0).clamp_min(0.05))

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.deviation
        return x if self.columns is None else x.index_select(-1, self.columns.to(x.device))


class MarkerHead(nn.Module):
    """Hidden (..., W) to (..., M, 4): x, y, z metres, and log of the expected error in metres, bounded to 2.5 mm .. 1 m."""

    def __init__(self, width: int, markers: int) -> None:
        super().__init__()
        self.markers = markers
        self.linear = nn.Linear(width, markers * 4)

    def forward(self, x: Tensor) -> Tensor:
        raw = precisely(self.linear, x).unflatten(-1, (self.markers, 4))
        return torch.cat([raw[..., :3], log_error(raw[..., 3:])], dim=-1)
