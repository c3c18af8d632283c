"""Networks, their weights on disk, and the data that trains them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch")

from test_training_input import raw_run, recorded  # noqa: E402

from core.errors import InputError  # noqa: E402
from core.keypoints import ATTACHMENTS, CANONICAL, LIMB_KEYPOINTS  # noqa: E402
from core.lift import Lifter  # noqa: E402
from core.markers import LIMB_MARKERS, MARKERS  # noqa: E402
from core.skeleton import END_PARENTS, INDEX, JOINT_PARENTS, JOINTS, Skeleton, mirror_name, mirror_order  # noqa: E402
from models import calibrate, detections, evaluate_lifters, fit_noise, mocap, noise, registry, temporal, train  # noqa: E402
from models.configs import config  # noqa: E402
from models.features import SIZE, make_view  # noqa: E402
from models.integral import VolumeHead  # noqa: E402
from models.provenance import data_hashes  # noqa: E402
from models.symmetric import Symmetric, mirrored_answer, mirrored_features  # noqa: E402
from models.synthesis import Synthesis, unseen  # noqa: E402
from models.windows import TIMED, Windows, any_roll, guessed_intrinsics, jittered, mirrored, of_mean_size, retimed, rolled, thinned  # noqa: E402

SMALL = {"residual": {"width": 32, "blocks": 1, "dropout": 0.1},
         "integral": {"width": 32, "blocks": 1, "cells": 12, "channels": 4, "dropout": 0.1},
         "tcn": {"channels": 32, "blocks": 2, "dropout": 0.1},
         "recurrent": {"width": 32, "layers": 1, "dropout": 0.0},
         "gast": {"channels": 8, "heads": 2, "blocks": 2, "width": 32, "dropout": 0.0},
         "temporal": {"width": 32, "layers": 1, "heads": 2, "hidden": 32, "dropout": 0.1}}
SMALL["temporal2"] = SMALL["temporal"]


# ---------------------------------------------------------------- a small mocap pack, written here

def write_bvh(path: Path, frames: int, seed: int) -> None:
    """A file like the pack's: centimetres, Y up, T-pose rest, a mean person who waves about."""
    skeleton = Skeleton.mean()
    to_file = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    offsets = {n: 100 * to_file @ skeleton.rest_offsets[i] for i, n in enumerate(JOINTS)}
    ends = {p: 100 * to_file @ skeleton.end_offsets[i] for i, p in enumerate(END_PARENTS.values())}
    lines, order = ["HIERARCHY"], []

    def joint(name: str, word: str) -> None:
        order.append(name)
        channels = "6 Xposition Yposition Zposition" if word == "ROOT" else "3"
        lines.extend([f"{word} {name}", "{", "OFFSET " + " ".join(f"{v:.4f}" for v in offsets[name]),
                      f"CHANNELS {channels} Zrotation Xrotation Yrotation"])
        for child, parent in JOINT_PARENTS.items():
            if parent == name:
                joint(child, "JOINT")
        if name in ends:
            lines.extend(["End Site", "{", "OFFSET " + " ".join(f"{v:.4f}" for v in ends[name]), "}"])
        lines.append("}")

    joint("Hips", "ROOT")
    rng = np.random.default_rng(seed)
    swing = rng.normal(0, 20, 3 * len(order)) * np.sin(np.arange(frames) / 10 + seed)[:, None]
    rows = np.concatenate([np.tile([0.0, 97.0, 0.0], (frames, 1)), swing], axis=1)
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.0166667"] + [" ".join(f"{v:.4f}" for v in row) for row in rows]
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> mocap.Pack:
    folder = tmp_path_factory.mktemp("mocap")
    for part, count in (("train", 3), ("val", 1)):
        (folder / part).mkdir()
        for i in range(count):
            write_bvh(folder / part / f"0{i}_01_wave.bvh", 60 + i, i)
    cache, mocap.CACHE = mocap.CACHE, folder / "cache"
    try:
        mocap.load(folder)
        return mocap.load(folder)  # from its cache
    finally:
        mocap.CACHE = cache


@pytest.fixture(scope="module")
def windows(pack: mocap.Pack) -> Windows:
    return Synthesis(pack.part("train")).draw(np.random.default_rng(1), 12, 16)


def test_bvh_files_are_read(pack: mocap.Pack) -> None:
    part = pack.part("train")
    assert part.length.tolist() == [60, 61, 62] and part.start.tolist() == [0, 60, 121]
    assert np.allclose(part.offsets[0, : len(JOINTS)], Skeleton.mean().rest_offsets, atol=1e-4)
    assert np.allclose(part.offsets[0, len(JOINTS) :], Skeleton.mean().end_offsets, atol=1e-4)
    assert np.allclose(part.root[0], [0, 0, 0.97], atol=1e-5)
    assert np.allclose(part.rotations @ np.swapaxes(part.rotations, -1, -2), np.eye(3), atol=1e-4)


def test_a_folder_without_bvh_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="BVH"):
        mocap.load(tmp_path)


