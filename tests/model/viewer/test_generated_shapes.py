import itertools

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from support.balls import Balls

from shapegan.model.viewer.generated_shapes import (
    Controls,
    GeneratedShapes,
    principal_directions,
)
from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.meshes.write import encode_mesh


def test_the_ends_of_a_blend_are_the_shapes_of_the_seeds():
    balls = Balls()
    shapes = GeneratedShapes(balls)
    for blend, seed in ((0.0, 3), (1.0, 7)):
        latent = shapes.latent(Controls(first=3, second=7, blend=blend, truncation=0.5))
        torch.testing.assert_close(latent, balls.latent(seed, 0.5))


def test_principal_directions_are_orthonormal_and_the_first_changes_most():
    generator = Balls().generator
    directions = principal_directions(generator, 5)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), atol=1e-5, rtol=0)
    weights = torch.cat([generator.latent_first.weight, generator.latent_again.weight])
    change = (weights @ directions.T).norm(dim=0)
    assert (change.diff() <= 1e-6).all()
    assert change[0] == pytest.approx(float(torch.linalg.matrix_norm(weights, 2)), rel=1e-4)
    assert all(row[row.abs().argmax()] > 0 for row in directions)


def test_a_direction_moves_the_latent_along_itself():
    shapes = GeneratedShapes(Balls(), 4)
    at, moved = Controls(first=5), Controls(first=5, offsets=(0.0, 2.0, 0.0, 0.0))
    difference = shapes.latent(moved) - shapes.latent(at)
    torch.testing.assert_close(difference, 2 * shapes.directions[1], atol=1e-5, rtol=1e-4)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1.5), max_size=30))
def test_a_walk_passes_every_seed_in_turn(steps):
    at = Controls(first=4, second=9)
    places = [at, *itertools.accumulate(steps, lambda c, step: c.walked(step), initial=at)]
    # How far along a line on which seed 4 is at 0, 9 at 1, 10 at 2...
    far = [(c.first - 8 if c.first >= 9 else 0) + c.blend for c in places]
    assert all(0 <= c.blend < 1 for c in places)
    assert far[-1] == pytest.approx(sum(steps), abs=1e-6)
    assert all(c.second == (9 if c.first == 4 else c.first + 1) for c in places)


@pytest.mark.parametrize("suffix", MESH_FORMATS)
def test_a_downloaded_mesh_is_the_one_that_is_shown(suffix, tmp_path):
    surface = GeneratedShapes(Balls()).surface(Controls(resolution=12, level=0.0))
    assert not surface.empty
    path = tmp_path / f"mesh.{suffix}"
    path.write_bytes(encode_mesh(surface, suffix))
    mesh = trimesh.load(path, force="mesh")
    assert len(mesh.faces) == len(surface.faces)
    np.testing.assert_allclose(mesh.bounds[0], surface.vertices.min(axis=0), atol=1e-5)
