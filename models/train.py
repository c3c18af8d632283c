"""Trains one lifting network from mocap and detections, from nothing to a weights file that describes itself.

    build.py train --config NAME --data MOCAP [--detections DIR] [--fine-tune] [--resume] [--install]
    build.py train --config NAME --finetune-2d DIR [--data MOCAP] [--install]                          (see `models.finetune_2d`)
    build.py train --config correction ...                                                              (see `models.train_correction`)
    build.py train --config contacts ...                                                                (see `models.train_contacts`)

Each step draws windows from two sources: mocap under imagined cameras with a modelled detector (`models.synthesis`), and what MediaPipe
really saw of rendered people (`models.detections`). Both are mirrored, rolled, thinned out and seen through a guessed lens
(`models.windows`); the few detections are also of people who stand a little otherwise (`models.nudged`), played at other speeds and
backwards, with more noise, so that they are not learned by heart. Targets have the mean adult's size: the network says the pose, the
solver decides about size. The loss is the markers' mean distance from the truth, plus that of their steps from frame to frame, plus, on
mocap only, the likelihood of the error's size, which teaches the network to say how wrong it is (its gradient does not reach the
positions). What is kept is a running mean of the weights; of a fine-tuning, that way from the weights that it began with towards this
mean which is judged best, for a part of it mostly learns what is new and forgets nothing (Wortsman et al., "Robust fine-tuning of
zero-shot models", 2022). All randomness of step n comes from (seed, n), so that a resumed training does what an uninterrupted one does.

Every 500 steps the network is judged on motions of val/ that it has never seen, under imagined cameras and as MediaPipe really saw them.
Checkpoint, loss plot and the best weights so far stay under ~/.cache/video-mocap/training/NAME; the weights in the repository
(models/weights) change only at the end, and only with --install.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.evaluate import mpjpe, pa_mpjpe
from core.keypoints import ATTACHMENTS, CANONICAL
from core.markers import LIMB_MARKERS, MARKERS

from . import detections, mocap, registry
from .configs import Config, config
from .features import CHANNELS, make_view
from .heads import Standardise
from .muon import Muon
from .nudged import nudged
from .provenance import data_hashes, revision
from .symmetric import Symmetric
from .synthesis import Synthesis, unseen
from .windows import Windows, any_roll, guessed_intrinsics, jittered, mirrored, of_mean_size, retimed, thinned, within_picture

CACHE = Path.home() / ".cache" / "video-mocap" / "training"
VALIDATE_EVERY = 500
_SHARES = (0.25, 0.5, 0.75, 1.0)  # of the way that a fine-tuning went, which are tried
_IMPORTANCE = np.where(np.isin(np.arange(len(MARKERS)), LIMB_MARKERS), 1.0, 0.5)
_CONFIDENCE = [next((CHANNELS * i + 2 for i, n in enumerate(CANONICAL) if m in (n, ATTACHMENTS[n][0])), -1) for m in MARKERS]
"""The feature that says how well a marker's own keypoint, or one that rides on it, was seen; -1 for the trunk's."""
Tensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def main(argv: list[str]) -> int:
    """The command `train`."""
    args = _arguments(argv)
    if args.finetune_2d:  # from pictures without truth
        from .finetune_2d import train

        return train(args)
    if args.config == "correction":  # not a lifting network
        from .train_correction import train

        return train(args)
    if args.config == "contacts":
        from .train_contacts import train

        return train(args)
    settings, code = config(args.config), revision()
    if args.fine_tune:  # the way is shorter from there
        settings = dataclasses.replace(settings, steps=settings.steps // 2, learning_rate=0.6 * settings.learning_rate)
    if args.steps:
        settings = dataclasses.replace(settings, steps=args.steps)
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)  # the other core prepares the next batch
    parent = registry.load(args.config) if args.fine_tune else None
    pack = mocap.load(args.data)
    if args.detections:
        detections.check_parts(pack.part("train").names, pack.part("val").names)
    training = Synthesis(pack.part("train"), invented=True)
    real, held_out = detections.read_runs(args.detections) if args.detections else (None, None)
    judges = judges_of(pack, held_out)
    about = {"config": settings.to_json(), "seed": settings.seed, "revision": code,
             "data": data_hashes(pack, args.detections) | {"real_windows": 0 if real is None else len(real.windows)}}
    if parent is not None:
        about |= {"fine_tuned_from": origin(parent.metadata)}

    def draw(rng: np.random.Generator) -> Tensors:
        batches = [training.draw(rng, settings.batch, settings.window)]
        if real is not None:
            seen, exact = real.some(rng, settings.real_batch, min(settings.window, detections.FRAMES))
            batches.append(within_picture(jittered(retimed(nudged(seen, exact, rng), rng), rng)))
        return _joined([prepare(w, rng) for w in batches])

    folder = CACHE / "-".join([settings.name, *([str(args.steps)] if args.steps else []), *(["fine-tune"] if args.fine_tune else [])])
    folder.mkdir(parents=True, exist_ok=True)
    best = fit(settings, draw, judges, folder, about, args.resume, None if parent is None else parent.network)
    hand_over(best, args.install, "the same command with --resume --install")
    return 0


def judges_of(pack: mocap.Pack, held_out: Windows | None) -> dict[str, Tensors]:
    """What networks are judged by: motions of val/ under imagined cameras, and as MediaPipe really saw them, where there are runs."""
    judges = {"val": validation(unseen(pack).draw(np.random.default_rng(0), 256, 32))}
    return judges if held_out is None else judges | {"detections": validation(held_out)}


def origin(metadata: dict[str, Any]) -> dict[str, Any]:
    """What the weights file of a fine-tuned network keeps of its parent's metadata."""
    kept = ("config", "steps", "revision", "data", "minutes", "figures", "sha256", "finetuned_2d", "fine_tuned_from")
    return {k: metadata[k] for k in kept if k in metadata}


