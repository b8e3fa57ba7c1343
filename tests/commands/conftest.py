"""Fixtures of the modules that train, and of those that preprocess."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.preprocess_command import make_meshes, process_fakes, record_arguments
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


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    process_fakes(monkeypatch)


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    return make_meshes(tmp_path / "shapenet")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return record_arguments(monkeypatch)
