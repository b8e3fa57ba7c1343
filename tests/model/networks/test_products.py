from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from torch import Tensor

from shapegan.model.networks import products
from shapegan.model.networks.products import linear, linear_relu

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch without oneDNN"
)
Layer = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@pytest.fixture
def _chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any processor, and for layers of any size."""
    monkeypatch.setattr(products, "prefers_onednn", lambda: True)
    monkeypatch.setattr(products, "_FEWEST_FEATURES", 1)
    monkeypatch.setattr(products, "_FEWEST_PRODUCTS", 1)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def derivatives(layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """Derivatives of orders 1 and 2 of a sum of sines, by features, weights and bias."""
    inputs = [one.clone().requires_grad_() for one in inputs]
    features, weight, *bias = inputs
    result = layer(features, weight, bias[0] if bias else None)
    first = torch.autograd.grad(result.sin().sum(), inputs, create_graph=True)
    total = torch.stack([one.sin().sum() for one in first]).sum()
    return [result, *first, *torch.autograd.grad(total, inputs)]


def uses_onednn(result: Tensor) -> bool:
    waiting, names = [result.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None:
            names.add(node.name())
            waiting += [before for before, _ in node.next_functions]
    return "_LinearBackward" in names


@needs_onednn
@pytest.mark.usefixtures("_chosen")
@given(
    places=st.lists(st.integers(1, 9), min_size=1, max_size=2),
    sides=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    biased=st.booleans(),
    seed=st.integers(0, 10**6),
)
@examples(60)
def test_results_and_derivatives_are_those_of_torch(
    places: list[int], sides: tuple[int, int], biased: bool, seed: int
) -> None:
    before, after = sides
    inputs = [drawn(seed, *places, before), drawn(seed + 1, after, before)]
    inputs += [drawn(seed + 2, after)] if biased else []
    found = derivatives(linear, inputs)
    exact = derivatives(F.linear, [one.double() for one in inputs])
    assert uses_onednn(found[0])
    for mine, its in zip(found, exact, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.double(), its, rtol=1e-4, atol=1e-3)


@given(
    rows=st.integers(1, 9),
    sides=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 10**6),
)
@examples(60)
def test_a_layer_and_its_relu_are_those_of_torch(
    rows: int, sides: tuple[int, int], seed: int
) -> None:
    before, after = sides
    inputs = [drawn(seed, rows, before), drawn(seed + 1, after, before), drawn(seed + 2, after)]
    inputs = [one.double() for one in inputs]
    exact = derivatives(lambda *one: F.linear(*one).relu(), inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_fuses", lambda _: True)
        found = derivatives(linear_relu, inputs)
    assert found[0].grad_fn.name() == "_LinearReluBackward"
    for mine, its in zip(found, exact, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-9)


def test_only_a_gpu_fuses_a_layer_with_its_relu() -> None:
    features, weight, bias = drawn(0, 5, 4), drawn(1, 3, 4).requires_grad_(), drawn(2, 3)
    result = linear_relu(features, weight, bias)
    torch.testing.assert_close(result, F.linear(features, weight, bias).relu())
    assert result.grad_fn.name() == "ReluBackward0"
    on_gpu = [
        SimpleNamespace(is_cuda=True, dtype=dtype) for dtype in (torch.bfloat16, torch.double)
    ]
    assert [products._fuses(one) for one in on_gpu] == [True, False]


@needs_onednn
@pytest.mark.usefixtures("_chosen")
def test_the_result_of_rows_may_be_changed_in_place() -> None:
    result = linear(drawn(0, 5, 4), drawn(1, 3, 4).requires_grad_())
    assert not result._is_view()
    assert result.relu_().min() == 0


@pytest.mark.usefixtures("_chosen")
def test_other_numbers_are_left_to_torch() -> None:
    features, weight = drawn(0, 5, 4), drawn(1, 3, 4).requires_grad_()
    assert not uses_onednn(linear(features.double(), weight.double()))
    with torch.autocast("cpu", torch.bfloat16):
        result = linear(features, weight)
    assert result.dtype == torch.bfloat16
    assert not uses_onednn(result)
    compiled = torch.compile(linear, backend="eager", fullgraph=True)
    assert not uses_onednn(compiled(features, weight))


@needs_onednn
@pytest.mark.parametrize(
    ("places", "before", "after", "large"),
    [(64, 256, 256, True), (63, 256, 256, False), (8192, 31, 256, False), (8192, 256, 31, False)],
)
def test_small_layers_are_left_to_torch(
    places: int, before: int, after: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "prefers_onednn", lambda: True)
    weight = drawn(1, after, before).requires_grad_()
    assert uses_onednn(linear(drawn(0, places, before), weight)) == large


@pytest.mark.parametrize(
    ("vendor", "capability", "expected"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("AuthenticAMD", "AVX2", False),
        ("GenuineIntel", "AVX512", False),
    ],
)
def test_the_processor_decides(
    vendor: str, capability: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    libraries = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    assert products.prefers_onednn.__wrapped__() == (expected and libraries)


def test_the_vendor_is_read_from_the_list_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(products, "_PROCESSORS", file)
    assert products._vendor() == ""
    file.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\n\nprocessor\t: 1\n")
    assert products._vendor() == "GenuineIntel"
