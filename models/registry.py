"""Which lifting networks there are, and their weights on disk.

A network is a class with `window` (frames that it likes to see together) and `forward(features, seconds, real)` as in
`models.residual`; its sizes come from `models.configs`, or, once trained, from the weights file, which describes itself: a safetensors
file in float16 whose metadata hold the config, the seed, hashes of the data, the git revision and the figures on validation data.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from core.errors import InputError
from core.lift import MARKERS

from .features import SIZE

WEIGHTS = Path(__file__).parent / "weights"
NETWORKS: dict[str, tuple[str, str]] = {"residual": (".residual", "Residual"), "temporal": (".temporal", "Temporal")}
ALIASES: dict[str, str] = {"default": "temporal"}


@dataclass(frozen=True)
class Loaded:
    """A trained network, ready to run. metadata: what its weights file says about its training."""

    name: str
    network: nn.Module
    window: int
    device: str
    metadata: dict[str, Any]

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def run(self, features: np.ndarray, seconds: np.ndarray, real: np.ndarray) -> np.ndarray:
        """features (N, T, SIZE), seconds (N, T), real (N, T) bool to (N, T, M, 4): metres in the person's view, expected error.

        The expected errors are corrected by the factors, one a marker, that were measured at the end of the training.
        """
        relative = (seconds - seconds[:, :1]).astype(np.float32)
        with torch.inference_mode():
            inputs = [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (features, relative, real)]
            answer = self.network(*inputs)
            answer[..., 3].exp_().mul_(torch.tensor(self.metadata.get("sigma_scale", 1.0), device=answer.device))
            return answer.cpu().numpy().astype(np.float64)


def build(name: str, arguments: dict[str, Any]) -> nn.Module:
    """An untrained network. Raises InputError with the names that exist."""
    module, cls = NETWORKS[canonical_name(name)]
    return getattr(importlib.import_module(module, __package__), cls)(inputs=SIZE, markers=len(MARKERS), **arguments)


def canonical_name(name: str) -> str:
    """Resolves aliases. Raises InputError with the names that exist."""
    name = ALIASES.get(name, name)
    if name not in NETWORKS:
        raise InputError(f"There is no lifter named {name!r}; choose from {', '.join((*ALIASES, *NETWORKS))}.")
    return name


def load(name: str, device: str = "cpu") -> Loaded:
    """The trained network `name` in float32 on `device`, in inference mode. Raises InputError (unknown, missing, damaged)."""
    from safetensors import SafetensorError, safe_open

    name = canonical_name(name)
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise InputError(f"The weights of the lifter {name!r} are missing ({path}); get that file again or choose another lifter.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = {k: json.loads(v) for k, v in file.metadata().items()}
            stored = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata.get("sha256", fingerprint(stored)) != fingerprint(stored):
            raise ValueError("its numbers are not those that were written")
        tensors = {k: v.float() for k, v in stored.items()}
        network = build(name, metadata["config"]["arguments"])
        network.load_state_dict(tensors, strict=False)
        if missing := {k for k, v in network.state_dict().items() if v.is_floating_point()} - set(tensors):
            raise ValueError(f"lacks {sorted(missing)[0]}")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The weights of the lifter {name!r} are damaged ({path}: {reason}); get that file again.") from error
    network = network.to(device).eval()
    return Loaded(name, network, cast(int, network.window), device, metadata)


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
