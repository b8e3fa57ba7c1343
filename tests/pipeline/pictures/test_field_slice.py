import numpy as np
import pytest

from shapegan.pipeline.pictures.field_slice import draw_slice, richest_slice, slice_position
from shapegan.pipeline.schema import grid_points

GRID = grid_points(41).reshape(41, 41, 41, 3)


def ball(x: float, y: float, z: float, radius: float):
    return np.linalg.norm(GRID - [x, y, z], axis=-1) - radius


def is_blue(picture):
    return picture[..., 2].astype(int) > picture[..., 0].astype(int) + 20


def test_signs_have_colours_at_the_right_positions() -> None:
    picture = draw_slice(ball(0, 0.5, -0.4, 0.3), 20, 200)
    assert picture.shape == (200, 200, 3)
    blue = is_blue(picture)
    rows, columns = np.mgrid[:200, :200] + 0.5
    assert rows[blue].mean() == pytest.approx(50, abs=1)  # y is up
    assert columns[blue].mean() == pytest.approx(60, abs=1)  # +z is right
    assert blue.sum() == pytest.approx(np.pi * 30**2, rel=0.1)
    orange = picture[..., 0].astype(int) > picture[..., 2].astype(int) + 20
    assert orange[150:].mean() > 0.9


def test_the_view_from_the_other_side_is_mirrored() -> None:
    field = ball(0, 0.5, -0.4, 0.3)
    left, right = draw_slice(field, 20, 120), draw_slice(field, 20, 120, from_right=True)
    assert np.abs(left.astype(int) - right[:, ::-1]).max() <= 1
    assert np.abs(left.astype(int) - right).max() > 50


def test_the_surface_is_a_dark_line() -> None:
    picture = draw_slice(ball(0, 0, 0, 0.6), 20, 200).astype(int).sum(axis=-1)
    row = picture[100]
    dark = np.flatnonzero(row < 120)
    assert set(np.round(dark / 40)) == {1, 4}  # at 0.2 and 0.8 of the width
    assert len(dark) <= 8


def test_a_wall_along_the_slice_is_not_covered_by_lines() -> None:
    wall = np.maximum(np.abs(GRID[..., 0]) - 0.01, np.abs(GRID).max(axis=-1) - 0.5)
    blue = is_blue(draw_slice(wall, 20, 200))
    assert blue[55:145, 55:145].mean() > 0.95


def test_the_richest_slice_crosses_most_of_the_surface() -> None:
    assert richest_slice(ball(0, 0, 0, 0.5)) == 20
    assert abs(richest_slice(ball(0.5, 0, 0, 0.3)) - 30) <= 4
    small_and_large = np.minimum(ball(0.5, 0, 0, 0.4), ball(-0.5, 0, 0, 0.1))
    assert richest_slice(small_and_large) > 25


def test_the_richest_slice_without_a_surface_is_the_middle() -> None:
    assert richest_slice(np.ones((9, 9, 9))) == 4
    assert richest_slice(np.ones((8, 8, 8))) in (3, 4)
    assert len(np.unique(draw_slice(np.ones((2, 2, 2)), 0, 16).reshape(-1, 3), axis=0)) == 1


def test_slice_positions_are_those_of_the_grid() -> None:
    assert [slice_position(3, k) for k in range(3)] == [-1, 0, 1]
