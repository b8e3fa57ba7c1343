"""Fixtures of the tests that train small runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.training import UndisturbedRuns, make_solids

from shapegan.model.training import trainer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of small solids."""
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture
def _frequent_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows at steps that are not multiples of a stage's; one thread, for the same sums."""
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 3)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    """Runs that were never stopped, by name."""
    return UndisturbedRuns(data, tmp_path_factory.mktemp("alone"))
