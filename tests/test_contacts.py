"""Which feet stand, as learned: the network's view of a take, its symmetry, and what it makes of feet that the picture shows badly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import Lifted, Scene, film
from walking import planted_walk

from core.errors import InputError
from core.keypoints import CANONICAL, Keypoints
from core.markers import MARKERS
from core.skeleton import mirror_order
from core.solve import solve, solver
from core.solve.body import Body
from core.solve.contacts import FOOT_POINTS
from core.solve.footing import stillness
from core.solve.solver import posed
from core.solve.standing import as_seen, standing
from models import contacts, registry, small_training, train_contacts
from models.contacts import CONFIDENCES, SIZE, SOLES, Seen, features, in_a_mirror, other_side
from models.train_contacts import Takes, judge, varied

FEET = [CANONICAL.index(f"{side}_{part}") for side in "lr" for part in ("ankle", "heel", "toe")]


def walker(fps: float = 30.0, seconds: float = 3.0) -> tuple[Scene, np.ndarray]:
    """Somebody who walks on flat feet, and the true contacts (T, 4)."""
    truth = planted_walk(round(seconds * fps), fps)
    return film(truth.local_rotations, truth.root_translation, azimuth=1.3, fps=fps, skeleton=truth.skeleton), truth.contacts


def seen(scene: Scene) -> Seen:
    return as_seen(posed(scene.lifted, scene.keypoints, scene.K, 1.7), scene.K)


def test_a_twin_of_twice_the_size_and_twice_the_frames_looks_the_same() -> None:
    one = seen(walker()[0])
    big = Seen(2 * one.markers, 2 * one.hips, one.image, one.confidence, one.seconds, 2 * one.stature)
    np.testing.assert_allclose(features(big)[0], features(one)[0], atol=1e-4)
    half = Seen(one.markers[::2], one.hips[::2], one.image[::2], one.confidence[::2], one.seconds[::2], one.stature)
    (coarse, grid), (fine, _) = features(half), features(one)
    assert len(grid) == len(fine) - (len(one.seconds) + 1) % 2
    assert np.abs(coarse - fine[:len(coarse)]).mean() < 0.1


def test_missing_points_are_zeros() -> None:
    one = seen(walker()[0])
    gone = Seen(np.full_like(one.markers, np.nan), one.hips, np.full_like(one.image, np.nan), 0 * one.confidence, one.seconds, one.stature)
    x, _ = features(gone)
    assert x.shape[1] == SIZE and not x.any()
    single = Seen(one.markers[:1], one.hips[:1], one.image[:1], one.confidence[:1], one.seconds[:1], one.stature)
    assert features(single)[0].shape == (1, SIZE)
    assert contacts.load().chances(single).shape == (1, 4)


def test_a_mirror_exchanges_left_and_right() -> None:
    one = seen(walker()[0])
    flip = np.array([-1.0, 1.0, 1.0])
    keypoints, markers = mirror_order(CANONICAL), mirror_order(MARKERS)
    twin = Seen(one.markers[:, markers] * flip, one.hips * flip, one.image[:, keypoints] * flip[:2], one.confidence[:, keypoints],
                one.seconds, one.stature)
    x = torch.from_numpy(features(one)[0])
    np.testing.assert_allclose(in_a_mirror(x), features(twin)[0], atol=1e-5)
    chances = contacts.load().chances
    np.testing.assert_allclose(chances(twin), chances(one)[:, mirror_order(FOOT_POINTS)], atol=1e-5)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_feet_that_stand_are_told_from_those_that_fly(fps: float) -> None:
    scene, down = walker(fps)
    found = standing(posed(scene.lifted, scene.keypoints, scene.K, 1.7), scene.K)
    assert found.shape == down.shape and (found >= 0).all() and (found <= 1).all()
    foot = np.stack([found[:, :2].max(1), found[:, 2:].max(1)], axis=1)
    stands = np.stack([down[:, :2].any(1), down[:, 2:].any(1)], axis=1)
    assert ((foot > 0.5) == stands).mean() > 0.8


def test_hidden_feet_do_not_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Legs behind a pillar: what the detector and the lifter say of feet jumps about, and the solver let them (2026-11-24)."""
    scene, down = walker()
    xy, confidence = scene.keypoints.xy.copy(), scene.keypoints.confidence.copy()
    positions, sigma = scene.lifted.positions.copy(), scene.lifted.sigma.copy()
    lifted = [MARKERS.index(n) for n in ("LeftFoot", "RightFoot", "LeftToe", "RightToe", "l_heel", "r_heel")]
    hidden = slice(20, 70)
    wander = 0.12 * np.sin(2 * np.pi * 1.2 * scene.keypoints.times[hidden])[:, None, None]  # metres across the picture
    positions[hidden, lifted] += wander * [1.0, 0.0, 0.0]
    xy[hidden, FEET] += scene.K[0, 0] / scene.joints[hidden, :1, 2:] * wander * [1.0, 0.0]
    confidence[hidden, FEET], sigma[hidden, lifted] = 0.3, 0.1
    keypoints = scene.keypoints.replace(xy=xy, confidence=confidence)

    def slide() -> float:
        motion = solve(Lifted(MARKERS, positions, sigma), keypoints, scene.K, 1.7)
        feet = Body(motion.skeleton, FOOT_POINTS).pose(motion.local_rotations, motion.root_translation).points[hidden]
        return float(np.linalg.norm(np.diff(feet, axis=0), axis=-1)[down[hidden][1:] & down[hidden][:-1]].mean())

    ours = slide()
    monkeypatch.setattr(solver, "standing", lambda problem, K: np.zeros((int(problem.rows.sum()), 4)))
    assert ours < 0.0005 and slide() > 0.002


