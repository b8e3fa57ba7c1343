import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from support.one_line import check_one_line
from support.toys import toy_run
from support.training import SHAPES, make_solids

from shapegan.cli import main
from shapegan.model.generation import split_reconstruction
from shapegan.model.generation.reconstruction import chamfer_distance
from shapegan.model.generation.source import open_source
from shapegan.model.generation.split_reconstruction import ReconstructedShape, fitting_points
from shapegan.model.generation.split_report import pick_ranks
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.meshes.triangle_mesh import Frame

QUICK = ("--steps", 12, "--samples", 128, "--resolution", 16)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"), torch.zeros(SHAPES, 4))


def command(data: Path, toy: Path, out: Path, *words: object) -> Result:
    arguments = ("reconstruct", data, "--run", toy, "--out", out, *words, "--device", "cpu")
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def made(data: Path, toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Reconstructions of the split `train`."""
    out = tmp_path_factory.mktemp("out")
    result = command(data, toy, out, "--split", "train", "--batch", 3, *QUICK)
    assert result.exit_code == 0, result.output
    return out, result


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.*")}


def test_a_split_gives_a_table_meshes_and_a_picture(
    made: tuple[Path, Result], data: Path, toy: Path
) -> None:
    out, result = made
    table = json.loads((out / "reconstructions.json").read_text())
    dataset, source = Dataset(data), open_source(toy)
    assert [shape["id"] for shape in table["shapes"]] == dataset.ids[:SHAPES]
    distances = [shape["chamfer"] for shape in table["shapes"]]
    summary = table["summary"]
    assert summary["chamfer_mean"] == pytest.approx(np.mean(distances))
    assert summary["chamfer_median"] == pytest.approx(np.median(distances))
    assert f"mean {1000 * np.mean(distances):.3f}, median {1000 * np.median(distances):.3f}" in (
        result.stdout
    )
    worst = table["shapes"][int(np.argmax(distances))]["id"]
    assert f"worst: {worst}" in result.stdout
    # The distance is that of the written mesh and the surface of the dataset's finest voxels.
    folder = out / table["shapes"][1]["folder"]
    mesh = trimesh.load(folder / "mesh.obj", process=False)
    latent = torch.from_numpy(np.load(folder / "latent.npy"))
    made_surface = extract(source.generator, latent, 16)
    assert_allclose(mesh.vertices, made_surface.vertices, atol=1e-5)  # both frames are the same
    real = Surface.of_voxels(dataset.voxels(1, 16))
    assert chamfer_distance(made_surface, real) == pytest.approx(distances[1])
    with Image.open(out / "reconstructions.png") as picture:
        assert picture.size == (4 * 192 + 3 * 4, 3 * 192 + 2 * 4)  # 2 pairs a row, 3 rows


def test_fitting_brings_shapes_nearer(made: tuple[Path, Result], data: Path, toy: Path) -> None:
    out, _ = made
    source, dataset = open_source(toy), Dataset(data)
    counts = {"surface": 940, "uniform": 60}
    gains = []
    for folder in sorted((out / "shapes").iterdir()):
        points, sdf = fitting_points(dataset, int(folder.name[:5]), counts, "sphere")
        latents = torch.from_numpy(np.load(folder / "latent.npy"))[None]
        for values in (latents, torch.zeros_like(latents)):
            found = source.generator(torch.from_numpy(points), values)[0].numpy()
            gains.append(np.abs(found.clip(-0.1, 0.1) - sdf.clip(-0.1, 0.1)).mean())
    assert np.mean(gains[::2]) < np.mean(gains[1::2])


def test_the_batch_does_not_change_the_results(
    made: tuple[Path, Result], data: Path, toy: Path, tmp_path: Path
) -> None:
    result = command(data, toy, tmp_path, "--split", "train", "--batch", 1, *QUICK)
    assert result.exit_code == 0, result.output
    for folder in (made[0] / "shapes").iterdir():
        latents = [
            np.load(one / "latent.npy") for one in (folder, tmp_path / "shapes" / folder.name)
        ]
        assert_allclose(*latents, atol=1e-5)


def test_a_killed_run_continues(
    made: tuple[Path, Result],
    data: Path,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kill between two files of a shape, and one amid a file, leave nothing that is read."""
    out, fits = tmp_path / "out", []
    shutil.copytree(made[0], out)
    first, second, *others = sorted((out / "shapes").iterdir())
    (first / "reconstruction.json").unlink()
    shutil.rmtree(second)
    (first / "latent.npy").write_bytes(b"half")
    (others[0] / ".mesh.obj.1234.tmp").write_bytes(b"half")
    (out / "reconstructions.json").unlink()
    before = {path: path.stat().st_mtime_ns for one in others for path in one.glob("[!.]*")}
    fit = split_reconstruction.fit_latents
    monkeypatch.setattr(
        split_reconstruction,
        "fit_latents",
        lambda *args, **words: (fits.append(len(args[1])), fit(*args, **words))[1],
    )
    result = command(data, toy, out, "--split", "train", "--batch", 3, *QUICK)
    assert result.exit_code == 0, result.output
    assert fits == [2]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert contents(out).keys() == contents(made[0]).keys()
    assert result.stdout == made[1].stdout
    assert (out / "reconstructions.json").read_text() == (
        made[0] / "reconstructions.json"
    ).read_text()


def test_an_interrupted_run_names_the_way_on(
    data: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(split_reconstruction, "chamfer_distance", interrupted)
        result = command(data, toy, tmp_path, "--split", "val", *QUICK)
    assert result.exit_code == 130
    assert "the same command resumes" in result.stderr
    assert not list(tmp_path.rglob("reconstruction.json"))
    result = command(data, toy, tmp_path, "--split", "val", *QUICK)
    assert result.exit_code == 0, result.output
    assert "2 shapes of split `val`" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "has no split 'test', it has: train, val"),
        (("--split", "some"), "has no split 'some'"),
        (("--split", "val", *QUICK), "with other split: name another folder"),
        (("--split", "train", *QUICK, "--steps", 13, "--seed", 4), "with other steps, seed:"),
    ],
)
def test_bad_words_are_one_line(
    words: tuple[object, ...],
    expected: str,
    made: tuple[Path, Result],
    data: Path,
    toy: Path,
) -> None:
    before = contents(made[0])
    check_one_line(command(data, toy, made[0], *words), expected)
    assert contents(made[0]) == before


