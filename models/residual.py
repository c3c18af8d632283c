"""The residual baseline: each frame by itself through fully connected layers with skip connections.

Martinez, Hossain, Romero, Little: "A simple yet effective baseline for 3d human pose estimation", ICCV 2017: one linear layer up to
1024, two residual blocks of two linear layers with batch norm, ReLU and dropout each, one linear layer down. Here each keypoint comes
with its confidence, and each marker leaves with an uncertainty. It knows no time: where one frame is ambiguous, it guesses the mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .features import FLAT
from .heads import MarkerHead, Standardise


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Residual(nn.Module):
    """Frames (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.standardise = Standardise(inputs, FLAT)
        self.up = nn.Sequential(nn.Linear(len(FLAT), width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout))
        self.blocks = nn.Sequential(*[_Block(width, dropout) for _ in range(blocks)])
        self.head: nn.Module = MarkerHead(width, markers)

    def margin(self, rate: float) -> int:
        """Frames that matter on either side of one."""
        return 0

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        """features: (N, T, F); seconds: (N, T), not used; real: (N, T) bool, rows that are frames (the others' answers mean nothing)."""
        x = torch.flatten(self.standardise(features), 0, 1)
        return self.head(self.blocks(self.up(x))).unflatten(0, features.shape[:2])
