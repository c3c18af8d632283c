"""2D keypoints to 3D markers: prepares the frames, runs a network of `models` over them, and puts the answers together.

Problem: networks take normalised frames; a take has any length, any frame rate, gaps, and any camera.
Method: each frame is seen by a virtual camera that looks at the person (`models.features`); frames without keypoints are left out.
Every network answers for all frames that it is given and looks only so far around each (its `margin`), so a take goes through in long
chunks that overlap by that margin: apart from the mirror image (`models.symmetric`) nothing but the margins is computed twice (on unseen
motions this is as good as windows of a second that overlap by half, 104.2 against 103.9 mm, in half the time). The answer is turned back
into camera axes and centred on the hips. Where a network is unsure, it sees the take turned as well (`quarter_turns`).
Limits: one person; the body's size is a mean adult's, because it cannot be seen (the solver decides about it); above 400 frames a
second chunks overlap by less than the default's margin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .events import Reporter
from .keypoints import Keypoints
from .markers import MARKERS
from .options import DEVICES
from .quarter_turns import around_doubt, blended, turned, turned_points

if TYPE_CHECKING:
    from models.registry import Loaded

_HIPS = tuple(MARKERS.index(n) for n in ("LeftUpLeg", "RightUpLeg"))
CHUNK = 256
"""Frames that one pass answers for; the benchmark's batch is made of the same."""
_BATCH = 4096  # frames at a time, margins included
_WIDEST_MARGIN = 512  # frames


@dataclass(frozen=True)
class Lifted:
    """Markers of T frames in 3D.

    names: `MARKERS`. positions: (T, M, 3) metres from the middle between LeftUpLeg and RightUpLeg; camera axes (x right, y down,
    z forward); NaN in frames without a person. sigma: (T, M) metres, the error that the network expects (mean distance from the
    truth once the body has its true size); infinite in frames without a person.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True)
class Lifter:
    """A network that is loaded and stands on its device."""

    name: str
    device: str
    loaded: Loaded

    def describe(self) -> dict[str, Any]:
        """Name, device and where the weights come from, as JSON types."""
        return {"name": self.loaded.name, "device": self.device, "parameters": self.loaded.parameters, "weights": self.loaded.metadata}


def resolve_lifter(name: str = "default", device: str = "auto") -> Lifter:
    """Loads the network `name` of `models.registry` onto "cpu", "cuda" or the better of both ("auto").

    Raises InputError: unknown name, missing or damaged weights, or "cuda" without one.
    """
    from models.registry import load

    chosen = choose_device(device)
    return Lifter(name, chosen, load(name, chosen))


def choose_device(device: str) -> str:
    """Where to run, "cpu" or "cuda", for one of `core.options.DEVICES`. Raises InputError: another word, or "cuda" without one."""
    import torch

    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise InputError("The device is cuda, but PyTorch finds no CUDA here; use cpu or auto.")
    if device not in DEVICES:
        raise InputError(f"The device is {device!r}; use one of {', '.join(DEVICES)}.")
    return "cuda" if has_cuda and device != "cpu" else "cpu"


def lift(keypoints: Keypoints, K: np.ndarray, lifter: Lifter | str = "default", reporter: Reporter | None = None,
         device: str = "auto", stage: str = "lift") -> Lifted:
    """3D markers of one person's keypoints.

    K: (3, 3) the camera's intrinsics (`core.camera.assume_intrinsics`). lifter: from `resolve_lifter`, or a name to resolve on
    `device`. Reports progress as `stage` in frames. Raises InputError (see `resolve_lifter`) and Cancelled.
    """
    reporter = reporter or Reporter()
    if isinstance(lifter, str):
        lifter = resolve_lifter(lifter, device)
    positions = np.full((len(keypoints), len(MARKERS), 3), np.nan)
    sigma = np.full((len(keypoints), len(MARKERS)), np.inf)
    seen = np.flatnonzero(keypoints.seen)
    if len(seen):
        positions[seen], sigma[seen] = _lift_any_way_up(keypoints, seen, np.asarray(K, dtype=np.float64), lifter, reporter, stage)
    reporter.progress(stage, len(keypoints), len(keypoints))
    return Lifted(MARKERS, positions, sigma)


def _lift_any_way_up(keypoints: Keypoints, seen: np.ndarray, K: np.ndarray, lifter: Lifter, reporter: Reporter,
                     stage: str) -> tuple[np.ndarray, np.ndarray]:
    """As `_lift_seen`; where that is unsure, in the picture turned by quarter turns as well."""
    upright, times = _lift_seen(keypoints, seen, K, lifter, reporter, stage), keypoints.times[seen]
    near = around_doubt(upright[1], times)
    if not near.any():
        return upright
    answers = [upright]
    for quarters in (1, 2, 3):
        take, intrinsics = turned(keypoints, K, quarters)
        positions, sigma = (array.copy() for array in upright)
        answer, sigma[near] = _lift_seen(take, seen[near], intrinsics, lifter, reporter, f"{stage} turned", quarters)
        positions[near] = turned_points(answer, -quarters)
        answers.append((positions, sigma))
    return blended(answers, times)


def _lift_seen(keypoints: Keypoints, seen: np.ndarray, K: np.ndarray, lifter: Lifter, reporter: Reporter, stage: str,
               quarters: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions (S, M, 3) in camera axes about the hips and sigma (S, M) of the frames `seen` (S,); quarters: turns of the picture, which
    are reported as a stage of their own."""
    from models.features import make_view

    k = keypoints.canonical()
    view = make_view(k.xy[seen], k.confidence[seen], K, np.array([k.width, k.height], dtype=np.float64),
                     None if k.depth is None else k.depth[seen], None if k.world is None else k.world[seen])
    times = k.times[seen]
    answer = np.zeros((len(seen), len(MARKERS), 4))
    done = 0
    for chunks in _batches(_chunks(len(seen), lifter.loaded.margin(_frame_rate(seen, times)))):
        rows = lifter.loaded.run(*_padded([c.frames for c in chunks], view.features, times))
        for chunk, row in zip(chunks, rows, strict=True):
            kept = slice(chunk.first, chunk.first + chunk.count)
            answer[chunk.frames[kept]] = row[kept]
            done += chunk.count
        if quarters:
            reporter.progress(stage, done + (quarters - 1) * len(seen), 3 * len(seen))
        else:
            reporter.progress(stage, done, len(keypoints))
    positions = np.einsum("tji,tmj->tmi", view.rotation, answer[..., :3])
    return positions - positions[:, _HIPS].mean(axis=1, keepdims=True), answer[..., 3]


