"""Fine-tunes a trained lifting network on keypoints of pictures whose 3D truth nobody knows.

    build.py train --config NAME --finetune-2d DIR [--data MOCAP] [--steps N] [--install]

Problem: a network is best at cameras and people like those of its training; of others there are videos, but no 3D truth.
Method: keypoints that runs have left behind are cut into windows. First the network itself says what they show, with the tilt of the
camera told apart by virtual views (`models.virtual_views`); its best answers stand in for the truth. Then, as in training, windows are
mirrored, rolled and thinned out, and from the thinned ones the network must find a pose that is near that answer, reprojects onto *all*
keypoints, those held back from it too, keeps one symmetric, human body and moves smoothly (`models.reprojection`). So that it forgets
nothing, the other half of each step is labelled mocap as in training (--data; Pavllo et al., VideoPose3D 2019, call it semi-supervised),
or else the virtual views themselves with what it said there. The expected errors are held where they were, because without truth nobody
knows how wrong an answer is. Batch statistics and dropout rest. What is kept is a running mean of the weights.
Limits: the person's size and what no tilt explains come from what the network knew; lenses are the assumed ones. What it brings is
measured by `models.left_out_cameras`.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.camera import assume_intrinsics
from core.detect.cleaning import finished
from core.errors import InputError
from core.events import Reporter
from core.flips import by_continuity
from core.inputs import is_keypoint_input
from core.keypoint_files import read_people
from core.keypoints import Keypoints
from core.markers import MARKERS

from . import mocap, registry
from .configs import Config, config
from .provenance import data_hashes, revision
from .reprojection import LIFTED, LIFTED_MARKERS, body_loss, length, motion_loss, reprojection, robust, typical_bones
from .symmetric import Symmetric
from .synthesis import Synthesis
from .train import CACHE, advance, follow, hand_over, loss_of, origin, prepare, rate
from .virtual_views import TILTS, tangents_of, view_of, with_best_answers
from .windows import Windows, any_roll, joined, mirrored, thinned

STEPS = 100
BATCH = 12  # windows a step of each half
_SHORTEST = 8  # frames of a take that are worth a window
_RATE = 30.0  # frames a second; of much faster takes every second or third frame is used
_JUDGED = 48  # windows at least, the same ones thinned out differently
_HELD_OUT = 6  # of so many takes one only judges; of fewer takes the end of each; of fewer windows all learn and judge


@dataclass(frozen=True)
class Weights:
    """What the parts of the loss count, all of them metres."""

    answer: float = 1.0
    picture: float = 0.3
    body: float = 0.3
    motion: float = 0.2


@dataclass(frozen=True)
class Pictures:
    """A batch of N windows. features: (N, T, F) of the thinned keypoints; seconds, real: (N, T); believed: (N, T, M, 3) markers in the
    view of the features, what is taken for the truth; camera: (N, T, 3, 3) that view to the camera's axes; tangents: (N, T, P, 2) of all
    `LIFTED` keypoints in that view; confidence: (N, T, P), 0 where missing; hidden: (N, T, P) bool, held back from the features."""

    features: Tensor
    seconds: Tensor
    real: Tensor
    believed: Tensor
    camera: Tensor
    tangents: Tensor
    confidence: Tensor
    hidden: Tensor


def train(args: argparse.Namespace) -> int:
    """`build.py train --finetune-2d`; the arguments are those of `models.train`."""
    if args.config not in registry.NETWORKS:
        raise InputError(f"--finetune-2d is for networks that lift, not for {args.config!r}; choose from {', '.join(registry.NETWORKS)}.")
    if args.resume or args.fine_tune or args.detections:
        raise InputError("--finetune-2d goes together with --config, --data, --steps and --install; leave the other options out.")
    settings, code = brief(config(args.config), args.steps or STEPS), revision()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)
    parent = registry.load(args.config)
    windows, takes = read_windows(args.finetune_2d, settings.window)
    pack = mocap.load(args.data) if args.data else None
    judging = _judging(takes)
    judge = _judge(windows.take(np.flatnonzero(judging)) if judging.any() else windows)
    true, virtual, tilts = with_best_answers(parent.symmetric, windows.take(np.flatnonzero(~judging)), takes[~judging])
    labelled = Synthesis(pack.part("train"), invented=True) if pack else None
    network = fine_tune(parent.network, settings, [true] if labelled else [true, virtual], labelled)
    hidden = [round(1000 * hidden_error(n, judge), 1) for n in (parent.symmetric, Symmetric(network).eval())]
    shares = {f"{np.degrees(tilt):.0f}": round(float(share), 2) for tilt, share in zip(TILTS, tilts, strict=True)}
    about = ({"sigma_scale": parent.metadata["sigma_scale"]} if "sigma_scale" in parent.metadata else {}) | {
        "config": settings.to_json() | {"arguments": parent.metadata["config"]["arguments"]}, "seed": settings.seed,
        "revision": code, "steps": settings.steps,
        "data": data_hashes(pack, None) if pack else {}, "figures": {"hidden_keypoints_mm": hidden},
        "fine_tuned_from": origin(parent.metadata),
        "finetuned_2d": {"windows": int((~judging).sum()), "takes": len(np.unique(takes)), "tilts": shares}}
    folder = CACHE / f"{settings.name}-finetune-2d"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{settings.name}.safetensors"
    registry.save(path, network, about)
    print("Keypoints that were hidden from the network, mm off before and after: {} {}".format(*hidden))
    print("Tilts of the cameras beyond the usual, degrees and share: " + ", ".join(f"{k}: {v}" for k, v in shares.items() if v))
    hand_over(path, args.install, "--install")
    return 0


def brief(settings: Config, steps: int) -> Config:
    """A config for `steps` steps from a trained network."""
    return dataclasses.replace(settings, steps=steps, batch=BATCH, learning_rate=0.3 * settings.learning_rate, warm_up=steps // 5,
                               average=0.95, optimiser="adamw", weight_decay=0.0, real_batch=0)


def read_windows(source: Path, frames: int) -> tuple[Windows, np.ndarray]:
    """All takes of a keypoint file or of what lies under a folder, cut into windows of `frames` without targets; the take of each (N,).

    A folder is searched for what runs leave (keypoints.npz), for OpenPose folders and COCO files. Raises InputError.
    """
    people = [person if path.suffix == ".npz" else finished(by_continuity(person), Reporter())  # our own were mended when made
              for path in _keypoint_inputs(source) for person in read_people(path)]
    rows = [(take, _cut(person, index, frames)) for take, person in enumerate(people) for index in _pieces(person, frames)]
    if not rows:
        raise InputError(f"No keypoints were found in {source}; give a folder with the keypoints.npz of runs, with at least "
                         f"{_SHORTEST} frames of a person.")
    windows = Windows(**{name: np.stack([row[name] for _, row in rows]) for name in rows[0][1]})
    return windows, np.array([take for take, _ in rows])


def _judging(takes: np.ndarray) -> np.ndarray:
    """(N,) bool: the windows that do not learn, from the take of each (N,), in the order of time."""
    if len(np.unique(takes)) >= _HELD_OUT:
        return np.asarray(takes % _HELD_OUT == _HELD_OUT - 1)
    result = np.zeros(len(takes), dtype=bool)
    for take in np.unique(takes):
        mine = np.flatnonzero(takes == take)
        result[mine[len(mine) - len(mine) // _HELD_OUT:]] = True
    return result


def _keypoint_inputs(source: Path) -> list[Path]:
    if not source.exists():
        raise InputError(f"There is no file or folder {source}; check the path.")
    if is_keypoint_input(source):
        return [source]
    if not source.is_dir():
        raise InputError(f"{source} is no keypoint file; run it first, and give the folder with the run's keypoints.npz.")
    folders = {p.parent for p in source.rglob("*_keypoints.json")}
    return sorted([*source.rglob("keypoints.npz"), *folders, *(p for p in source.rglob("*.json") if p.parent not in folders)])


def _pieces(keypoints: Keypoints, frames: int) -> Iterator[np.ndarray]:
    """Rows of `keypoints` for each window: seen frames one after the other, none twice."""
    seen = np.flatnonzero(keypoints.seen)
    usual = 1 / max(float(np.median(np.diff(keypoints.times))), 1e-3) if len(keypoints) > 1 else _RATE
    seen = seen[:: max(round(usual / _RATE), 1)]
    for start in range(0, len(seen), frames):
        if len(piece := seen[start : start + frames]) >= _SHORTEST:
            yield piece


def _cut(keypoints: Keypoints, index: np.ndarray, frames: int) -> dict[str, np.ndarray]:
    """The arrays of one window of `frames`: the rows `index` of the keypoints, then rows that are not real."""
    real = np.arange(frames) < len(index)
    index = np.pad(index, (0, frames - len(index)), mode="edge")
    k = keypoints.canonical()
    return {
        "xy": k.xy[index], "confidence": k.confidence[index],
        "depth": np.full((frames, len(k.names)), np.nan) if k.depth is None else k.depth[index],
        "world": np.full((frames, len(k.names), 3), np.nan) if k.world is None else k.world[index],
        "K": assume_intrinsics(k.width, k.height), "size": np.array([k.width, k.height], dtype=np.float64),
        "seconds": k.times[index], "real": real,
        "target": np.zeros((frames, len(MARKERS), 3)), "weight": np.zeros((frames, len(MARKERS)))}


def pictures(w: Windows, rng: np.random.Generator, augment: bool = True) -> Pictures:
    """Windows as a step takes them: mirrored and rolled (unless not to `augment`), then thinned; seen through their lenses w.K."""
    if augment:
        w = any_roll(mirrored(w, rng.random(len(w)) < 0.5), rng)
    thin = thinned(w, rng)
    view = view_of(thin)
    tangents, confidence = (a[:, :, LIFTED] for a in tangents_of(w, view.rotation))
    real = w.real & (thin.confidence > 0).any(-1)
    arrays = (view.features, w.seconds - w.seconds[:, :1], real, np.einsum("ntij,ntmj->ntmi", view.rotation, w.target),
              np.swapaxes(view.rotation, -1, -2), tangents, confidence * real[..., None], thin.confidence[:, :, LIFTED] == 0)
    return Pictures(*(torch.from_numpy(a if a.dtype == bool else a.astype(np.float32)) for a in arrays))


def picture_loss(network: nn.Module, before: nn.Module, batch: Pictures, typical: tuple[Tensor, Tensor],
                 weights: Weights | None = None) -> Tensor:
    """The loss of one batch without truth, about 1 for errors of 5 cm; `before`: the network as it was."""
    weights = weights or Weights()
    answer = network(batch.features, batch.seconds, batch.real)
    with torch.no_grad():
        said = before(batch.features, batch.seconds, batch.real)[..., 3]
    real = batch.real.float()
    markers = answer[..., :3]
    there = real[..., None] / (real.sum() * markers.shape[2]).clamp_min(1.0)
    away = (there * length(markers - batch.believed)).sum()
    errors = robust(reprojection(markers[..., LIFTED_MARKERS, :], batch.tangents, batch.confidence))
    picture = (batch.confidence * errors).sum() / batch.confidence.sum().clamp_min(1.0)
    body = body_loss(markers, real, typical).mean()
    motion = motion_loss(torch.einsum("ntij,ntmj->ntmi", batch.camera, markers), batch.seconds, real)
    said_otherwise = (there * (answer[..., 3] - said).square()).sum()
    return (20.0 * (weights.answer * away + weights.picture * picture + weights.body * body + weights.motion * motion)
            + 0.2 * said_otherwise)


def _judge(w: Windows) -> Pictures:
    """Windows to judge on: each often enough that something of it is hidden."""
    return pictures(w.take(np.resize(np.arange(len(w)), max(len(w), _JUDGED))), np.random.default_rng(0), augment=False)


def hidden_error(network: nn.Module, batch: Pictures) -> float:
    """Mean distance in metres between keypoints that the network was not shown and where its answer puts them; NaN if there are none."""
    with torch.inference_mode():
        answer = network(batch.features, batch.seconds, batch.real)
        weight = batch.confidence * batch.hidden
        error = reprojection(answer[..., LIFTED_MARKERS, :3], batch.tangents, batch.confidence)
        return float((weight * error).sum() / weight.sum())


def fine_tune(parent: nn.Module, settings: Config, sources: list[Windows], labelled: Synthesis | None = None,
              weights: Weights | None = None) -> nn.Module:
    """The parent after `settings.steps` steps; the parent stays. Each step takes `settings.batch` windows of every source, whose targets
    are what is believed, and as many with their truth from `labelled`."""
    from tqdm import tqdm

    network, before, kept = (copy.deepcopy(parent).eval() for _ in range(3))  # eval: batch statistics and dropout rest
    average = kept.state_dict()
    typical = typical_bones()
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, settings))
    bar = tqdm(range(settings.steps), desc=f"{settings.name} from 2D", mininterval=5)
    for step in bar:
        rng = np.random.default_rng([settings.seed, step])
        some = joined([source.take(rng.integers(0, len(source), settings.batch)) for source in sources])
        loss = picture_loss(network, before, pictures(some, rng), typical, weights)
        if labelled is not None:
            loss = loss + loss_of(network, prepare(labelled.draw(rng, settings.batch, settings.window), rng), settings)
        advance(loss, network, optimiser, schedule)
        follow(average, network, min(settings.average, (step + 1) / (step + 10)))
        bar.set_postfix(loss=f"{float(loss.detach()):.2f}", refresh=False)
    return kept
