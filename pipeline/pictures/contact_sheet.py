"""Contact sheet of a dataset: for each shape its mesh, its voxels' surfaces, a slice of its field.

write_contact_sheet(Path("sheet.png"), dataset, Choice(worst=20))
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from shapegan.pipeline.dataset.original_mesh import read_original
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.files import replacing
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.field_slice import draw_slice, richest_slice, slice_position
from shapegan.pipeline.pictures.panel import GREY, Picture, draw_note, font, printable
from shapegan.pipeline.pictures.render import render
from shapegan.pipeline.pictures.shading import CLAY, Color
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.taxonomy import describe

VOXELS: Color = (0.47, 0.63, 0.82)
"""Colour of surfaces extracted from voxels; original meshes are `CLAY`."""

POOR_RECALL = 0.95
"""A surface recall below this is written in red."""

_DARK, _RED, _FAINT = (25, 28, 34), (190, 40, 30), (225, 227, 231)
_LABEL = (255, 240, 222)
_MARGIN, _GAP, _CAPTION = 28, 6, 26
_TITLE_SIZE, _HEAD_SIZE, _ID_SIZE, _TEXT_SIZE = 24, 15, 16, 14
_DOT = "  \u00b7  "
_LEAST_PANELS = 3
"""A shape has the width of at least so many pictures, which its caption needs."""
_ONE_COLUMN = 4
"""The largest number of shapes in one column; more are set in two."""


@dataclass(frozen=True)
class ContactSheetSettings:
    """Settings of a contact sheet."""

    panel: int = 208
    """Height and width of each picture in pixels."""
    camera: Camera = field(default_factory=Camera)
    """Direction of the view; it is fitted to each shape."""
    device: str = "cpu"
    """Warp's name of the device."""


def write_contact_sheet(
    file: Path,
    dataset: Dataset,
    choice: Choice,
    mesh_root: Path | None = None,
    settings: ContactSheetSettings | None = None,
) -> int:
    """Draw shapes of a dataset as a PNG file.

    Args:
        file: replaced if it exists.
        dataset: a dataset with voxels.
        choice: selects shapes.
        mesh_root: the folder of the meshes; None for the one recorded in the dataset.
        settings: None for the defaults.

    Returns:
        The number of shapes on the sheet.

    Raises:
        ChoiceError: a requested shape does not exist.
        DatasetError: a shard cannot be read.
        OutputError: the file cannot be written.
    """
    indices = choice.numbers(dataset)
    name, count = dataset.path.resolve().name, f"{len(indices):,} of {len(dataset):,} shapes"
    root = mesh_root or Path(dataset.manifest.input)
    image = draw_contact_sheet(dataset, indices, root, f"{name}: {count}, {choice}", settings)
    with replacing(file) as temporary:
        image.save(temporary, format="PNG")
    return len(indices)


def draw_contact_sheet(
    dataset: Dataset,
    indices: Sequence[int],
    mesh_root: Path,
    title: str,
    settings: ContactSheetSettings | None = None,
) -> Image.Image:
    """Draw shapes of a dataset, one a row; in two columns if there are many.

    Args:
        dataset: a dataset with voxels.
        indices: indices of the shapes, at least one.
        mesh_root: the folder of the meshes. A note replaces the picture of a missing mesh.
        title: the line at the top.
        settings: None for the defaults.

    Raises:
        DatasetError: a shard cannot be read, or there are no voxels.
    """
    settings = settings or ContactSheetSettings()
    resolutions = [*dataset.resolutions[-2:-1], dataset.finest]
    heads = ["mesh", *(f"{r}^3 voxels" for r in resolutions), "slice of the field"]
    sheet = ContactSheet(title, heads, len(indices), settings.panel)
    for place, index in enumerate(indices):
        pictures = _pictures(dataset, index, resolutions, mesh_root, settings)
        sheet.add(place, dataset.accepted[index], pictures)
    return sheet.image


# --- the pictures of one shape ---------------------------------------------------------------


def _pictures(
    dataset: Dataset,
    index: int,
    resolutions: Sequence[int],
    mesh_root: Path,
    settings: ContactSheetSettings,
) -> list[Picture]:
    """Draw all pictures of a shape from one camera."""
    voxels = [dataset.voxels(index, r) for r in resolutions]
    surfaces = [extract_surface(grid) for grid in voxels]
    relative, frame = dataset.accepted[index].path, dataset.frame(index)
    mesh, reason = read_original(mesh_root, relative, frame)
    shown = [vertices for vertices, _ in surfaces] + ([mesh.vertices] if mesh else [])
    camera = settings.camera.fitted(np.concatenate([*shown, np.zeros((1, 3))]))

    def draw(vertices: NDArray[np.float64], faces: NDArray[np.int32], color: Color) -> Picture:
        if len(faces) == 0:
            return draw_note("no surface", settings.panel)
        size, device = settings.panel, settings.device
        return render(vertices, faces, size=size, camera=camera, color=color, device=device)

    first = draw(mesh.vertices, mesh.faces, CLAY) if mesh else draw_note(reason, settings.panel)
    pictures = [first, *(draw(*surface, VOXELS) for surface in surfaces)]
    return [*pictures, _slice(voxels[-1], camera, settings.panel)]


