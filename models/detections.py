"""Training data from a real detector: what MediaPipe saw of rendered people, beside the exact truth.

The runs come from `make_detections.py` of the rendering tool (16 to 32 frames each, varied people, cameras, light, occluders). The
truth is of the MakeHuman rig: its limbs, hands, feet, neck, head and skin points are ours; its pelvis, spine bones and clavicles are
defined otherwise and get no weight. numpy only.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

import numpy as np

from core.keypoints import CANONICAL, CONVENTIONS
from core.lift import MARKERS

from .windows import Windows

FRAMES = 32
_SIDES = {"UpLeg": "hip", "Leg": "knee", "Foot": "ankle", "Toe": "foot", "Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist"}
RIG_POINT: dict[str, str] = (
    {f"{long}{ours}": f"{short}_{rig}" for ours, rig in _SIDES.items() for long, short in (("Left", "l"), ("Right", "r"))}
    | {"Neck": "neck", "Head": "head", "HeadEnd": "head_top"} | {n: n for n in MARKERS if n in CANONICAL})
"""Our marker -> the name of the rig's point; markers that are not in here have another definition there."""
_BLAZEPOSE = [CONVENTIONS["blazepose33"].index(n) for n in CANONICAL]


def held_out(motion: str) -> bool:
    """Whether a motion (the name of a BVH file) is kept from training, so that detections of it can judge; pieces of a trial agree."""
    trial = re.sub(r"_p\d+_.*", "", Path(motion).stem)
    return hashlib.sha256(trial.encode()).digest()[0] % 12 == 0


def read_runs(folders: list[Path]) -> tuple[Windows, Windows]:
    """All complete runs of the folders as (training, held out) windows of 32 frames; runs without a detection are skipped."""
    rows: dict[str, list] = {}
    for folder in folders:
        for path in sorted(folder.glob("run_*.npz")):
            try:
                with np.load(path) as data:
                    rows.setdefault(path.name, [path.name, held_out(str(data["motion"])), _window(data)])
            except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError):
                continue  # still being written
    kept = [r for r in rows.values() if (r[2]["confidence"] > 0).any()]
    return tuple(_stack([r[2] for r in kept if r[1] == part]) for part in (False, True))  # type: ignore[return-value]


def digest(folders: list[Path]) -> str:
    """A short hash over the names and sizes of the runs."""
    listing = sorted((p.name, p.stat().st_size) for folder in folders for p in folder.glob("run_*.npz"))
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:16]


def _window(data: np.lib.npyio.NpzFile) -> dict[str, np.ndarray]:
    names = data["names"].tolist()
    rig = [names.index(RIG_POINT.get(m, "l_hip")) for m in MARKERS]
    known = np.array([m in RIG_POINT for m in MARKERS], dtype=np.float32)
    joints, seen = data["joints3d_cam"], data["detections"][:, _BLAZEPOSE]
    hips = joints[:, [names.index("l_hip"), names.index("r_hip")]].mean(1, keepdims=True)
    frames = len(joints)
    detected = data["detected"]
    return {
        "xy": _pad(seen[..., :2], np.nan), "depth": _pad(seen[..., 2], np.nan), "confidence": _pad(np.nan_to_num(seen[..., 3]), 0.0),
        "world": _pad(data["world_landmarks"][:, _BLAZEPOSE], np.nan), "K": data["K"],
        "size": np.array([data["width"], data["height"]], dtype=np.float64), "seconds": np.arange(FRAMES) / float(data["fps"]),
        "real": _pad(detected, False), "target": _pad((joints - hips)[:, rig], 0.0),
        "weight": _pad(detected[:, None] * np.broadcast_to(known, (frames, len(MARKERS))), 0.0)}


def _pad(value: np.ndarray, fill: object) -> np.ndarray:
    value = value[:FRAMES]
    return np.concatenate([value, np.full((FRAMES - len(value),) + value.shape[1:], fill, dtype=value.dtype)])


def _stack(rows: list[dict[str, np.ndarray]]) -> Windows:
    return Windows(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})
