"""Dilated temporal convolutions over the keypoints' trajectories.

Pavllo, Feichtenhofer, Grangier, Auli: "3D human pose estimation in video with temporal convolutions and semi-supervised training",
CVPR 2019 (VideoPose3D): a convolution over three frames, then residual blocks of one dilated convolution and one over a single frame,
with batch norm, ReLU and dropout; each block triples what a frame sees: 27 frames with two blocks, 243 with four. Here every frame of
the window is answered at once (the window's ends are padded with zeros), keypoints come with their confidences, and each marker leaves
with an uncertainty. It counts frames, not seconds: at unusual frame rates it sees motions faster or slower than they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .features import FLAT
from .heads import MarkerHead, Standardise


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, dilation=dilation, padding=dilation, bias=False), nn.BatchNorm1d(channels), nn.ReLU(),
            nn.Dropout(dropout), nn.Conv1d(channels, channels, 1, bias=False), nn.BatchNorm1d(channels), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class TemporalConvolutions(nn.Module):
    """Windows (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, channels: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.standardise = Standardise(inputs, FLAT)
        self.first = nn.Sequential(nn.Conv1d(len(FLAT), channels, 3, padding=1, bias=False), nn.BatchNorm1d(channels), nn.ReLU(),
                                   nn.Dropout(dropout))
        self.blocks = nn.ModuleList(_Block(channels, 3**i, dropout) for i in range(1, blocks + 1))
        self.head = MarkerHead(channels, markers)

    def margin(self, rate: float) -> int:
        """Frames that matter on either side of one."""
        return 3 ** (len(self.blocks) + 1) // 2

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        """features: (N, T, F); seconds: (N, T), not used; real: (N, T) bool, rows that are frames (the others count as zeros)."""
        there = real[:, None]
        x = self.first(torch.where(there, self.standardise(features).transpose(1, 2), 0.0))
        for block in self.blocks:
            x = block(torch.where(there, x, 0.0))
        return self.head(x.transpose(1, 2))
