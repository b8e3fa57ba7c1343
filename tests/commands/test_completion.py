import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from support.fakes import make_dataset

from shapegan.cli import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and a dataset below the current folder."""
    for name in ("runs/chairs", "runs/deep/sofas", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/chairs", "runs/deep/sofas"):
        config = {"recipe": "voxel", "stages": []}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        (tmp_path / name / "checkpoints").mkdir()
    made = make_dataset(tmp_path, ["ok"])
    (tmp_path / "datasets").mkdir()
    made.rename(tmp_path / "datasets/chairs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completions(words: list[str], incomplete: str) -> list[tuple[str, str]]:
    found = ShellComplete(main, {}, "shapegan", "_X").get_completions(words, incomplete)
    return [(item.value, item.type) for item in found]


RUNS = [("runs/chairs", "plain"), ("runs/deep/sofas", "plain")]
DATASETS = [("datasets/chairs", "plain")]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["generate"], RUNS),
        (["figure", "latent-tour"], RUNS),
        (["reconstruct", "mesh.obj", "--run"], RUNS),
        (["train", "--data"], DATASETS),
        (["evaluate", "runs/chairs", "--data"], DATASETS),
        (["inspect"], DATASETS),
        (["split"], DATASETS),
        (["status"], DATASETS + RUNS),
        (["view"], DATASETS + RUNS),
        (["view", "runs/chairs"], RUNS),
    ],
)
def test_paths_are_completed_by_kind(words: list[str], expected: list[tuple[str, str]]) -> None:
    assert completions(words, "") == expected


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ru", RUNS),
        ("runs/", RUNS),
        ("./runs/d", [("./runs/deep/sofas", "plain")]),
        ("runs/chairs/", [("runs/chairs/", "file")]),  # such as a checkpoint in it
        ("nothing", [("nothing", "file")]),
        ("missing/x", [("missing/x", "file")]),
    ],
)
def test_what_is_typed_narrows_the_choice(typed: str, expected: list[tuple[str, str]]) -> None:
    assert completions(["generate"], typed) == expected


def test_an_absolute_path_stays_absolute(place: Path) -> None:
    assert completions(["generate"], f"{place}/runs/c") == [(f"{place}/runs/chairs", "plain")]


def test_commands_and_options_are_completed() -> None:
    assert ("generate", "plain") in completions([], "gen")
    assert ("--preview-every", "plain") in completions(["train"], "--prev")


def test_bash_completes_by_the_documented_line(place: Path) -> None:
    """The environment that bash sets for the program."""
    words = {"COMP_WORDS": "shapegan generate runs/c", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "from shapegan.cli import main; main(prog_name='shapegan')"],
        env=os.environ | words | {"_SHAPEGAN_COMPLETE": "bash_complete"},
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["plain,runs/chairs"]


def test_the_search_ends(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapegan.commands.completion._MAX_FOLDERS", 1)
    assert completions(["generate"], "") == [("", "file")]
