"""`shapegan watertight`: its output folder, and the end of a run that made nothing."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.mesh_tree import make_mesh_tree
from support.one_line import check_one_line

from shapegan.cli import main


def watertight(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["watertight", *map(str, arguments)])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_mesh_tree(tmp_path / "input")


@pytest.mark.parametrize("name", ["input", "link"])
def test_an_output_that_is_the_input_is_one_line(tree: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tree)
    before = sorted(tree.rglob("*"))
    check_one_line(watertight(tree, "--out", tmp_path / name), "is INPUT itself: choose another")
    mesh = tree / "chairs" / "box.obj"
    check_one_line(watertight(mesh, "--out", mesh), "is INPUT itself: choose another")
    assert sorted(tree.rglob("*")) == before


def test_surfaces_inside_of_the_input_are_not_found_as_meshes(tree: Path) -> None:
    flags = ["--out", tree / "closed", "--resolution", 16, "--workers", 0]
    for _ in range(2):
        result = watertight(tree, *flags)
        assert result.exit_code == 0, result.output
        assert "2 of 3 meshes have a watertight surface" in result.stderr


def test_a_run_that_made_nothing_ends_with_one_line(tree: Path, tmp_path: Path) -> None:
    for folder in ("chairs", "tables"):
        for mesh in (tree / folder).iterdir():
            mesh.write_text("v 0 0 0\n")
    out = tmp_path / "out"
    for _ in range(2):
        result = watertight(tree, "--out", out, "--resolution", 16, "--workers", 0)
        check_one_line(result, f"no mesh was accepted: {out}/meshes.csv has the reasons")
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert "0 of 3 meshes have a watertight surface" in result.stderr
        assert (out / "meshes.csv").read_text().count("no faces") == 3


def test_the_help_names_only_options_of_the_command() -> None:
    help_text = watertight("--help").output
    options = {name for each in main.commands["watertight"].params for name in each.opts}
    assert set(re.findall(r"--[a-z][\w-]*", help_text)) - {"--help"} <= options
