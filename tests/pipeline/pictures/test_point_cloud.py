from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.fakes import make_dataset

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.contact_sheet import ContactSheetSettings
from shapegan.pipeline.pictures.point_cloud import INSIDE, OUTSIDE, colors_by_sign, draw_points
from shapegan.pipeline.pictures.point_sheet import draw_point_sheet, write_point_sheet

FRONT = Camera(azimuth=0, elevation=0)
"""Looks along -z: x is to the right, y up."""

RED, GREEN = np.array([[200, 0, 0]], np.uint8), np.array([[0, 200, 0]], np.uint8)


def draw(points, colors, size=64, **more):
    picture = draw_points(np.array(points, np.float32), colors, size=size, camera=FRONT, **more)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    return picture.astype(int)


def test_the_sign_decides_the_colour_also_at_zero():
    found = colors_by_sign(np.array([-0.1, -0.0, 0.0, 0.1], np.float16))
    np.testing.assert_array_equal(found, [INSIDE, INSIDE, OUTSIDE, OUTSIDE])


def test_a_point_is_where_the_camera_sees_it():
    picture = draw([[0.5, 0.5, 0]], RED)
    row, column = np.argwhere(picture[:, :, 1] < 100).mean(axis=0)
    offset = 0.5 / (5 * np.tan(np.radians(12))) * 32
    assert row == pytest.approx(31.5 - offset, abs=1)
    assert column == pytest.approx(31.5 + offset, abs=1)


def test_nearer_points_cover_farther_ones_in_any_order():
    near, far = [0, 0, 0.5], [0, 0, -0.5]
    colors = np.concatenate([RED, GREEN])
    one = draw([near, far], colors, radius=4)
    np.testing.assert_array_equal(one, draw([far, near], colors[::-1], radius=4))
    middle = one[30:34, 30:34].reshape(-1, 3)
    assert (middle[:, 0] > middle[:, 1]).all()


def test_points_outside_the_picture_are_left_out():
    white = np.full((64, 64, 3), 255)
    for point in ([9, 0, 0], [0, 0, 6], [0, -9, 0]):
        np.testing.assert_array_equal(draw([point], RED), white)
    np.testing.assert_array_equal(draw(np.zeros((0, 3)), RED[:0]), white)
    assert (draw([[0, 0, 0]], RED, radius=5) != white).any(axis=-1).sum() > 60


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = PreprocessConfig(resolutions=(4,), points=500, on_surface_points=300, salient_points=1)
    return Dataset(make_dataset(tmp_path_factory.mktemp("points"), ["ok", "ok"], config))


def test_a_sheet_has_a_picture_for_each_set(dataset: Dataset, tmp_path: Path) -> None:
    file, settings = tmp_path / "points.png", ContactSheetSettings(panel=64)
    assert write_point_sheet(file, dataset, Choice(count=2), settings) == 2
    with Image.open(file) as image:
        assert image.width == 4 * 70 - 6 + 56
        pixels = np.asarray(image).astype(int)
    left, top = 28, 101 + 26
    panels = [pixels[top : top + 64, x : x + 64] for x in range(left, left + 4 * 70 - 6, 70)]
    for panel in panels[:2]:
        blue = (panel[:, :, 2] > panel[:, :, 0] + 40).sum()
        orange = (panel[:, :, 0] > panel[:, :, 2] + 40).sum()
        assert min(blue, orange) > 50
    assert (panels[2] < 240).any(axis=-1).sum() > 100
    assert (panels[3] == (246, 246, 247)).all(axis=-1).mean() > 0.5  # the fakes have none: a note


def test_a_dataset_without_points_is_refused(tmp_path: Path) -> None:
    made = make_dataset(tmp_path, ["ok"], PreprocessConfig(resolutions=(4,), points=0))
    with pytest.raises(DatasetError, match="has no points, only voxels: draw it with --picture"):
        draw_point_sheet(Dataset(made), [0], "title")
