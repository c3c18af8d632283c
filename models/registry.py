"""Which lifting networks there are, and their weights on disk.

A network is a class with `forward(features, seconds, real)`, which answers for every frame that it is given, and `margin(rate)`, the
number of frames on either side that a frame's answer depends on at `rate` frames a second (`models.residual`). Its sizes come from
`models.configs`, or, once trained, from the weights file, which describes itself: a safetensors file in float16 whose metadata hold the
config, the seed, hashes of the data, the git revision and the figures on validation data.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from core.errors import InputError
from core.markers import MARKERS
from core.skeleton import mirror_order

from .features import SIZE
from .symmetric import Symmetric
from .together import Together

WEIGHTS = Path(__file__).parent / "weights"
NETWORKS: dict[str, tuple[str, str]] = {
    "residual": (".residual", "Residual"), "integral": (".integral", "Integral"), "tcn": (".tcn", "TemporalConvolutions"),
    "recurrent": (".recurrent", "Recurrent"), "gast": (".gast", "GraphAttention"), "temporal": (".temporal", "Temporal"),
    "temporal2": (".temporal", "Temporal")}
TOGETHER: dict[str, tuple[str, ...]] = {"default": ("temporal", "temporal2")}
"""Names under which several networks answer with their mean (`models.together`)."""


@dataclass(frozen=True)
class Loaded:
    """A trained network, or several together, ready to run. network: as it was trained; metadata: what its weights file says about
    that, or {"members": what each one's file says, "sigma_scale": see `together`}."""

    name: str
    network: nn.Module
    device: str
    metadata: dict[str, Any]

    @cached_property
    def symmetric(self) -> Symmetric:
        """The network as it is used: looking at the mirror image as well."""
        return Symmetric(self.network)

    def margin(self, rate: float) -> int:
        """Frames on either side that matter for a frame's answer, at `rate` frames a second."""
        return cast(Any, self.network).margin(rate)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    @property
    def sigma_scale(self) -> np.ndarray:
        """(M,) what the expected errors are multiplied by, as measured at the end of the training; left and right alike."""
        scale = np.broadcast_to(self.metadata.get("sigma_scale", 1.0), len(MARKERS))
        return np.sqrt(scale * scale[mirror_order(MARKERS)])

    def run(self, features: np.ndarray, seconds: np.ndarray, real: np.ndarray) -> np.ndarray:
        """features (N, T, SIZE), seconds (N, T), real (N, T) bool to (N, T, M, 4): metres in the person's view, expected error.

        The expected errors are corrected by `sigma_scale`.
        """
        relative = (seconds - seconds[:, :1]).astype(np.float32)
        with torch.inference_mode():
            inputs = [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (features, relative, real)]
            answer = self.symmetric(*inputs)
            answer[..., 3].exp_().mul_(torch.from_numpy(self.sigma_scale).to(answer))
            return answer.cpu().numpy().astype(np.float64)


def build(name: str, arguments: dict[str, Any]) -> nn.Module:
    """An untrained network. Raises InputError with the names that exist."""
    module, cls = NETWORKS[_single(name)]
    return getattr(importlib.import_module(module, __package__), cls)(inputs=SIZE, markers=len(MARKERS), **arguments)


def check(name: str) -> None:
    """Raises InputError with the names that exist unless `load` knows the name."""
    if name not in TOGETHER:
        _single(name)


def load(name: str, device: str = "cpu") -> Loaded:
    """The trained network or networks `name` in float32 on `device`, in inference mode. Raises InputError (unknown, missing, damaged)."""
    if name in TOGETHER:
        return together(name, [load(member, device) for member in TOGETHER[name]])
    return load_file(WEIGHTS / f"{_single(name)}.safetensors", device)


def together(name: str, members: list[Loaded]) -> Loaded:
    """Networks that answer together, under a name; their expected errors are corrected by what `models.calibrate` found for these very
    weights, else by the mean of what each one's are. Raises InputError (damaged)."""
    files = {m.name: m.metadata for m in members}
    scale = np.exp(np.mean([np.log(m.sigma_scale) for m in members], axis=0)).tolist()
    if (path := calibration(name)).exists():
        try:
            measured = json.loads(path.read_text(encoding="utf-8"))
            scale = measured["sigma_scale"] if measured["members"] == fingerprints(files) else scale
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"What belongs to the lifter {name!r} is damaged ({path}: {error}); get that file again.") from error
    return Loaded(name, Together(m.network for m in members).eval(), members[0].device, {"members": files, "sigma_scale": scale})


def calibration(name: str) -> Path:
    """Where `models.calibrate` keeps what it found for networks that answer together."""
    return WEIGHTS / f"{name}.json"


def fingerprints(members: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    """By which weights are told from others, from their files' metadata."""
    return {name: metadata.get("sha256") for name, metadata in members.items()}


def load_file(path: Path, device: str = "cpu") -> Loaded:
    """The network in a weights file that is named after it, as `load`. Raises InputError (unknown, missing, damaged)."""
    name = _single(path.stem)
    network, metadata = restore(path, f"the lifter {name!r}", lambda config: build(name, config["arguments"]))
    return Loaded(name, network.to(device), device, metadata)


def restore(path: Path, what: str, make: Callable[[dict[str, Any]], nn.Module]) -> tuple[nn.Module, dict[str, Any]]:
    """The network that `save` wrote, in float32 and inference mode, and its metadata.

    what: its name in sentences; make: builds it from the config in the metadata. Raises InputError (missing, damaged).
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        raise InputError(f"The weights of {what} are missing ({path}); get that file again.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = {k: json.loads(v) for k, v in file.metadata().items()}
            stored = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata.get("sha256", fingerprint(stored)) != fingerprint(stored):
            raise ValueError("its numbers are not those that were written")
        tensors = {k: v.float() for k, v in stored.items()}
        network = make(metadata["config"])
        network.load_state_dict(tensors, strict=False)
        if missing := {k for k, v in network.state_dict().items() if v.is_floating_point()} - set(tensors):
            raise ValueError(f"lacks {sorted(missing)[0]}")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The weights of {what} are damaged ({path}: {reason}); get that file again.") from error
    return network.eval(), metadata


def _single(name: str) -> str:
    """The name of a network that has a file of its own. Raises InputError with the names that exist."""
    if name not in NETWORKS:
        raise InputError(f"There is no lifter named {name!r}; choose from {', '.join((*TOGETHER, *NETWORKS))}.")
    return name


def fingerprint(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names and bytes of tensors: safetensors itself does not notice a changed number."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def save(path: Path, network: nn.Module, metadata: dict[str, Any]) -> None:
    """Writes the weights in float16 and the metadata (each value as JSON) beside them; complete or not there at all."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().half().contiguous() for k, v in network.state_dict().items() if v.is_floating_point()}
    metadata = {**metadata, "sha256": fingerprint(tensors)}
    temporary = path.with_suffix(".partial")
    save_file(tensors, str(temporary), {k: json.dumps(v) for k, v in metadata.items()})
    temporary.replace(path)