def _frame_rate(seen: np.ndarray, times: np.ndarray) -> float:
    """Frames a second, from the median step between the frames `seen`."""
    if len(seen) < 2:
        return 30.0
    return 1.0 / max(float(np.median(np.diff(times) / np.diff(seen))), 1e-6)


@dataclass(frozen=True)
class _Chunk:
    """Indices `frames` into the seen frames; the answer counts for `count` of them from the `first` on, the others are context."""

    frames: np.ndarray
    first: int
    count: int


def _chunks(total: int, margin: int) -> Iterator[_Chunk]:
    """All of `total` frames, each answered for once."""
    margin = min(margin, _WIDEST_MARGIN)
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        before = max(start - margin, 0)
        yield _Chunk(np.arange(before, min(stop + margin, total)), start - before, stop - start)


def _batches(chunks: Iterator[_Chunk]) -> Iterator[list[_Chunk]]:
    """Lists of chunks with at most `_BATCH` frames together."""
    batch: list[_Chunk] = []
    for chunk in chunks:
        if batch and sum(len(c.frames) for c in batch) + len(chunk.frames) > _BATCH:
            yield batch
            batch = []
        batch.append(chunk)
    if batch:
        yield batch


def _padded(windows: list[np.ndarray], features: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, L, F), seconds (N, L) and which rows are real (N, L) of windows with up to L frames."""
    length = max(len(w) for w in windows)
    index = np.stack([np.pad(w, (0, length - len(w)), mode="edge") for w in windows])
    real = np.arange(length) < np.array([len(w) for w in windows])[:, None]
    return features[index], times[index], real
