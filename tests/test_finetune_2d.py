"""Learning from pictures without 3D: placing, losses, virtual views, and the command."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from synthetic import Scene, film, wander  # noqa: E402

from core.errors import InputError  # noqa: E402
from core.keypoints import CANONICAL  # noqa: E402
from core.markers import MARKERS  # noqa: E402
from models import finetune_2d, registry, train, virtual_views  # noqa: E402
from models.configs import config  # noqa: E402
from models.reprojection import (  # noqa: E402
    BONES,
    LIFTED_MARKERS,
    body_loss,
    bone_lengths,
    motion_loss,
    place,
    reprojection,
    typical_bones,
)
from models.windows import Windows  # noqa: E402

SMALL = {"channels": 16, "blocks": 1, "dropout": 0.1}


def windows_of(scene: Scene) -> Windows:
    """One window with the true lens and the truth."""
    row = finetune_2d._cut(scene.keypoints, np.arange(len(scene.root)), len(scene.root))
    row |= {"K": scene.K, "target": scene.lifted.positions}
    return Windows(**{name: value[None] for name, value in row.items()})


def whole(w: Windows) -> finetune_2d.Pictures:
    """The window as it is, nothing thinned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune_2d, "thinned", lambda w, rng: w)
        return finetune_2d.pictures(w, np.random.default_rng(0), augment=False)


# ---------------------------------------------------------------- placing and losses

@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(1.5, 20))
def test_points_are_placed_where_they_were_seen(seed: int, distance: float) -> None:
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(rng.normal(0, 0.4, (2, 9, 3)))
    position = torch.from_numpy(np.concatenate([rng.uniform(-1, 1, (2, 2)), np.full((2, 1), distance + 1.0)], axis=-1))
    stands = points + position[:, None]
    weight = torch.from_numpy(rng.uniform(0.1, 1, (2, 9)))
    weight[:, 4], stands[:, 4] = 0.0, 1.0  # one that nobody has seen
    tangents = stands[..., :2] / stands[..., 2:]
    assert torch.allclose(place(points, tangents, weight), position, atol=1e-6)
    assert float((weight * reprojection(points, tangents, weight)).max()) < 1e-4  # the floor under lengths


def test_the_gradient_of_placing_is_right() -> None:
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.normal(0, 0.4, (2, 7, 3))).requires_grad_()
    tangents = torch.from_numpy(rng.normal(0, 0.1, (2, 7, 2))).requires_grad_()
    weight = torch.from_numpy(rng.uniform(0.1, 1, (2, 7))).requires_grad_()
    assert float(place(points, tangents, weight)[:, 2].min().detach()) > 0.5  # not where the nearest distance cuts it off
    assert torch.autograd.gradcheck(place, (points, tangents, weight))


def test_a_smaller_body_has_no_smaller_error() -> None:
    rng = np.random.default_rng(1)
    points, weight = torch.from_numpy(rng.normal(0, 0.4, (1, 9, 3))), torch.ones(1, 9, dtype=torch.float64)
    stands = points + torch.tensor([0.0, 0.0, 4.0])
    tangents = stands[..., :2] / stands[..., 2:] + torch.from_numpy(rng.normal(0, 0.02, (1, 9, 2)))
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    reprojection(scale * points, tangents, weight).sum().backward()
    assert abs(float(scale.grad)) < 1e-8


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(-0.3, 1.0))
def test_the_truth_costs_nothing(seed: int, tilt: float) -> None:
    batch = whole(windows_of(film(*wander(seed, 8), tilt=tilt)))
    error = reprojection(batch.believed[..., LIFTED_MARKERS, :], batch.tangents, batch.confidence)
    assert float(error.max()) < 1e-3
    assert float(body_loss(batch.believed, batch.real.float(), typical_bones())) < 5e-4
    shrunk = batch.believed * torch.tensor([1.0, 1.0, 0.5])  # depth that collapses
    assert float(body_loss(shrunk, batch.real.float(), typical_bones())) > 5e-3


