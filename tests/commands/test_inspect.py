"""`shapegan inspect`: summaries, pictures and checks of a dataset."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.fakes import make_dataset
from support.gallery import make_gallery
from support.one_line import check_one_line

from shapegan.cli import main
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.contact_sheet import ContactSheetSettings


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("gallery"))


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_inspect_prints_a_summary(balls: Path) -> None:
    result = inspect(balls)
    assert result.exit_code == 0, result.output
    for words in ("6 shapes of 9 meshes", "03001627 (chair)", "Rejected", "Surface recall"):
        assert words in result.stdout
    assert "verified" not in result.stdout


@pytest.mark.parametrize("damage", ["is torn", "No such file"])
def test_a_shard_that_is_missing_or_torn_is_one_line(tmp_path: Path, damage: str) -> None:
    data = make_dataset(tmp_path, ["ok", "ok"])
    assert inspect(data).exit_code == 0
    shard = data / "shards" / "00000.h5"
    shard.write_bytes(shard.read_bytes()[:-1])
    if damage != "is torn":
        shard.unlink()
    result = inspect(data)
    check_one_line(result, f"{shard}", damage)
    assert result.stdout == ""


def test_inspect_draws_a_picture(balls: Path, tmp_path: Path) -> None:
    file = tmp_path / "worst.png"
    result = inspect(balls, "--picture", file, "--worst", 2, "--panel", 128)
    assert result.exit_code == 0, result.output
    assert f"2 shapes, lowest surface recall first, are drawn in {file}" in result.stdout
    with Image.open(file) as image:
        assert image.width == 4 * 134 - 6 + 56


def test_one_shape_is_drawn(balls: Path, tmp_path: Path) -> None:
    file = tmp_path / "one.png"
    result = inspect(balls, "--picture", file, "--id", "ball2", "--panel", 128)
    assert f"1 shape, chosen by id, is drawn in {file}" in result.stdout


def test_inspect_draws_points(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, ["ok", "ok"], PreprocessConfig(resolutions=(4,), points=50))
    file = tmp_path / "points.png"
    result = inspect(data, "--points", file, "--count", 1, "--panel", 128)
    assert result.exit_code == 0, result.output
    assert f"the points of 1 shape, at random (seed 0), are drawn in {file}" in result.stdout
    with Image.open(file) as image:
        assert image.width == 3 * 134 - 6 + 56  # captions need three pictures' width
    check_one_line(inspect(data, "--points", "x.jpg"), "takes a name that ends in .png")
    check_one_line(
        inspect(data, "--points", file, "--mesh-root", tmp_path), "only together with --picture"
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments with which the command draws."""
    found: dict[str, Any] = {}

    def write(file: Path, dataset: Dataset, *rest: Any) -> int:
        found.update(
            zip(
                ("file", "path", "choice", "root", "settings"),
                (file, dataset.path, *rest),
                strict=True,
            )
        )
        return 1

    monkeypatch.setattr("shapegan.pipeline.pictures.contact_sheet.write_contact_sheet", write)
    return found


def test_inspect_draws_twelve_at_random_by_default(
    balls: Path, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    assert inspect(balls, "--picture", tmp_path / "a.PNG").exit_code == 0
    expected = {"file": tmp_path / "a.PNG", "path": balls, "choice": Choice(), "root": None}
    assert drawn == expected | {"settings": ContactSheetSettings()}
    assert Choice().count == 12


def test_inspect_hands_every_flag_on(balls: Path, tmp_path: Path, drawn: dict[str, Any]) -> None:
    flags = [
        "--mesh-root",
        tmp_path,
        "--azimuth",
        35,
        "--panel",
        256,
        "--picture",
        tmp_path / "a.png",
    ]
    assert inspect(balls, *flags, "--count", 7, "--seed", 3).exit_code == 0
    assert drawn["choice"] == Choice(count=7, seed=3)
    assert drawn["root"] == tmp_path
    assert drawn["settings"] == ContactSheetSettings(256, Camera(azimuth=35))
    assert inspect(balls, *flags, "--id", "ball3", "--id", "a,b").exit_code == 0
    assert drawn["choice"] == Choice(ids=("ball3", "a,b"))
    assert inspect(balls, *flags, "--worst", 9).exit_code == 0
    assert drawn["choice"] == Choice(worst=9)


def test_inspect_verifies_the_shards(balls: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(balls, tmp_path / "copy"))
    assert "verified: every shard" in inspect(copy, "--verify").stdout
    shard = copy / "shards" / "00001.h5"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    check_one_line(inspect(copy, "--verify"), "00001.h5 has changed")
    shard.write_bytes(data[:-1])
    check_one_line(inspect(copy, "--verify"), "is torn")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--picture", "x.jpg"], "takes a name that ends in .png, got x.jpg"),
        (["--picture", "no/x.png"], "there is no folder no"),
        (["--picture", "."], "is a directory"),
        (["--picture", "x.png", "--id", "ball9"], "no mesh ball9"),
        (["--picture", "x.png", "--id", "ball8"], "is not in the dataset (rejected: jumps: 12.5%)"),
        (["--picture", "x.png", "--id", "ball1", "--worst", "2"], "--id and --worst exclude"),
        (["--picture", "x.png", "--count", "2", "--worst", "2"], "--worst and --count exclude"),
        (["--picture", "x.png", "--worst", "2", "--seed", "2"], "--seed has no effect"),
        (["--picture", "x.png", "--seed", "-1"], "-1 is not in the range"),
        (["--picture", "x.png", "--count", "0"], "0 is not in the range"),
        (["--picture", "x.png", "--panel", "9999"], "9999 is not in the range"),
        (["--picture", "x.png", "--mesh-root", "/no/such"], "does not exist"),
        (
            ["--worst", "3", "--azimuth", "3"],
            "--worst, --azimuth: only together with --picture or --points",
        ),
    ],
)
def test_bad_arguments_of_inspect_are_one_line(
    balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    check_one_line(inspect(balls, *flags), words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_dataset_is_one_line(balls: Path, tmp_path: Path) -> None:
    check_one_line(inspect(tmp_path / "no"), "does not exist")
    check_one_line(inspect(__file__), "is not a dataset: cannot read dataset.json")
    check_one_line(inspect(tmp_path), "is not a dataset: cannot read dataset.json")
    shutil.copy(balls / "dataset.json", tmp_path)
    check_one_line(inspect(tmp_path), "cannot read", "meshes.csv")
    shutil.copy(balls / "meshes.csv", tmp_path)
    check_one_line(inspect(tmp_path, "--picture", tmp_path / "x.png"), "00000.h5: No such file")


def test_a_dataset_without_shapes_is_summarised_but_not_drawn(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, ["reject"])
    assert "looks bad" in inspect(data).stdout
    result = inspect(data, "--picture", tmp_path / "x.png")
    check_one_line(result, "no shapes")
