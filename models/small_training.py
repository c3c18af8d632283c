"""The training loop of the small networks beside the lifters (`train_correction`, `train_contacts`).

AdamW on a one-cycle schedule; what is kept is a running mean of the weights. All randomness of step n comes from the seed and n, or from n
alone (what is dropped out), so that a resumed training does what an uninterrupted one does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from . import registry
from .train import CACHE, advance, began_with, checkpoint, code_of, hand_over, keep_checkpoint, plot

Batch = TypeVar("Batch")
_JUDGE_EVERY = 500


@dataclass(frozen=True)
class Training(Generic[Batch]):
    """What is trained, and how. draw: step -> batch; loss: of the network on a batch; judge: figures by judge and kind; rate: the highest
    learning rate; average: how much of the running mean stays at each step; plotted: kinds of figures, in `unit`."""

    name: str
    draw: Callable[[int], Batch]
    loss: Callable[[nn.Module, Batch], Tensor]
    judge: Callable[[nn.Module], dict[str, dict[str, float]]]
    steps: int
    rate: float
    weight_decay: float
    average: float
    plotted: tuple[str, ...]
    unit: str


def folder_of(name: str, steps: int | None) -> Path:
    """Where a training of the network `name` keeps what it makes, beside those with another number of steps than usual."""
    folder = CACHE / (f"{name}-{steps}" if steps else name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def finish(name: str, folder: Path, network: nn.Module, about: dict[str, Any], install: bool) -> None:
    """Writes the weights file, and installs it if told to."""
    weights = folder / f"{name}.safetensors"
    registry.save(weights, network, about)
    hand_over(weights, install, "the same command with --resume --install")


def fit(training: Training[Any], network: nn.Module, folder: Path, about: dict[str, Any], resume: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Trains `network`; leaves checkpoint and plot in `folder`. Returns the network with the mean weights, and what to say about it.

    Raises InputError where a checkpoint to resume is of another config or other data than `about` says."""
    from tqdm import tqdm

    steps = training.steps
    kept = torch.optim.swa_utils.AveragedModel(
        network, avg_fn=lambda mean, new, step: mean + (new - mean) * max(1 - training.average, 9 / (10 + float(step))))
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.rate, total_steps=steps, pct_start=0.1)
    state: dict[str, Any] = {"network": network, "kept": kept, "optimiser": optimiser, "schedule": schedule}
    history: list[dict[str, Any]] = []
    first = 0
    recipe = json.dumps({k: about.get(k) for k in ("config", "data", "steps")}, sort_keys=True)
    stored = checkpoint(folder, recipe, resume)
    if stored is not None:
        about = about | began_with(stored, about)
        first, history = stored["step"], stored["history"]
        for name, part in state.items():
            part.load_state_dict(stored[name])
    losses: list[float] = []
    minutes, begin = history[-1]["minutes"] if history else 0.0, time.time()
    bar = tqdm(range(first, steps), initial=first, total=steps, desc=training.name, mininterval=5)
    for step in bar:
        batch = training.draw(step)
        torch.manual_seed(step)  # what the network drops out
        loss = training.loss(network, batch)
        advance(loss, network, optimiser, schedule)
        kept.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % _JUDGE_EVERY == 0 or step + 1 == steps:
            kept.eval()
            history.append({"step": step + 1, "loss": round(float(np.mean(losses)), 3),
                            "minutes": round(minutes + (time.time() - begin) / 60, 1), **training.judge(kept.module)})
            losses.clear()
            bar.write(json.dumps(history[-1]))
            so_far = {"recipe": recipe, "step": step + 1, "history": history, **{k: v.state_dict() for k, v in state.items()}}
            keep_checkpoint(folder, so_far | code_of(about))
            plot(history, folder / "loss.png", training.plotted, training.unit)
    return kept.module, about | {"figures": history[-1]}
