import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from PIL import Image
from support.one_line import check_one_line
from support.toys import latent_run, toy_run
from support.training import SHAPES, make_solids

from shapegan.cli import main
from shapegan.model.generation import learned as learned_module
from shapegan.model.generation.learned import (
    LearnedShape,
    all_learned,
    learned_by_id,
    write_latents,
)
from shapegan.model.generation.meshes import as_trimesh, latents_by_row
from shapegan.model.generation.source import SourceError, open_source
from shapegan.model.shapes.surface import extract


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def learned() -> torch.Tensor:
    return torch.randn(SHAPES, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def toy(data: Path, learned: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"), learned, str(data))


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--device", "cpu"])


def test_learned_latents_are_found_by_id_or_the_end_of_one(
    toy: Path, learned: torch.Tensor
) -> None:
    source = open_source(toy)
    shapes = all_learned(source)
    assert torch.equal(torch.stack([shape.latent for shape in shapes]), learned)
    ids = [shape.id for shape in shapes]
    found = learned_by_id(source, [ids[3], ids[1][1:]])
    assert [shape.id for shape in found] == [ids[3], ids[1]]
    assert torch.equal(found[0].latent, learned[3])
    assert [shape.id for shape in learned_by_id(source, ["all"])] == ids
    with pytest.raises(SourceError, match=f"no shape '{ids[2]}x', but .*{ids[2]}"):
        learned_by_id(source, [ids[2] + "x"])


def test_an_end_of_several_ids_is_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(toy)
    shapes = all_learned(source)[:2]
    two = [dataclasses.replace(shape, id=f"{row}/b") for row, shape in enumerate(shapes)]
    monkeypatch.setattr(learned_module, "all_learned", lambda *_: two)
    with pytest.raises(SourceError, match="2 learned shapes end in '/b', such as 0/b, 1/b"):
        learned_by_id(source, ["/b"])
    assert learned_by_id(source, ["1/b"])[0].named.name == "1-b"


def test_a_whole_name_is_no_end_of_a_longer_one(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(toy)
    shapes = all_learned(source)[:2]
    ids = ("chairs/armchair2", "chairs/chair2")
    two = [dataclasses.replace(shape, id=id_) for shape, id_ in zip(shapes, ids, strict=True)]
    monkeypatch.setattr(learned_module, "all_learned", lambda *_: two)
    assert [shape.id for shape in learned_by_id(source, ["chair2"])] == ["chairs/chair2"]
    with pytest.raises(SourceError, match="2 learned shapes end in 'air2'"):
        learned_by_id(source, ["air2"])


def test_generate_makes_the_learned_shapes(
    toy: Path, learned: torch.Tensor, tmp_path: Path
) -> None:
    source = open_source(toy)
    ids = [shape.id for shape in all_learned(source)]
    result = command(
        *("generate", toy, "--out", tmp_path, "--shape", f"{ids[2]},{ids[0]}"),
        *("--resolution", 16, "--save-latents"),
    )
    assert result.exit_code == 0, result.output
    names = [name.replace("/", "-") for name in (ids[2], ids[0])]
    expected = {f"{name}.obj" for name in names} | {"shapes.png", "latents.npy", "latents.csv"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    mesh = trimesh.load(tmp_path / f"{names[0]}.obj", force="mesh")
    wanted = as_trimesh(extract(source.generator, learned[2], 16))
    assert mesh.volume == pytest.approx(wanted.volume, rel=1e-4)
    np.testing.assert_array_equal(np.load(tmp_path / "latents.npy"), learned[[2, 0]].numpy())


def test_a_run_exports_its_latents(toy: Path, learned: torch.Tensor, tmp_path: Path) -> None:
    """They come back as --latents."""
    words = ("--shape", "all", "--save-latents", "--no-meshes")
    result = command("generate", toy, "--out", tmp_path, *words)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latents.csv", "latents.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "latents.npy"), learned.numpy())
    with (tmp_path / "latents.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["row", "id", "name"]
    assert len(rows) == SHAPES + 1


def test_the_table_of_latents_has_the_ids_of_the_dataset(tmp_path: Path) -> None:
    shape = LearnedShape("03001627/chair", "03001627", torch.zeros(4))
    write_latents(tmp_path, [shape.named, *latents_by_row(torch.ones(1, 4))])
    assert (tmp_path / "latents.csv").read_text().splitlines() == [
        "row,id,name",
        "0,03001627/chair,03001627-chair",
        "1,,latent-000000",
    ]


def test_interpolate_goes_through_learned_shapes(toy: Path, tmp_path: Path) -> None:
    ids = [shape.id for shape in all_learned(open_source(toy))]
    words = ("--resolution", 12, "--seconds", 0.2, "--fps", 10, "--panel", 64)
    through = ("--through", f"{ids[0]},{ids[4]}", "--open")
    result = command("interpolate", toy, "--out", tmp_path / "ids", *through, *words)
    assert result.exit_code == 0, result.output
    np.save(tmp_path / "two.npy", open_source(toy).learned[[0, 4]].numpy())
    latents = ("--latents", tmp_path / "two.npy", "--open")
    assert command("interpolate", toy, "--out", tmp_path / "rows", *latents, *words).exit_code == 0
    strips = [(tmp_path / name / "film.png").read_bytes() for name in ("ids", "rows")]
    assert strips[0] == strips[1]


def test_evaluate_scores_reconstructions(toy: Path, data: Path, tmp_path: Path) -> None:
    words = ("--reconstructions", "--resolution", 16, "--count", 3)
    result = command("evaluate", toy, "--data", data, *words, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "reconstructions.json").read_text())
    assert [len(found["shapes"]), found["summary"]["shapes"]] == [3, 3]
    distances = [shape["chamfer"] for shape in found["shapes"]]
    assert found["summary"]["chamfer_mean"] == pytest.approx(np.mean(distances))
    assert found["summary"]["chamfer_median"] == pytest.approx(np.median(distances))
    assert "3 learned shapes of" in result.stdout
    assert max(found["shapes"], key=lambda one: one["chamfer"])["id"] in result.stdout


def test_a_latent_tour_is_a_film_a_strip_and_a_map(toy: Path, tmp_path: Path) -> None:
    words = ("--resolution", 12, "--seconds", 0.5, "--fps", 8, "--panel", 64, "--stops", 3)
    result = command("figure", "latent-tour", toy, "--out", tmp_path, *words)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["latent-tour.mp4", "map.png", "strip.png"]
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.size == (4 * 2 * 64 + 3 * 4, 64)
    head = (tmp_path / "latent-tour.mp4").read_bytes()
    assert b"ftyp" in head[:16]
    assert b"avc1" in head
    assert result.stderr.startswith("through ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("generate", "--shape", "nothing"), "has learned no shape 'nothing'"),
        (("generate", "--shape", "x", "--seed", 3), "--seed has no effect with --shape"),
        (("generate", "--data", "x"), "--data has no effect without --shape"),
        (("generate", "--no-meshes"), "--no-meshes needs --save-latents: nothing would"),
        (("interpolate", "--through", "x", "--seeds", "1,2"), "--seeds has no effect with"),
        (("interpolate", "--through", "nothing,nothing"), "has learned no shape"),
        (("figure latent-tour", "--panel", 65), "mp4 needs an even number"),
        (("figure latent-tour", "--through", "x", "--stops", 3), "--stops has no effect with"),
    ],
)
def test_bad_words_are_one_line(
    toy: Path, tmp_path: Path, words: tuple[object, ...], expected: str
) -> None:
    name, *flags = words
    check_one_line(command(*str(name).split(), toy, "--out", tmp_path / "out", *flags), expected)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [toy_run, latent_run])
def test_a_dataset_that_was_moved_is_named_by_an_option(
    make: Any, learned: torch.Tensor, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone")
    run = make(tmp_path / "run", learned if make is toy_run else (), gone)
    said = command("generate", run, "--out", tmp_path / "out", "--shape", "all")
    check_one_line(said, f"the dataset of run is no longer in {gone}: name it with --data")
    words = ("--shape", "all", "--data", tmp_path / "typed")
    said = command("generate", run, "--out", tmp_path / "out", *words)
    check_one_line(said, "typed is not a dataset: cannot read dataset.json")


def test_a_gan_has_no_learned_shapes(tmp_path: Path) -> None:
    result = command("generate", toy_run(tmp_path / "gan"), "--out", tmp_path / "out", "--shape", 1)
    check_one_line(result, "has no learned latents")
