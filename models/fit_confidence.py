"""Fits the table of `confidence.py`: how often a detection with this visibility and presence lies near the truth.

    python -m core.detect.fit_confidence DETECTIONS_DIR

Problem: BlazePose's visibility says "is there and not covered", not "is right": 0.99 for hips behind an arm, 0.3 for good guesses.
Method:  logistic regression a keypoint (both sides together) on the logits of visibility and presence, over runs of
         `make_detections.py`: rendered people with exact joints. Near means within `NEAR` of the body's size in the picture.
Limits:  eyes' and mouth's corners have no truth there and take the eyes' and the nose's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from .confidence import NEAR, body_size, logit
from .detector import BLAZEPOSE

_RIDGE = 1e-4  # keeps rare keypoints' weights finite


def fit(folder: Path) -> dict[str, tuple[float, float, float]]:
    """For each keypoint without its side: bias, weight of the visibility's logit, of the presence's."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in sorted(folder.glob("run_*.npz")):
        with np.load(path) as data:
            for name, features, near in _samples(data):
                rows.setdefault(name, []).append((features, near))
    table = {}
    for name, parts in rows.items():
        features, near = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        table[name] = tuple(float(round(w, 3)) for w in _logistic(features, near))
    return table  # type: ignore[return-value]


def _samples(data: np.lib.npyio.NpzFile) -> list[tuple[str, np.ndarray, np.ndarray]]:
    found = data["detected"]
    seen, truth, names = data["detections"][found], data["joints2d"][found], data["names"].tolist()
    if not len(seen):
        return []
    size = body_size(seen[..., :2])
    result = []
    for i, name in enumerate(BLAZEPOSE):
        if name not in names:
            continue
        xy, visibility, presence = seen[:, i, :2], seen[:, i, 3], seen[:, i, 4]
        inside = ((xy >= 0) & (xy < (data["width"], data["height"]))).all(-1)
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


if __name__ == "__main__":
    for keypoint, weights in fit(Path(sys.argv[1])).items():
        print(f'    "{keypoint}": {weights},')
