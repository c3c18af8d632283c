"""The default's networks: a transformer whose tokens are frames and whose clock is the video's.

Problem: one frame leaves depth open, detections jitter, and frame rates vary. Method: a small fully connected network turns each frame
into a token; attention mixes frames by what they hold and by the time between them in seconds (rotary position
embedding of Su et al., "RoFormer", 2021, with continuous time instead of a token's number), so that any frame rate and any gap is
the same to it. A frame heeds those within 0.6 s, so a take of any length goes through in one piece. Every frame is answered, each marker
with its expected error (trained on the likelihood of the error's size). A linear path from the input to the answer keeps what needs no
thought. Limits: what lies further away than a second or two does not help.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .heads import MarkerHead, Standardise, precisely

_REACH = 0.6  # seconds; on unseen motions 0.4 and 1.1 are worse
_SLOWEST, _FASTEST = 8.0, 0.06  # seconds a turn of the slowest and the fastest clock hand
_BLOCK = 64  # frames that are answered for together where a window is much longer than what one of them heeds


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turns pairs of channels of x (N, heads, T, D) by angles whose cosines and sines are (N, 1, T, D / 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class _Near:
    """Which frames heed which, cut into blocks, so that a long window costs no more than what its frames heed: each block of frames is
    shown those from `reach` before it to `reach` behind. A short window is one block. Rows that are no frames hear anything.

    mask: (N, 1, blocks, block, block + 2 reach), 0 where one heeds the other, else so low that nothing is left of it.
    """

    def __init__(self, seconds: Tensor, real: Tensor) -> None:
        frames, device = seconds.shape[1], seconds.device
        near = (seconds[:, :, None] - seconds[:, None, :]).abs() <= _REACH + 1e-3  # a frame at 0.6 s counts, however it was rounded
        at = torch.arange(frames, device=device)
        both = (near & real[:, :, None] & real[:, None, :]).any(0)  # rows that only fill a batch up lie at one time
        reach = int(((at[:, None] - at).abs() * both).max())
        self._frames = frames
        self._size, self._reach = (_BLOCK, reach) if _BLOCK + 2 * reach < frames else (frames, 0)
        blocks = -(-frames // self._size)
        self._behind = blocks * self._size - frames
        first = self._size * torch.arange(blocks, device=device)[:, None]
        asking = (first + torch.arange(self._size, device=device)).clamp_max(frames - 1)
        heeded = first + torch.arange(-self._reach, self._size + self._reach, device=device)
        there, heeded = (heeded >= 0) & (heeded < frames), heeded.clamp(0, frames - 1)
        heeds = near[:, asking[:, :, None], heeded[:, None, :]] & (real[:, heeded] & there)[:, :, None]
        self.mask = torch.where(heeds, 0.0, -1e4)[:, None]

    def asking(self, x: Tensor) -> Tensor:
        """x (N, heads, T, D) as (N, heads, blocks, block, D)."""
        return functional.pad(x, (0, 0, 0, self._behind)).unflatten(2, (-1, self._size))

    def heeded(self, x: Tensor) -> Tensor:
        """x (N, heads, T, D) as (N, heads, blocks, D, block + 2 reach)."""
        padded = functional.pad(x, (0, 0, self._reach, self._reach + self._behind))
        return padded.unfold(2, self._size + 2 * self._reach, self._size)

    def joined(self, x: Tensor) -> Tensor:
        """The way back of `asking`."""
        return x.flatten(2, 3)[:, :, :self._frames]


class _Layer(nn.Module):
    """Pre-norm attention and feed-forward, each with a skip connection."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor, near: _Near) -> Tensor:
        q, k, v = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        cosine, sine = cosine.to(v.dtype), sine.to(v.dtype)
        q, k = _rotate(q, cosine, sine), _rotate(k, cosine, sine)
        # Written out: for these short windows torch's fused attention is several times slower backwards on a CPU.
        attention = torch.softmax(near.asking(q) @ near.heeded(k) / math.sqrt(q.shape[-1]) + near.mask, dim=-1)
        heard = near.joined(attention.to(v.dtype) @ near.heeded(v).transpose(-1, -2))
        x = x + self.drop(self.merge(heard.transpose(1, 2).flatten(2)))
        return x + self.drop(self.feed(self.norm_feed(x)))


class Temporal(nn.Module):
    """Windows (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, width: int, layers: int, heads: int, hidden: int,
                 dropout: float = 0.0) -> None:
        super().__init__()
        self.standardise = Standardise(inputs)
        self.up = nn.Sequential(nn.Linear(inputs, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.layers = nn.ModuleList(_Layer(width, heads, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = MarkerHead(width, markers)
        self.straight = nn.Linear(inputs, markers * 3, bias=False)
        nn.init.zeros_(self.straight.weight)
        pairs = width // heads // 2
        self.frequencies = [2 * math.pi / _SLOWEST * (_SLOWEST / _FASTEST) ** (i / (pairs - 1)) for i in range(pairs)]

    def margin(self, rate: float) -> int:
        """Frames that matter on either side of one. Layer by layer a frame hears from further away, but hardly: two layers' reach do."""
        return math.ceil(2 * _REACH * rate)

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        """features: (N, T, F); seconds: (N, T) float64 or relative; real: (N, T) bool, rows that are frames (others are ignored)."""
        x = self.standardise(features)
        angle = (seconds - seconds[:, :1]).float()[:, None, :, None] * torch.tensor(self.frequencies, device=x.device)
        cosine, sine = angle.cos(), angle.sin()
        near = _Near(seconds, real)
        hidden = self.up(x)
        for layer in self.layers:
            hidden = layer(hidden, cosine, sine, near)
        answer = self.head(self.norm(hidden))
        straight = precisely(self.straight, x).unflatten(-1, (-1, 3))
        return torch.cat([answer[..., :3] + straight, answer[..., 3:]], dim=-1)
