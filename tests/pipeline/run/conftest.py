"""Results that several modules compare with."""

import dataclasses

import pytest
from support.fake_runs import run
from support.fakes import digests, python_path
from support.processed import BOX, CLOUD, SMALL, made


@pytest.fixture
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path())


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of eleven good meshes, done by a plain loop."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, ["ok"] * 11, workers=0)
    return digests(folder / "out")


@pytest.fixture(scope="session")
def outcome(tmp_path_factory):
    """The box with a mix of points."""
    return made(tmp_path_factory.mktemp("box"), BOX, dataclasses.replace(SMALL, **CLOUD))
