"""Coarse grids keep parts that are thinner than their voxels, and change nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label
from support import shapes
from support.examples import examples

from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.schema import voxel_spacing
from shapegan.pipeline.sdf.coarse_field import HALF_THICKNESS
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.quality import lipschitz_excess

MESHES = sorted((Path(__file__).parents[2] / "data" / "meshes").rglob("*.obj"))
COARSE = (8, 16, 32)


def pieces(grid):
    """Number of connected parts of the inside, by the 26 neighbours of a voxel."""
    return label(grid < 0, np.ones((3, 3, 3)))[1]


def field_of(mesh, sheet_thickness=0.016):
    return make_field(TriangleMesh(*mesh), sheet_thickness)


def grids(made):
    """Pairs of the true grid and of that which keeps thin parts, for each coarse resolution."""
    fields = made.coarse_fields()
    return {r: (made.voxels(r), made.voxels(r, fields)) for r in COARSE}


@examples(15)
@given(st.tuples(*[st.sampled_from([0.004, 0.02, 0.05, 0.11, 0.3, 1.0])] * 3), st.floats(0, 0.7))
def test_a_bar_of_any_thickness_is_one_piece_on_every_grid(size, angle):
    size = (2.0, *size[1:])  # the longest side of a mesh is 2
    made = field_of(shapes.turned(shapes.box(size), angle))
    for resolution, (_, kept) in grids(made).items():
        assert pieces(kept) == 1, resolution


def test_the_true_grid_loses_what_is_thin():
    made = field_of(shapes.box((2.0, 0.02, 0.02), (0.0, 0.0, 0.0)))
    for true, kept in grids(made).values():
        assert pieces(true) == 0
        assert pieces(kept) == 1


def test_a_sheet_is_as_thick_as_a_grid_can_show():
    made = field_of(shapes.plane((2.0, 1.0)))
    for resolution, (_, kept) in grids(made).items():
        assert pieces(kept) == 1
        depth = HALF_THICKNESS * voxel_spacing(resolution)
        assert kept.min() >= -depth - 1e-6


def test_sheets_that_are_left_out_stay_out():
    mesh = shapes.join(shapes.box((1.0, 1.0, 1.0)), shapes.moved(shapes.plane(), (0.0, 0.0, 1.5)))
    fields = field_of(mesh, sheet_thickness=0).coarse_fields()
    assert fields.of(16).sheet_thickness == 0


@pytest.mark.parametrize("resolution", [16, 32])
def test_what_is_not_thin_keeps_its_field(resolution):
    true, kept = grids(field_of(shapes.icosphere(0.9, 3)))[resolution]
    np.testing.assert_array_equal(kept, true)


def test_distances_beside_a_thick_part_are_true():
    """A ball with a thin rod: only what is nearer to the rod than to the ball changes."""
    rod = shapes.moved(shapes.box((1.0, 0.02, 0.02)), (1.2, 0.0, 0.0))
    made = field_of(shapes.join(shapes.icosphere(0.8, 3), rod))
    true, kept = grids(made)[32]
    assert (kept <= true + 1e-6).all()
    far = np.arange(32) < 12  # x below the ball's centre
    np.testing.assert_array_equal(kept[far], true[far])
    assert pieces(kept) == 1


@pytest.mark.parametrize("path", MESHES, ids=lambda path: path.parent.name)
def test_real_meshes_are_as_whole_as_their_fine_grids(path):
    made = make_field(load(path), 0.016)
    for resolution, (_, kept) in grids(made).items():
        assert pieces(kept) <= pieces(made.grid), resolution
        assert lipschitz_excess(kept) < 3e-6


def test_grids_of_64_are_true():
    made = field_of(shapes.thin_plate())
    np.testing.assert_array_equal(made.voxels(64, made.coarse_fields()), made.grid)
