"""How each network is built and trained: one small file a network, all of the same dataclass."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Config:
    """A network and its training. `arguments`: the network's own sizes; `window`: frames of a training window."""

    name: str
    arguments: dict[str, Any]
    window: int = 32
    batch: int = 28  # synthetic windows a step
    real_batch: int = 20  # windows of detections a step, when there are detections
    steps: int = 1_400
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warm_up: int = 300  # steps until the learning rate is full; then it falls as a cosine to 1 % of it
    velocity_weight: float = 0.5  # of the error of the markers' steps from frame to frame
    hidden_weight: float = 1.0  # of a marker whose keypoint is not seen at all; one seen for certain has 1
    average: float = 0.998  # decay of the running mean of the weights, which is what is kept
    optimiser: str = "adamw"  # or "muon" (`models.muon`)
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return dataclasses.asdict(self)


def config(name: str) -> Config:
    """The config of the network `name`; raises KeyError."""
    from . import gast, integral, recurrent, residual, tcn, temporal, temporal2

    return {c.CONFIG.name: c.CONFIG for c in (residual, integral, tcn, recurrent, gast, temporal, temporal2)}[name]
