import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner
from numpy.testing import assert_allclose
from support import shapes
from support.one_line import check_one_line

from shapegan.cli import main
from shapegan.model.generation import reconstruction
from shapegan.model.generation.reconstruction import (
    ReconstructionError,
    ReconstructionSettings,
    chamfer_distance,
    reconstruct_mesh,
)
from shapegan.model.generation.source import Source
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.shapes.surface import Surface
from shapegan.pipeline import load

SETTINGS = ReconstructionSettings(steps=150, resolution=32)
CENTER, SIZE = np.array([5.0, 1.0, -2.0]), 3.0


class Ellipsoids(Generator):
    """Nearly distances to ellipsoids, whose half sizes the latent decides."""

    def decode(self, points, codes, chunk=None, *, eager=False):
        half = 0.6 + codes[0, :3]
        distances = ((points / half).norm(dim=-1) - 1) * half.min()
        return distances if points.dim() == 3 else distances[None]


def source(recipe="autodecoder"):
    config = GeneratorConfig(latent=4, width=8, depth=4, frame="sphere")
    return Source("balls", Ellipsoids(config), 0.0, recipe)


@pytest.fixture
def mesh(tmp_path):
    """A ball, far from the origin, of another size."""
    ball = trimesh.creation.icosphere(3)
    ball.apply_scale(SIZE)
    ball.apply_translation(CENTER)
    path = tmp_path / "ball.obj"
    ball.export(path)
    return path


@pytest.fixture
def opened(monkeypatch):
    monkeypatch.setattr(reconstruction, "SDF_POINTS", 8192)
    monkeypatch.setattr("shapegan.model.generation.source.open_source", lambda *_: source())


def run(*words):
    return CliRunner().invoke(main, ["reconstruct", *map(str, words)])


def test_finds_the_latent_and_puts_the_shape_where_the_mesh_lies(mesh, opened, tmp_path):
    out = tmp_path / "out"
    result = run(mesh, "--run", "any", "--out", out, "--steps", 150, "--resolution", 32)
    assert result.exit_code == 0, result.output
    latent = np.load(out / "latent.npy")
    assert_allclose(latent[:3], 0.4, atol=0.05)  # of a ball of radius 1
    found = trimesh.load(out / "mesh.obj", process=False)
    assert found.is_watertight
    assert_allclose(found.bounds, [CENTER - SIZE, CENTER + SIZE], atol=0.06 * SIZE)
    content = json.loads((out / "reconstruction.json").read_text())
    assert content["chamfer"] < 0.005
    assert f"{content['chamfer']:.6f}" in result.stdout
    assert {path.name for path in out.iterdir()} == {
        "latent.npy",
        "mesh.obj",
        "reconstruction.json",
    }


@pytest.mark.parametrize(
    ("center", "size"), [([402_531.125, 5_654_321.375, 87.3], 3.0), ([0, 0, 0], 2e-7)]
)
def test_places_keep_their_digits(center, size, opened, tmp_path):
    """Map coordinates are coarse in float32; tiny meshes need more than 8 decimals."""
    ball = trimesh.creation.icosphere(3)
    path = shapes.write_obj(tmp_path / "ball.obj", ball.vertices * size + center, ball.faces)
    result = run(path, "--run", "any", "--out", tmp_path, "--steps", 150, "--resolution", 32)
    assert result.exit_code == 0, result.output
    found = load(tmp_path / "mesh.obj").vertices
    radii = np.linalg.norm(found - center, axis=1) / size
    assert_allclose(radii, radii.mean(), atol=0.02)
    assert_allclose((found.min(axis=0) + found.max(axis=0)) / 2, center, atol=0.02 * size)


def test_the_generator_is_as_it_was(mesh, opened):
    given = source()
    before = {name: value.clone() for name, value in given.generator.state_dict().items()}
    reconstruct_mesh(mesh, given, SETTINGS)
    for name, value in given.generator.state_dict().items():
        assert torch.equal(value, before[name])


def test_distance_of_a_moved_surface():
    box = trimesh.creation.box()
    here = Surface(box.vertices.astype(np.float32), box.faces.astype(np.int32))
    there = Surface(here.vertices + np.float32([10, 0, 0]), here.faces)
    assert chamfer_distance(here, here) < 1e-3
    assert chamfer_distance(here, there) == pytest.approx(2 * 9.5**2, rel=0.15)
    assert chamfer_distance(here, Surface(here.vertices, here.faces[:0])) is None


@pytest.mark.parametrize("recipe", ["voxel", "published"])
def test_only_autodecoders_reconstruct(mesh, recipe):
    with pytest.raises(ReconstructionError, match="--recipe autodecoder"):
        reconstruct_mesh(mesh, source(recipe), SETTINGS)


@pytest.mark.parametrize("option", ["split", "batch"])
def test_options_of_datasets_are_refused_with_a_mesh(option, mesh, tmp_path):
    result = run(mesh, "--run", tmp_path / "new", "--out", tmp_path / "out", f"--{option}", "3")
    check_one_line(result, f"--{option} takes a dataset")


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"v 0 0 0\n"])
def test_a_mesh_that_cannot_be_read_is_one_line(content, opened, tmp_path):
    path: Path = tmp_path / "bad.obj"
    if content is not None:
        path.write_bytes(content)
    result = run(path, "--run", "any", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: {path}: ")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_a_run_gives_one_line(mesh, tmp_path):
    other = shutil.copy(mesh, tmp_path / "other.pt")
    result = run(mesh, "--run", other, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
