"""Datasets that are exported."""

from pathlib import Path

import pytest
from support.exchanged import make_odd_dataset
from support.training import make_solids


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_odd_dataset(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def solids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"), shapes=4)
