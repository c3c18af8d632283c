"""2D keypoints to 3D markers: prepares the frames, runs a network of `models` over windows of them, and puts the answers together.

Problem: networks take normalised windows of a fixed length; a take has any length, any frame rate, gaps, and any camera.
Method: each frame is seen by a virtual camera that looks at the person (`models.features`); frames without keypoints are left out of
the windows' attention; windows overlap by half and are blended. A window spans about a second: the network's own number of frames up
to 30 frames a second, more for faster takes (on unseen motions at 60 frames a second this is 1 % better than windows of half a
second, and smoother than a take split into interleaved slower ones). The answer is turned back into camera axes and centred on the hips.
Limits: one person; the body's size is a mean adult's, because it cannot be seen (the solver decides about it); above 240 frames a
second windows get shorter than a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .events import Reporter
from .keypoints import CANONICAL, LIMB_KEYPOINTS, Keypoints
from .skeleton import JOINTS

if TYPE_CHECKING:
    from models.registry import Loaded

_ON_JOINTS = LIMB_KEYPOINTS + ("l_eye", "r_eye")
MARKERS: tuple[str, ...] = JOINTS + ("HeadEnd",) + tuple(n for n in CANONICAL if n not in _ON_JOINTS)
"""The 35 points that are lifted: the skeleton's joints, the crown, and the canonical keypoints that are not joints (but not the eyes)."""

_HIPS = tuple(MARKERS.index(n) for n in ("LeftUpLeg", "RightUpLeg"))
_BATCH = 2048  # frames at a time
_USUAL_RATE = 30.0  # frames a second for which networks state their window
_LONGEST = 8.0  # of a network's own window


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
    import torch

    from models.registry import load

    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise InputError("The device is cuda, but PyTorch finds no CUDA here; use cpu or auto.")
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"The device is {device!r}; use one of auto, cpu, cuda.")
    chosen = "cuda" if has_cuda and device != "cpu" else "cpu"
    return Lifter(name, chosen, load(name, chosen))


def lift(keypoints: Keypoints, K: np.ndarray, lifter: Lifter | str = "default", reporter: Reporter | None = None,
         device: str = "auto") -> Lifted:
    """3D markers of one person's keypoints.

    K: (3, 3) the camera's intrinsics (`core.camera.assume_intrinsics`). lifter: from `resolve_lifter`, or a name to resolve on
    `device`. Reports progress as stage "lift" in frames. Raises InputError (see `resolve_lifter`) and Cancelled.
    """
    reporter = reporter or Reporter()
    if isinstance(lifter, str):
        lifter = resolve_lifter(lifter, device)
    positions = np.full((len(keypoints), len(MARKERS), 3), np.nan)
    sigma = np.full((len(keypoints), len(MARKERS)), np.inf)
    seen = np.flatnonzero(keypoints.seen)
    if len(seen):
        positions[seen], sigma[seen] = _lift_seen(keypoints, seen, np.asarray(K, dtype=np.float64), lifter, reporter)
    reporter.progress("lift", len(keypoints), len(keypoints))
    return Lifted(MARKERS, positions, sigma)


def _lift_seen(keypoints: Keypoints, seen: np.ndarray, K: np.ndarray, lifter: Lifter,
               reporter: Reporter) -> tuple[np.ndarray, np.ndarray]:
    """Positions (S, M, 3) in camera axes about the hips and sigma (S, M) of the frames `seen` (S,)."""
    from models.features import make_view

    k = keypoints.canonical()
    view = make_view(k.xy[seen], k.confidence[seen], K, np.array([k.width, k.height], dtype=np.float64),
                     None if k.depth is None else k.depth[seen], None if k.world is None else k.world[seen])
    times = k.times[seen]
    total = np.zeros((len(seen), len(MARKERS), 4))
    weight = np.zeros((len(seen), 1, 1))
    done = 0
    for windows in _batches(_windows(seen, times, lifter.loaded.window)):
        answer = lifter.loaded.run(*_padded(windows, view.features, times))
        for window, row in zip(windows, answer, strict=True):
            ramp = _ramp(len(window))[:, None, None]
            total[window] += ramp * row[: len(window)]
            weight[window] += ramp
            done += len(window)
        reporter.progress("lift", min(done // 2, len(keypoints)), len(keypoints))
    total /= weight
    positions = np.einsum("tji,tmj->tmi", view.rotation, total[..., :3])
    return positions - positions[:, _HIPS].mean(axis=1, keepdims=True), total[..., 3]


def _windows(seen: np.ndarray, times: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """Index arrays into the seen frames: windows of `length` frames at the usual rate, as long in seconds at others; half overlaps."""
    steps = np.diff(times) / np.maximum(np.diff(seen), 1)
    rate = 1.0 / max(float(np.median(steps)), 1e-6) if len(steps) else 1.0
    length = round(length * float(np.clip(rate / _USUAL_RATE, 1.0, _LONGEST)))
    last = max(len(seen) - length, 0)
    for start in sorted({*range(0, last, max(length // 2, 1)), last}):
        yield np.arange(start, min(start + length, len(seen)))


def _batches(windows: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Lists of windows with at most `_BATCH` frames together, if one alone has no more."""
    batch: list[np.ndarray] = []
    for window in windows:
        if batch and (len(batch) + 1) * len(batch[0]) > _BATCH:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _padded(windows: list[np.ndarray], features: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, L, F), seconds (N, L) and which rows are real (N, L) of windows with up to L frames."""
    length = max(len(w) for w in windows)
    index = np.stack([np.pad(w, (0, length - len(w)), mode="edge") for w in windows])
    real = np.arange(length) < np.array([len(w) for w in windows])[:, None]
    return features[index], times[index], real


def _ramp(length: int) -> np.ndarray:
    """Blending weights (L,) that fall to the window's ends."""
    position = (np.arange(length) + 0.5) / length
    return np.minimum(position, 1.0 - position)
