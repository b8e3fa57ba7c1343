"""Fixtures of the modules that train."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.training import make_solids


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As in the processes that are started: sums by more threads round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)
