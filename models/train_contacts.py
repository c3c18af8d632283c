"""Trains the contact network (`models.contacts`) on detections beside truth.

    build.py train --config contacts --detections RUNS [--steps N] [--resume] [--install]

What MediaPipe saw of rendered people goes through the 2D stage and the default lifter as at run time; half of the runs with the true
lens, half with the assumed one. The truth is in the exact joints: a heel, or the ball or the tip of a foot, that is low and slow in the
world stands. Half of a step's takes are seen in a mirror, some are shaken, lose heels and toes (detectors that know ankles only) or their
confidences. The loop is `models.small_training`'s.

Every 500 steps figures on motions of val/ are printed: cross entropy, and how many of those said to stand do, and how many of those that
stand are found, beside the same of the picture's speed alone (`core.solve.footing.stillness`).
Limits: the lifter knows the runs by heart that it was trained on, and errs by some millimetres less there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.camera import assume_intrinsics
from core.detect.cleaning import finished
from core.errors import InputError
from core.events import Reporter
from core.flips import by_continuity
from core.lift import Lifter, lift, resolve_lifter
from core.skeleton import ASSUMED_STATURE
from core.solve.contacts import FOOT_POINTS
from core.solve.footing import stillness
from core.solve.solver import posed
from core.solve.standing import as_seen

from . import registry, small_training
from .contacts import CONFIDENCES, SOLES, Contacts, at_times, chances_of, features, in_a_mirror, other_side
from .detections import Run, digest, held_out, keypoints_of, runs_in, too_few
from .provenance import revision
from .small_training import Training

SEED = 1
ARGUMENTS: dict[str, Any] = {"width": 64, "dilations": [1, 2, 4, 8], "dropout": 0.2}
STEPS = 1_500
_RATE, _WEIGHT_DECAY, _AVERAGE = 2e-3, 0.05, 0.998
_TAKES = 64  # a step
_LENGTH = 64  # frames at `RATE`; the runs are hardly ever longer
_TRUTH = {"l_heel": {"l_heel": 0.075}, "l_toe": {"l_foot": 0.07, "l_toe": 0.065}, "r_heel": {"r_heel": 0.075},
          "r_toe": {"r_foot": 0.07, "r_toe": 0.065}}
"""Which of the rig's points, how many metres above the floor at most, mean that each foot point stands: their skin is 2 to 7 cm away."""
_SLOW = 0.2  # metres a second
_SHAKEN = 0.3  # deviations of each feature, at most
_BLIND, _CERTAIN = 0.2, 0.1  # shares of the takes that lose heels and toes, and confidences
_AT = 0.5  # chance from which on something is said to stand
_SHORTEST = 4  # frames; there is nothing to learn from fewer


