"""Training sees what the run sees: a recorded run of the detector becomes the same features on both ways."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from core.camera import assume_intrinsics
from core.detect.both_ways import joined, mirrored
from core.detect.cleaning import finished
from core.detect.detector import BLAZEPOSE, Detection
from core.detect.extract import _keypoints
from core.detect.mediapipe_detector import _detection
from core.events import Reporter
from core.flips import by_continuity
from core.keypoints import CANONICAL
from core.lift import Lifter, lift
from core.markers import MARKERS
from core.skeleton import mirror_order
from models import detections, fit_confidence, train, unsmooth

FRAMES, WIDTH, HEIGHT, FPS = 24, 640, 480, 25.0
GONE = slice(9, 12)  # frames without a person
LANDMARKS = [0, 1, 2, 5, 6, 7]  # of the columns below: pixels and metres
TOLD = np.round(np.arange(FRAMES) * 1000 / FPS) / 1000


def raw_run(seed: int, jitter: float = 0.02) -> np.ndarray:
    """(FRAMES, 33, 8) as a detector reports someone who drifts: x, y, z pixels, visibility, presence, world in metres.

    jitter: in drifts a frame. While it is far below one, no number ever turns back, and unsmoothing has one solution only.
    """
    rng = np.random.default_rng(seed)
    drift = np.sign(rng.normal(size=(33, 3))) * rng.uniform(0.5, 1.0, (33, 3))
    path = np.arange(FRAMES)[:, None, None] + jitter * rng.normal(size=(2, FRAMES, 33, 3))
    body = 0.4 * rng.normal(size=(33, 3))
    world, pixels = body + 0.01 * drift * path[0], [330.0, 240.0, 0.0] + 95 * (body + 0.01 * drift * path[1])
    chances = rng.uniform(0.02, 0.999, (FRAMES, 33, 2))
    rows = np.concatenate([pixels, chances, world], axis=-1)
    rows[GONE] = np.nan
    return rows


def smoothed_landmarks(raw: np.ndarray, times: np.ndarray) -> np.ndarray:
    """MediaPipe's One Euro filter forwards, (T, K, 6), restarted where nobody is seen; its unit is the box of what it answers."""
    out = raw.copy()
    state = None
    for t, time in enumerate(times):
        if not np.isfinite(raw[t]).all():
            state = None
        elif state is None:
            state = (raw[t], raw[t], np.zeros_like(raw[t]), time) if time > 0 else None
        else:
            stored, before, speed, then = state
            rate = 1 / (time - then)
            share = 1 / (1 + rate / (2 * np.pi))
            answer = raw[t]
            for _ in range(30):  # the box of the answer sets the unit of the answer
                unit = np.array([1 / (1.25 * np.ptp(answer[:, :2], axis=0).max())] * 3 + [1.0] * 3)
                moved = share * (raw[t] - before) * unit * rate + (1 - share) * speed
                cutoff = np.array([0.05] * 3 + [0.1] * 3) + np.array([80.0] * 3 + [40.0] * 3) * np.abs(moved)
                gain = 1 / (1 + rate / (2 * np.pi * cutoff))
                answer = gain * raw[t] + (1 - gain) * stored
            out[t] = answer
            state = (answer, raw[t], moved, time)
    return out


def smoothed_visibility(raw: np.ndarray) -> np.ndarray:
    out = raw.copy()
    for t in range(1, len(raw)):
        if np.isfinite(out[t - 1]).all() and np.isfinite(raw[t]).all():
            out[t] = 0.1 * raw[t] + 0.9 * out[t - 1]
    return out


def in_mirror(raw: np.ndarray) -> np.ndarray:
    """What is reported of the mirror image, which is not quite the same."""
    image = (raw + [3.0, -2.0, 1.0, 0.0, 0.0, 0.01, 0.02, -0.01])[:, mirror_order(BLAZEPOSE)]
    return (image - [WIDTH, 0, 0, 0, 0, 0, 0, 0]) * [-1, 1, 1, 1, 1, -1, 1, 1]


def recorded(raw: np.ndarray) -> dict[str, np.ndarray]:
    """The run as the rendering tool keeps it: smoothed by MediaPipe, with a truth that does not matter here."""
    smooth = smoothed_landmarks(raw[..., LANDMARKS], TOLD)
    names = sorted({*detections.RIG_POINT.values(), *CANONICAL})
    truth = np.random.default_rng(0).normal(size=(FRAMES, len(names), 3)) + [0, 0, 4]
    return {"detections": np.concatenate([smooth[..., :3], smoothed_visibility(raw[..., 3:4]), raw[..., 4:5]], axis=-1),
            "world_landmarks": smooth[..., 3:], "fps": np.array(FPS), "width": np.array(WIDTH), "height": np.array(HEIGHT),
            "names": np.array(names), "joints3d_cam": truth, "K": assume_intrinsics(WIDTH, HEIGHT)}


