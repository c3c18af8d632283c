"""The optimiser of the default network: steps that turn every direction equally, and that a checkpoint can continue."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.muon import Muon, orthogonalised, roughly_orthogonalised


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 1000))
def test_orthogonalised_keeps_the_singular_vectors(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalised(matrix) @ v.T
    assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-3
    large = s > 0.05 * s.norm()
    assert ((inner.diagonal() > 0.5) & (inner.diagonal() < 1.3))[large].all()


@given(st.integers(2, 8), st.integers(30, 60), st.booleans(), st.integers(0, 1000))
def test_in_bfloat16_it_is_nearly_the_same(short: int, long: int, tall: bool, seed: int) -> None:
    """Of matrices without a direction that is hardly there, which would turn on the last digit."""
    matrix = torch.randn(short, long, generator=torch.Generator().manual_seed(seed))
    matrix = matrix.T if tall else matrix
    exact, rough = orthogonalised(matrix), roughly_orthogonalised(matrix)
    assert (exact - rough).norm() < 0.15 * exact.norm()


def _problem() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A student of a teacher network, whose inputs differ a hundredfold in size."""
    torch.manual_seed(0)
    teacher, student = (torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Tanh(), torch.nn.Linear(96, 64)) for _ in range(2))
    x = torch.randn(512, 64) * torch.logspace(0.5, -1.5, 64)
    return student, x, teacher(x).detach()


def _train(network: torch.nn.Module, optimiser: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_learns(precision: torch.dtype) -> None:
    network, x, y = _problem()
    losses = _train(network, Muon(network.parameters(), lr=3e-3, weight_decay=0.0, precision=precision), x, y, 150)
    assert losses[-1] < 0.1 * losses[0]


def test_goes_on_from_a_checkpoint_as_if_nothing_had_happened() -> None:
    network, x, y = _problem()
    optimiser = Muon(network.parameters(), lr=1e-3, weight_decay=0.1)
    _train(network, optimiser, x, y, 5)
    saved = copy.deepcopy((network.state_dict(), optimiser.state_dict()))
    expected = _train(network, optimiser, x, y, 5)
    network.load_state_dict(saved[0])
    again = Muon(network.parameters(), lr=1e-3, weight_decay=0.1)
    again.load_state_dict(saved[1])
    assert _train(network, again, x, y, 5) == pytest.approx(expected, rel=1e-6)


def test_vectors_go_by_adam() -> None:
    networks = [torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)]  # too small for anything else
    networks[1].load_state_dict(networks[0].state_dict())
    x, y = torch.randn(64, 8), torch.randn(64, 8)
    for network, make in zip(networks, (Muon, torch.optim.AdamW), strict=True):
        _train(network, make(network.parameters(), lr=1e-2, weight_decay=0.1), x, y, 30)
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