def test_the_bodys_motion_counts_where_the_picture_is_unsure() -> None:
    frames, times = 12, np.arange(12) / 30.0
    xy = np.full((frames, len(CANONICAL), 2), 300.0)
    toe = CANONICAL.index("r_toe")
    xy[:, toe, 0] += 1000.0 * times  # two metres a second at 2 metres, through 1000 pixels
    confidence = np.ones((frames, len(CANONICAL)))

    def still(sure: float, stands: float) -> np.ndarray:
        confidence[:, toe] = sure
        keypoints = Keypoints(CANONICAL, xy, confidence, times, 640, 480, 30.0)
        return stillness(keypoints, np.ones(frames, bool), np.full(frames, 2.0), 1000.0, np.full((frames, 4), stands))[:, :4]

    np.testing.assert_allclose(still(1.0, 0.0)[:, :3], 1.0)  # they rest in the picture, whatever the network says
    assert still(1.0, 1.0)[:, 3].max() < 1e-6  # surely moves
    np.testing.assert_allclose(still(0.2, 0.9)[:, 3], 0.9 * 0.8, atol=1e-6)
    assert still(0.2, 0.0)[:, 3].max() < 1e-6
    xy[:, toe] = np.nan
    np.testing.assert_allclose(still(0.0, 0.9)[:, 3], 0.9)  # hidden


# ---------------------------------------------------------------- weights and training

def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    contacts.load.cache_clear()
    with pytest.raises(InputError, match=r"foot contacts are missing"):
        contacts.load()


def test_the_shipped_weights_tell_where_they_come_from() -> None:
    contacts.load.cache_clear()
    metadata = contacts.load().metadata
    assert metadata["config"] == {"arguments": train_contacts.ARGUMENTS} and metadata["steps"] == train_contacts.STEPS
    assert len(metadata["revision"]) == 40 and metadata["data"]["detections"]
    ours, alone = metadata["figures"]["detections"], metadata["picture_alone"]
    assert ours["entropy"] < alone["entropy"] and ours["found"] > alone["found"] and ours["right"] > alone["right"] - 5


def test_the_truth_of_a_run() -> None:
    names = ["l_heel", "l_foot", "l_toe", "r_heel", "r_foot", "r_toe"]
    joints = np.zeros((4, 6, 3))
    joints[:, :, 2] = [0.05, 0.05, 0.05, 0.2, 0.05, 0.2]  # the right foot stands on its ball
    joints[:, 0, 0] = np.arange(4)  # the left heel slides
    run = {"names": np.array(names), "joints3d_world": joints, "fps": np.array(30.0)}
    np.testing.assert_array_equal(train_contacts.standing(run), [[False, True, False, True]] * 4)


def takes(seed: int, count: int = 6, frames: int = 12) -> Takes:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(count, frames, SIZE)).astype(np.float32))
    x[..., CONFIDENCES] = x[..., CONFIDENCES].sigmoid()
    stands = (x[..., :4] > 0).float()
    return Takes(x, stands, torch.ones(count, frames, dtype=torch.bool), stands)


def test_what_is_said_is_judged() -> None:
    t = takes(0)
    assert judge(t.stands, t) == {"entropy": 0.001, "right": 100.0, "found": 100.0}
    assert judge(1 - t.stands, t)["right"] == 0.0


def test_varied_takes_lose_feet_and_keep_the_rest() -> None:
    t = takes(1, count=200)
    x, stands, _ = varied(np.random.default_rng(0), t.take(np.arange(200)), torch.zeros(SIZE))
    blind = (x[..., SOLES] == 0).all(-1).all(-1)
    assert 0.1 < blind.float().mean() < 0.3
    flipped = (stands == other_side(t.stands)).all(-1).all(-1)
    assert 0.3 < flipped.float().mean() < 0.7
    assert torch.isfinite(x).all() and (t.features[..., SOLES] != 0).any()


def test_a_resumed_training_does_what_an_uninterrupted_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_training, "_JUDGE_EVERY", 2)
    monkeypatch.setattr(train_contacts, "ARGUMENTS", {"width": 8, "dilations": [1], "dropout": 0.5})
    calls = [0]

    def interrupted(*arguments: object) -> object:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return varied(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(train_contacts, "varied", interrupted)

    def fit() -> tuple[torch.nn.Module, dict]:
        torch.manual_seed(0)
        return train_contacts.fit(takes(2), takes(3), 4, tmp_path, {"data": "these", "revision": "now"}, resume=True)

    with pytest.raises(KeyboardInterrupt):
        fit()
    resumed, about = fit()
    (tmp_path / "checkpoint.pt").unlink()
    whole, whole_about = fit()
    assert about["figures"]["detections"] == whole_about["figures"]["detections"]
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)
