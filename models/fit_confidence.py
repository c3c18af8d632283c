"""Fits the table of `core.detect.confidence`: how often a detection with this visibility and presence lies near the truth.

    python -m models.fit_confidence RUNS_DIR

Problem: BlazePose's visibility says "is there and not covered", not "is right": 0.99 for hips behind an arm, 0.3 for good guesses.
Method:  logistic regression a keypoint (both sides together) on the logits of visibility and presence, over the runs that train:
         rendered people with exact joints, not smoothed. Near means within `NEAR` of the body's size in the picture.
Limits:  eyes' and mouth's corners have no truth there and take the eyes' and the nose's rows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from core.detect.confidence import NEAR, body_size, inside_picture, logit
from core.detect.detector import BLAZEPOSE

from .detections import Run, held_out, runs_in, unsmoothed
from .script import run_script

_RIDGE = 1e-4  # keeps rare keypoints' weights finite


def fit(folder: Path) -> dict[str, tuple[float, float, float]]:
    """For each keypoint without its side: bias, weight of the visibility's logit, of the presence's. Raises InputError without runs."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for data in runs_in(folder):
        for name, features, near in [] if held_out(str(data["motion"])) else _samples(data):
            rows.setdefault(name, []).append((features, near))
    table = {}
    for name, parts in rows.items():
        features, near = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        table[name] = tuple(float(round(w, 3)) for w in _logistic(features, near))
    return table  # type: ignore[return-value]


def _samples(data: Run) -> list[tuple[str, np.ndarray, np.ndarray]]:
    found = data["detected"]
    if not found.any():
        return []
    landmarks, visible = (a[found] for a in unsmoothed(data, data["detections"], data["world_landmarks"]))
    presences, truth, names = data["detections"][found, :, 4], data["joints2d"][found], data["names"].tolist()
    size = body_size(landmarks[..., :2])
    result = []
    for i, name in enumerate(BLAZEPOSE):
        if name not in names:
            continue
        xy, visibility, presence = landmarks[:, i, :2], visible[:, i], presences[:, i]
        inside = inside_picture(xy, int(data["width"]), int(data["height"]))
        error = np.linalg.norm(xy - truth[:, names.index(name)], axis=-1) / size
        features = np.column_stack([np.ones(len(xy)), logit(visibility), logit(presence)])
        result.append((name.removeprefix("l_").removeprefix("r_"), features[inside], error[inside] < NEAR))
    return result


def _logistic(features: np.ndarray, near: np.ndarray) -> np.ndarray:
    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = features @ weights
        gradient = features.T @ (1.0 / (1.0 + np.exp(-score)) - near) / len(near) + 2 * _RIDGE * weights
        return float(np.mean(np.logaddexp(0.0, score) - near * score) + _RIDGE * weights @ weights), gradient

    return minimize(loss, np.zeros(features.shape[1]), jac=True).x


def main(argv: list[str]) -> int:
    """Prints the rows of the table."""
    parser = argparse.ArgumentParser(prog="python -m models.fit_confidence", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of run_*.npz; motions of val/ are left out")
    for keypoint, weights in fit(parser.parse_args(argv).runs).items():
        print(f'    "{keypoint}": {weights},')
    return 0


if __name__ == "__main__":
    run_script(main)