def hand_over(weights: Path, install: bool, otherwise: str) -> None:
    """Says where the trained weights are, and puts them into models/weights if told to; `otherwise`: which options would have."""
    if install:
        shutil.copyfile(weights, registry.WEIGHTS / weights.name)
    print(f"The best weights are {weights}; " + ("installed." if install else f"{otherwise} puts them into models/weights."))


def fit(settings: Config, draw: Callable[[np.random.Generator], Tensors], judges: dict[str, Tensors], folder: Path,
        about: dict[str, Any], resume: bool, parent: nn.Module | None = None) -> Path:
    """The training loop, from `parent` or from nothing; leaves checkpoint and plot in `folder` and returns the best weights' path."""
    from tqdm import tqdm

    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = precision_for(device)
    network = registry.build(settings.name, settings.arguments)
    _initialise(network, draw, settings.seed, parent)
    network.to(device)
    optimiser = _optimiser(network, settings, precision)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, settings))
    kept = registry.build(settings.name, settings.arguments).to(device)  # carries the running mean of the weights
    average = kept.state_dict()
    kept.load_state_dict(network.state_dict())
    about = about | {"precision": str(precision).removeprefix("torch.")}
    history: list[dict[str, Any]] = []
    first = 0
    recipe = json.dumps({k: about.get(k) for k in ("config", "data", "fine_tuned_from")}, sort_keys=True)
    best = folder / f"{settings.name}.safetensors"
    state = checkpoint(folder, recipe, resume)
    if state is not None:
        first, history = state["step"], state["history"]
        about = about | began_with(state, about)
        _restore(state, network, optimiser, schedule, average)
    begin, losses = time.time() - (history[-1]["seconds"] if history else 0.0), []
    bar = tqdm(range(first, settings.steps), initial=first, total=settings.steps, desc=settings.name, mininterval=5)
    for step, batch in zip(bar, _ahead(draw, settings, first, len(lineage(about)) - 1), strict=True):
        network.train()
        loss = loss_of(network, cast(Tensors, tuple(part.to(device) for part in batch)), settings, precision)
        advance(loss, network, optimiser, schedule)
        follow(average, network, min(settings.average, (step + 1) / (step + 10)))
        losses.append(float(loss.detach()))
        if (step + 1) % VALIDATE_EVERY == 0 or step + 1 == settings.steps:
            shown, answers, figures, way = _judged(kept, parent, judges)
            history.append({"step": step + 1, "loss": float(np.mean(losses)), "seconds": time.time() - begin, **figures, **way})
            losses.clear()
            bar.write(json.dumps(history[-1]))
            if score(history[-1]) <= min(map(score, history)):
                scale = sigma_scale([(answers[name], t) for name, t in judges.items()])
                minutes = round((time.time() - begin) / 60, 1)
                registry.save(best, shown, about | way | {"steps": step + 1, "figures": figures, "minutes": minutes, "sigma_scale": scale})
            _keep(folder, {"recipe": recipe, "step": step + 1, "history": history} | code_of(about), network, optimiser, schedule, average)
            plot(history, folder / "loss.png", ("mpjpe", "pa"), "mm")
    if not best.exists():
        raise InputError(f"What {settings.name} learned cannot be judged (is its loss a number?); train it with a smaller learning rate.")
    return best


