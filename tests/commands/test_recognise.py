import bz2
import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from support.fakes import make_dataset

from shapegan.cli import main
from shapegan.commands.recognise import recognise
from shapegan.model.generation.source import open_source
from shapegan.model.presets import preset
from shapegan.pipeline.errors import PlainError


def make_run(folder: Path) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(preset("voxel", "demo").to_dict()))
    return folder


def make_weights(folder: Path, *names: str) -> Path:
    torch.save({name: torch.zeros(2) for name in names}, folder / "weights.to")
    return folder / "weights.to"


def make_deepsdf(path: Path, **how: bool) -> Path:
    """`ModelParameters/latest.pth` as DeepSDF's code writes it: a DataParallel decoder."""
    names = [f"module.lin{k}.{part}" for k in range(3) for part in ("bias", "weight_g", "weight_v")]
    state = {name: torch.zeros(2) for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": 2000, "model_state_dict": state}, path, **how)
    return path


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """One path of each kind."""
    meshes = tmp_path / "shapenet" / "03001627" / "a"
    meshes.mkdir(parents=True)
    (meshes / "model.obj").write_text("v 0 0 0\n")
    with zipfile.ZipFile(tmp_path / "shapenet.zip", "w") as archive:
        archive.write(meshes / "model.obj")
    (tmp_path / "data").mkdir()
    dataset = make_dataset(tmp_path / "data", ["ok"])
    return {
        "dataset": dataset,
        "run": make_run(tmp_path / "runs" / "chairs"),
        "meshes": tmp_path / "shapenet",
        "mesh": meshes / "model.obj",
        "archive": tmp_path / "shapenet.zip",
        "published": make_weights(tmp_path, "layers1.0.weight", "layers1.0.bias"),
        "deepsdf": make_deepsdf(tmp_path / "deepsdf" / "ModelParameters" / "latest.pth"),
        "part": dataset / "shards",
    }


def shapegan(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def error_of(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert result.stderr.splitlines()[-1] == line
    return line.removeprefix("Error: ")


def test_every_kind_is_recognised(places: dict[str, Path]) -> None:
    for kind, path in places.items():
        found = recognise(path)
        assert found is not None
        assert found.kind == kind


def test_folders_of_several(places: dict[str, Path], tmp_path: Path) -> None:
    assert recognise(tmp_path / "runs") == ("runs", places["run"])
    (tmp_path / "data/meshes/mesh000.obj").unlink()
    assert recognise(tmp_path / "data") == ("datasets", places["dataset"])


def test_unknown_paths_are_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dataset.json").write_text("[1, 2]")
    (tmp_path / "config.json").write_text('{"name": "another program"}')
    (tmp_path / "readme.txt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.zip")  # reading it would block
    for path in (tmp_path, *tmp_path.iterdir(), tmp_path / "nowhere"):
        assert recognise(path) is None


@pytest.mark.parametrize("old", [False, True])
def test_deepsdf_checkpoints_of_any_age(tmp_path: Path, old: bool) -> None:
    path = make_deepsdf(tmp_path / "latest.pth", _use_new_zipfile_serialization=not old)
    assert "latest.pth is of DeepSDF" in error_of(shapegan("generate", path, "--out", tmp_path))
    bare = tmp_path / "bare.pth"
    torch.save({"lin0.weight": torch.zeros(2)}, bare, _use_new_zipfile_serialization=not old)
    codes = tmp_path / "codes.pth"
    torch.save({"epoch": 1, "latent_codes": {"weight": torch.zeros(2)}}, codes)
    for file in (bare, codes):
        assert recognise(file) == ("deepsdf", file)


def test_a_folder_of_a_deepsdf_experiment(tmp_path: Path) -> None:
    make_deepsdf(tmp_path / "ModelParameters" / "latest.pth")
    (tmp_path / "specs.json").write_text("{}")
    assert recognise(tmp_path) == ("deepsdf", tmp_path)


def test_other_weights_are_reported_by_who_loads_them(tmp_path: Path) -> None:
    torch.save({"resnet": torch.zeros(2)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:-100])
    for name in "ab":
        with pytest.raises(PlainError) as error:
            open_source(tmp_path / f"{name}.pt")
        found = error_of(shapegan("generate", tmp_path / f"{name}.pt", "--out", tmp_path / "out"))
        assert found == str(error.value)


@pytest.mark.parametrize(
    ("command", "kind", "expected"),
    [
        ("generate {} --out o", "dataset", "is a dataset, but SOURCE takes the folder of a run"),
        ("generate {} --out o", "dataset", "`shapegan train --data {}` trains on it"),
        ("generate {} --out o", "meshes", "`shapegan preprocess {} --out DIR` makes a dataset"),
        ("generate {} --out o", "archive", "is an archive, but SOURCE takes"),
        ("generate {} --out o", "deepsdf", "is of DeepSDF, but SOURCE takes"),
        ("generate {} --out o", "mesh", "is a mesh, but SOURCE takes"),
        ("interpolate {} --out o", "dataset", "is a dataset, but SOURCE takes"),
        ("figure levels {} --out o", "dataset", "is a dataset, but SOURCE takes"),
        ("figure map {} --out o", "meshes", "is a folder of meshes, but SOURCE takes"),
        ("evaluate {} --data {dataset}", "dataset", "is a dataset, but SOURCE takes"),
        ("evaluate {run} --data {}", "run", "is the folder of a run, but --data takes a dataset"),
        ("evaluate {run} --data {}", "meshes", "is a folder of meshes, but --data takes a dataset"),
        ("train --data {}", "meshes", "is a folder of meshes, but --data takes a dataset"),
        ("train --data {}", "meshes", "`shapegan preprocess {} --out DIR` makes a dataset of it"),
        ("train --data {}", "run", "is the folder of a run, but --data takes a dataset"),
        ("train --data {}", "archive", "is an archive, but --data takes a dataset"),
        ("train --data {}", "part", "is a part of {dataset}, but --data takes a dataset"),
        ("inspect {}", "run", "is the folder of a run, but DIR takes a dataset"),
        ("inspect {}", "run", "`shapegan status {}` shows its progress"),
        ("inspect {}", "meshes", "is a folder of meshes, but DIR takes a dataset"),
        ("inspect {}", "published", "is a file of the authors' published weights"),
        ("status {}", "meshes", "is a folder of meshes, but FOLDER takes"),
        ("status {}", "mesh", "is a mesh, but FOLDER takes"),
        ("view {}", "meshes", "is a folder of meshes, but SOURCE_OR_DATASET takes"),
        ("view {}", "archive", "is an archive, but SOURCE_OR_DATASET takes"),
        ("preprocess {} --out o", "archive", "is an archive, but INPUT takes a folder of meshes"),
        ("preprocess {} --out o", "archive", ": unpack it"),
        ("preprocess {} --out o", "mesh", "`shapegan preprocess` takes the folder that holds"),
        ("preprocess {} --out o", "dataset", "is a dataset, but INPUT takes a folder of meshes"),
        ("preprocess {} --out o", "run", "is the folder of a run, but INPUT takes"),
        ("preprocess {} --out o", "deepsdf", "is of DeepSDF, but INPUT takes"),
        ("reconstruct {} --run {run} --out o", "meshes", "but MESH takes the file of a mesh"),
        ("reconstruct {mesh} --run {} --out o", "dataset", "is a dataset, but --run takes"),
    ],
)
def test_the_wrong_kind_of_path_is_named(
    places: dict[str, Path], command: str, kind: str, expected: str
) -> None:
    words = [word.format(places[kind], **places) for word in command.split()]
    found = error_of(shapegan(*words))
    assert found.startswith(f"{places[kind]} is ")
    assert expected.format(places[kind], **places) in found


def tar(mode: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("a.obj"))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [tar("w"), tar("w:gz"), tar("w:xz"), bz2.compress(b"x"), gzip.compress(b"x"), b"Rar!\x1a\x07"],
    # Not the bytes: gzip writes the time, so two workers would collect different tests.
    ids=["tar", "tar.gz", "tar.xz", "bz2", "gz", "rar"],
)
def test_archives_of_every_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shapenet"
    path.write_bytes(content)
    assert "is an archive" in error_of(shapegan("preprocess", path, "--out", tmp_path / "out"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["prep", "x"], "No such command 'prep'. Did you mean 'preprocess'?"),
        (["Generat"], "No such command 'Generat'. Did you mean 'generate'?"),
        (["upscale", "x"], "No such command 'upscale'. Did you mean 'figure upscale'?"),
        (["figure", "level"], "No such command 'level'. Did you mean 'levels'?"),
        (["figure", "maps"], "No such command 'maps'. Did you mean 'map'?"),
        (["mesh2sdf"], "No such command 'mesh2sdf'. Did you mean 'preprocess'?"),
        (["mesh_to_sdf", "x"], "No such command 'mesh_to_sdf'. Did you mean 'preprocess'?"),
        (["viz", "x"], "No such command 'viz'. Did you mean 'view' or 'inspect'?"),
        (["figure", "viz"], "No such command 'viz'."),
        (["xyzzy"], "No such command 'xyzzy'."),
    ],
)
def test_an_unknown_command_is_answered_by_the_nearest(words: list[str], expected: str) -> None:
    assert error_of(shapegan(*words)) == expected


def test_groups_keep_their_help() -> None:
    assert "preprocess" in shapegan("--help").output
    assert "upscale" in shapegan("figure", "--help").output
    assert "No such option" in shapegan("--verion").output