def test_another_skeleton_is_refused(tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        write_bvh(tmp_path / part / "x.bvh", 5, 0)
    path = tmp_path / "val" / "x.bvh"
    path.write_text(path.read_text().replace("Spine1", "Chest"))
    with pytest.raises(InputError, match="skeleton"):
        mocap.load(tmp_path)


# ---------------------------------------------------------------- synthetic windows

def test_windows_are_what_they_say(windows: Windows) -> None:
    n, frames = 12, 16
    assert windows.xy.shape == (n, frames, 27, 2) and windows.target.shape == (n, frames, len(MARKERS), 3)
    assert ((windows.confidence >= 0) & (windows.confidence <= 1)).all()
    assert (np.isnan(windows.xy).any(-1) == (windows.confidence == 0)).all()
    inside = ((windows.xy >= 0) & (windows.xy < windows.size[:, None, None])).all(-1)
    assert inside[windows.confidence > 0].all()
    hips = windows.target[:, :, [MARKERS.index("LeftUpLeg"), MARKERS.index("RightUpLeg")]].mean(2)
    assert np.allclose(hips, 0, atol=1e-6)
    height = np.linalg.norm(windows.target[:, :, MARKERS.index("HeadEnd")] - windows.target[:, :, MARKERS.index("LeftFoot")], axis=-1)
    assert (height < 2.2).all()


def test_the_same_seed_gives_the_same_windows(pack: mocap.Pack) -> None:
    a, b = (Synthesis(pack.part("train")).draw(np.random.default_rng(5), 3, 8) for _ in range(2))
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_without_noise_keypoints_lie_on_the_truth(pack: mocap.Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise.NoiseModel, "differences", lambda self, rng, body, step, mixed: np.zeros((*body.shape[:3], noise.CHANNELS)))
    monkeypatch.setattr(noise, "_exchanges", lambda model, rng, n, frames: np.zeros((n, frames), dtype=bool))
    w = Synthesis(pack.part("train")).draw(np.random.default_rng(2), 6, 4)
    limbs = [CANONICAL.index(n) for n in LIMB_KEYPOINTS]
    judged = 0
    for K, xy, depth, world, target in zip(w.K, w.xy[:, 0, limbs], w.depth[:, 0, limbs], w.world[:, 0, limbs],
                                           w.target[:, 0][:, LIMB_MARKERS], strict=True):
        there = np.isfinite(xy).all(-1)
        if there.sum() < 6:
            continue
        judged += 1
        rays = np.column_stack([xy[there], np.ones(there.sum())]) @ np.linalg.inv(K).T
        across = np.cross(np.eye(3), rays[:, None], axisc=-1)  # (N, 3, 3): hips @ across is what of the hips lies beside each ray
        beside = -np.cross(target[there], rays)
        hips = np.linalg.lstsq(np.concatenate(across.transpose(0, 2, 1)), beside.ravel(), rcond=None)[0]
        assert np.abs(np.cross(hips + target[there], rays)).max() < 1e-3
        # The detector's world lies in the view that looks at the hips: equal up to that turn; its depth is the same over the distance.
        assert np.allclose(np.linalg.norm(world[there], axis=-1), np.linalg.norm(target[there], axis=-1), atol=1e-6)
        assert np.allclose(depth[there] / K[0, 0] * np.linalg.norm(hips), world[there, 2], atol=1e-3)
        assert np.allclose(world[there] @ world[there].T, target[there] @ target[there].T, atol=1e-6)
    assert judged >= 3


def test_networks_are_judged_under_errors_that_training_never_draws(pack: mocap.Pack) -> None:
    training, judging = (noise.NoiseModel.load(path) for path in (noise.TRAINING, noise.HELD_OUT))
    assert np.array_equal(unseen(pack)._noise.errors, judging.errors)
    assert np.array_equal(Synthesis(pack.part("val"))._noise.errors, training.errors)
    assert not {e.tobytes() for e in judging.errors[:50]} & {e.tobytes() for e in training.errors}
    assert np.array_equal(training.bias, judging.bias)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_mirroring_twice_changes_nothing(windows: Windows, seed: int) -> None:
    which = np.random.default_rng(seed).random(len(windows)) < 0.5
    twice = mirrored(mirrored(windows, which), which)
    for field in dataclasses.fields(windows):
        np.testing.assert_allclose(getattr(twice, field.name), getattr(windows, field.name), atol=1e-6)


def test_a_mirror_exchanges_sides(windows: Windows) -> None:
    mirror = mirrored(windows, np.ones(len(windows), dtype=bool))
    left, right = MARKERS.index("LeftHand"), MARKERS.index("RightHand")
    np.testing.assert_allclose(mirror.target[:, :, left], windows.target[:, :, right] * [-1, 1, 1])
    assert mirror_name("LeftHand") == "RightHand"


def test_rolling_back_and_forth_keeps_rays_and_truth(windows: Windows) -> None:
    angle = np.linspace(-3, 3, len(windows))
    back = rolled(rolled(windows, angle), -angle)
    np.testing.assert_allclose(back.target, windows.target, atol=1e-6)
    np.testing.assert_allclose(back.xy - back.K[:, None, None, :2, 2], windows.xy - windows.K[:, None, None, :2, 2], atol=1e-6)


def test_a_roll_turns_picture_truth_and_world_landmarks_alike(windows: Windows) -> None:
    quarter = rolled(windows, np.full(len(windows), np.pi / 2))
    for before, after in ((windows.xy - windows.K[:, None, None, :2, 2], quarter.xy - quarter.K[:, None, None, :2, 2]),
                          (windows.target[..., :2], quarter.target[..., :2]), (windows.world[..., :2], quarter.world[..., :2])):
        np.testing.assert_allclose(after, np.stack([-before[..., 1], before[..., 0]], axis=-1), atol=1e-6)


def test_a_roll_keeps_the_lens_that_is_guessed_and_loses_what_it_turns_out_of_the_picture(windows: Windows) -> None:
    turned = any_roll(windows, np.random.default_rng(1))
    moved = np.flatnonzero((turned.size != windows.size).any(-1))
    assert len(moved) and np.array_equal(turned.size.max(-1), windows.size.max(-1))
    there = turned.confidence > 0
    assert np.array_equal(there, np.isfinite(turned.xy).all(-1))
    assert np.isnan(turned.world[~there]).all() and np.isnan(turned.depth[~there]).all()
    assert ((turned.xy >= 0) & (turned.xy < turned.size[:, None, None])).all(-1)[moved][there[moved]].all()
    assert (there <= (windows.confidence > 0)).all()


def test_exchanged_sides_take_their_confidences_along_and_turn_depth_over(pack: mocap.Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def report(exchange: bool) -> tuple[np.ndarray, ...]:
        monkeypatch.setattr(noise, "_exchanges", lambda model, rng, n, frames: np.full((n, frames), exchange))
        rng = np.random.default_rng(3)
        return noise.observe(noise.NoiseModel.load(), rng, rng.normal(0, 0.3, (2, 6, 27, 3)) + [0, 0, 4], np.full(2, 0.04))

    straight, crossed = (report(exchange) for exchange in (False, True))
    rays, depth, world, confidence = (a[:, :, noise.MIRRORED] for a in straight)
    for got, wanted in zip(crossed, (rays, -depth, world * [1, 1, -1], confidence), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_thinning_only_takes_away(windows: Windows) -> None:
    thin = thinned(any_roll(windows, np.random.default_rng(0)), np.random.default_rng(0))
    assert not (np.isfinite(thin.xy) & ~np.isfinite(windows.xy)).any()
    assert ((thin.confidence > 0) == np.isfinite(thin.xy).all(-1)).all()
    assert np.isnan(thin.depth[np.isnan(thin.xy).any(-1)]).all()


def test_another_speed_and_backwards_keeps_every_frame(windows: Windows) -> None:
    played = retimed(windows, np.random.default_rng(0))
    ratio = (played.seconds[:, -1] - played.seconds[:, 0]) / (windows.seconds[:, -1] - windows.seconds[:, 0])
    assert (np.diff(played.seconds, axis=1) > 0).all() and ((ratio > 0.79) & (ratio < 1.26)).all()
    back = (played.target[:, 0] == windows.target[:, -1]).all((1, 2))
    assert 0 < back.sum() < len(windows)
    for name in set(TIMED) - {"seconds"}:
        np.testing.assert_array_equal(getattr(played, name)[back], getattr(windows, name)[back, ::-1])
        np.testing.assert_array_equal(getattr(played, name)[~back], getattr(windows, name)[~back])


def test_more_noise_leaves_truth_and_gaps_alone(windows: Windows) -> None:
    noisy = jittered(windows, np.random.default_rng(0))
    assert (np.isnan(noisy.xy) == np.isnan(windows.xy)).all() and ((noisy.confidence > 0) == (windows.confidence > 0)).all()
    moved = np.nanmean(np.linalg.norm(noisy.world - windows.world, axis=-1))
    assert 0.005 < moved < 0.08
    np.testing.assert_array_equal(noisy.target, windows.target)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 3.0))
def test_the_mean_size_does_not_depend_on_the_size(windows: Windows, scale: float) -> None:
    usual, other = of_mean_size(windows), of_mean_size(dataclasses.replace(windows, target=scale * windows.target))
    np.testing.assert_allclose(usual.target, other.target, atol=1e-6)
    thigh = np.linalg.norm(usual.target[:, :, MARKERS.index("LeftLeg")] - usual.target[:, :, MARKERS.index("LeftUpLeg")], axis=-1)
    assert ((thigh > 0.3) & (thigh < 0.6)).all()


def test_guessed_lenses_are_assumed_or_near(windows: Windows) -> None:
    near = guessed_intrinsics(windows, np.random.default_rng(0), share=0.0)
    assert np.allclose(near[:, 0, 0] / windows.K[:, 0, 0], 1, atol=0.2)
    assert np.allclose(guessed_intrinsics(windows, np.random.default_rng(0), share=1.0)[:, 0, 0], windows.size.max(-1))


# ---------------------------------------------------------------- features

def frame(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(200, 400, (1, 27, 2)), rng.uniform(0.2, 1, (1, 27)), np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])


