"""`shapegan samples`: meshes for each kind."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.one_line import check_one_line

from shapegan.cli import main


def samples(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["samples", *map(str, arguments)])


def test_samples_are_written_for_each_kind(tmp_path: Path) -> None:
    out = tmp_path / "meshes"
    result = samples("tables", "chairs", "tables", "--count", 2, "--out", out, "--seed", 4)
    assert result.exit_code == 0, result.output
    assert f"4 meshes in {out}" in result.stderr
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.obj"))
    assert found == [
        f"{folder}-{index:04d}/models/model_normalized.obj"
        for folder in ("03001627/chair", "04379243/table")
        for index in range(2)
    ]


def test_flags_of_samples_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write(*arguments: Any, **options: Any) -> list[Path]:
        asked.append((arguments, options))
        return []

    monkeypatch.setattr("shapegan.pipeline.samples.sample.write_samples", write)
    everything = ("chairs", "tables", "sofas", "planes")
    assert samples("all", "--out", tmp_path).exit_code == 0
    assert asked[-1] == ((everything, 64, 0, tmp_path), {"intact": False})
    assert (
        samples("planes", "--out", tmp_path, "--count", 3, "--seed", 9, "--intact").exit_code == 0
    )
    assert asked[-1] == ((("planes",), 3, 9, tmp_path), {"intact": True})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stools", "--out", "x"], "'stools' is not one of 'chairs', 'tables'"),
        (["--out", "x"], "Missing argument 'KIND...'"),
        (["chairs"], "Missing option '--out'"),
        (["chairs", "--out", "x", "--count", "0"], "0 is not in the range"),
        (["chairs", "--out", "x", "--seed", "-1"], "-1 is not in the range"),
        (["chairs", "--out", __file__], "Not a directory; choose another --out"),
    ],
)
def test_bad_arguments_of_samples_are_one_line(arguments: list[str], words: str) -> None:
    check_one_line(samples(*arguments), words)


def test_samples_replace_no_other_model(tmp_path: Path) -> None:
    assert samples("tables", "--count", 1, "--out", tmp_path).exit_code == 0
    result = samples("tables", "--count", 1, "--out", tmp_path, "--seed", 1)
    check_one_line(result, "another model already")
