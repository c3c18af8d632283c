"""Trains the correction network (`models.correction`) from mocap and detections.

    build.py train --config correction --data MOCAP --detections RUNS [--steps N] [--resume] [--install]

Each step asks about limbs' ends in random frames of two sources: mocap under imagined cameras with a modelled detector, and what
MediaPipe really saw of rendered people, its sides mended by continuity and cleaned. The truth is the exact joint as it appears in the
picture. The frames about the one in question hide the limb too: all of them, a run, or single ones; other limbs' ends are now and
then hidden or put onto the limb in question, so that the network neither needs nor trusts them. The loss is the likelihood of the
error under a radial Laplace distribution whose mean the network says. All randomness of step n comes from (seed, n).

Every 500 steps the error on motions of val/ and on their detections is printed, in hundredths of the body's spread. What is kept is a
running mean of the weights. `build.py evaluate --correction` prints what the installed network does to damaged and to sound keypoints.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.detect.cleaning import cleaned
from core.errors import InputError
from core.flips import by_continuity
from core.keypoints import CANONICAL

from . import mocap, small_training
from .correction import FRAMES, LIMBS, POINTS, Correction, Questions, Take, ask, window_rows
from .detections import FRAMES as LENGTH
from .detections import held_out, keypoints_of, runs_in, too_few
from .provenance import data_hashes, revision
from .small_training import Training
from .synthesis import Synthesis, unseen
from .windows import lost_keypoints

SEED = 1
ARGUMENTS = {"frame_width": 96, "width": 384, "blocks": 2}
STEPS = 3_000
_RATE, _WEIGHT_DECAY, _AVERAGE = 2e-3, 0.02, 0.998
_WINDOWS = 20  # a step from either source
_QUESTIONS = 12  # a window
_FAR = 6.0  # spreads; a truth that is further away is not asked for


@dataclass(frozen=True)
class Exact:
    """N takes of T frames beside the truth. xy, truth: (N, T, 27, 2) pixels; confidence, depth: (N, T, 27); seconds: (N, T)."""

    xy: np.ndarray
    truth: np.ndarray
    confidence: np.ndarray
    depth: np.ndarray
    seconds: np.ndarray

    def take(self, index: np.ndarray) -> Exact:
        """The takes `index` (n,), copied."""
        return Exact(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(self)})


Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Features (Q, 9, SIZE), limb (Q,), truth as an offset from the anchor (Q, 4, 2), which are known (Q, 4)."""


def train(args: argparse.Namespace) -> int:
    """`train --config correction`; the arguments are those of `models.train`. Raises InputError."""
    if args.detections is None:
        raise InputError("The correction is trained on detections as well; give their folder as --detections.")
    if args.fine_tune:
        raise InputError("The correction is trained anew each time; it has no --fine-tune.")
    code = revision()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    steps = args.steps or STEPS
    folder = small_training.folder_of("correction", args.steps)
    pack = mocap.load(args.data)
    real = read_exact(args.detections, unseen=False)
    rng = np.random.default_rng(0)
    judges = {"val": questions(synthetic(unseen(pack), rng, 100), rng),
              "detections": questions(read_exact(args.detections, unseen=True), rng)}
    about = {"config": {"arguments": ARGUMENTS}, "seed": SEED, "revision": code, "steps": steps,
             "data": data_hashes(pack, args.detections, corrected=False) | {"real_windows": len(real.xy)}}
    network, about = fit(real, Synthesis(pack.part("train")), judges, steps, folder, about, args.resume)
    small_training.finish("correction", folder, network, about, args.install)
    return 0


def read_exact(folder: Path, unseen: bool) -> Exact:
    """All runs of a folder that training may see, or those that it may not (`unseen`), as the 2D stage has them before the correction.

    Raises InputError when there are none."""
    rows: dict[str, list[np.ndarray]] = {f.name: [] for f in dataclasses.fields(Exact)}
    for data in runs_in(folder):
        if held_out(str(data["motion"])) != unseen:
            continue
        k = cleaned(by_continuity(keypoints_of(data))).canonical()
        names = data["names"].tolist()
        truth = data["joints2d"][:, [names.index(n) for n in CANONICAL]]
        for name, value in {"xy": k.xy, "truth": truth, "confidence": k.confidence, "depth": k.depth}.items():
            assert value is not None
            value = value[:LENGTH]
            missing = np.full((LENGTH - len(value), *value.shape[1:]), 0.0 if name == "confidence" else np.nan)
            rows[name].append(np.concatenate([value, missing]))
        rows["seconds"].append(np.arange(LENGTH) / k.fps)
    if not rows["xy"]:
        raise too_few(folder)
    return Exact(**{name: np.stack(values) for name, values in rows.items()})


