from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner, Result
from PIL import Image
from support.one_line import check_one_line
from support.toys import latent_run, toy_run

from shapegan.cli import main
from shapegan.model.generation.meshes import (
    MeshSettings,
    as_trimesh,
    largest_component,
    latents_by_seed,
    write_mesh,
    write_meshes,
)
from shapegan.model.generation.source import open_source
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.meshes.write import encode_mesh


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"))


def generate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments), "--device", "cpu"])


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl", "glb"])
def test_writes_closed_meshes_wound_outwards(toy, tmp_path, suffix):
    result = generate(toy, "--out", tmp_path, "--count", 2, "--resolution", 24, "--format", suffix)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"seed-000000.{suffix}", f"seed-000001.{suffix}", "shapes.png"]
    source = open_source(toy)
    for seed in (0, 1):
        mesh = trimesh.load(tmp_path / f"seed-{seed:06d}.{suffix}", force="mesh")
        expected = as_trimesh(extract(source.generator, source.latent(seed), 24))
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume == pytest.approx(expected.volume, rel=1e-4)
        assert mesh.volume > 0.01
        np.testing.assert_allclose(mesh.bounds, expected.bounds, atol=1e-5)
    with Image.open(tmp_path / "shapes.png") as grid:
        assert grid.size == (516, 256)
        assert np.asarray(grid).std() > 10


@pytest.mark.parametrize(("count", "says"), [(1, "1 mesh and"), (2, "2 meshes and")])
def test_meshes_are_counted(toy, tmp_path, count, says):
    result = generate(toy, "--out", tmp_path, "--count", count, "--resolution", 8, "--save-latents")
    shapes, meshes = result.stderr.splitlines()
    assert meshes.startswith(f"{says} shapes.png in ")
    assert shapes.endswith(f"of {count} {'shape' if count == 1 else 'shapes'} in {tmp_path}")


def test_a_seed_is_the_same_shape_at_any_count(toy, tmp_path):
    generate(toy, "--out", tmp_path / "many", "--count", 3, "--resolution", 16)
    generate(toy, "--out", tmp_path / "one", "--count", 1, "--seed", 2, "--resolution", 16)
    name = "seed-000002.obj"
    assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    other = tmp_path / "many" / "seed-000001.obj"
    assert other.read_bytes() != (tmp_path / "many" / name).read_bytes()


def test_level_moves_the_surface_and_truncation_shrinks_latents(toy, tmp_path):
    volumes = {}
    for name, flags in {
        "as it is": (),
        "thick": ("--level", 0.1),
        "mean": ("--truncation", 0),
    }.items():
        out = tmp_path / name
        result = generate(toy, "--out", out, "--count", 2, "--resolution", 24, *flags)
        assert result.exit_code == 0, result.output
        volumes[name] = [trimesh.load(path).volume for path in sorted(out.glob("*.obj"))]
    assert volumes["thick"][0] > 1.2 * volumes["as it is"][0]
    assert volumes["mean"][0] == volumes["mean"][1]
    assert volumes["as it is"][0] != volumes["as it is"][1]


def test_latents_of_a_file(toy, tmp_path):
    latents = np.stack([open_source(toy).latent(seed).numpy() for seed in (5, 6)])
    np.save(tmp_path / "z.npy", latents)
    generate(toy, "--out", tmp_path, "--latents", tmp_path / "z.npy", "--resolution", 16)
    generate(toy, "--out", tmp_path, "--seed", 5, "--count", 2, "--resolution", 16)
    for row, seed in enumerate((5, 6)):
        by_row = (tmp_path / f"latent-{row:06d}.obj").read_bytes()
        assert by_row == (tmp_path / f"seed-{seed:06d}.obj").read_bytes()


def test_empty_shapes_are_reported_and_have_no_file(toy, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "seed-000000.obj").write_text("of an earlier call")
    result = generate(toy, "--out", out, "--count", 2, "--resolution", 16, "--level", -0.9)
    check_one_line(result, "all 2 shapes are empty at level -0.9: train for longer, or try another")
    assert [path.name for path in out.iterdir()] == ["shapes.png"]


