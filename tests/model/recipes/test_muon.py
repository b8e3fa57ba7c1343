import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from shapegan.model.recipes.muon import Muon, _by_gram_matrix, _iterated, orthogonal
from shapegan.model.recipes.optimisers import build_optimiser, load_optimiser, set_rate

BETAS = (0.9, 0.99)


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(16, 32, 3, padding=1),
        nn.SiLU(),
        nn.Conv3d(32, 1, 1),
        nn.Flatten(),
        nn.Linear(8, 1),
    )


def steps(
    network: nn.Sequential, optimiser: torch.optim.Optimizer, first: int, last: int
) -> list[Tensor]:
    for number in range(first, last):
        torch.manual_seed(number)
        network.zero_grad()
        network(torch.randn(4, 16, 2, 2, 2)).square().mean().backward()
        set_rate(optimiser, 0.01 / (1 + number))
        optimiser.step()
    return [one.detach().clone() for one in network.parameters()]


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), seed=st.integers(0, 99))
def test_singular_vectors_stay_and_values_become_alike(rows: int, columns: int, seed: int) -> None:
    torch.manual_seed(seed)
    count = min(rows, columns)
    left, right = (torch.linalg.qr(torch.randn(side, count))[0] for side in (rows, columns))
    values = torch.rand(count) + 0.1
    result = orthogonal(left @ torch.diag(values) @ right.T)
    found = left.T @ result @ right
    assert torch.allclose(found, torch.diag(found.diagonal()), atol=1e-3)
    assert found.diagonal().min() > 0.6
    assert found.diagonal().max() < 1.3


@pytest.mark.parametrize("smallest", [1.0, 1e-3, 1e-7])
@given(
    rows=st.integers(1, 20),
    columns=st.integers(20, 120),
    rank=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_elongated_matrices_have_the_same_result(
    smallest: float, rows: int, columns: int, rank: int, seed: int
) -> None:
    torch.manual_seed(seed)
    count = min(rows, rank)
    left, right = (torch.linalg.qr(torch.randn(side, count))[0] for side in (rows, columns))
    values = torch.logspace(0, math.log10(smallest), count)
    matrix = left @ torch.diag(values / values.norm()) @ right.T
    exact = _iterated(matrix.double())
    for found in (_by_gram_matrix(matrix), _iterated(matrix)):
        assert found.dtype == torch.float32
        assert (found - exact).norm() <= 3e-3 * exact.norm()


def test_kernels_are_orthogonalised_by_their_gram_matrices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sides: list[torch.Size] = []
    monkeypatch.setattr(
        "shapegan.model.recipes.muon._by_gram_matrix", lambda wide: sides.append(wide.shape) or wide
    )
    for rows, columns in ((16, 64), (64, 16), (16, 63), (16, 16)):
        assert orthogonal(torch.ones(rows, columns)).shape == (rows, columns)
    assert sides == [(16, 64), (16, 64)]


def test_a_matrix_of_zeros_stays() -> None:
    for columns in (3, 16):
        assert torch.equal(orthogonal(torch.zeros(4, columns)), torch.zeros(4, columns))


def test_kernels_take_orthogonal_steps_and_all_else_those_of_adam() -> None:
    found, expected = layers(), layers()
    mine = build_optimiser("muon", found.parameters(), BETAS)
    adam = build_optimiser("adam", expected.parameters(), BETAS)
    before = found[0].weight.detach().clone()
    after, by_adam = steps(found, mine, 0, 1), steps(expected, adam, 0, 1)
    for number, (one, other) in enumerate(zip(after, by_adam, strict=True)):
        assert torch.equal(one, other) == (number != 0)
    # Singular values of a step are alike but for the smallest, and its size is 0.6 of the rate.
    moved = (after[0] - before).flatten(1)
    values = torch.linalg.svdvals(moved)
    assert values[24] > 0.5 * values[0]
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.006, rel=0.2)


def test_a_restored_optimiser_goes_on_as_before() -> None:
    whole = layers()
    expected = steps(whole, build_optimiser("muon", whole.parameters(), BETAS), 0, 6)
    first = layers()
    optimiser = build_optimiser("muon", first.parameters(), BETAS)
    steps(first, optimiser, 0, 3)
    second = layers()
    second.load_state_dict(first.state_dict())
    restored = build_optimiser("muon", second.parameters(), BETAS)
    load_optimiser(restored, optimiser.state_dict())
    for one, other in zip(steps(second, restored, 3, 6), expected, strict=True):
        assert torch.equal(one, other)


def test_a_network_without_convolutions_has_adam_alone() -> None:
    linear = nn.Linear(32, 32)
    optimiser = build_optimiser("muon", linear.parameters(), BETAS)
    assert isinstance(optimiser, Muon)
    assert optimiser.param_groups[1]["params"] == []


def test_matrices_of_layers_at_points_take_orthogonal_steps_too() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(16, 32)
    before = layer.weight.detach().clone()
    optimiser = build_optimiser("muon", layer.parameters(), BETAS, at_points=True)
    set_rate(optimiser, 0.01)
    layer(torch.randn(64, 16)).square().mean().backward()
    gradient = layer.weight.grad
    assert gradient is not None
    values = torch.linalg.svdvals(gradient)
    assert values.min() < 0.5 * values.max()  # which the step then does not have
    optimiser.step()
    values = torch.linalg.svdvals(layer.weight.detach() - before)
    assert values.min() > 0.5 * values.max()
