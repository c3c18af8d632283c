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
    """The git revision of the code, with "-dirty" where files differ from it, or "unknown" outside a checkout. To be asked first: what
    runs is the code as it was when it was read."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("-dirty" if changed else "") or "unknown"


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None
