"""Fits the detector's noise model to detections beside truth and keeps it as data/noise.json (numbers only, no motion).

    python -m models.fit_noise DETECTIONS

See `models.noise` for the model. Detections are taken as the 2D stage has them before it replaces ankles and wrists: the correction is
trained on this model. Takes with sides that it could not mend are counted and left out of the fit; every take counts twice, once
mirrored.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from core.camera import pixel_rays
from core.detect.confidence import logit, steadiness
from core.errors import InputError
from core.flips import mend_flips
from core.keypoints import CANONICAL, LIMB_KEYPOINTS

from .detections import Run, keypoints_of, runs_in
from .noise import DATA, MIRRORED, REFERENCE, Scene, regressors, scene

STEADY, MOVING = 24, 32
_LIMBS = [CANONICAL.index(n) for n in LIMB_KEYPOINTS]
_SIGN = np.array([-1, 1, 1, -1, 1, 1, 1])  # of each channel in a mirror


def differences(data: Run) -> tuple[Scene, np.ndarray, float] | None:
    """True scene, differences (T, 27, CHANNELS) and frame rate of the detected frames of a run; None with less than 8 frames.

    What was seen is what the 2D stage's cleaning makes of it, but that keypoints outside the picture stay: the model describes them too.
    """
    k = mend_flips(keypoints_of(data))[0].canonical()
    if k.seen.sum() < 8:
        return None
    assert k.depth is not None and k.world is not None
    names = data["names"].tolist()
    seen = k.seen
    true = scene(data["joints3d_cam"][seen][:, [names.index(n) for n in CANONICAL]].astype(np.float64))
    K = data["K"]
    rays = np.einsum("tij,tkj->tki", true.rotation, pixel_rays(k.xy[seen], K))
    far = true.distance[:, None]
    flat = rays[..., :2] / rays[..., 2:] * far[..., None] - true.flat()
    depth = k.depth[seen] / K[0, 0] * far - true.body[..., 2]
    confidence = (k.confidence * steadiness(k.xy, k.times))[seen]
    difference = np.concatenate([flat, depth[..., None], k.world[seen] - true.body, logit(confidence)[..., None]], axis=-1)
    return true, difference, k.fps


def exchanged(true: Scene, difference: np.ndarray) -> bool:
    """Whether some frame's limbs fit the other side's clearly better."""
    seen = true.flat() + difference[..., :2]
    straight = np.linalg.norm(difference[..., _LIMBS, :2], axis=-1).mean(-1)
    crossed = np.linalg.norm((seen[:, MIRRORED] - true.flat())[:, _LIMBS], axis=-1).mean(-1)
    return bool(((crossed < 0.6 * straight) & (straight > 0.08)).any())


def fit(takes: list[tuple[Scene, np.ndarray, float]]) -> dict:
    """The model's numbers from takes without exchanges."""
    bodies = [t[0].body for t in takes] + [t[0].body[:, MIRRORED] * [-1, 1, 1] for t in takes]
    values = [t[1] for t in takes] + [t[1][:, MIRRORED] * _SIGN for t in takes]
    rates = [t[2] for t in takes] * 2
    x, y = np.concatenate([regressors(b) for b in bodies]), np.concatenate(values)
    limit = 4 * np.median(np.abs(y - np.median(y, axis=0)), axis=0) + 0.05
    y = np.clip(y, np.median(y, axis=0) - 3 * limit, np.median(y, axis=0) + 3 * limit)  # so that single wild frames do not set the bias
    bias = np.stack([np.linalg.solve(x[:, k].T @ x[:, k] + 5 * np.eye(8), x[:, k].T @ y[:, k]) for k in range(len(CANONICAL))])
    noise = [(v - np.einsum("tkp,kpc->tkc", regressors(b), bias)).reshape(len(v), -1) for b, v in zip(bodies, values, strict=True)]
    scale = np.concatenate(noise).std(0)
    noise = [n / scale for n in noise]
    means = np.stack([n.mean(0) for n in noise])
    steady, _, steady_spread = _directions(means, STEADY)
    moves = [n - n.mean(0) for n in noise]
    moving, rest, moving_spread = _directions(np.concatenate(moves), MOVING, [len(m) for m in moves])
    return {"bias": bias, "scale": scale, "steady": steady, "moving": moving, "memory": _memory(moves, moving, rates), "rest": rest,
            "size_spread": np.array([steady_spread, moving_spread])}


def _directions(rows: np.ndarray, count: int, lengths: list[int] | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Principal directions (count, D) scaled to one deviation, what they leave (D,), and the spread of the takes' log sizes."""
    _, s, vt = np.linalg.svd(rows, full_matrices=False)
    directions = s[:count, None] / np.sqrt(len(rows)) * vt[:count]
    rest = np.sqrt(np.maximum((rows**2).mean(0) - (directions**2).sum(0), 0.0))
    energy = (rows**2).mean(-1)
    if lengths:
        energy = np.array([e.mean() for e in np.split(energy, np.cumsum(lengths)[:-1])])
    return directions, rest, float(0.5 * np.log(energy).std())


def _memory(moves: list[np.ndarray], directions: np.ndarray, rates: list[float]) -> np.ndarray:
    """Correlation over `REFERENCE` seconds of each direction's score, from neighbouring frames of all takes."""
    inverse = np.linalg.pinv(directions)
    logs, weights = [], []
    for move, rate in zip(moves, rates, strict=True):
        score = move @ inverse
        later, earlier = score[1:], score[:-1]
        power = np.sqrt((later**2).sum(0) * (earlier**2).sum(0))
        correlation = np.clip((later * earlier).sum(0) / np.maximum(power, 1e-9), 0.05, 0.999)
        logs.append(np.log(correlation) * rate * REFERENCE)
        weights.append((score**2).sum(0))
    return np.exp(np.average(logs, axis=0, weights=weights))


def main(argv: list[str]) -> int:
    """Reads the runs and writes the data file."""
    parser = argparse.ArgumentParser(prog="python -m models.fit_noise",
                                     description="Fits the detector's noise model to detections beside truth.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of run_*.npz")
    takes = []
    for run in runs_in(parser.parse_args(argv).runs):
        take = differences(run)
        if take:
            takes.append(take)
    crossed = [exchanged(t[0], t[1]) for t in takes]
    model = fit([t for t, bad in zip(takes, crossed, strict=True) if not bad])
    frames = sum(len(t[1]) for t in takes)
    about = f"MediaPipe PoseLandmarker full against truth, {len(takes)} takes, {frames} frames (models/fit_noise.py)"
    numbers = {k: np.asarray(v).round(4).tolist() for k, v in model.items()}
    DATA.write_text(json.dumps({"about": about, "swaps": round(float(np.mean(crossed)), 4), **numbers}))
    d = np.abs(np.concatenate([t[1] for t in takes]))
    sizes = {"2D": d[..., :2], "depth": d[..., 2:3], "world": d[..., 3:6]}
    print("median difference, mm:", ", ".join(f"{k} {1000 * np.median(np.linalg.norm(v, axis=-1)):.0f}" for k, v in sizes.items()))
    return 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except InputError as error:
        print(error, file=sys.stderr)
        code = 2
    raise SystemExit(code)
