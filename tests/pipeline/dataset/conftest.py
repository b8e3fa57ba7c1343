"""Datasets that the tests of the reader share."""

import shutil
from pathlib import Path

import pytest
from support.fakes import make_dataset
from support.read_dataset import BEHAVIOURS, CONFIG


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("made"), BEHAVIOURS, CONFIG)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))
