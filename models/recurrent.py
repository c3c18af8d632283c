"""A recurrent network over time, trained to look away from what it cannot see.

The two-stage idea of lifting under occlusion: a feed-forward stage turns each frame's keypoints and confidences into a code, a
bidirectional recurrent stage (gated recurrent units: Cho et al., EMNLP 2014) carries what was seen before and after through the frames
in which limbs are hidden. Trained with an occlusion-aware loss (`Config.hidden_weight`): a marker counts by the visibility of its
keypoint, and is still predicted where that is nil. It counts frames, not seconds. Longer takes go through in overlapping windows of the
length that it was trained on: let run on, its errors double.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .features import FLAT
from .heads import MarkerHead, Standardise

_WINDOW = 32  # frames of a training window; over longer takes what it remembers goes astray


class Recurrent(nn.Module):
    """Windows (N, T, F) to markers (N, T, M, 4): x, y, z metres in the person's view, and the logarithm of the expected error in metres."""

    def __init__(self, inputs: int, markers: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.standardise = Standardise(inputs, FLAT)
        self.code = nn.Sequential(nn.Linear(len(FLAT), width), nn.LayerNorm(width), nn.ReLU(), nn.Dropout(dropout),
                                  nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU())
        self.memory = nn.GRU(width, width // 2, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.head = MarkerHead(2 * width, markers)

    def margin(self, rate: float) -> int:
        """Frames that matter on either side of one."""
        return _WINDOW

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        """features: (N, T, F); seconds: (N, T), not used; real: (N, T) bool, rows that are frames (the others count as zeros)."""
        code = self.code(torch.where(real[..., None], self.standardise(features), 0.0))
        quarter = _WINDOW // 4
        pieces = []
        for start in range(0, max(code.shape[1] - quarter, 1), 2 * quarter):
            window = slice(start, start + _WINDOW)
            piece = self._remember(code[:, window], real[:, window])
            ends = start + _WINDOW - quarter >= code.shape[1]  # the first window answers its first frames too, the last its last
            pieces.append(piece[:, quarter if start else 0 : None if ends else 3 * quarter])
        remembered = torch.cat(pieces, dim=1)
        return self.head(torch.cat([code, remembered], dim=-1))

    def _remember(self, code: Tensor, real: Tensor) -> Tensor:
        lengths = (real * torch.arange(1, real.shape[1] + 1, device=real.device)).amax(1).clamp_min(1)  # what follows is padding
        packed = pack_padded_sequence(code, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.memory(packed)[0], batch_first=True, total_length=real.shape[1])[0]