def test_another_run_does_not_continue_the_folder(
    made: tuple[Path, Result], data: Path, toy: Path, tmp_path: Path
) -> None:
    other = toy_run(tmp_path / "other", torch.zeros(SHAPES, 4))
    path = next((other / "checkpoints").glob("*.pt"))
    state = torch.load(path, weights_only=True)
    weights = state["recipe"]["average"]["weights"]
    weights[next(iter(weights))] += 0.1
    torch.save(state, path)
    check_one_line(command(data, other, made[0], "--split", "train", *QUICK), "other weights")


def test_a_gan_does_not_reconstruct(data: Path, tmp_path: Path) -> None:
    result = command(data, toy_run(tmp_path / "gan"), tmp_path / "out", "--split", "val")
    check_one_line(result, "--recipe autodecoder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("resolutions", (), "has no voxels"),
        ("point_sets", ("occnet",), "has neither the points `cloud` nor both `surface` and"),
    ],
)
def test_a_dataset_without_voxels_or_points_is_one_line(
    name: str,
    value: tuple[str, ...],
    expected: str,
    data: Path,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Dataset, name, value)
    check_one_line(command(data, toy, tmp_path / "out", "--split", "val"), expected)
    assert not (tmp_path / "out").exists()


def test_a_damaged_record_is_one_line(
    made: tuple[Path, Result], data: Path, toy: Path, tmp_path: Path
) -> None:
    shutil.copytree(made[0], tmp_path / "out")
    record = next((tmp_path / "out" / "shapes").glob("*/reconstruction.json"))
    record.write_text("{")
    result = command(data, toy, tmp_path / "out", "--split", "train", *QUICK)
    check_one_line(result, f"cannot read {record}: delete it")


def test_points_and_distances_in_the_cube_frame(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, counts = Dataset(data), {"surface": 94, "uniform": 6}
    points, sdf = fitting_points(dataset, 0, counts, "sphere")
    assert_array_equal(points[:94], dataset.points(0, "surface", 0, 94)[0])
    assert_array_equal(sdf[94:], dataset.points(0, "uniform", 0, 6)[1])
    monkeypatch.setattr(dataset, "frame", lambda _: Frame(np.zeros(3), 2.0, 3.0))
    cube = fitting_points(dataset, 0, counts, "cube")
    assert_allclose(cube[0], 1.5 * points)
    assert_allclose(cube[1], 1.5 * sdf)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, {"best": [0]}),
        (2, {"best": [0], "worst": [1]}),
        (3, {"best": [0], "median": [1], "worst": [2]}),
        (7, {"best": [0, 1], "median": [2, 3], "worst": [5, 6]}),
        (99, {"best": [0, 1, 2, 3], "median": [47, 48, 49, 50], "worst": [95, 96, 97, 98]}),
    ],
)
def test_the_picture_shows_best_median_and_worst(
    count: int, expected: dict[str, list[int]]
) -> None:
    ranked = [ReconstructedShape(index, str(index), Path()) for index in range(count)]
    found = {name: [shape.index for shape in row] for name, row in pick_ranks(ranked).items()}
    assert found == expected