def features_of_a_run(raw: np.ndarray, image: np.ndarray | None) -> np.ndarray:
    """What the network is shown when the detector reports `raw` for several people, unsmoothed, and `image` of the mirror's picture."""
    def mark(row: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(x=row[0] / WIDTH, y=row[1] / HEIGHT, z=row[2] / WIDTH, visibility=row[3], presence=row[4])

    def place(row: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(x=row[5], y=row[6], z=row[7])

    def sights(reported: np.ndarray) -> list[list[Detection]]:
        return [[_detection([mark(r) for r in frame], [place(r) for r in frame], WIDTH, HEIGHT)] if np.isfinite(frame).all() else []
                for frame in reported]

    found = sights(raw) if image is None else [
        joined(row, [mirrored(d, WIDTH) for d in other]) for row, other in zip(sights(raw), sights(image), strict=True)]
    rows = [row[0] if row else None for row in found]
    source = SimpleNamespace(width=WIDTH, height=HEIGHT, fps=FPS, lens=None)
    keypoints = finished(by_continuity(_keypoints(rows, np.arange(FRAMES) / FPS, source)), Reporter())
    shown = []

    def run(features: np.ndarray, seconds: np.ndarray, real: np.ndarray) -> np.ndarray:
        shown.append(features[real])
        return np.full((*features.shape[:2], len(MARKERS), 4), 0.05)  # sure: the take is not shown in other turns

    lift(keypoints, assume_intrinsics(WIDTH, HEIGHT), Lifter("spy", "cpu", SimpleNamespace(margin=lambda rate: 0, run=run)))
    return np.concatenate(shown)


def test_unsmoothing_undoes_the_filters():
    raw = raw_run(3)
    smooth = smoothed_landmarks(raw[..., LANDMARKS], TOLD)
    assert np.nanmax(np.abs(smooth - raw[..., LANDMARKS])[..., :2]) > 0.1  # the filters do something
    np.testing.assert_allclose(unsmooth.raw_landmarks(smooth, TOLD), raw[..., LANDMARKS], atol=1e-3)
    np.testing.assert_allclose(unsmooth.raw_visibility(smoothed_visibility(raw[..., 3])), raw[..., 3], atol=1e-9)


def test_unsmoothing_gets_most_of_pure_jitter_back():
    raw = raw_run(3, jitter=3.0)[..., LANDMARKS]
    smooth = smoothed_landmarks(raw, TOLD)
    left, before = (np.nanmean(np.abs(x - raw) ** 2, axis=(0, 1)) ** 0.5 for x in (unsmooth.raw_landmarks(smooth, TOLD), smooth))
    assert (left < 0.6 * before).all()


@pytest.mark.parametrize("looks_twice", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_training_and_run_show_the_network_the_same(seed, looks_twice):
    raw = raw_run(seed)
    run, image = recorded(raw), in_mirror(raw) if looks_twice else None
    if image is not None:
        run |= {f"mirrored_{name}": value for name, value in recorded(image).items() if name in ("detections", "world_landmarks")}
    windows = detections._stack([detections._window(run)])
    features, _, real, _, _ = train.tensors(windows, windows.K)
    shown = features_of_a_run(raw, image)
    assert len(BLAZEPOSE) == 33 and real.sum() == FRAMES - 3 == len(shown)
    np.testing.assert_allclose(features[real].numpy(), shown, atol=2e-3)


def test_what_mediapipe_did_not_smooth_is_taken_as_it_is():
    raw = raw_run(2, jitter=3.0)
    run = recorded(raw) | {"detections": np.concatenate([raw[..., :3], raw[..., 3:5]], axis=-1), "world_landmarks": raw[..., 5:],
                           "raw": np.array(True)}
    features, _, real, _, _ = train.tensors(windows := detections._stack([detections._window(run)]), windows.K)
    np.testing.assert_allclose(features[real].numpy(), features_of_a_run(raw, None), atol=2e-3)


def test_confidences_are_fitted_to_what_trains(tmp_path):
    """Visible keypoints are right, others are not; a run in a motion of val/ says the opposite and is not asked."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 300, (FRAMES, len(BLAZEPOSE), 2))
    right = rng.random((FRAMES, len(BLAZEPOSE))) < 0.5
    for motion, sure in (("02_01_walk.bvh", right), ("49_01_walk.bvh", ~right)):
        seen = np.concatenate([truth + np.where(right, 0.0, 60.0)[..., None], np.zeros((*right.shape, 1)),
                               np.where(sure, 0.95, 0.05)[..., None], np.full((*right.shape, 1), 0.9)], axis=-1)
        np.savez(tmp_path / f"run_{motion[:2]}.npz", detections=seen, world_landmarks=np.zeros((*right.shape, 3)), fps=FPS, width=WIDTH,
                 height=HEIGHT, names=np.array(BLAZEPOSE), joints2d=truth, detected=np.ones(FRAMES, bool), motion=motion, raw=True)
    table = fit_confidence.fit(tmp_path)
    assert set(table) >= {"nose", "wrist", "ankle"} and all(visible > 0.3 for _, visible, _ in table.values())


def test_a_run_that_was_seen_in_a_mirror_is_the_mean_of_both():
    raw = raw_run(5)
    alone = recorded(raw)
    both = alone | {f"mirrored_{name}": value for name, value in recorded(in_mirror(raw)).items() if name in alone}
    off = detections.keypoints_of(both).xy - detections.keypoints_of(alone).xy
    np.testing.assert_allclose(off[np.isfinite(off).all(-1)], np.broadcast_to([1.5, -1.0], (33 * (FRAMES - 3), 2)), atol=1e-3)