def test_features_do_not_know_the_place_in_the_frame() -> None:
    xy, confidence, K = frame()
    size = np.array([640, 480])
    view = make_view(xy, confidence, K, size)
    # Turn the camera: the rays turn, the person-centred view hardly changes (it only rolls, and by little for small turns).
    turn = np.array([[np.cos(0.2), 0, np.sin(0.2)], [0, 1, 0], [-np.sin(0.2), 0, np.cos(0.2)]])
    rays = np.concatenate([(xy - K[:2, 2]) / 600, np.ones((1, 27, 1))], axis=-1) @ turn.T
    moved = rays[..., :2] / rays[..., 2:] * 600 + K[:2, 2]
    other = make_view(moved, confidence, K, np.array([2000, 2000]))
    flat, other_flat = (v.features[:, : 27 * 9].reshape(27, 9)[:, :2] for v in (view, other))
    assert np.abs(flat - other_flat).max() < 0.05


def test_missing_keypoints_are_flagged_zeros() -> None:
    xy, confidence, K = frame()
    xy[0, 3], confidence[0, 3] = np.nan, 0.0
    features = make_view(xy, confidence, K, np.array([640, 480]), np.zeros((1, 27)), None).features
    assert features.shape == (1, SIZE) and features.dtype == np.float32 and np.isfinite(features).all()
    assert (features[0, 27 : 36] == 0).all()
    assert features[0, -2] == 1 and features[0, -1] == 0  # has depth, has no world landmarks


def test_an_empty_frame_is_all_zeros_but_its_size() -> None:
    features = make_view(np.full((1, 27, 2), np.nan), np.zeros((1, 27)), np.eye(3), np.array([1, 1])).features
    assert (features[0, : 27 * 9] == 0).all()


# ---------------------------------------------------------------- networks and weights

@pytest.mark.parametrize("name", registry.NETWORKS)
def test_networks_answer_every_frame(name: str) -> None:
    network = registry.build(name, SMALL[name]).eval()
    features, seconds = torch.randn(2, 5, SIZE), torch.arange(5.0).expand(2, 5) / 30
    with torch.inference_mode():
        answer = network(features, seconds, torch.ones(2, 5, dtype=torch.bool))
    assert answer.shape == (2, 5, len(MARKERS), 4) and torch.isfinite(answer).all()


@pytest.mark.parametrize("name", registry.NETWORKS)
@pytest.mark.parametrize("frames", [1, 4, 32, 40, 41, 57])
def test_padding_changes_nothing(name: str, frames: int) -> None:
    torch.manual_seed(0)
    network = registry.build(name, SMALL[name]).eval()
    features, seconds = torch.randn(1, frames + 20, SIZE), torch.arange(frames + 20.0)[None] / 30
    real = (torch.arange(frames + 20) < frames)[None]
    with torch.inference_mode():
        padded = network(features, seconds, real)[:, :frames]
        alone = network(features[:, :frames], seconds[:, :frames], real[:, :frames])
    assert alone.shape == (1, frames, len(MARKERS), 4) and torch.allclose(padded, alone, atol=1e-5)


@pytest.mark.parametrize("name", ["residual", "integral", "tcn", "gast"])
def test_frames_beyond_the_margin_do_not_matter(name: str) -> None:
    torch.manual_seed(0)
    network = registry.build(name, SMALL[name]).eval()
    margin = network.margin(30.0)
    features, real = torch.randn(1, 2 * margin + 7, SIZE), torch.ones(1, 2 * margin + 7, dtype=torch.bool)
    changed = features.clone()
    changed[:, 0] += 1.0
    with torch.inference_mode():
        moved = [network(f, torch.zeros(1, f.shape[1]), real) for f in (features, changed)]
    reach = (moved[0] - moved[1]).abs().amax((0, 2, 3)) > 1e-6
    assert reach[: margin + 1].any() and not reach[margin + 1 :].any()


def test_a_heat_maps_mean_is_the_place() -> None:
    """One cell alone: there; two cells alike: between them; one of three times the score: three quarters of the way."""
    head = VolumeHead(width=4, markers=2, cells=29, channels=3)
    middles = torch.linspace(-1.4, 1.4, 29)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.prior.fill_(-1e4)
        scores = head.prior.unflatten(-1, (3, 29))
        for axis, cell in enumerate((3, 14, 25)):
            scores[0, axis, cell] = 0.0
        scores[1, 0, [10, 14]] = scores[1, 1, [4, 8]] = scores[1, 2, [14, 18]] = 0.0
        scores[1, 2, 18] = math.log(3.0)
        answer = head(torch.zeros(1, 4))[0]
    assert torch.allclose(answer[0, :3], middles[[3, 14, 25]])
    assert torch.allclose(answer[1, :3], middles[[12, 6, 17]], atol=1e-6) and torch.allclose(answer[:, 3].exp(), torch.tensor(0.05))


