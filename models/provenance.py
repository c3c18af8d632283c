"""What a weights file says it was made of: hashes of everything that shapes the training data, and the code's revision."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from . import detections, registry
from .mocap import Pack
from .noise import HELD_OUT, TRAINING
from .synthesis import BODIES


def data_hashes(pack: Pack, runs: Path | None, corrected: bool = True) -> dict[str, str | None]:
    """Short hashes by name: motions, detections (None without), noise models, bodies, and the correction that the detections went through
    (`corrected`)."""
    files = {"noise": TRAINING, "noise_held_out": HELD_OUT, "bodies": BODIES}
    files |= {"correction": registry.WEIGHTS / "correction.safetensors"} if corrected else {}
    return {"mocap": pack.digest, "detections": detections.digest(runs) if runs else None, **{k: _digest(p) for k, p in files.items()}}


def revision() -> str:
    """The git revision of the code, or "unknown" outside a checkout."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    return result.stdout.strip() or "unknown"


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None