@dataclass(frozen=True)
class Takes:
    """N takes of F frames. features: (N, F, SIZE); stands: (N, F, 4) shares of the time about each frame; real: (N, F) bool; still:
    (N, F, 4) what the picture's speed alone says."""

    features: Tensor
    stands: Tensor
    real: Tensor
    still: Tensor

    def take(self, index: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Features, stands and real of takes (n,), copied."""
        return self.features[index], self.stands[index], self.real[index]


Batch = tuple[Tensor, Tensor, Tensor]


def train(args: argparse.Namespace) -> int:
    """`train --config contacts`; the arguments are those of `models.train`. Raises InputError."""
    if args.detections is None:
        raise InputError("The contacts are trained on detections; give their folder as --detections.")
    if args.fine_tune:
        raise InputError("The contacts are trained anew each time; there is no --fine-tune for them.")
    code = revision()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    steps = args.steps or STEPS
    folder = small_training.folder_of("contacts", args.steps)
    lifter = resolve_lifter("default", "cpu")
    training, judging = read_takes(args.detections, lifter)
    about = {"config": {"arguments": ARGUMENTS}, "seed": SEED, "revision": code, "steps": steps,
             "data": {"detections": digest(args.detections), "lifter": registry.fingerprints(lifter.loaded.metadata["members"]),
                      "takes": len(training.real)},
             "picture_alone": judge(judging.still, judging)}
    network, about = fit(training, judging, steps, folder, about, args.resume)
    small_training.finish("contacts", folder, network, about, args.install)
    return 0


def read_takes(folder: Path, lifter: Lifter) -> tuple[Takes, Takes]:
    """The runs of a folder that train, and those that judge. Raises InputError when there are none of either."""
    from tqdm import tqdm

    parts: tuple[list[tuple[np.ndarray, ...]], ...] = ([], [])
    for number, run in enumerate(tqdm(runs_in(folder), desc="takes", mininterval=5)):
        if (take := _take(run, lifter, true_lens=number % 2 == 1)) is not None:
            parts[held_out(str(run["motion"]))].append(take)
    if not all(parts):
        raise too_few(folder)
    training, judging = (Takes(*(torch.from_numpy(np.stack(a)) for a in zip(*part, strict=True))) for part in parts)
    return training, judging


def _take(run: Run, lifter: Lifter, true_lens: bool) -> tuple[np.ndarray, ...] | None:
    """A run as a row of `Takes`; None where hardly anything is seen of anybody."""
    keypoints = finished(by_continuity(keypoints_of(run)), Reporter())
    K = np.asarray(run["K"]) if true_lens else assume_intrinsics(keypoints.width, keypoints.height)
    if keypoints.seen.sum() < _SHORTEST:
        return None
    problem = posed(lift(keypoints, K, lifter), keypoints, K, ASSUMED_STATURE)
    rows, hips = problem.rows, problem.start.root
    x, grid = features(as_seen(problem, K))
    still = stillness(problem.keypoints, rows, hips[:, 2], K[0, 0])[:, :len(FOOT_POINTS)]
    times = problem.keypoints.times[rows]
    stands = standing(run)[:len(rows)][rows]
    columns = [x, *(at_times(a, times, grid).astype(np.float32) for a in (stands, still))]
    count = min(len(grid), _LENGTH)
    x, stands, still = (np.concatenate([c[:count], np.zeros((_LENGTH - count, c.shape[1]), dtype=np.float32)]) for c in columns)
    return x, stands, np.arange(_LENGTH) < count, still


def standing(run: Run) -> np.ndarray:
    """(T, 4) bool, which of `FOOT_POINTS` truly do in a run."""
    names, joints = run["names"].tolist(), run["joints3d_world"]
    speed = np.linalg.norm(np.gradient(joints, axis=0), axis=-1) * float(run["fps"])

    def down(point: str, height: float) -> np.ndarray:
        column = names.index(point)
        return np.asarray((joints[:, column, 2] < height) & (speed[:, column] < _SLOW))

    return np.stack([np.any([down(*part) for part in _TRUTH[n].items()], axis=0) for n in FOOT_POINTS], axis=-1)


def fit(takes: Takes, judging: Takes, steps: int, folder: Path, about: dict[str, Any], resume: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Trains on `takes`; see `models.small_training.fit`."""
    network = Contacts(**ARGUMENTS)
    seen = takes.features[takes.real]
    network.mean.copy_(seen.mean(0))
    network.deviation.copy_(seen.std(0).clamp_min(0.05))

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([SEED, step])
        return varied(rng, takes.take(rng.integers(0, len(takes.real), _TAKES)), network.deviation)

    def judged(kept: nn.Module) -> dict[str, dict[str, float]]:
        with torch.inference_mode():
            return {"detections": judge(chances_of(kept, judging.features, judging.real), judging)}

    training = Training("contacts", draw, loss_of, judged, steps, _RATE, _WEIGHT_DECAY, _AVERAGE, ("right", "found"), "percent")
    return small_training.fit(training, network, folder, about, resume)


def varied(rng: np.random.Generator, batch: Batch, deviation: Tensor) -> Batch:
    """Takes as poorer sources would have them, half of them in a mirror; deviation: (SIZE,) of the features."""
    x, stands, real = batch
    count = len(x)
    flip = torch.from_numpy(rng.random(count) < 0.5)[:, None, None]
    x, stands = torch.where(flip, in_a_mirror(x), x), torch.where(flip, other_side(stands), stands)
    noise = torch.from_numpy(rng.normal(size=x.shape).astype(np.float32))
    x = x + _SHAKEN * torch.from_numpy(rng.random((count, 1, 1)).astype(np.float32)) * deviation * noise
    blind, certain = np.less(rng.random(count), _BLIND), np.less(rng.random(count), _CERTAIN)
    x[..., CONFIDENCES] = torch.where(torch.from_numpy(certain)[:, None, None] & (x[..., CONFIDENCES] > 0), 1.0, x[..., CONFIDENCES])
    x[..., SOLES] *= torch.from_numpy(~blind)[:, None, None]
    return x, stands, real


def loss_of(network: nn.Module, batch: Batch) -> Tensor:
    """Mean cross entropy."""
    x, stands, real = batch
    return nn.functional.binary_cross_entropy_with_logits(network(x, real)[real], stands[real])


def judge(chances: Tensor, takes: Takes) -> dict[str, float]:
    """Cross entropy of chances (N, F, 4), and the percentages of those said to stand that do, and of those that stand that are found."""
    chance, stands = chances[takes.real].clamp(1e-3, 1 - 1e-3), takes.stands[takes.real]
    said, true = chance > _AT, stands > 0.5
    right = (said & true).sum()
    entropy = nn.functional.binary_cross_entropy(chance, stands)
    return {"entropy": round(float(entropy), 3), "right": round(float(100 * right / said.sum().clamp_min(1)), 1),
            "found": round(float(100 * right / true.sum().clamp_min(1)), 1)}
