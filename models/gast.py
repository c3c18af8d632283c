"""Graph attention over the body, alternating with dilated convolutions over time.

Liu, Rojas, Li, Liang, Guan, Xi, Zhu: "A graph attention spatio-temporal convolutional network for 3D human pose estimation in video",
ICRA 2021 (GAST-Net). Each keypoint is a node that keeps its own channels through the network. A spatial block looks at the body twice:
locally along bones and between mirrored keypoints, with learned edge weights, and globally with multi-head attention plus a learned
map of which keypoint heeds which. A temporal block is a dilated convolution over each node's own trajectory. Blocks alternate;
dilations 1, 3, 9 see 27 frames. Where a limb is hidden, the rest of the body and the frames around it answer. It counts frames, not
seconds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from core.keypoints import CANONICAL
from core.skeleton import mirror_name

from .features import FLAT, KEYPOINTS
from .heads import MarkerHead, Standardise

_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index"), ("wrist", "pinky"), ("wrist", "thumb"), ("shoulder", "hip"),
          ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("ankle", "toe"), ("heel", "toe"), ("ear", "eye"), ("ear", "shoulder"))
_CHANNELS = 5  # of a keypoint in FLAT: x, y, confidence, there, inside


def _neighbours() -> Tensor:
    """(3, K, K) bool: a keypoint and itself, its bones' other ends, its mirror image."""
    graph = torch.zeros(3, KEYPOINTS, KEYPOINTS, dtype=torch.bool)
    index = {name: i for i, name in enumerate(CANONICAL)}
    pairs = [(f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in _BONES] + [("nose", f"{s}_eye") for s in "lr"]
    for name, i in index.items():
        graph[0, i, i] = True
        graph[2, i, index[mirror_name(name)]] = True
    for a, b in pairs:
        graph[1, index[a], index[b]] = graph[1, index[b], index[a]] = True
    return graph


class _Local(nn.Module):
    """Each node's mix of itself, its bones' other ends and its mirror image, each relation with its own weights."""

    graph: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.values = nn.Linear(channels, 3 * channels)
        self.edges = nn.Parameter(torch.zeros(3, KEYPOINTS, KEYPOINTS))
        self.register_buffer("graph", _neighbours(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.edges.masked_fill(~self.graph, -1e4), dim=-1)
        values = self.values(x).unflatten(-1, (3, -1)).flatten(1, 2)  # row 3 j + r: what node j has to say in relation r
        return weights.permute(1, 2, 0).flatten(1) @ values


class _Global(nn.Module):
    """Multi-head attention between all nodes of a frame, with a learned preference of each node for each."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.merge = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.preference = nn.Parameter(torch.zeros(heads, KEYPOINTS, KEYPOINTS))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attention = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + self.preference, dim=-1)
        return self.merge((attention @ v).transpose(1, 2).flatten(2))


class _Spatial(nn.Module):
    """Local and global attention of a frame's nodes (N, K, C), joined, with a skip connection."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.near, self.far = _Local(channels), _Global(channels, heads)
        self.join = nn.Sequential(nn.ReLU(), nn.Linear(2 * channels, channels), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        return x + self.join(torch.cat([self.near(normed), self.far(normed)], dim=-1))


class _Temporal(nn.Module):
    """A dilated convolution over three frames of each node (N, T, K, C), the nodes sharing weights, with a skip connection."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(3 * channels, channels)
        self.out = nn.Sequential(nn.ReLU(), nn.Linear(channels, channels), nn.Dropout(dropout))

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        normed = torch.where(real[..., None, None], self.norm(x), 0.0)
        before, after = (torch.zeros_like(normed) for _ in range(2))
        d = self.dilation
        before[:, d:], after[:, :-d] = normed[:, :-d], normed[:, d:]
        return x + self.out(self.mix(torch.cat([before, normed, after], dim=-1)))


class GraphAttention(nn.Module):
    """Windows (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, channels: int, heads: int, blocks: int, width: int, dropout: float) -> None:
        super().__init__()
        self.standardise = Standardise(inputs, FLAT)
        self.embed = nn.Linear(_CHANNELS + 1, channels)
        self.place = nn.Parameter(torch.randn(KEYPOINTS, channels) * 0.02)
        self.spatial = nn.ModuleList(_Spatial(channels, heads, dropout) for _ in range(blocks))
        self.temporal = nn.ModuleList(_Temporal(channels, 3**i, dropout) for i in range(blocks))
        self.body = nn.Sequential(nn.LayerNorm(KEYPOINTS * channels), nn.Linear(KEYPOINTS * channels, width), nn.ReLU())
        self.head = MarkerHead(width, markers)

    def margin(self, rate: float) -> int:
        """Frames that matter on either side of one."""
        return 3 ** len(self.temporal) // 2

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        """features: (N, T, F); seconds: (N, T), not used; real: (N, T) bool, rows that are frames (the others count as zeros)."""
        windows, frames = features.shape[:2]
        x = torch.where(real[..., None], self.standardise(features), 0.0)
        nodes = x[..., :-1].unflatten(-1, (KEYPOINTS, _CHANNELS))
        spread = x[..., None, -1:].expand(*nodes.shape[:-1], 1)
        nodes = self.embed(torch.cat([nodes, spread], dim=-1)) + self.place
        for spatial, temporal in zip(self.spatial, self.temporal, strict=True):
            nodes = temporal(spatial(nodes.flatten(0, 1)).unflatten(0, (windows, frames)), real)
        return self.head(self.body(nodes.flatten(2)))
