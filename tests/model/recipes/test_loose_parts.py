"""Tests of the loss that joins loose parts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from shapegan.model.recipes import loose_parts as module
from shapegan.model.recipes.loose_parts import (
    deciding_places,
    is_torn,
    joining_levels,
    loose_parts,
    pooled_levels,
    torn_share,
)
from shapegan.pipeline.schema import grid_points


def balls(*centres_and_radii, resolution=16):
    """The field of the union of balls on a grid: (R, R, R)."""
    points = torch.from_numpy(grid_points(resolution))
    each = [
        (points - torch.tensor(centre)).norm(dim=1) - radius for centre, radius in centres_and_radii
    ]
    return torch.stack(each).amin(dim=0).view((resolution,) * 3)


LARGE = ((-0.41, 0.013, 0.007), 0.4)
NEAR = ((0.5, 0.03, 0.02), 0.3)
"""Its surface is 0.2 from that of the large ball, and its depth is 0.3."""
SMALL = ((0.5, 0.03, 0.02), 0.15)
"""Its surface is 0.36 away: the saddle is higher than it is deep, but less than four times."""
CRUMB = ((0.7, 0.03, 0.02), 0.1)


@pytest.mark.parametrize("part", [NEAR, SMALL])
def test_a_part_is_joined_at_the_saddle(part):
    sdf = balls(LARGE, part)[None]
    places, signs = deciding_places(sdf)
    assert signs.tolist() == [[1, 0, 0, 0]]
    point = torch.from_numpy(grid_points(16))[places[0, 0]]
    assert 0 < sdf.flatten()[places[0, 0]] < 0.2
    assert 0 < point[0] < 0.25
    assert point[1:].abs().max() < 0.1


def test_a_crumb_is_taken_away_at_its_lowest_place():
    sdf = balls(LARGE, CRUMB)[None]
    places, signs = deciding_places(sdf)
    assert signs.tolist() == [[-1, 0, 0, 0]]
    assert sdf.flatten()[places[0, 0]] == sdf[0, 12:].min() < 0


def test_descent_makes_a_torn_shape_whole():
    sdf = torch.stack([balls(LARGE, NEAR), balls(LARGE, CRUMB), balls(LARGE)]).requires_grad_()
    assert [is_torn(one.numpy()) for one in sdf.detach()] == [True, True, False]
    for _ in range(100):
        parts = loose_parts(sdf)
        (gradient,) = torch.autograd.grad(parts.loss(parts.torn_share, 0.0), sdf)
        assert not gradient[2].any()
        with torch.no_grad():
            sdf -= 0.1 * gradient
    assert [is_torn(one.numpy()) for one in sdf.detach()] == [False, False, False]
    assert parts.torn_share == parts.loss(parts.torn_share, 0.0) == 0


@pytest.mark.parametrize(
    ("allowed", "factor"), [(0.0, 1.0), (0.25, 2 / 3), (0.5, 1 / 3), (0.75, 0.0), (1.0, 0.0)]
)
def test_as_many_torn_shapes_as_among_the_real_ones_cost_nothing(allowed, factor):
    sdf = torch.stack([balls(LARGE, NEAR)] * 3 + [balls(LARGE)])
    parts = loose_parts(sdf)
    assert parts.torn_share == 0.75
    full = 0.75 * parts.sdf[0, 0]
    assert parts.loss(parts.torn_share, allowed).item() == pytest.approx(factor * full.item())


@given(seed=st.integers(0, 10**6), smooth=st.floats(0.6, 1.5), mean=st.floats(-0.1, 0.2))
@settings(deadline=None)
def test_pooling_finds_the_same_places_as_flooding(seed, smooth, mean):
    noise = np.random.default_rng(seed).standard_normal((2, 8, 9, 7)).astype(np.float32)
    fields = [gaussian_filter(one, smooth) for one in noise]
    sdf = torch.from_numpy(np.stack([one / one.std() * 0.2 + mean for one in fields]))
    flooded, pooled = joining_levels(sdf), pooled_levels(sdf, 8 * 9 * 7)
    inside = sdf < 0
    assert torch.equal((flooded > 0) & inside, (pooled > 0) & inside)
    loose = (flooded > 0) & inside
    assert torch.equal(flooded[loose], pooled[loose])
    # What is not loose is in the component of the lowest voxel, by a third program.
    for field, out in zip(sdf.numpy(), loose.numpy(), strict=True):
        parts = label(field < 0)[0]
        lowest = parts.flat[field.argmin()]
        if lowest:
            assert np.array_equal(out, (parts > 0) & (parts != lowest))


def test_a_part_at_the_end_of_too_long_a_path_costs_nothing(monkeypatch):
    sdf = balls(LARGE, NEAR)[None]
    for longest, found in ((100, 1), (3, 0)):
        monkeypatch.setattr(
            module, "joining_levels", lambda sdf, longest=longest: pooled_levels(sdf, longest)
        )
        assert loose_parts(sdf).torn_share == found


class Grids:
    """Stands in for a stream of shapes."""

    def __init__(self, *grids):
        self.grids = grids
        self.finest = len(grids[0])

    def whole_voxels(self, resolution, limit):
        assert resolution == self.finest
        return iter(self.grids[:limit])


@pytest.mark.parametrize("half", [False, True])
def test_the_share_of_training_shapes_of_several_parts(half):
    away = ((0.5, 0.5, 0.5), 0.2), ((0.5, -0.5, -0.5), 0.2)
    stream = Grids(*[balls(*away)] * 3, balls(LARGE, ((0.2, 0.0, 0.0), 0.5)))
    assert torn_share(stream, 0.0, half) == 0.75


def test_parts_that_touch_at_a_corner_are_one_part_of_a_training_shape():
    sdf = torch.ones(8, 8, 8)
    sdf[2, 2, 2] = sdf[3, 3, 3] = -1
    assert is_torn(sdf.numpy())
    assert torn_share(Grids(sdf), 0.0, False) == 0
    sdf[6, 6, 6] = -1
    assert torn_share(Grids(sdf), 0.0, False) == 1


def test_thin_parts_are_thickened_before_parts_of_training_shapes_are_counted():
    points = torch.from_numpy(grid_points(64))
    rod = torch.stack([points[:, 1] - 0.016, points[:, 2] - 0.016]).norm(dim=0) - 0.02
    beads = torch.maximum(rod, -(points[:, 0].abs() - 0.05)).view(64, 64, 64)
    assert torn_share(Grids(beads), 0.0, False) == 1
    assert torn_share(Grids(beads), 0.075, False) == 0