@pytest.mark.parametrize("frames", [65, 150, 200])
def test_a_long_window_in_blocks_is_what_it_is_in_one_piece(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uneven times, missing frames, and a reach that differs between the windows."""
    torch.manual_seed(frames)
    network = registry.build("temporal", SMALL["temporal"]).eval()
    features, real = torch.randn(2, frames, SIZE), torch.rand(2, frames) > 0.2
    seconds = ((0.01 + 0.05 * torch.rand(2, frames)) * torch.tensor([[1.0], [2.0]])).cumsum(-1)
    with torch.inference_mode():
        blocks = network(features, seconds, real)
        monkeypatch.setattr(temporal, "_BLOCK", 10_000)
        whole = network(features, seconds, real)
        monkeypatch.setattr(temporal, "_BLOCK", 16)
        assert torch.allclose(network(features, seconds, real)[real], whole[real], atol=1e-5)
    assert torch.allclose(blocks[real], whole[real], atol=1e-5)


def test_a_short_last_chunk_does_not_make_blocks_long() -> None:
    """Batches are filled up with the last frame's time, as `core.lift` does it."""
    seconds = torch.arange(328.0).repeat(2, 1) / 30
    real = torch.ones(2, 328, dtype=torch.bool)
    seconds[1, 120:], real[1, 120:] = seconds[1, 119], False
    near = temporal._Near(seconds, real)
    assert near.mask.shape == (2, 1, 6, 64, 64 + 2 * 18)


def test_the_temporal_network_only_knows_time_differences() -> None:
    torch.manual_seed(0)
    network = registry.build("temporal", SMALL["temporal"]).eval()
    features, seconds = torch.randn(1, 6, SIZE), torch.rand(1, 6).cumsum(-1)
    real = torch.ones(1, 6, dtype=torch.bool)
    with torch.inference_mode():
        assert torch.allclose(network(features, seconds, real), network(features, seconds + 40, real), atol=1e-3)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_every_network_has_a_config_and_weights(name: str) -> None:
    assert config(name).name == name
    loaded = registry.load(name)
    assert loaded.margin(30.0) >= 0 and not loaded.network.training
    assert {"config", "seed", "revision", "data", "figures"} <= set(loaded.metadata)
    assert loaded.metadata["config"]["arguments"] == json.loads(json.dumps(config(name).arguments))


@pytest.mark.parametrize("name", [n for n in registry.NETWORKS if n not in registry.TOGETHER["default"]])  # those grew
def test_weights_were_made_by_one_call_with_the_config_and_the_data_files_that_are_here(name: str) -> None:
    about = registry.load(name).metadata
    assert about["config"] == json.loads(json.dumps(config(name).to_json())) and "fine_tuned_from" not in about
    pack = mocap.Pack({}, "digest")
    here = {k: v for k, v in data_hashes(pack, None).items() if k not in ("mocap", "detections")}
    # The correction was trained anew since the others were: it changes a few keypoints in a hundred.
    then = here["correction"] if name == "integral" else "3e36d9f6c2bd6ff9"
    assert (here | {"correction": then}).items() <= about["data"].items()


def test_the_default_began_with_one_call_with_the_config() -> None:
    about = registry.load("temporal").metadata
    *later, first = train.lineage(about)
    assert first["config"] == json.loads(json.dumps(config("temporal").to_json()))
    assert later and about["data"] == registry.load("temporal2").metadata["data"]


def test_a_fine_tuning_goes_part_of_the_way() -> None:
    a, b = ({"weight": torch.full((2,), value), "count": torch.tensor(int(value))} for value in (1.0, 4.0))
    kept = train.part_way(a, b, 0.25)
    assert kept["weight"].tolist() == [3.25, 3.25] and int(kept["count"]) == 1


def test_the_expected_errors_of_the_default_were_measured_of_the_weights_that_ship() -> None:
    measured = json.loads(registry.calibration("default").read_text(encoding="utf-8"))
    assert measured["members"] == registry.fingerprints(registry.load("default").metadata["members"])


def test_all_weights_together_are_small() -> None:
    assert sum(p.stat().st_size for p in registry.WEIGHTS.glob("*.safetensors")) < 60e6


def test_weights_survive_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    network = registry.build("temporal", SMALL["temporal"]).eval()
    registry.save(tmp_path / "temporal.safetensors", network, {"config": {"arguments": SMALL["temporal"]}, "seed": 3})
    loaded = registry.load("temporal")
    assert loaded.metadata["seed"] == 3
    features = np.random.default_rng(0).normal(size=(1, 4, SIZE)).astype(np.float32)
    answer = loaded.run(features, np.arange(4.0)[None], np.ones((1, 4), dtype=bool))
    with torch.inference_mode():
        before = Symmetric(network)(torch.from_numpy(features), torch.arange(4.0)[None], torch.ones(1, 4, dtype=torch.bool)).numpy()
    assert np.allclose(answer[..., :3], before[..., :3], atol=0.01)
    assert np.allclose(answer[..., 3], np.exp(before[..., 3]), rtol=0.05)
    registry.save(tmp_path / "temporal.safetensors", network,
                  {"config": {"arguments": SMALL["temporal"]}, "sigma_scale": [2.0] * len(MARKERS)})
    corrected = registry.load("temporal").run(features, np.arange(4.0)[None], np.ones((1, 4), dtype=bool))
    assert np.allclose(corrected[..., 3], 2 * answer[..., 3]) and np.allclose(corrected[..., :3], answer[..., :3])


def test_networks_together_answer_with_their_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    for seed, name in enumerate(registry.TOGETHER["default"]):
        torch.manual_seed(seed)
        registry.save(tmp_path / f"{name}.safetensors", registry.build(name, SMALL[name]),
                      {"config": {"arguments": SMALL[name]}, "sigma_scale": 1.0 + 3.0 * seed, "revision": name})
    inputs = (np.random.default_rng(0).normal(size=(1, 4, SIZE)).astype(np.float32), np.arange(4.0)[None], np.ones((1, 4), dtype=bool))
    each = [registry.load(name).run(*inputs) for name in registry.TOGETHER["default"]]
    both = registry.load("default")
    answer = both.run(*inputs)
    assert not np.allclose(each[0], each[1], atol=1e-3)
    assert np.allclose(answer[..., :3], np.mean(each, axis=0)[..., :3], atol=1e-5)
    assert np.allclose(answer[..., 3], np.sqrt(each[0][..., 3] * each[1][..., 3]), rtol=1e-4)
    assert both.metadata["members"]["temporal2"]["revision"] == "temporal2"
    registry.calibration("default").write_text('{"members":')
    with pytest.raises(InputError, match="is damaged"):
        registry.load("default")
    assert both.margin(30.0) == registry.load("temporal").margin(30.0)
    (tmp_path / "temporal2.safetensors").unlink()
    with pytest.raises(InputError, match=r"temporal2.*missing"):
        registry.load("default")


def test_features_of_a_mirrored_take_are_the_mirrored_features(windows: Windows) -> None:
    K = guessed_intrinsics(windows, np.random.default_rng(0))
    other = mirrored(windows, np.ones(len(windows), dtype=bool))
    there = train.tensors(windows, K)
    K[:, 0, 2] = windows.size[:, 0] - K[:, 0, 2]
    features, _, _, target, _ = train.tensors(other, K)
    assert torch.allclose(features, mirrored_features(there[0]), atol=1e-4)
    assert torch.equal(mirrored_features(mirrored_features(features)), features)
    which = torch.arange(len(MARKERS)).expand(target.shape[:-1])[..., None]  # in the place of the expected error
    there_too = torch.from_numpy(mirror_order(MARKERS)).expand(target.shape[:-1])[..., None]
    assert torch.allclose(torch.cat([target, there_too], -1), mirrored_answer(torch.cat([there[3], which], -1)), atol=1e-4)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_the_mirror_image_has_the_mirrored_answer(name: str, windows: Windows) -> None:
    loaded = registry.load(name)
    features, seconds, real, _, _ = train.validation(windows.take(np.arange(2)))
    straight, turned = (loaded.run(f.numpy(), seconds.numpy(), real.numpy()) for f in (features, mirrored_features(features)))
    order = mirror_order(MARKERS)
    assert np.allclose(turned[..., :3], straight[:, :, order, :3] * [-1, 1, 1], atol=1e-4)
    assert np.allclose(turned[..., 3], straight[:, :, order, 3], rtol=1e-3) and (straight[..., 3] > 0).all()


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="missing"):
        registry.load("residual")