def _slice(voxels: NDArray[np.float32], camera: Camera, size: int) -> Picture:
    index = richest_slice(voxels)
    picture = draw_slice(voxels, index, size, from_right=bool(camera.axes[2, 0] > 0))
    image = Image.fromarray(picture)
    text = f"x = {slice_position(len(voxels), index):.2f}"
    ImageDraw.Draw(image).text(
        (size - 6, size - 6), text, _DARK, font(12), "rs", stroke_width=2, stroke_fill=_LABEL
    )
    return np.asarray(image)


# --- the sheet ---------------------------------------------------------------------------------


class ContactSheet:
    """Layout of pictures, captions and headings on one image."""

    def __init__(self, title: str, heads: Sequence[str], shapes: int, panel: int) -> None:
        """Draw the title, and the headings above each column.

        Args:
            title: the line at the top.
            heads: a heading for each picture of a shape.
            shapes: number of shapes.
            panel: height and width of each picture in pixels.
        """
        self._panel = panel
        self._columns = 2 if shapes > _ONE_COLUMN else 1
        self._block = max(len(heads), _LEAST_PANELS) * (panel + _GAP) - _GAP
        rows = -(-shapes // self._columns)
        self._top = _MARGIN + _TITLE_SIZE + _HEAD_SIZE + 34
        self._row = _CAPTION + panel + 18
        width = 2 * _MARGIN + self._columns * (self._block + 2 * _MARGIN) - 2 * _MARGIN
        height = self._top + rows * self._row + _MARGIN - 18
        self.image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self.image)
        self._write((_MARGIN, _MARGIN), title, _DARK, _TITLE_SIZE, width - 2 * _MARGIN)
        for column in range(self._columns):
            for place, head in enumerate(heads):
                x = self._left(column) + place * (panel + _GAP) + panel / 2
                at = (x, self._top - 14)
                self._draw.text(at, head, GREY, font(_HEAD_SIZE), anchor="ms")

    def add(self, place: int, report: MeshReport, pictures: Sequence[Picture]) -> None:
        """Draw a shape at a place, counted row by row."""
        left = self._left(place % self._columns)
        top = self._top + place // self._columns * self._row
        self._draw.line((left, top, left + self._block, top), _FAINT)
        self._caption(report, left, top + 6)
        for number, picture in enumerate(pictures):
            at = (left + number * (self._panel + _GAP), top + _CAPTION)
            self.image.paste(Image.fromarray(picture), at)

    def _left(self, column: int) -> int:
        return _MARGIN + column * (self._block + 2 * _MARGIN)

    def _caption(self, report: MeshReport, left: int, top: int) -> None:
        recall = f"recall {_number(report.surface_recall, '.3f')}"
        facts = [f"inside {_number(report.inside_fraction, '.1%')}", report.method]
        facts += [f"{_number(report.faces, ',')} faces"]
        category = describe(report.category)
        if report.id.startswith(f"{report.category}/"):
            category = category.removeprefix(report.category).strip(" ()")
        text = _DOT + _DOT.join(filter(None, [category, *facts])) + _DOT
        poor = report.surface_recall is not None and report.surface_recall < POOR_RECALL
        # The id gets the room that the rest leaves, and at least a quarter of the row.
        end = left + self._block - self._width(recall, _TEXT_SIZE)
        room = max(end - left - self._width(text, _TEXT_SIZE), self._block / 4)
        x = self._write((left, top), report.id, _DARK, _ID_SIZE, room)
        x = self._write((x, top), text, GREY, _TEXT_SIZE, end - x)
        self._write((x, top), recall, _RED if poor else GREY, _TEXT_SIZE, left + self._block - x)

    def _write(
        self,
        at: tuple[float, float],
        text: str,
        color: tuple[int, int, int],
        size: int,
        room: float,
    ) -> float:
        """Draw a line of text, shortened to the room; returns the x at which it ends."""
        text = printable(text)
        end = ""
        while text and self._width(text + end, size) > room:
            text, end = text[:-1], "..."
        text += end if text else ""
        baseline = (at[0], at[1] + _ID_SIZE - 2 if size < _TITLE_SIZE else at[1] + size)
        self._draw.text(baseline, text, color, font(size), anchor="ls")
        return at[0] + self._width(text, size)

    def _width(self, text: str, size: int) -> float:
        return self._draw.textlength(printable(text), font(size))


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
