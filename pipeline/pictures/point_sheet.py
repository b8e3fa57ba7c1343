"""Contact sheet of a dataset's point sets, coloured by sign.

write_point_sheet(Path("points.png"), dataset, Choice(worst=20))
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.files import replacing
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.contact_sheet import ContactSheet, ContactSheetSettings
from shapegan.pipeline.pictures.panel import Picture, draw_note
from shapegan.pipeline.pictures.point_cloud import colors_by_sign, draw_points
from shapegan.pipeline.schema import POINT_LAYOUTS

VOLUME_SETS = ("uniform", "occnet", "vecset_volume")
"""Sets that fill a ball or cube: the half towards the camera is cut away, to see the inside."""

_PIXELS_PER_POINT = 2
_DARKEST = 0.35
"""Brightness of points with normals at right angles to the view, relative to those towards it."""
_CLAY = np.array([196, 178, 158])


def write_point_sheet(
    file: Path,
    dataset: Dataset,
    choice: Choice,
    settings: ContactSheetSettings | None = None,
) -> int:
    """Draw the points of shapes of a dataset as a PNG file.

    Args:
        file: replaced if it exists.
        dataset: a dataset with points.
        choice: selects shapes.
        settings: None for the defaults.

    Returns:
        The number of shapes on the sheet.

    Raises:
        ChoiceError: a requested shape does not exist.
        DatasetError: a shard cannot be read, or there are no points.
        OutputError: the file cannot be written.
    """
    indices = choice.numbers(dataset)
    name, count = dataset.path.resolve().name, f"{len(indices):,} of {len(dataset):,} shapes"
    image = draw_point_sheet(dataset, indices, f"{name}: {count}, {choice}", settings)
    with replacing(file) as temporary:
        image.save(temporary, format="PNG")
    return len(indices)


def draw_point_sheet(
    dataset: Dataset,
    indices: Sequence[int],
    title: str,
    settings: ContactSheetSettings | None = None,
) -> Image.Image:
    """Draw the point sets of shapes, one shape a row; in two columns if there are many.

    Points inside are blue, points outside are orange. Sets with normals are shaded.

    Args:
        dataset: a dataset with points.
        indices: indices of the shapes, at least one.
        title: the line at the top.
        settings: None for the defaults.

    Raises:
        DatasetError: a shard cannot be read, or there are no points.
    """
    settings = settings or ContactSheetSettings()
    names = [*dataset.point_counts]
    if not names:
        raise DatasetError(f"{dataset.path} has no points, only voxels: draw it with --picture")
    heads = [f"{name}, cut open" if name in VOLUME_SETS else name for name in names]
    sheet = ContactSheet(title, heads, len(indices), settings.panel)
    for place, index in enumerate(indices):
        pictures = [_picture(dataset, index, name, settings) for name in names]
        sheet.add(place, dataset.accepted[index], pictures)
    return sheet.image


def _picture(dataset: Dataset, index: int, name: str, settings: ContactSheetSettings) -> Picture:
    """Draw the first points of a set, as many as the panel has room for."""
    camera, count = settings.camera, settings.panel**2 // _PIXELS_PER_POINT
    if POINT_LAYOUTS[name].normals:
        positions, normals = dataset.oriented_points(index, name)
        positions, colors = positions[:count], _shaded(normals[:count], camera)
    else:
        stored = dataset.point_counts[name]
        positions, sdf = dataset.points(index, name, 0, min(2 * count, stored))
        colors = colors_by_sign(sdf)
    if len(positions) == 0:
        return draw_note("no points", settings.panel)
    framed = camera.fitted(np.concatenate([positions, np.zeros((1, 3))]))
    if name in VOLUME_SETS:
        behind = positions @ camera.axes[2] <= 0
        positions, colors = positions[behind], colors[behind]
    return draw_points(positions, colors, size=settings.panel, camera=framed)


def _shaded(normals: NDArray[np.float32], camera: Camera) -> NDArray[np.uint8]:
    facing = np.abs(normals @ camera.axes[2])
    shade = _DARKEST + (1 - _DARKEST) * facing
    shaded: NDArray[np.uint8] = (shade[:, None] * _CLAY).clip(0, 255).astype(np.uint8)
    return shaded
