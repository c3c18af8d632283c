"""What fine-tuning from 2D alone brings: cameras that look steeply down are left out of training, then learned from pictures only.

    python -m models.left_out_cameras --data MOCAP

A small `tcn` is trained on mocap seen by cameras below 35 degrees. Takes of the training motions from the cameras above 35 degrees,
without their truth, are what it is fine-tuned on (`models.finetune_2d`): alone, and beside labelled mocap from the cameras below. To
compare: without virtual views, where the answers of the network as it is stand in for the truth; as many steps on the labelled mocap
alone; and with the truth of the same takes, which is the most that can be had. All are judged on motions of unseen people from both
ranges. Checkpoints stay under ~/.cache/video-mocap/training/left-out-cameras-HASH of the recipe.
Limits: the detector is the modelled one (`models.noise`); a tenth of the training windows are tilted bodies, so that views from above
are rare below 35 degrees, not absent.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from core.camera import assume_intrinsics

from . import mocap, registry
from .configs import Config, config
from .finetune_2d import STEPS, Weights, brief, fine_tune
from .noise import TRAINING
from .provenance import revision
from .script import run_script
from .symmetric import Symmetric
from .synthesis import ANY_ELEVATION, Synthesis, unseen
from .train import CACHE, Tensors, answers_to, fit, judge, prepare, validation
from .virtual_views import with_best_answers
from .windows import TIMED, Windows, of_mean_size

_EDGE = np.radians(35.0)
_KEPT, _LEFT_OUT = (ANY_ELEVATION[0], _EDGE), (_EDGE, ANY_ELEVATION[1])
_TAKES, _WINDOWS = 60, 5  # takes without truth, and windows of each
_JUDGED = 192  # windows of each range


def main(argv: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m models.left_out_cameras", description="Measures fine-tuning from 2D alone.")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="mocap folder with train/ and val/ (BVH)")
    pack = mocap.load(parser.parse_args(argv).data)
    settings = dataclasses.replace(config("tcn"), arguments={"channels": 256, "blocks": 2, "dropout": 0.1}, batch=24, steps=800,
                                   warm_up=100, average=0.99)
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)
    judges = {name: validation(unseen(pack, cameras).draw(np.random.default_rng(0), _JUDGED, settings.window))
              for name, cameras in (("below", _KEPT), ("above", _LEFT_OUT))}
    source = Synthesis(pack.part("train"), _KEPT)
    parent = _trained(settings, source, judges, pack.digest)
    known, takes = _takes(pack, settings.window)
    blind = dataclasses.replace(known, K=np.stack([assume_intrinsics(*size) for size in known.size]), target=np.zeros_like(known.target))
    truth = dataclasses.replace(of_mean_size(known), K=blind.K)
    true, virtual, tilts = with_best_answers(Symmetric(parent), blind, takes)
    plain = with_best_answers(Symmetric(parent), blind, takes, (0.0,))[0]
    print("tilts found:", tilts.round(2))
    settings = brief(settings, STEPS)
    ways: dict[str, Callable[[], nn.Module]] = {
        "nothing": lambda: parent,
        "2D above": lambda: fine_tune(parent, settings, [true, virtual]),
        "2D above, 3D below": lambda: fine_tune(parent, settings, [true], source),
        "the same without virtual views": lambda: fine_tune(parent, settings, [plain], source),
        "3D below": lambda: fine_tune(parent, settings, [true], source, _NOTHING),
        "3D above, 3D below": lambda: fine_tune(parent, settings, [truth], source, _TRUTH)}
    print("| trained further with | MPJPE below | PA | MPJPE above | PA |\n|---|---|---|---|---|")
    for name, network in ways.items():
        _row(name, network(), judges)
    return 0


_NOTHING = Weights(0.0, 0.0, 0.0, 0.0)
_TRUTH = Weights(1.0, 0.0, 0.0, 0.0)


def _trained(settings: Config, source: Synthesis, judges: dict[str, Tensors], digest: str) -> nn.Module:
    """The network that knows the cameras below only; goes on where an interrupted training stopped."""
    recipe = TRAINING.read_bytes() + json.dumps(settings.to_json(), sort_keys=True).encode() + digest.encode() + revision().encode()
    folder = CACHE / f"left-out-cameras-{hashlib.sha256(recipe).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    best = fit(settings, lambda rng: prepare(source.draw(rng, settings.batch, settings.window), rng), judges, folder,
               {"config": settings.to_json(), "data": digest}, True)
    return registry.load_file(best).network


def _takes(pack: mocap.Pack, frames: int) -> tuple[Windows, np.ndarray]:
    """Windows of `frames` frames from the cameras above, and the take of each."""
    long = Synthesis(pack.part("train"), _LEFT_OUT).draw(np.random.default_rng(7), _TAKES, frames * _WINDOWS)
    cut = {name: (a := getattr(long, name)).reshape(_TAKES * _WINDOWS, frames, *a.shape[2:]) for name in TIMED}
    takes = np.repeat(np.arange(_TAKES), _WINDOWS)
    return Windows(**cut, K=long.K[takes], size=long.size[takes]), takes


def _row(name: str, network: nn.Module, judges: dict[str, Tensors]) -> None:
    figures = [judge(answers_to(Symmetric(network), batch), batch) for batch in judges.values()]
    print(f"| {name} | " + " | ".join(f"{f[kind]:.0f}" for f in figures for kind in ("mpjpe", "pa")) + " |", flush=True)


if __name__ == "__main__":
    run_script(main)