def synthetic(source: Synthesis, rng: np.random.Generator, count: int) -> Exact:
    """`count` takes from mocap."""
    w, truth = source.draw_with_keypoints(rng, count, LENGTH)
    return Exact(w.xy, truth, w.confidence, w.depth, w.seconds)


def questions(e: Exact, rng: np.random.Generator) -> Batch:
    """Random questions about every take of e, thinned out, rolled, forwards or backwards."""
    return _asked(_rolled(_thinned(e, rng), rng), rng, _QUESTIONS)


def _thinned(e: Exact, rng: np.random.Generator) -> Exact:
    """Takes as poorer sources would report them."""
    n, frames = e.seconds.shape
    lost = lost_keypoints(rng, n, frames)
    flat = np.less(rng.random(n), 0.15)[:, None, None]
    shallow = np.less(rng.random(n), 0.3)[:, None, None]
    return dataclasses.replace(
        e, xy=np.where(lost[..., None], np.nan, e.xy), depth=np.where(shallow, np.nan, e.depth),
        confidence=np.where(lost, 0.0, np.where(flat & (e.confidence > 0), 1.0, e.confidence)))


def _rolled(e: Exact, rng: np.random.Generator) -> Exact:
    """Takes turned in the picture: most hardly, some all the way round."""
    n = len(e.xy)
    angle = np.where(rng.random(n) < 0.15, rng.uniform(-np.pi, np.pi, n), rng.normal(0, 0.15, n))
    R = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], axis=-2)
    return dataclasses.replace(e, xy=np.einsum("nij,ntkj->ntki", R, e.xy), truth=np.einsum("nij,ntkj->ntki", R, e.truth))


def _asked(e: Exact, rng: np.random.Generator, count: int) -> Batch:
    n, frames = e.seconds.shape
    seen = (e.confidence > 0).any(-1)
    take = np.repeat(np.arange(n), count)
    frame = rng.integers(0, np.maximum(np.where(seen, np.arange(frames) + 1, 0).max(1)[take], 1))
    limb = rng.integers(0, len(LIMBS), len(take))
    rows = _rows(e, take, frame)
    asked = ask(_as_take(e), rows, limb, _hidden(rng, limb))
    truth = e.truth.reshape(-1, len(CANONICAL), 2)[rows[:, FRAMES == 0], POINTS[limb]]
    offset = asked.inside(truth) - asked.anchor
    known = np.isfinite(offset).all(-1) & (np.abs(offset).max(-1) < _FAR) & seen.reshape(-1)[rows[:, FRAMES == 0]]
    kept = known.any(-1)
    features = _damaged(rng, asked, limb)
    back = rng.random(len(features)) < 0.5
    features[back] = features[back, ::-1]
    features[back, :, -3] *= -1
    arrays = (features, limb, np.where(known[..., None], offset, 0.0).astype(np.float32), known.astype(np.float32))
    return tuple(torch.from_numpy(a[kept]) for a in arrays)  # type: ignore[return-value]


