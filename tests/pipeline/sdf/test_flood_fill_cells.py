"""Which cells the flood reaches."""

import numpy as np
import pytest

from shapegan.pipeline.sdf.flood_fill import flood


def near(faces_at, resolution=16):
    """Which of a grid's voxels are within a step of some of them."""
    there = np.argwhere(faces_at)
    here = np.argwhere(np.ones((resolution,) * 3, bool))
    gap = np.linalg.norm(here[:, None] - there[None], axis=2).min(axis=1)
    return gap.reshape((resolution,) * 3) <= 1


def shell(resolution=16, low=3, high=12):
    walls = np.zeros((resolution,) * 3, bool)
    walls[low : high + 1, low : high + 1, low : high + 1] = True
    walls[low + 1 : high, low + 1 : high, low + 1 : high] = False
    return walls


def test_the_flood_stays_out_of_a_closed_room():
    reached = flood(near(shell()))
    assert reached.dtype == bool
    assert not reached[3:13, 3:13, 3:13].any()
    assert reached[:3].all()
    assert reached[13:].all()


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("end", [3, 12])
def test_the_flood_enters_through_an_opening_from_any_side(axis, end):
    walls = shell()
    opening: list[int | slice] = [slice(6, 10)] * 3
    opening[axis] = end
    walls[tuple(opening)] = False
    reached = flood(near(walls))
    assert reached[7, 7, 7]
    assert not reached[walls].any()


def test_an_empty_cube_is_flooded_whole():
    assert flood(np.zeros((8, 8, 8), bool)).all()


def test_a_cube_full_of_faces_is_flooded_at_its_border_only():
    reached = flood(np.ones((8, 8, 8), bool))
    border = np.ones((8, 8, 8), bool)
    border[1:-1, 1:-1, 1:-1] = False
    np.testing.assert_array_equal(reached, border)
