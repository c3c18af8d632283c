"""Lifting networks that answer together, with the mean of what each says.

Problem: of what a trained network gets wrong on people whom it has not seen, a part is chance: another one, trained from other random
numbers, errs otherwise. Method: both are asked, and answer with their mean (Hansen and Salamon, "Neural network ensembles", 1990); the
expected errors by their logarithm. Limits: the time of all of them; where they differ much, limbs come out a little too short.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn


class Together(nn.Module):
    """The mean of the answers of `networks`; see `models.registry` for what they take and give."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def margin(self, rate: float) -> int:
        """The widest of the networks'."""
        return max(cast(Any, network).margin(rate) for network in self.networks)

    def forward(self, features: Tensor, seconds: Tensor, real: Tensor) -> Tensor:
        return torch.stack([network(features, seconds, real) for network in self.networks]).mean(0)