def test_meshes_are_made_one_by_one_and_the_image_grid_last(toy, tmp_path):
    source, settings = open_source(toy), MeshSettings(resolution=16, panel=16)
    results = write_meshes(source, latents_by_seed(source, [3, 4]), tmp_path, settings)
    assert list(tmp_path.iterdir()) == []
    first = next(results)
    assert (first.name, first.path) == ("seed-000003", tmp_path / "seed-000003.obj")
    assert [path.name for path in tmp_path.iterdir()] == ["seed-000003.obj"]
    assert [written.name for written in results] == ["seed-000004"]
    assert (tmp_path / "shapes.png").is_file()


def test_a_mesh_is_written_in_the_format_of_its_suffix(toy, tmp_path):
    source = open_source(str(toy))
    surface = extract(source.generator, source.latent(0), 16)
    write_mesh(str(tmp_path / "chair.PLY"), surface)
    assert (tmp_path / "chair.PLY").read_bytes() == encode_mesh(surface, "ply")


def test_the_largest_component_has_the_most_surface():
    parts = [trimesh.creation.icosphere(2, radius) for radius in (0.1, 0.4, 0.2)]
    for number, part in enumerate(parts):
        part.apply_translation([number - 1.0, 0, 0])
    mesh = trimesh.util.concatenate(parts)
    surface = Surface(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    kept = largest_component(surface)
    assert as_trimesh(kept).is_watertight
    np.testing.assert_allclose(kept.vertices, parts[1].vertices, atol=1e-6)
    nothing = Surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert largest_component(nothing) is nothing


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--count", 0), "--count"),
        (("--resolution", 1), "--resolution"),
        (("--level", "nan"), "--level"),
        (("--format", "off"), "--format"),
        (("--latents", "gone.npy"), "gone.npy"),
        (("--latents", __file__, "--seed", 1), "--seed has no effect with --latents"),
        (("--latents", __file__), "is not an array, or is truncated"),
        (("--device", "tpu"), "--device"),
    ],
)
def test_bad_flags_are_one_line(toy, tmp_path, flags, expected):
    out = tmp_path / "out"
    arguments = ["generate", str(toy), "--out", str(out), *map(str, flags)]
    result = CliRunner().invoke(main, arguments)
    check_one_line(result, expected)
    assert not out.exists()


def test_bad_places_are_one_line(toy, tmp_path):
    check_one_line(generate(tmp_path / "gone", "--out", tmp_path), "there is no", "gone")
    (tmp_path / "file").touch()
    result = generate(toy, "--out", tmp_path / "file", "--count", 1, "--resolution", 8)
    check_one_line(result, f"cannot write {tmp_path / 'file'}")


CATEGORIES = ("03001627", "Office Desks")
"""A synset of chairs, and a folder."""


def test_a_category_is_chosen_by_id_name_or_folder(tmp_path):
    source = open_source(latent_run(tmp_path, CATEGORIES))
    latent = source.latent(5)
    for number, words in enumerate((["03001627", "chair", "Chairs"], ["office desk"])):
        for word in words:
            chosen = source.of_category(latent, word)
            weights = source.generator.category_weights(chosen[None, 4:])
            assert float(weights[0, number]) > 0.999
            assert chosen[:4].equal(latent[:4])


def test_generates_shapes_of_a_category(tmp_path):
    run = latent_run(tmp_path / "run", CATEGORIES)
    options = ("--count", 1, "--resolution", 24)
    names = []
    for word in ("chair", "office desks"):
        result = generate(run, "--out", tmp_path / word, *options, "--category", word)
        assert result.exit_code == 0, result.output
        names.append((tmp_path / word / "seed-000000.obj").read_bytes())
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("categories", "word", "message"),
    [
        (CATEGORIES, "lamp", "takes one of 03001627 (chair), Office Desks"),
        ((), "chair", "only for runs of recipe latent on several categories, unlike run"),
    ],
)
def test_other_categories_are_refused(tmp_path, categories, word, message):
    run = latent_run(tmp_path / "run", categories)
    result = generate(run, "--out", tmp_path / "out", "--category", word)
    check_one_line(result)
    assert message in result.output


def test_a_gan_has_no_categories(toy, tmp_path):
    result = generate(toy, "--out", tmp_path / "out", "--category", "chair")
    check_one_line(result)
    assert "--category works only for runs of recipe latent" in result.output
