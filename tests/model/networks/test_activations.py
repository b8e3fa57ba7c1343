from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from torch import Tensor

from shapegan.model.networks.activations import leaky_relu, relu

Function = Callable[[Tensor], Tensor]
PAIRS: list[tuple[Function, Function]] = [
    (relu, F.relu),
    (lambda x: leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
]
each_pair = pytest.mark.parametrize(("ours", "plain"), PAIRS, ids=["relu", "leaky"])


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def derivatives(function: Function, seed: int) -> list[Tensor]:
    """Those of a network with two layers, of orders 1 to 3, in its input and its weights."""
    first, second = drawn(seed, 5, 4).requires_grad_(), drawn(seed + 1, 3, 5).requires_grad_()
    features = drawn(seed + 2, 6, 4).requires_grad_()
    wanted = [features, first, second]
    found = [function(function(features @ first.T) @ second.T)]
    total = found[0].pow(3).sum()
    for _ in range(3):
        now = torch.autograd.grad(total, wanted, create_graph=True)
        found.extend(now)
        total = torch.stack([one.pow(3).sum() for one in now]).sum()
    return found


@each_pair
@given(seed=st.integers(0, 10**6))
@examples(20)
def test_derivatives_of_any_order_are_those_of_torch(
    ours: Function, plain: Function, seed: int
) -> None:
    torch.testing.assert_close(derivatives(ours, seed), derivatives(plain, seed))


@each_pair
def test_derivatives_pass_the_numerical_check(ours: Function, plain: Function) -> None:
    del plain
    features = drawn(0, 30).requires_grad_()
    assert torch.autograd.gradcheck(ours, (features,))
    assert torch.autograd.gradgradcheck(ours, (features,))


@each_pair
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_their_dtype_are_those_of_torch(
    ours: Function, plain: Function, dtype: torch.dtype
) -> None:
    features = drawn(3, 100).to(dtype)
    features[0] = 0
    assert torch.equal(ours(features), plain(features))
    assert torch.equal(ours(features.clone().requires_grad_()), plain(features))


@each_pair
def test_a_second_derivative_leaves_the_layers_below_alone(ours: Function, plain: Function) -> None:
    passed: dict[Function, list[Tensor | None]] = {ours: [], plain: []}
    for function, gradients in passed.items():
        below = drawn(1, 4).requires_grad_()
        features = below * 2
        features.register_hook(gradients.append)  # type: ignore[no-untyped-call]
        score = function(function(features) + 1).sum()
        (slope,) = torch.autograd.grad(score, below, create_graph=True)
        gradients.clear()
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        (slope * weight).sum().backward()  # type: ignore[no-untyped-call]
        assert weight.grad == slope.sum()
    assert all(one is None for one in passed[ours])
    assert any(one is not None for one in passed[plain])


@each_pair
def test_compiled_they_are_those_of_torch(ours: Function, plain: Function) -> None:
    features = drawn(2, 10).requires_grad_()
    compiled = torch.compile(ours, backend="eager", fullgraph=True)
    result = compiled(features)
    assert torch.equal(result, plain(features))
    assert type(result.grad_fn).__name__ in ("ReluBackward0", "LeakyReluBackward0")