def _judged(network: nn.Module, parent: nn.Module | None, judges: dict[str, Tensors]) -> tuple[
        nn.Module, dict[str, Tensor], dict[str, dict[str, float]], dict[str, float]]:
    """What is kept of a network: itself, or of a fine-tuned one the best part of the way from its parent; its answers to the judges and
    its figures, both by judge; and the share of the way as "kept", if there was one."""
    ways = [(1.0, network)]
    if parent is not None:
        ways = [(share, copy.deepcopy(network)) for share in _SHARES]
        for share, other in ways:
            other.load_state_dict(part_way(network.state_dict(), parent.state_dict(), share))
    tried = []
    for share, other in ways:
        answers = {name: answers_to(Symmetric(other), t) for name, t in judges.items()}
        figures = {name: judge(answers[name], t) for name, t in judges.items()}
        tried.append((other, answers, figures, {} if parent is None else {"kept": share}))
    return min(tried, key=lambda one: score(one[2]))


def part_way(new: dict[str, Tensor], old: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the new weights and the rest of the old ones, on the new one's device; whole numbers are the new one's."""
    return {name: share * v + (1 - share) * old[name].to(v.device) if v.is_floating_point() else v for name, v in new.items()}


def precision_for(device: str) -> torch.dtype:
    """In which numbers a training multiplies on "cpu" or "cuda": bfloat16 where there are instructions for it (about 3 times as fast on a
    CPU, and learns as well), else float32, for without them it is slower."""
    native = device == "cuda" or any(torch.cpu.get_capabilities().get(kind) for kind in ("avx512_bf16", "amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def _optimiser(network: nn.Module, settings: Config, precision: torch.dtype) -> torch.optim.Optimizer:
    lr, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "muon":
        return Muon(network.parameters(), lr, decay, precision)
    return torch.optim.AdamW(network.parameters(), lr, weight_decay=decay, fused=True)


def checkpoint(folder: Path, recipe: str, resume: bool) -> dict[str, Any] | None:
    """What a training left in `folder`, if it is to be resumed; else it goes, and the answer is None. Raises InputError where it followed
    another recipe (config, data and parent as JSON)."""
    path = folder / "checkpoint.pt"
    if not resume:
        path.unlink(missing_ok=True)  # or a stop before the first new one would bring an older training back
    if not path.exists():
        for old in folder.glob("*.safetensors"):  # or a training that fails would hand them over
            old.unlink()
        if resume:
            print(f"There is nothing to resume in {folder}; it begins anew.")
        return None
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state.get("recipe") != recipe:
        raise InputError(f"The checkpoint {path} is of another config, other data or another parent; delete it or train without --resume.")
    return cast(dict[str, Any], state)


def began_with(state: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """What a resumed training says of the code: the revision that began it, and where others went on, those (`resumed_with`)."""
    others = [*state.get("resumed_with", []), *([about["revision"]] if about.get("revision") != state["revision"] else [])]
    return {"revision": state["revision"], **({"resumed_with": others} if others else {})}


def code_of(about: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint keeps for `began_with`."""
    return {"revision": about.get("revision"), "resumed_with": about.get("resumed_with", [])}


def keep_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes what `checkpoint` reads; complete or not at all."""
    torch.save(state, folder / "checkpoint.partial")
    (folder / "checkpoint.partial").replace(folder / "checkpoint.pt")


def lineage(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """What a training says of itself, then what it keeps of those before it, each from the weights of the next in the list."""
    parent = metadata.get("fine_tuned_from")
    return [metadata, *(lineage(parent) if parent else [])]


def _initialise(network: nn.Module, draw: Callable[[np.random.Generator], Tensors], seed: int, parent: nn.Module | None) -> None:
    """The weights of `parent`, or random ones with the input's mean and deviation from four batches."""
    if parent is not None:
        network.load_state_dict(parent.state_dict())
        return
    first_batches = [draw(np.random.default_rng([seed, i])) for i in range(4)]
    cast(Standardise, network.standardise).fit(torch.cat([features[real] for features, _, real, _, _ in first_batches]))


def _ahead(draw: Callable[[np.random.Generator], Tensors], settings: Config, first: int, generation: int) -> Iterator[Tensors]:
    """The batches of steps `first` to the last; the next one is drawn while one is used. No generation repeats its parent's."""
    def batch(step: int) -> Tensors:
        return draw(np.random.default_rng([settings.seed, 1000 + step, *([generation] if generation else [])]))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(batch, first)
        for step in range(first, settings.steps):
            ready = coming.result()
            if step + 1 < settings.steps:
                coming = pool.submit(batch, step + 1)
            yield ready


def prepare(w: Windows, rng: np.random.Generator) -> Tensors:
    """Windows as a training step takes them: of the mean size, mirrored, rolled, thinned, through a guessed lens."""
    w = of_mean_size(w)
    w = thinned(any_roll(mirrored(w, rng.random(len(w)) < 0.5), rng), rng)
    return tensors(w, guessed_intrinsics(w, rng))


def tensors(w: Windows, K: np.ndarray) -> Tensors:
    """Features (N, T, F), seconds (N, T), real (N, T), target in the person's view (N, T, M, 3), weight (N, T, M)."""
    frames = w.real.shape[1]
    view = make_view(w.xy, w.confidence, np.repeat(K[:, None], frames, axis=1), w.size[:, None], w.depth, w.world)
    real = w.real & (w.confidence > 0).any(-1) & np.isfinite(w.xy).all(-1).any(-1)
    target = np.einsum("ntij,ntmj->ntmi", view.rotation, w.target)
    weight = w.weight * _IMPORTANCE * real[..., None]
    arrays = (view.features, (w.seconds - w.seconds[:, :1]).astype(np.float32), real, target.astype(np.float32), weight.astype(np.float32))
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)  # type: ignore[return-value]