def _rows(e: Exact, take: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(Q, 9) rows of `_as_take` of the windows about frames (Q,) of takes (Q,)."""
    frames = e.seconds.shape[1]
    within = np.stack([window_rows(0, frames, np.arange(frames), seconds) for seconds in e.seconds])[take, frame]
    return np.where(within < 0, -1, within + frames * take[:, None])


def _as_take(e: Exact) -> Take:
    """All frames in a row."""
    return Take(e.xy.reshape(-1, *e.xy.shape[2:]), e.confidence.reshape(-1, len(CANONICAL)), e.depth.reshape(-1, len(CANONICAL)),
                e.seconds.reshape(-1))


def _hidden(rng: np.random.Generator, limb: np.ndarray) -> np.ndarray:
    """(Q, 9, 4): the limb in question in the whole window, in a run or in single frames; a third of the others likewise."""
    count = len(limb)

    def pattern() -> np.ndarray:
        kind = rng.random(count)[:, None]
        low, high = -rng.integers(0, 10, count)[:, None], rng.integers(0, 10, count)[:, None]
        run = (low <= FRAMES) & (high >= FRAMES)
        single = rng.random((count, len(FRAMES))) < rng.uniform(0, 0.6, count)[:, None]
        return (kind < 0.45) | np.where(kind < 0.8, run, single)

    own = (limb[:, None] == np.arange(len(LIMBS)))[:, None]
    others = np.stack([pattern() & (rng.random(count) < 0.33)[:, None] for _ in LIMBS], axis=-1)
    return np.where(own, pattern()[..., None], others)


def _damaged(rng: np.random.Generator, asked: Questions, limb: np.ndarray) -> np.ndarray:
    """The features, a tenth of them with the opposite limb's end lying where the anchor of the one in question is."""
    features = asked.features.copy()
    keypoints = features[..., : 5 * len(CANONICAL)].reshape(*features.shape[:2], len(CANONICAL), 5)
    for q in np.flatnonzero(rng.random(len(limb)) < 0.1):
        points = POINTS[limb[q] // 2 * 2 + 1]
        place = asked.anchor[q] + rng.normal(0, 0.3, (4, 2))
        shown = keypoints[q][:, points, 3:4] > 0
        keypoints[q][:, points, :2] = np.where(shown, np.clip(place, -8, 8), keypoints[q][:, points, :2])
    return np.concatenate([keypoints.reshape(*features.shape[:2], -1), features[..., 5 * len(CANONICAL):]], axis=-1)


def loss_of(network: nn.Module, batch: Batch) -> Tensor:
    """Mean negative logarithm of the likelihood, a constant aside."""
    error, log_expected, known = errors(network, batch)
    return (known * (2 * log_expected + 2 * error * torch.exp(-log_expected))).sum() / known.sum().clamp_min(1.0)


def errors(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """(Q, 4) each: distance from the truth, log of the expected distance, which are known."""
    features, limb, offset, known = batch
    answer = network(features)[torch.arange(len(limb)), limb // 2]
    return torch.sqrt((answer[..., :2] - offset).square().sum(-1) + 1e-8), answer[..., 2], known


def fit(real: Exact, source: Synthesis, judges: dict[str, Batch], steps: int, folder: Path, about: dict[str, Any],
        resume: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Trains on both sources; see `models.small_training.fit`."""
    def draw(step: int) -> Batch:
        rng = np.random.default_rng([SEED, step])
        parts = questions(synthetic(source, rng, _WINDOWS), rng), questions(real.take(rng.integers(0, len(real.xy), _WINDOWS)), rng)
        return tuple(torch.cat(both) for both in zip(*parts, strict=True))  # type: ignore[return-value]

    network = Correction(**ARGUMENTS)
    standardise(network, torch.cat([draw(-i - 1 + 2**31)[0] for i in range(4)]))
    training = Training("correction", draw, loss_of, lambda kept: {name: judge(kept, batch) for name, batch in judges.items()},
                        steps, _RATE, _WEIGHT_DECAY, _AVERAGE, ("ankle", "wrist"), "hundredths of the spread")
    return small_training.fit(training, network, folder, about, resume)


def standardise(network: Correction, features: Tensor) -> None:
    """Takes mean and deviation of features (Q, 9, SIZE); a column that hardly changes is not blown up."""
    network.mean.copy_(features.mean((0, 1)))
    network.deviation.copy_(features.std((0, 1)).clamp_min(0.05))


def judge(network: nn.Module, batch: Batch) -> dict[str, float]:
    """Hundredths of the spread: mean error of ankles and wrists, and what the network expected."""
    with torch.inference_mode():
        error, log_expected, known = (a[:, 0] for a in errors(network, batch))
    result = {}
    for name, which in (("ankle", batch[1] < 2), ("wrist", batch[1] >= 2)):
        there = which & (known > 0)
        result[name] = round(100 * float(error[there].mean()), 2)
        result[f"{name} said"] = round(100 * float(log_expected[there].exp().mean()), 2)
    return result
