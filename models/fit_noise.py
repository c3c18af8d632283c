"""Fits the detector's noise model to detections beside truth and keeps it in models/data (differences only, no motion).

    python -m models.fit_noise DETECTIONS

See `models.noise` for the model. Detections are taken with sides mended by continuity, and before ankles and wrists are replaced: the
correction is trained on this model. Takes with sides that continuity could not mend are counted, and left out. What the bias leaves of
takes of motions of val/ is kept apart, in data/noise_held_out.npz: a network must not be judged under errors that it may have learned by
heart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.camera import pixel_rays
from core.detect.confidence import logit, steadiness
from core.flips import by_continuity
from core.keypoints import CANONICAL, LIMB_KEYPOINTS

from .detections import Run, held_out, keypoints_of, runs_in, too_few
from .noise import HELD_OUT, MIRRORED, SIGN, TRAINING, NoiseModel, Scene, limb_places, mean_facing, regressors, scene
from .script import run_script

Take = tuple[Scene, np.ndarray, float]
"""True scene, differences (T, 27, CHANNELS) and frame rate."""
_ROUNDS = 12
_LIMBS = [CANONICAL.index(n) for n in LIMB_KEYPOINTS]


def differences(data: Run) -> Take | None:
    """The detected frames of a run; None with less than 8.

    What was seen is taken with sides mended by continuity; keypoints outside the picture stay: the model describes them too.
    """
    k = by_continuity(keypoints_of(data)).canonical()
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


def fit(takes: list[Take], swaps: float) -> NoiseModel:
    """The model from takes without exchanges; swaps: the share of takes with them."""
    bodies = [t[0].body for t in takes] + [t[0].body[:, MIRRORED] * [-1, 1, 1] for t in takes]
    values = [t[1] for t in takes] + [t[1][:, MIRRORED] * SIGN for t in takes]
    return left_by(robust_bias(np.concatenate([regressors(b) for b in bodies]), np.concatenate(values)), takes, swaps)


def left_by(bias: np.ndarray, takes: list[Take], swaps: float) -> NoiseModel:
    """The model with this bias and with what it leaves of the takes."""
    errors = [v - np.einsum("tkp,kpc->tkc", regressors(t.body), bias) for t, v, _ in takes]
    frames = np.array([len(e) for e in errors])
    turns = np.array([mean_facing(t.body) for t, _, _ in takes])
    rates = np.array([rate for _, _, rate in takes])
    limbs = np.array([limb_places(t.body) for t, _, _ in takes])
    return NoiseModel(bias, np.concatenate(errors), np.cumsum(frames) - frames, frames, rates, turns, limbs, swaps)


def robust_bias(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(27, 8, CHANNELS) that takes regressors x (F, 27, 8) to differences y (F, 27, CHANNELS), by Cauchy's loss: hidden ankles are off by
    half a metre and must not move the bias of those that are seen."""
    bias = np.empty((x.shape[1], x.shape[2], y.shape[2]))
    for k, c in np.ndindex(x.shape[1], y.shape[2]):
        a, b = x[:, k], y[:, k, c]
        weight = np.ones(len(a))
        for _ in range(_ROUNDS):
            weighted = a * weight[:, None]
            bias[k, :, c] = np.linalg.solve(weighted.T @ a + 5 * np.eye(a.shape[1]), weighted.T @ b)
            left = b - a @ bias[k, :, c]
            scale = 1.5 * np.median(np.abs(left)) + 1e-6
            weight = 1.0 / (1.0 + (left / (2.0 * scale)) ** 2)
    return bias


def main(argv: list[str]) -> int:
    """Reads the runs and writes the data file."""
    parser = argparse.ArgumentParser(prog="python -m models.fit_noise",
                                     description="Fits the detector's noise model to detections beside truth.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of run_*.npz")
    folder = parser.parse_args(argv).runs
    takes: dict[bool, list[Take]] = {False: [], True: []}
    crossed: dict[bool, int] = {False: 0, True: 0}
    for run in runs_in(folder):
        unseen = held_out(str(run["motion"]))
        take = differences(run)
        if take and exchanged(*take[:2]):
            crossed[unseen] += 1
        elif take:
            takes[unseen].append(take)
    if not all(takes.values()):
        raise too_few(folder)
    swaps = crossed[False] / (crossed[False] + len(takes[False]))
    model = fit(takes[False], swaps)
    for path, kept, unseen in ((TRAINING, model, False), (HELD_OUT, left_by(model.bias, takes[True], swaps), True)):
        kept.save(path)
        print(f"{path}: {len(kept.first)} takes, {len(kept.errors)} frames; {crossed[unseen]} takes with exchanges left out")
    d = np.abs(np.concatenate([t[1] for t in takes[False]]))
    sizes = {"2D": d[..., :2], "depth": d[..., 2:3], "world": d[..., 3:6]}
    print("median difference, mm:", ", ".join(f"{k} {1000 * np.median(np.linalg.norm(v, axis=-1)):.0f}" for k, v in sizes.items()))
    return 0


if __name__ == "__main__":
    run_script(main)