def test_a_forearm_that_is_longer_than_the_other_one_costs() -> None:
    """Even where both are as long as people's are."""
    batch = whole(windows_of(film(*wander(0, 8))))
    middle = bone_lengths(batch.believed)[:, :, :len(BONES)].mean((0, 1))
    wide = middle, torch.full_like(middle, 0.2)

    def cost(*sides: str) -> float:
        longer = batch.believed.clone()
        for side in sides:
            elbow, wrist = (longer[:, :, MARKERS.index(side + joint)] for joint in ("ForeArm", "Hand"))
            longer[:, :, MARKERS.index(side + "Hand")] = wrist + 0.2 * (wrist - elbow)
        return float(body_loss(longer, batch.real.float(), wide))

    assert cost("Left") > cost("Left", "Right") + 1e-3


def test_motion_costs_by_its_acceleration_at_any_frame_rate() -> None:
    real = torch.ones(1, 20)
    losses = []
    for rate in (15.0, 60.0):
        time = torch.arange(20.0)[None] / rate
        steady = torch.ones(1, 20, 2, 3) * time[..., None, None]
        assert float(motion_loss(steady, time, real)) < 1e-4
        losses.append(float(motion_loss(200 * steady**2, time, real)))
    assert losses[0] > 0.1 and losses[0] == pytest.approx(losses[1], rel=0.01)


# ---------------------------------------------------------------- virtual views

class Convinced(torch.nn.Module):
    """Gives the same pose whatever it sees."""

    def __init__(self, markers: np.ndarray) -> None:
        super().__init__()
        self.markers = torch.from_numpy(markers.astype(np.float32))

    def forward(self, features: torch.Tensor, seconds: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.markers.expand(*features.shape[:2], -1, 3), torch.zeros(*features.shape[:2], len(MARKERS), 1)], dim=-1)


def test_a_tilt_turns_the_pose_the_right_way() -> None:
    local, root = (np.repeat(a, 3, axis=0) for a in wander(3, 1))
    level, above = film(local, root, tilt=0.0), film(local, root, tilt=0.7)
    w = windows_of(above)
    view = virtual_views.view_of(w)
    seen = virtual_views._lifted(Convinced(level.lifted.positions[0]), w, *virtual_views.tangents_of(w, view.rotation), 0.7)
    answer = seen.target @ virtual_views._turn(0.7)
    truth = np.einsum("ntij,ntmj->ntmi", view.rotation, w.target)
    assert np.linalg.norm(answer - truth, axis=-1).mean() < 0.05
    assert np.linalg.norm(level.lifted.positions - truth, axis=-1).mean() > 0.3


def test_takes_agree_on_what_is_usual() -> None:
    crooked = np.full((3, 6), 0.03)
    crooked[0, :5] = 0.01  # five takes look right level
    crooked[2, 5] = 0.027  # one looks slightly better tilted
    likely, usual = virtual_views.likely_tilts(crooked, np.ones(6), np.arange(6))
    assert likely.argmax(0).tolist() == [0] * 6 and usual[0] > 0.9
    assert np.allclose(likely.sum(0), 1) and np.isclose(usual.sum(), 1)
    crooked[2, 5] = 0.001  # much better: it has its way
    assert virtual_views.likely_tilts(crooked, np.ones(6), np.arange(6))[0].argmax(0)[5] == 2


def test_windows_of_one_take_have_one_tilt() -> None:
    crooked = np.array([[0.01, 0.03, 0.01], [0.02, 0.01, 0.02]])
    likely, _ = virtual_views.likely_tilts(crooked, np.array([1.0, 10.0, 1.0]), np.array([4, 4, 9]))
    assert (likely[:, 0] == likely[:, 1]).all() and likely.argmax(0).tolist() == [1, 1, 0]


# ---------------------------------------------------------------- the training

def test_fine_tuning_lowers_its_loss_and_spares_the_parent() -> None:
    torch.manual_seed(0)
    w = windows_of(film(*wander(5, 16), tilt=0.3))
    parent = registry.build("tcn", SMALL).eval()
    before = {k: v.clone() for k, v in parent.state_dict().items()}
    short = dataclasses.replace(finetune_2d.brief(config("tcn"), 25), learning_rate=3e-3)
    network = finetune_2d.fine_tune(parent, short, [w])
    batch = whole(w)
    losses = [float(finetune_2d.picture_loss(n, parent, batch, typical_bones()).detach()) for n in (parent, network)]
    assert losses[1] < 0.8 * losses[0]
    assert all(torch.equal(before[k], v) for k, v in parent.state_dict().items())