@pytest.mark.parametrize("content", [b"", b"rubbish" * 100, None])
def test_damaged_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    good = (registry.WEIGHTS / "temporal.safetensors").read_bytes()
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    (tmp_path / "temporal.safetensors").write_bytes(good[: len(good) // 2] if content is None else content)
    with pytest.raises(InputError, match="damaged"):
        registry.load("temporal")


def test_weights_of_which_a_number_has_changed_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (registry.WEIGHTS / "temporal.safetensors").read_bytes()
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    (tmp_path / "temporal.safetensors").write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
    with pytest.raises(InputError, match=r"damaged .* not those that were written"):
        registry.load("temporal")


# ---------------------------------------------------------------- training

def tiny(name: str, steps: int = 4) -> object:
    return dataclasses.replace(config(name), arguments=SMALL[name], steps=steps, batch=4, window=6, warm_up=2)


def run_fit(name: str, pack: mocap.Pack, folder: Path, stop_at: int | None, resume: bool, parent: object = None) -> dict:
    """The checkpoint that a small training left, and how many batches it drew."""
    source = Synthesis(pack.part("train"))
    calls = 0

    def draw(rng: np.random.Generator) -> train.Tensors:
        nonlocal calls
        calls += 1
        if stop_at is not None and calls > stop_at:
            raise KeyboardInterrupt
        return train.prepare(source.draw(rng, 4, 6), rng)

    judges = {"val": train.tensors(source.draw(np.random.default_rng(0), 3, 6), np.tile(np.diag([900.0, 900, 1]), (3, 1, 1)))}
    torch.manual_seed(1)
    with contextlib.suppress(KeyboardInterrupt):
        train.fit(tiny(name), draw, judges, folder, {"config": tiny(name).to_json(), "revision": "begin"}, resume, parent)
    return torch.load(folder / "checkpoint.pt", weights_only=True) | {"draws": calls}


def test_a_checkpoint_of_another_config_is_one_sentence(pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "VALIDATE_EVERY", 2)
    run_fit("tcn", pack, tmp_path, None, False)
    with pytest.raises(InputError, match="of another config"):
        run_fit("temporal", pack, tmp_path, None, True)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_an_interrupted_training_goes_on_as_if_nothing_happened(
        name: str, pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    monkeypatch.setattr(train, "VALIDATE_EVERY", 2)
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = run_fit(name, pack, tmp_path / "whole", None, False)
    run_fit(name, pack, tmp_path / "parts", 4 + 3, False)  # four draws set the input's mean; stopped in the third step
    parts = run_fit(name, pack, tmp_path / "parts", None, True)
    assert parts["draws"] == 4 + 2 < whole["draws"]  # it did not start anew
    for kind in ("network", "average"):
        for key, value in whole[kind].items():
            assert torch.equal(value, parts[kind][key]), key
    figures = [[{k: v for k, v in entry.items() if k != "seconds"} for entry in c["history"]] for c in (whole, parts)]
    assert figures[0] == figures[1] and parts["revision"] == "begin"
    best = [registry.load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "parts")]
    assert best[0].metadata["sha256"] == best[1].metadata["sha256"] and best[0].metadata["figures"] == best[1].metadata["figures"]
    assert (tmp_path / "whole" / "loss.png").stat().st_size > 1000
    assert not list(tmp_path.glob("*.safetensors"))  # what is installed changes on demand only
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "whole")
    loaded = registry.load(name)
    assert loaded.metadata["steps"] == min(whole["history"], key=train.score)["step"]
    assert len(loaded.metadata["sigma_scale"]) == len(MARKERS)
    assert (np.array(loaded.metadata["sigma_scale"]) > 0).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_checkpoint_that_is_judged_best_is_kept(sign: float, pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "VALIDATE_EVERY", 2)
    monkeypatch.setattr(train, "score", lambda entry: sign * entry.get("step", 0.0))
    run_fit("tcn", pack, tmp_path, None, False)
    assert registry.load_file(tmp_path / "tcn.safetensors").metadata["steps"] == (2 if sign > 0 else 4)


def test_a_new_training_leaves_nothing_of_an_older_one_to_resume(
        pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "VALIDATE_EVERY", 2)
    run_fit("tcn", pack, tmp_path, None, False)
    assert list(tmp_path.glob("*.safetensors"))
    with pytest.raises(FileNotFoundError):  # stopped before its first checkpoint
        run_fit("tcn", pack, tmp_path, 4 + 1, False)
    assert not list(tmp_path.glob("*.safetensors"))


def test_nothing_to_resume_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.checkpoint(tmp_path, "recipe", True) is None
    assert "nothing to resume" in capsys.readouterr().out
    assert train.checkpoint(tmp_path, "recipe", False) is None and not capsys.readouterr().out


def test_a_resumed_training_says_which_code_went_on() -> None:
    state = {"revision": "begin"}
    assert train.began_with(state, {"revision": "begin"}) == {"revision": "begin"}
    state = train.began_with(state, {"revision": "then"})
    assert train.began_with(state, {"revision": "at last"}) == {"revision": "begin", "resumed_with": ["then", "at last"]}


def test_fine_tuning_starts_from_its_parent(pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "rate", lambda step, settings: 0.0)
    parent = registry.build("temporal", SMALL["temporal"])
    child = run_fit("temporal", pack, tmp_path, None, False, parent)
    for key, value in parent.state_dict().items():
        assert torch.equal(value, child["network"][key]), key


def test_expected_errors_are_put_right() -> None:
    torch.manual_seed(0)
    target, weight = torch.randn(2, 3, len(MARKERS), 3), torch.ones(2, 3, len(MARKERS))
    weight[:, :, 5] = 0  # nobody knows about this one
    off = torch.nn.functional.normalize(torch.randn(2, 3, len(MARKERS), 3), dim=-1)
    answer = torch.cat([target + 0.02 * off, torch.full((2, 3, len(MARKERS), 1), float(np.log(0.01)))], dim=-1)
    scale = np.array(train.sigma_scale([(answer, (torch.zeros(1), torch.zeros(1), torch.zeros(1), target, weight))]))
    assert scale[5] == 1.0 and np.allclose(np.delete(scale, 5), 2.0, atol=0.2)


def test_training_installs_only_when_told(pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.mocap, "load", lambda folder: pack)
    monkeypatch.setattr(train, "config", tiny)
    monkeypatch.setattr(train, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    assert train.main(["--config", "temporal", "--data", "anywhere"]) == 0
    assert not list((tmp_path / "weights").iterdir())
    assert train.main(["--config", "temporal", "--data", "anywhere", "--resume", "--install"]) == 0
    assert registry.load("temporal").metadata["config"]["steps"] == 4


def test_detections_train_judge_and_calibrate(pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, runs = tmp_path / "weights", tmp_path / "runs"
    for folder in (weights, runs):
        folder.mkdir()
    shutil.copy(registry.WEIGHTS / "correction.safetensors", weights)
    for seed, motion in enumerate(("02_01_walk.bvh", "05_02_dance.bvh", "49_01_hop.bvh")):
        np.savez(runs / f"run_{seed:06d}.npz", **recorded(raw_run(seed)), motion=np.array(motion))
    monkeypatch.setattr(train.mocap, "load", lambda folder: pack)
    asked: list[list[str]] = []
    monkeypatch.setattr(detections, "check_parts", lambda train, val: asked.append([*train, *val]))  # their names belong to nobody
    monkeypatch.setattr(train, "config", tiny)
    monkeypatch.setattr(train, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(registry, "WEIGHTS", weights)
    data = ["--data", "anywhere", "--detections", str(runs)]
    for name in registry.TOGETHER["default"]:
        assert train.main(["--config", name, *data, "--install"]) == 0
        about = registry.load(name).metadata
        assert set(about["figures"]) == {"val", "detections"} and about["data"]["real_windows"] == 2
        assert None not in about["data"].values() and about["config"] == tiny(name).to_json()
    assert asked == [[*pack.part("train").names, *pack.part("val").names]] * 2
    before = registry.load("default").sigma_scale
    assert calibrate.main(data) == 0
    after = registry.load("default").sigma_scale
    kept = json.loads(registry.calibration("default").read_text())
    assert not np.allclose(before, after) and np.allclose(after.mean(), np.mean(kept["sigma_scale"]), rtol=0.1)
    assert train.main(["--config", "temporal", *data, "--fine-tune", "--steps", "2", "--install"]) == 0
    about = registry.load("temporal").metadata
    assert about["fine_tuned_from"]["sha256"] == kept["members"]["temporal"] and about["kept"] in train._SHARES
    again = [registry.load(name).sigma_scale for name in registry.TOGETHER["default"]]
    assert np.allclose(registry.load("default").sigma_scale, np.sqrt(again[0] * again[1]))  # it was measured for other weights


def test_of_a_fine_tuning_that_part_of_the_way_is_kept_that_is_judged_best(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The truth lies half way between where it began and where it ended."""
    class Fixed(torch.nn.Module):
        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = torch.nn.Parameter(torch.tensor(share))

        def forward(self, features: torch.Tensor, seconds: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
            off = (self.share - 0.5) * torch.tensor([0.1, 0.0, 0.0]) * torch.arange(len(MARKERS))[:, None]
            return torch.cat([truth + off, torch.zeros_like(truth[..., :1])], dim=-1)

    monkeypatch.setattr(train, "Symmetric", lambda network: network)
    judges = {"val": train.validation(windows)}
    truth = judges["val"][3]
    network, _, figures, way = train._judged(Fixed(1.0), Fixed(0.0), judges)
    assert way["kept"] == 0.5 and network.share.item() == 0.5 and figures["val"]["mpjpe"] == 0.0
    network, _, _, way = train._judged(Fixed(1.0), None, judges)
    assert "kept" not in way and network.share.item() == 1.0


def test_the_loss_sees_position_and_expectation() -> None:
    class Fixed(torch.nn.Module):
        def forward(self, features: torch.Tensor, seconds: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.positions, self.log_sigma], dim=-1)

    network = Fixed()
    batch = (torch.zeros(1, 2, SIZE), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3))
    network.positions = torch.full((1, 2, 3, 3), 0.1 / 3**0.5)
    losses = []
    for sigma in (0.05, 0.1, 0.2):
        network.log_sigma = torch.full((1, 2, 3, 1), float(np.log(sigma)))
        losses.append(float(train.loss_of(network, batch, tiny("temporal"))))
    assert losses[1] < losses[0] and losses[1] < losses[2]  # the right expectation is the best one
    network.positions = torch.zeros(1, 2, 3, 3)
    assert float(train.loss_of(network, batch, tiny("temporal"))) < losses[1]


def test_detections_do_not_teach_the_expected_error() -> None:
    """They are few and known by heart; what follows the `batch` mocap windows moves positions only."""
    settings = dataclasses.replace(tiny("temporal"), batch=2)
    answer = torch.zeros(3, 2, 3, 4, requires_grad=True)
    network = torch.nn.Module()
    network.forward = lambda *inputs: answer  # type: ignore[method-assign]
    target, weight = torch.full((3, 2, 3, 3), 0.1), torch.ones(3, 2, 3)
    batch = (torch.zeros(3, 2, SIZE), torch.zeros(3, 2), torch.ones(3, 2, dtype=torch.bool), target, weight)
    train.loss_of(network, batch, settings).backward()
    assert answer.grad is not None and (answer.grad[..., :3].abs().sum((1, 2, 3)) > 0).all()
    assert (answer.grad[:2, ..., 3] != 0).all() and (answer.grad[2, ..., 3] == 0).all()


def test_detections_say_how_large_errors_are_and_all_how_markers_differ() -> None:
    def judged(errors: list[float], defined: list[float]) -> tuple[torch.Tensor, train.Tensors]:
        """An answer that expects 1 m of markers that are off by `errors` metres along x."""
        rng = np.random.default_rng(0)
        target = torch.from_numpy(rng.normal(size=(50, 8, len(MARKERS), 3)).astype(np.float32))
        off = torch.zeros_like(target)
        off[..., 0] = torch.tensor(errors) * (torch.arange(50) % 2 * 2.0 - 1.0)[:, None, None]
        answer = torch.cat([target + off, torch.zeros_like(target[..., :1])], -1)
        weight = torch.tensor(defined).expand(target.shape[:-1])
        return answer, (torch.zeros(1), torch.zeros(1), torch.zeros(1), target, weight)

    count = len(MARKERS)
    val = judged([0.1] * (count - 1) + [0.2], [1.0] * count)
    seen = judged([0.3] * count, [0.0] + [1.0] * (count - 2) + [0.0])
    alone, both = np.array(train.sigma_scale([val])), np.array(train.sigma_scale([val, seen]))
    assert np.allclose(alone[:-1], 0.1, rtol=0.05) and np.isclose(alone[-1], 0.2, rtol=0.05)
    assert np.allclose(both[1:-1], 0.3, rtol=0.05) and both[-1] > 1.5 * alone[-1]


def test_hidden_markers_count_less_when_the_config_says_so(windows: Windows) -> None:
    batch = train.prepare(windows, np.random.default_rng(0))
    keypoint = CANONICAL.index("l_wrist")
    batch[0][..., 9 * keypoint + 2] = 0.0  # the left wrist is not seen at all
    answer = torch.cat([batch[3].clone(), torch.full((*batch[3].shape[:-1], 1), -3.0)], dim=-1)
    answer[..., MARKERS.index("LeftHand"), :3] += 0.3
    network = torch.nn.Module()
    network.forward = lambda *inputs: answer  # type: ignore[method-assign]
    plain, aware = (float(train.loss_of(network, batch, dataclasses.replace(tiny("tcn"), hidden_weight=w))) for w in (1.0, 0.1))
    assert aware < 0.5 * plain


# ---------------------------------------------------------------- all networks in one table

def test_views_are_told_apart() -> None:
    skeleton = Skeleton.mean()
    joints, _ = skeleton.forward_kinematics(np.tile([1.0, 0, 0, 0], (21, 1)), np.zeros(3))
    person = joints[[INDEX[ATTACHMENTS[n][0]] for n in LIMB_KEYPOINTS]] @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # faces the camera
    turn = Rotation.from_euler("y", [[0], [90], [180], [270]], degrees=True).as_matrix()
    above = Rotation.from_euler("x", 60, degrees=True).as_matrix()
    people = np.concatenate([np.einsum("nij,kj->nki", turn, person), (person @ above.T)[None]])
    assert evaluate_lifters._views(people).tolist() == [0, 1, 2, 1, 3]


@pytest.mark.parametrize("through", [False, True])
def test_keypoints_are_taken_away(windows: Windows, through: bool) -> None:
    fewer = evaluate_lifters._without_keypoints(windows, 0.3, through)
    had = windows.confidence > 0
    gone = had & (fewer.confidence == 0)
    assert abs(gone.sum() / had.sum() - 0.3) < 0.1
    assert np.isnan(fewer.xy[gone]).all() and np.isnan(fewer.world[gone]).all()
    assert np.array_equal(fewer.xy[had & ~gone], windows.xy[had & ~gone])
    if through:
        assert all(len(np.unique(gone[n, had[n, :, k], k])) <= 1 for n in range(len(gone)) for k in range(27))


def test_a_network_that_knows_the_truth_has_no_error(windows: Windows) -> None:
    class Knowing(torch.nn.Module):
        def forward(self, features: torch.Tensor, seconds: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
            known = torch.cat([Knowing.target, torch.full((*Knowing.target.shape[:-1], 1), -5.0)], -1)
            return known if torch.equal(features, Knowing.features) else mirrored_answer(known)

    network = Knowing()
    network.unused = torch.nn.Parameter(torch.zeros(1))
    Knowing.features, _, _, Knowing.target, _ = train.validation(windows)
    lifter = Lifter("knowing", "cpu", registry.Loaded("knowing", network, "cpu", {}))
    figures = evaluate_lifters._figures(evaluate_lifters._judge(lifter, windows))
    assert figures["MPJPE"] == figures["PA"] == figures["accel"] == 0.0
    assert set(figures["parts"].values()) == {0.0} and figures["said"][0] == round(1000 * float(np.exp(-5.0)), 1)


def test_the_table_names_every_network(pack: mocap.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(evaluate_lifters.mocap, "load", lambda folder: pack)
    monkeypatch.setattr(evaluate_lifters, "_WINDOWS", 4)
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    for name in registry.NETWORKS:
        registry.save(tmp_path / f"{name}.safetensors", registry.build(name, SMALL[name]),
                      {"config": {"arguments": SMALL[name], "window": 8, "batch": 2, "real_batch": 0}, "steps": 5})
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "tcn.safetensors").write_bytes((tmp_path / "tcn.safetensors").read_bytes())
    also = str(tmp_path / "short" / "tcn.safetensors")
    assert evaluate_lifters.main(["--lifters", "--data", "x", "--also", also, "--json", str(tmp_path / "figures.json")]) == 0
    printed = capsys.readouterr().out
    rows = json.loads((tmp_path / "figures.json").read_text())["val"]
    for name in (*registry.NETWORKS, "short/tcn", "default", "default without world", "default without depth and world",
                 "default in bfloat16"):
        assert printed.count(f"| {name} |") >= 3 and np.isfinite(rows[name]["MPJPE"])
    assert rows["short/tcn"] == rows["tcn"] and rows["tcn"]["30 %"] != rows["tcn"]["MPJPE"]


# ---------------------------------------------------------------- the detector's noise

def _numbered_takes(takes: int, limbs: np.ndarray) -> noise.NoiseModel:
    """Every take's error is its number in all keypoints and channels; limbs: (takes, 4, 2, 3)."""
    frames = 8
    errors = np.broadcast_to(np.arange(takes, dtype=np.float32).repeat(frames)[:, None, None], (takes * frames, 27, noise.CHANNELS))
    return noise.NoiseModel(np.zeros((27, 8, noise.CHANNELS)), errors, np.arange(takes) * frames, np.full(takes, frames),
                            np.full(takes, 30.0), np.zeros(takes), limbs, 0.0)


def test_errors_come_from_takes_whose_limbs_are_in_about_the_same_places() -> None:
    limbs = np.zeros((400, 4, 2, 3))
    limbs[200:] = 1.0  # a metre away
    limbs[100:200, 3] = limbs[300:, 2] = 0.3  # other legs
    drawn = _numbered_takes(400, limbs).differences(np.random.default_rng(1), _standing(0.0), np.full(200, 1 / 30), True)[..., 6]
    wrist, ankle = CANONICAL.index("l_wrist"), CANONICAL.index("r_ankle")
    assert drawn[..., CANONICAL.index("nose")].max() / 1.5 < 100  # errors are drawn up to half as large again
    assert drawn[..., ankle].max() < 200 and drawn[..., wrist].max() < 300


def test_limbs_borrow_errors_only_where_told_to() -> None:
    model = _numbered_takes(400, np.zeros((400, 4, 2, 3)))
    body, step = _standing(0.0), np.full(200, 1 / 30)
    pure, mixed = (model.differences(np.random.default_rng(1), body, step, m)[:, 0, :, 6] for m in (False, True))
    trunk, wrist, thumb, ankle = (CANONICAL.index(n) for n in ("l_hip", "l_wrist", "l_thumb", "r_ankle"))
    assert (pure == pure[:, :1]).all()
    assert 0.3 < (mixed[:, wrist] != mixed[:, trunk]).mean() < 0.7 and 0.3 < (mixed[:, ankle] != mixed[:, trunk]).mean() < 0.7
    assert (mixed[:, wrist] == mixed[:, thumb]).all() and (mixed[:, wrist] != mixed[:, ankle]).mean() > 0.5


def _standing(facing: float) -> np.ndarray:
    """(200, 20, 27, 3) bodies that are nothing but hips, turned by `facing` radians."""
    body = np.zeros((200, 20, 27, 3))
    for name, side in (("l_hip", 0.1), ("r_hip", -0.1)):
        body[..., CANONICAL.index(name), :] = side * np.array([np.cos(facing), 0.0, np.sin(facing)])
    return body


def test_noise_is_what_was_measured() -> None:
    """Typical errors and the rare large ones: a Gaussian of the same deviation has ankles off by 11 cm all the time."""
    model = noise.NoiseModel.load()
    ankles = [CANONICAL.index("l_ankle"), CANONICAL.index("r_ankle")]
    drawn = model.differences(np.random.default_rng(0), _standing(0.3), np.full(200, 1 / 30)) - np.einsum(
        "ntkp,kpc->ntkc", noise.regressors(_standing(0.3)), model.bias)
    apart = np.linalg.norm(drawn[:, :, ankles, :2], axis=-1)
    kept = np.linalg.norm(model.errors[:, ankles, :2], axis=-1)
    assert np.median(apart) == pytest.approx(np.median(kept), rel=0.5)
    assert np.median(apart) < 0.06 and np.percentile(apart, 97) > 0.2


def test_noise_is_that_of_people_who_face_alike_and_is_mirrored_with_them() -> None:
    model = noise.NoiseModel.load()
    step = np.full(200, 1 / 30)
    spread = {turn: model.differences(np.random.default_rng(0), _standing(turn), step)[..., 6].mean((0, 1)) for turn in (0.0, 1.5, -1.5)}
    left, right = (CANONICAL.index(n) for n in ("l_ear", "r_ear"))
    assert abs(spread[0.0][left] - spread[0.0][right]) < 0.5 * abs(spread[1.5][left] - spread[1.5][right])
    assert (spread[1.5][left] - spread[1.5][right]) * (spread[-1.5][left] - spread[-1.5][right]) < 0
    behind = np.concatenate([_standing(3.1), _standing(-3.1)], axis=1)  # the mean of these is not 0
    assert np.abs(np.abs(noise.mean_facing(behind)) - np.pi).max() < 1e-6


def test_noise_at_another_rate_moves_as_much_a_second() -> None:
    model = noise.NoiseModel.load()
    moves = {}
    for rate in (30, 120):
        drawn = model.differences(np.random.default_rng(1), _standing(0.0), np.full(200, 1 / rate))
        moves[rate] = np.abs(np.diff(drawn[..., :2], axis=1)).sum((1, 2, 3)).mean()
    assert moves[120] < 0.5 * moves[30]


def test_fitting_finds_a_known_bias() -> None:
    """Of all but the tenth that is wildly off."""
    rng = np.random.default_rng(0)
    takes = []
    for _ in range(30):
        keypoints = rng.normal(0, 0.4, (10, 27, 3)) + [0, 0, 4]
        true = noise.scene(keypoints)
        difference = rng.normal(0, 0.01, (10, 27, noise.CHANNELS))
        difference[..., 1] += 0.03  # everything 3 cm too low
        difference[rng.random((10, 27)) < 0.1, 1] += 0.5
        takes.append((true, difference, 30.0))
    fitted = fit_noise.fit(takes, 0.1)
    assert np.allclose(fitted.bias[:, 0, 1], 0.03, atol=0.01)
    assert len(fitted.errors) == 300 and fitted.first[1] == 10 and np.median(np.abs(fitted.errors)) < 0.02


def test_a_scene_looks_at_the_hips() -> None:
    keypoints = np.random.default_rng(1).normal(0, 0.4, (3, 27, 3)) + [1.0, 0.5, 4]
    true = noise.scene(keypoints)
    hips = keypoints[:, [CANONICAL.index("l_hip"), CANONICAL.index("r_hip")]].mean(1)
    turned = np.einsum("tij,tj->ti", true.rotation, hips)
    assert np.allclose(turned[:, :2], 0, atol=1e-9) and np.allclose(turned[:, 2], true.distance)


# ---------------------------------------------------------------- detections beside truth

def test_detections_of_people_in_val_judge() -> None:
    assert detections.held_out("49_08_cartwheels.bvh") and detections.held_out("131_01_start_walk_stop_michael_jackson_style.bvh")
    assert not detections.held_out("13_j1_forward_jump.bvh") and not detections.held_out("01_06_p1_x.bvh")


def test_the_people_of_val_are_those_whose_detections_judge(shared: Path) -> None:
    train, val = ([p.name for p in (shared / "mocap" / part).glob("*.bvh")] for part in ("train", "val"))
    detections.check_parts(train, val)
    for wrong in ((train + val[:1], val), (train, val + train[:1])):
        with pytest.raises(InputError, match="wrong part"):
            detections.check_parts(*wrong)


def test_runs_that_are_missing_or_being_written_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run_0.npz").write_bytes(b"PK half of it")
    with pytest.raises(InputError, match="no complete run"):
        detections.read_runs(tmp_path)


def test_too_few_runs_to_judge_by_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "run_0.npz", motion="a.bvh")
    monkeypatch.setattr(detections, "_window", lambda run: {"confidence": np.ones(1)})
    monkeypatch.setattr(detections, "_exact", lambda run: np.ones(1))
    with pytest.raises(InputError, match="too few"):
        detections.read_runs(tmp_path)


def test_runs_of_val_alone_can_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "run_0.npz", motion="49_01_walk.bvh")
    monkeypatch.setattr(detections, "_window", lambda run: {"confidence": np.ones(1)})
    monkeypatch.setattr(detections, "_stack", len)
    assert detections.held_out_runs(tmp_path) == 1
    monkeypatch.setattr(detections, "_exact", lambda run: np.ones(1))
    with pytest.raises(InputError, match="too few"):
        detections.read_runs(tmp_path)
    np.savez(tmp_path / "run_0.npz", motion="a.bvh")
    with pytest.raises(InputError, match="no runs to judge by"):
        detections.held_out_runs(tmp_path)


def test_no_steps_are_no_training(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--config", "tcn", "--data", "anywhere", "--steps", "0"])
    assert "--steps" in capsys.readouterr().err


def test_runs_are_read(shared: Path) -> None:
    folder = shared / "detections"
    if not folder.is_dir():
        pytest.skip("no detections")
    some = sorted(folder.glob("run_*.npz"))[:8]
    rows = []
    for path in some:
        rows.append(detections._window(detections.read_run(path)))
    w = detections._stack(rows)
    assert w.xy.shape == (len(some), detections.FRAMES, 27, 2)
    assert ((w.weight > 0).any(-1) == w.real).all()
    knee = MARKERS.index("LeftLeg")
    thigh = np.linalg.norm(w.target[:, 0, knee] - w.target[:, 0, MARKERS.index("LeftUpLeg")], axis=-1)
    assert ((thigh > 0.3) & (thigh < 0.6)).all()


def test_a_range_without_cameras_is_refused(pack: mocap.Pack) -> None:
    """Drawing again until one stands there would never end."""
    for elevations in ((1.46, 1.57), (-1.5, -0.9)):
        with pytest.raises(ValueError, match="none stands between"):
            Synthesis(pack.part("train"), elevations)


def test_the_list_of_motions_is_the_packs(shared: Path) -> None:
    """What CONTRIBUTING.md sends an outsider for."""
    if not (shared / "mocap" / "train").is_dir():
        pytest.skip(f"no mocap in {shared}")
    listed = [line.split(",") for line in (registry.WEIGHTS.parent / "data" / "motions.csv").read_text().split()[1:]]
    there = {part: {p.name for p in (shared / "mocap" / part).glob("*.bvh")} for part in ("train", "val")}
    assert {part: {name for kind, name, _ in listed if kind == part} for part in there} == there
