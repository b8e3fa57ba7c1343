import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from shapegan.model.networks.generator import Generator, GeneratorConfig

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location(
        "surface_benchmark", FOLDER / "surface_extraction.py"
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "surface_benchmark", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("norm", [False, True])
def test_the_dense_evaluation_is_that_of_the_generator(benchmark, norm):
    torch.manual_seed(0)
    config = GeneratorConfig(latent=5, width=16, norm=norm, bounded=not norm, frequencies=1)
    generator, points, latent = Generator(config), torch.rand(30, 3), torch.randn(5)
    found = benchmark.repeated(generator, points, latent)
    torch.testing.assert_close(found, generator(points, latent[None])[0])


def test_evaluated_points_are_counted(benchmark):
    counting = benchmark.CountingGenerator(Generator(GeneratorConfig(latent=2, width=8)))
    counting(torch.rand(7, 3), torch.zeros(1, 2))
    counting(torch.rand(3, 3), torch.zeros(1, 2))
    assert counting.evaluated == 10