@pytest.fixture
def small_tcn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights with an untrained tcn, in place of the repository's."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(registry, "WEIGHTS", folder)
    monkeypatch.setattr(finetune_2d, "CACHE", tmp_path / "cache")
    torch.manual_seed(0)
    registry.save(folder / "tcn.safetensors", registry.build("tcn", SMALL), {"config": {"arguments": SMALL}, "steps": 7})
    return folder


def test_the_command_leaves_weights_that_load(small_tcn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, frames in ((0, 40), (1, 10)):
        (tmp_path / "runs" / str(seed)).mkdir(parents=True)
        film(*wander(seed, frames)).keypoints.save(tmp_path / "runs" / str(seed) / "keypoints.npz")
    old = (small_tcn / "tcn.safetensors").read_bytes()
    command = ["--config", "tcn", "--finetune-2d", str(tmp_path / "runs"), "--steps", "2"]
    assert train.main(command) == 0
    assert (small_tcn / "tcn.safetensors").read_bytes() == old  # only --install installs
    assert train.main([*command, "--install"]) == 0
    loaded = registry.load("tcn")
    assert loaded.metadata["fine_tuned_from"]["steps"] == 7 and loaded.metadata["finetuned_2d"]["takes"] == 2
    assert np.isfinite(loaded.metadata["figures"]["hidden_keypoints_mm"]).all()  # its own, not the parent's
    assert "hidden" in capsys.readouterr().out


def test_who_judges_has_not_taught() -> None:
    many = np.repeat(np.arange(7), 3)
    assert set(many[finetune_2d._judging(many)]) == {5}
    few = np.repeat([0, 1], [13, 4])
    assert np.flatnonzero(finetune_2d._judging(few)).tolist() == [11, 12]


def test_windows_are_cut_from_what_was_seen(tmp_path: Path) -> None:
    keypoints = film(*wander(0, 50)).keypoints
    confidence = keypoints.confidence.copy()
    confidence[10:20] = 0.0
    keypoints.replace(confidence=confidence, xy=np.where(confidence[..., None] > 0, keypoints.xy, np.nan)).save(tmp_path / "keypoints.npz")
    w, takes = finetune_2d.read_windows(tmp_path, 32)
    assert w.real.sum(1).tolist() == [32, 8] and takes.tolist() == [0, 0]
    assert (w.confidence[w.real] > 0).all() and w.xy.shape == (2, 32, len(CANONICAL), 2)


@pytest.mark.parametrize(("where", "says"), [("empty", "No keypoints"), ("missing", "There is no"), ("video.mp4", "is no keypoint file")])
def test_nothing_to_learn_from_is_one_sentence(tmp_path: Path, small_tcn: Path, where: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "video.mp4").write_bytes(b"0")
    with pytest.raises(InputError, match=says):
        train.main(["--config", "tcn", "--finetune-2d", str(tmp_path / where)])


def test_only_lifting_networks_learn_from_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="correction"):
        train.main(["--config", "correction", "--finetune-2d", str(tmp_path)])


def test_options_that_would_do_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave the other options out"):
        train.main(["--config", "tcn", "--finetune-2d", str(tmp_path), "--resume"])


@pytest.mark.parametrize("name", ["residual", "integral", "recurrent", "gast", "temporal"])
def test_every_network_learns_from_pictures(name: str) -> None:
    sizes = {"residual": {"width": 16, "blocks": 1, "dropout": 0.1},
             "integral": {"width": 16, "blocks": 1, "cells": 8, "channels": 4, "dropout": 0.1},
             "recurrent": {"width": 16, "layers": 1, "dropout": 0.0},
             "gast": {"channels": 8, "heads": 2, "blocks": 2, "width": 16, "dropout": 0.0},
             "temporal": {"width": 16, "layers": 1, "heads": 2, "hidden": 16}}
    parent = registry.build(name, sizes[name]).eval()
    w, virtual, _ = virtual_views.with_best_answers(parent, windows_of(film(*wander(1, 8))), np.zeros(1, dtype=int))
    network = finetune_2d.fine_tune(parent, finetune_2d.brief(config(name), 2), [w, virtual])
    assert any(not torch.equal(a, b) for a, b in zip(parent.parameters(), network.parameters(), strict=True))
    assert all(torch.isfinite(p).all() for p in network.parameters())


def test_without_pictures_training_needs_mocap(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--config", "tcn"])
    assert "--data" in capsys.readouterr().err
