import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import label
from support.training import box, sphere

from shapegan.model.streaming.thin_parts import (
    FAR,
    thickened,
    thin_distances_at,
    thin_part_distances,
    thin_voxels,
)
from shapegan.pipeline.schema import grid_points, voxel_spacing

POINTS = grid_points(64).reshape(64, 64, 64, 3).astype(np.float64)


def moved(distance, *offset):
    return distance(POINTS - np.array(offset))


def chair():
    """A thick seat on four thin legs, with a back on two thin stiles."""
    legs = [
        moved(box(np.array([0.03, 0.4, 0.03])), x, -0.5, z)
        for x, z in itertools.product((-0.43, 0.41), (-0.42, 0.44))
    ]
    stiles = [moved(box(np.array([0.025, 0.3, 0.025])), x, 0.3, -0.4) for x in (-0.4, 0.42)]
    seat = moved(box(np.array([0.5, 0.12, 0.5])), 0, 0, 0)
    back = moved(box(np.array([0.5, 0.2, 0.1])), 0, 0.7, -0.4)
    return np.min([seat, back, *legs, *stiles], axis=0).astype(np.float32)


def pieces(sdf):
    return label(sdf < 0, np.ones((3, 3, 3)))[1]


def lattices(sdf, stride):
    for x, y, z in itertools.product(range(stride), repeat=3):
        yield sdf[x::stride, y::stride, z::stride]


def with_thin_parts(sdf, offset):
    thin = torch.from_numpy(thin_part_distances(sdf)).float()
    return thickened(torch.from_numpy(sdf), thin, torch.tensor(offset)).numpy()


def test_every_lattice_of_a_chair_is_whole_with_thin_parts_kept():
    sdf = chair()
    assert pieces(sdf) == 1
    torn = [pieces(grid) > 1 for grid in lattices(sdf, 4)]
    assert np.mean(torn) > 0.5
    kept = with_thin_parts(sdf, 0.09)
    assert [pieces(grid) for grid in lattices(kept, 4)] == [1] * 64


def test_only_legs_and_stiles_are_thin():
    sdf = chair()
    thin = thin_voxels(sdf)
    y = POINTS[..., 1]
    assert thin[(sdf < 0) & (y < -0.25)].all()
    assert thin[(sdf < 0) & (y > 0.25) & (y < 0.35)].all()
    assert not thin[(abs(y) < 0.12) | (y > 0.5)].any()
    assert not thin[sdf >= 0].any()


@pytest.mark.parametrize(
    "sdf",
    [
        moved(box(np.array([0.5, 0.3, 0.16])), 0.013, 0.007, -0.01),
        moved(sphere(0.4), 0, 0.01, 0),
        np.ones((64, 64, 64)),
    ],
    ids=["box", "ball", "empty"],
)
def test_the_field_is_the_true_one_where_nothing_is_thin(sdf):
    assert (thin_part_distances(sdf) == np.float16(FAR)).all()
    assert np.array_equal(with_thin_parts(sdf, 0.1), sdf)


def test_an_offset_of_zero_changes_nothing():
    sdf = chair()
    assert np.array_equal(with_thin_parts(sdf, 0.0), sdf)
    # Nor would the minimum, but for the rounding of float16.
    distances = thin_part_distances(sdf).astype(np.float32)
    np.testing.assert_allclose(np.minimum(sdf, distances), sdf, atol=1e-3)


@pytest.mark.parametrize("offset", [0.02, 0.075])
def test_neighbours_differ_by_at_most_their_distance(offset):
    kept = with_thin_parts(chair(), offset)
    for axis in range(3):
        # float16 rounds distances of up to 2 to a thousandth.
        assert np.abs(np.diff(kept, axis=axis)).max() <= voxel_spacing(64) + 2e-3


@pytest.mark.parametrize("size", [1.0, 1.3])
def test_distances_at_the_places_of_the_grid_are_the_grids_own(size):
    thin = thin_part_distances(chair())
    found = thin_distances_at(thin, POINTS.reshape(-1, 3) / size, size)
    assert found.dtype == np.float16
    expected = thin.ravel().astype(np.float32) / size
    np.testing.assert_allclose(found.astype(np.float32), expected, rtol=1e-3, atol=1e-3)


def test_points_between_and_beyond_the_grid_are_near_the_true_distance_to_thin_voxels():
    sdf, size = chair(), 1.4
    source = np.random.default_rng(0)
    points = source.uniform(-1, 1, (500, 3))
    thin = POINTS[thin_voxels(sdf)]
    true = np.sqrt(((size * points[:, None] - thin) ** 2).sum(-1).min(1)) / size
    found = thin_distances_at(thin_part_distances(sdf), points, size).astype(np.float64)
    inside = (np.abs(size * points) <= 1).all(axis=1)
    assert 0 < inside.sum() < 500
    assert np.abs(found - true)[inside].max() < voxel_spacing(64)
    # Beyond the cube, the true distance lies between the root of the squares' sum and the sum.
    assert (found - true)[~inside].max() < voxel_spacing(64)
    assert (found - true / np.sqrt(2))[~inside].min() > -voxel_spacing(64)


def test_distances_at_points_differ_by_at_most_the_points_distance():
    thin, source = thin_part_distances(chair()), np.random.default_rng(1)
    points = source.uniform(-1, 1, (2000, 3))
    moves = 0.05 * source.normal(size=points.shape)
    found, moved_there = (
        thin_distances_at(thin, places, 1.4).astype(np.float64)
        for places in (points, points + moves)
    )
    # Interpolation may be steeper along a diagonal; float16 rounds.
    lengths = np.linalg.norm(moves, axis=1)
    assert (np.abs(found - moved_there) <= lengths + 0.01).all()


def test_a_solid_without_room_for_a_ball_is_thin_everywhere():
    sheet = moved(box(np.array([0.6, 0.6, 0.03])), 0, 0, 0)
    assert np.array_equal(thin_voxels(sheet), sheet < 0)
