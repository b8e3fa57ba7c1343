"""Datasets that the tests of streams read."""

import shutil
from pathlib import Path

import pytest
from support.fakes import make_dataset
from support.streams import CONFIG


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 shapes in `train` and 8 in `val`, on 4 shards; some meshes were turned away."""
    behaviours = ["ok"] * 7 + ["reject"] * 2 + ["ok"] * 9
    return make_dataset(tmp_path_factory.mktemp("made"), behaviours, CONFIG)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))