def loss_of(network: nn.Module, batch: Tensors, settings: Config, precision: torch.dtype = torch.float32) -> Tensor:
    """The training loss of one batch, about 1 for errors of 5 cm, the network's products in `precision`.

    The expected error is taught by the first `settings.batch` windows, those from mocap: the few detections that follow are soon known by
    heart, and what a network gets right there says nothing of people whom it has not seen.
    """
    features, seconds, real, target, weight = batch
    with torch.autocast(features.device.type, dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        answer = network(features, seconds, real).float()
    if settings.hidden_weight < 1:
        seen = features[..., _CONFIDENCE].where(torch.tensor(_CONFIDENCE, device=features.device) >= 0, 1.0)
        weight = weight * (settings.hidden_weight + (1 - settings.hidden_weight) * seen)
    difference = answer[..., :3] - target
    error = _length(difference)
    log_sigma = answer[..., 3]
    surprise = log_sigma + error.detach() * torch.exp(-log_sigma)
    expected = (weight * surprise)[: settings.batch].sum() / weight[: settings.batch].sum().clamp_min(1.0)
    loss = 20.0 * (weight * error).sum() / weight.sum().clamp_min(1.0) + 0.2 * expected
    if settings.velocity_weight:
        both = torch.minimum(weight[:, 1:], weight[:, :-1])
        step = (both * _length(difference[:, 1:] - difference[:, :-1])).sum() / both.sum().clamp_min(1.0)
        loss = loss + 20.0 * settings.velocity_weight * step
    return loss


def answers_to(network: nn.Module, batch: Tensors) -> Tensor:
    """(N, T, M, 4) of the network in inference mode, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        return torch.cat([network(*[a[i : i + 64].to(device) for a in batch[:3]]).cpu() for i in range(0, len(batch[0]), 64)])


def judge(answer: Tensor, batch: Tensors) -> dict[str, float]:
    """Millimetres over the limbs' 12 joints, hips centred: mean error as it is, with each window at its best size, after Procrustes,
    and what the network expected."""
    target, weight = batch[3:]
    valid = (weight[..., LIMB_MARKERS] > 0).all(-1)
    sized = _best_size(answer[..., :3], target, weight)
    guess, fitted, truth = (a[valid][:, LIMB_MARKERS].double().numpy() for a in (answer[..., :3], sized, target))
    expected = answer[..., 3][valid][:, LIMB_MARKERS].exp().mean()
    kinds: dict[str, Any] = {"mpjpe": mpjpe(guess, truth), "sized": mpjpe(fitted, truth), "pa": pa_mpjpe(guess, truth), "said": expected}
    return {kind: round(1000 * float(value), 1) for kind, value in kinds.items()}


def score(entry: dict[str, Any]) -> float:
    """What training is judged by: the mean over the judges of the errors that do not depend on size."""
    judged = [f for f in entry.values() if isinstance(f, dict)]
    return float(np.mean([f["sized"] + f["pa"] for f in judged]))


def sigma_scale(judged: list[tuple[Tensor, Tensors]]) -> list[float]:
    """(M,) what the expected errors must be multiplied by to be right on average; 1 if unknown.

    How the markers differ is the mean over the sets of windows, how large they are altogether is the last set's: detections, where there
    are any, are what a user has, but they are too few to tell single markers apart.
    """
    logs = np.full((len(judged), len(MARKERS)), np.nan)
    for row, (answer, (_, _, _, target, weight)) in zip(logs, judged, strict=True):
        there = (weight > 0).double()
        error = _length(_best_size(answer[..., :3], target, weight) - target)
        wrong, said = ((there * value).sum((0, 1)).numpy() for value in (error, answer[..., 3].exp()))
        known = said > 0
        row[known] = np.log(np.maximum(wrong[known], 1e-9) / said[known])
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    last = known[-1]
    return [round(float(v), 3) for v in np.exp(mean + ((logs[-1] - mean)[last].mean() if last.any() else 0.0) * known.any(0))]


def _best_size(guess: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The guess (N, T, M, 3), each window enlarged to fit its target best."""
    w = weight[..., None]
    overlap, size = (w * guess * target).sum((1, 2, 3)), (w * guess * guess).sum((1, 2, 3))
    return guess * (overlap / size.clamp_min(1e-9))[:, None, None, None]


def validation(w: Windows) -> Tensors:
    """Windows to judge on: nothing thinned, every lens assumed."""
    return tensors(w, guessed_intrinsics(w, np.random.default_rng(0), share=1.0))


def _joined(batches: list[Tensors]) -> Tensors:
    """Batches of equally long windows as one."""
    return cast(Tensors, tuple(torch.cat(parts) for parts in zip(*batches, strict=True)))


def _length(difference: Tensor) -> Tensor:
    """Length of the last axis with a gradient at zero."""
    return torch.sqrt(difference.square().sum(-1) + 1e-8)


def rate(step: int, settings: Config) -> float:
    """The learning rate of a step, as a share of the config's."""
    if step < settings.warm_up:
        return (step + 1) / settings.warm_up
    progress = (step - settings.warm_up) / max(settings.steps - settings.warm_up, 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def advance(loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer, schedule: Any) -> None:
    """One step down the loss, at the schedule's rate; a batch that is all surprise must not throw the network off."""
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    schedule.step()


def follow(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Moves the running mean towards the network's weights and buffers."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value.detach(), 1.0 - decay)
        else:
            average[name].copy_(value)


def _keep(folder: Path, said: dict[str, Any], network: nn.Module, optimiser: Any, schedule: Any, average: dict[str, Tensor]) -> None:
    state = said | {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
                    "average": average, "random": torch.get_rng_state(),
                    "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}
    keep_checkpoint(folder, state)


def _restore(state: dict[str, Any], network: nn.Module, optimiser: Any, schedule: Any, average: dict[str, Tensor]) -> None:
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    for name, value in state["average"].items():
        average[name].copy_(value)
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])


def plot(history: list[dict[str, Any]], path: Path, kinds: tuple[str, ...], unit: str) -> None:
    """The loss and these kinds of errors on all judges, by steps, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    steps = [h["step"] for h in history]
    left.plot(steps, [h["loss"] for h in history])
    left.set(title="training loss", xlabel="step")
    for name in (k for k in history[0] if isinstance(history[0][k], dict)):
        for kind in kinds:
            right.plot(steps, [h[name][kind] for h in history], label=f"{name}: {kind}")
    right.set(title=f"error on unseen motions, {unit}", xlabel="step")
    right.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="build.py train", allow_abbrev=False,
        description="Trains a lifting network, the correction of ankles and wrists, or the foot contacts; prints errors on unseen motions "
                    "every 500 steps. "
                    "--data and --detections are what it learns from; CONTRIBUTING.md says where to get them.")
    parser.add_argument("--config", required=True, choices=[*registry.NETWORKS, "correction", "contacts"],
                        help="which network; 'correction' (of the 2D stage) and 'contacts' (of the solver) are no lifters and need "
                             "--detections, 'contacts' nothing else")
    parser.add_argument("--data", type=Path, metavar="DIR", help="mocap folder with train/ and val/ (BVH)")
    parser.add_argument("--detections", type=Path, metavar="DIR", help="folder of run_*.npz: detections beside truth")
    parser.add_argument("--steps", type=int, metavar="N", help="another number of steps than usual (the schedule is fitted to it)")
    parser.add_argument("--fine-tune", action="store_true",
                        help="start from the weights in models/weights: half the steps, at 0.6 of the learning rate")
    parser.add_argument("--finetune-2d", type=Path, metavar="DIR",
                        help="start from the weights in models/weights and learn from keypoints without 3D truth: a folder of runs "
                             "(keypoints.npz), OpenPose folders or COCO files; with --data also from mocap")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--install", action="store_true", help="at the end, put the best weights into models/weights")
    args = parser.parse_args(argv)
    if args.data is None and args.finetune_2d is None and args.config != "contacts":
        parser.error("the following arguments are required: --data")
    if args.steps is not None and args.steps < 1:
        parser.error("argument --steps: must be at least 1")
    return args
