"""models.nudged: people who stand a little otherwise are still seen as the detector sees them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.keypoints import ATTACHMENTS, CANONICAL
from core.markers import MARKERS
from models import nudged as module
from models.noise import scene
from models.nudged import nudged
from models.windows import Windows, within_picture

LIMBS = [(k, MARKERS.index(ATTACHMENTS[n][0])) for k, n in enumerate(CANONICAL)
         if n[2:] in ("shoulder", "elbow", "wrist", "knee", "ankle")]


def seen(error: float) -> tuple[Windows, np.ndarray]:
    """Two takes of made-up people whose detections err by `error` (metres at the hips' distance); limbs' markers are their keypoints."""
    rng = np.random.default_rng(1)
    exact = rng.normal(0, 0.4, (2, 5, len(CANONICAL), 3)) + [0.6, -0.2, 5.0]
    hips = exact[:, :, [CANONICAL.index("l_hip"), CANONICAL.index("r_hip")]].mean(2, keepdims=True)
    target = rng.normal(0, 0.4, (2, 5, len(MARKERS), 3))
    for keypoint, marker in LIMBS:
        target[:, :, marker] = (exact - hips)[:, :, keypoint]
    K = np.tile([[900.0, 0, 500], [0, 900, 300], [0, 0, 1]], (2, 1, 1))
    xy = exact[..., :2] / exact[..., 2:] * 900 + [500, 300] + 900 * error / 5 * rng.normal(size=exact.shape[:3] + (2,))
    true = scene(exact)
    ones = np.ones(exact.shape[:3])
    w = Windows(xy, ones, true.body[..., 2] / true.distance[..., None] * 900, true.body + error, K, np.tile([1000.0, 600], (2, 1)),
                np.tile(np.arange(5) / 30, (2, 1)), np.ones((2, 5), dtype=bool), target, np.ones((2, 5, len(MARKERS))))
    return w, exact


def test_whoever_is_left_alone_is_seen_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_WHOLE", "_UPPER", "_LOWER", "_GROWN"):
        monkeypatch.setattr(module, name, 0.0)
    w, exact = seen(0.05)
    same = nudged(w, exact, np.random.default_rng(0))
    for name in ("xy", "depth", "world", "target"):
        np.testing.assert_allclose(getattr(same, name), getattr(w, name), atol=1e-6)


def test_what_is_seen_of_somebody_who_moved_fits_the_truth() -> None:
    w, exact = seen(0.0)
    hips = exact[:, :, [CANONICAL.index("l_hip"), CANONICAL.index("r_hip")]].mean(2, keepdims=True)
    new = nudged(w, exact, np.random.default_rng(0))
    assert np.linalg.norm(new.target - w.target, axis=-1).mean() > 0.03
    for keypoint, marker in LIMBS:
        point = (new.target + hips)[:, :, marker]
        np.testing.assert_allclose(new.xy[:, :, keypoint], point[..., :2] / point[..., 2:] * 900 + [500, 300], atol=1e-6)
        body = np.einsum("ntij,ntj->nti", scene(exact).rotation, new.target[:, :, marker])
        np.testing.assert_allclose(new.world[:, :, keypoint], body, atol=1e-6)
        np.testing.assert_allclose(new.depth[:, :, keypoint], body[..., 2] / scene(exact).distance * 900, atol=1e-6)


def test_bones_grow_alike_on_both_sides_and_missing_stays_missing() -> None:
    w, exact = seen(0.0)
    w.xy[0, 2, 7] = np.nan
    new = nudged(w, exact, np.random.default_rng(2))
    assert np.isnan(new.xy[0, 2, 7]).all() and np.isfinite(np.delete(new.xy[0, 2], 7, axis=0)).all()
    for bone in (("Arm", "ForeArm"), ("Leg", "Foot")):
        a, b = ([MARKERS.index(f"{side}{n}") for side in ("Left", "Right")] for n in bone)
        long, before = (np.linalg.norm(t[:, :, b] - t[:, :, a], axis=-1) for t in (new.target, w.target))
        assert np.ptp(long / before, axis=(1, 2)).max() < 1e-6 < np.abs(long / before - 1).max()


def test_what_augmentation_moves_out_of_the_picture_is_missing() -> None:
    w, _ = seen(0.0)
    xy = w.xy.copy()
    xy[0, 0, 3], xy[1, 2, 5] = (-0.5, 10.0), (10.0, w.size[1, 1])
    inside = within_picture(dataclasses.replace(w, xy=xy))
    gone = np.zeros(w.confidence.shape, bool)
    gone[0, 0, 3] = gone[1, 2, 5] = True
    gone |= ~((xy >= 0) & (xy < w.size[:, None, None])).all(-1)
    assert np.isnan(inside.xy[gone]).all() and (inside.confidence[gone] == 0).all() and np.isnan(inside.world[gone]).all()
    np.testing.assert_array_equal(inside.xy[~gone], xy[~gone])
