import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapegan.model.recipes.training_points import (
    NEAR_DISTANCE,
    choose_places,
    moved_points,
    stretch_factors,
    stretched_distances,
)
from shapegan.pipeline.schema import grid_points, voxel_spacing

SIZE = 32
POINTS = torch.from_numpy(grid_points(SIZE))


def test_most_places_are_near_the_surface() -> None:
    sdf = torch.linspace(-0.5, 0.5, 1000).expand(2, -1)
    places = choose_places(sdf, torch.rand(2, 400), 300)
    assert places.shape == (2, 400)
    distances = sdf.gather(1, places).abs()
    assert (distances[:, :300] < NEAR_DISTANCE).all()
    assert 0.05 < float((distances[:, 300:] < NEAR_DISTANCE).float().mean()) < 0.3


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-24])
def test_the_first_and_the_last_near_place_can_be_chosen(draw: float) -> None:
    sdf = torch.tensor([[1.0, 0.01, 1.0, -0.02, 1.0]])
    place = choose_places(sdf, torch.full((1, 1), draw), 1)
    assert int(place) == (1 if draw == 0 else 3)


def test_without_a_near_place_all_are_chosen_from() -> None:
    places = choose_places(torch.ones(1, 100), torch.rand(1, 200), 150)
    assert places.min() >= 0
    assert places.max() < 100
    assert len(places.unique()) > 50


@settings(deadline=None)
@given(
    draws=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    boxes=st.lists(st.floats(0.05, 1), min_size=3, max_size=3),
    spread=st.floats(0, 0.3),
)
def test_stretched_shapes_keep_their_longest_side(
    draws: list[float], boxes: list[float], spread: float
) -> None:
    half = torch.tensor([boxes])
    factors = stretch_factors(torch.tensor([draws]), half, spread)
    torch.testing.assert_close((half * factors).amax(), half.amax())
    assert (factors > 0).all()
    if spread == 0:
        torch.testing.assert_close(factors, torch.ones(1, 3))


@settings(deadline=None)
@given(st.lists(st.floats(0.8, 1.25), min_size=3, max_size=3))
def test_distances_of_stretched_ellipsoids_and_boxes(given_factors: list[float]) -> None:
    factors = torch.tensor([given_factors])
    rows = torch.arange(SIZE**3)[None]
    moved = POINTS * factors
    half = torch.tensor([0.7, 0.5, 0.6])
    outside = (moved.abs() - half * factors).clamp(min=0).norm(dim=1)
    box = outside + (moved.abs() - half * factors).amax(dim=1).clamp(max=0)
    plain = (POINTS.abs() - half).clamp(min=0).norm(dim=1)
    plain = plain + (POINTS.abs() - half).amax(dim=1).clamp(max=0)
    got = stretched_distances(plain.view(1, SIZE, SIZE, SIZE), rows, plain[None], factors)[0]
    # Beside faces, far from edges, a stretched box is exact.
    face = (plain.abs() < 0.1) & ((POINTS.abs() - half > -0.25).sum(dim=1) == 1)
    assert face.sum() > 300
    torch.testing.assert_close(got[face], box[face], atol=1e-5, rtol=0)
    ball = POINTS.norm(dim=1) - 0.6
    got = stretched_distances(ball.view(1, SIZE, SIZE, SIZE), rows, ball[None], factors)[0]
    assert torch.equal(got < 0, ball < 0)
    # Beside an ellipsoid the distance along the normal is exact to first order.
    implicit = (moved / factors[0] / 0.6).square().sum(dim=1) - 1
    slope = 2 * (moved / (factors[0] * 0.6).square()).norm(dim=1)
    near = ball.abs() < 0.06
    assert np.allclose(got[near], (implicit / slope)[near], atol=0.01)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_moved_points_lie_in_the_cells_of_their_voxels(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    grid = torch.from_numpy(grid_points(SIZE)).double()
    slope = torch.randn(3, generator=generator).double()
    field = (grid @ slope + 0.1).view(1, SIZE, SIZE, SIZE)
    rows = torch.randint(SIZE**3, (1, 200), generator=generator)
    draws = torch.rand(1, 200, 3, generator=generator).double()
    points, sdf = moved_points(field, rows, draws)
    assert ((points - grid[rows]).abs() <= voxel_spacing(SIZE) / 2 + 1e-9).all()
    assert points.abs().max() <= 1
    # Trilinear interpolation is exact for a linear field.
    torch.testing.assert_close(sdf, points @ slope + 0.1)


def test_points_move_in_all_directions() -> None:
    middle = (SIZE**3 + SIZE**2 + SIZE) // 2
    rows = torch.full((1, 500), middle)
    points, _ = moved_points(torch.zeros(1, SIZE, SIZE, SIZE), rows, torch.rand(1, 500, 3))
    spread = points[0].amax(dim=0) - points[0].amin(dim=0)
    assert (spread > 0.9 * voxel_spacing(SIZE)).all()


def test_unstretched_distances_stay_as_they_are() -> None:
    voxels = torch.randn(2, 8, 8, 8)
    rows = torch.arange(512).expand(2, -1)
    got = stretched_distances(voxels, rows, voxels.flatten(1), torch.ones(2, 3))
    torch.testing.assert_close(got, voxels.flatten(1))
