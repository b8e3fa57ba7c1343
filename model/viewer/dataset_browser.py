"""What is seen of a dataset: every mesh that came in, and what is stored of it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.model.shapes.surface import Surface
from shapegan.pipeline.dataset.original_mesh import read_original
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.pictures.field_slice import draw_slice, richest_slice, slice_position
from shapegan.pipeline.schema import STATUSES, MeshReport
from shapegan.pipeline.taxonomy import describe

ALL = "all"
"""In place of a category or a status."""

_INSIDE, _OUTSIDE = np.array([40, 84, 170]), np.array([236, 160, 96])
"""Colours of points, as those of slices."""


@dataclass(frozen=True)
class Row:
    """A mesh that came in."""

    report: MeshReport
    index: int | None
    """Its number in the dataset; None where it was turned away."""


@dataclass(frozen=True)
class PointCloud:
    """Points of a set, ready to be drawn."""

    positions: NDArray[np.float32]
    """(N, 3), cube frame."""
    colors: NDArray[np.uint8]
    """(N, 3), by sign."""


class Shelf:
    """A dataset to walk along; safe in several threads, which `Dataset` is not.

    Args:
        dataset: Of whatever parts.
        mesh_root: Where its meshes lie; None for where they were found.
    """

    def __init__(self, dataset: Dataset, mesh_root: Path | None = None) -> None:
        self._dataset, self._lock = dataset, threading.Lock()
        self._root = mesh_root or Path(dataset.manifest.input)
        indices = {id(report): index for index, report in enumerate(dataset.accepted)}
        self.rows = [Row(report, indices.get(id(report))) for report in dataset.reports]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Voxel grids, ascending."""
        return self._dataset.resolutions

    @property
    def point_sets(self) -> tuple[str, ...]:
        """Point sets."""
        return self._dataset.point_sets

    @property
    def categories(self) -> list[str]:
        """Of all meshes, in order."""
        return sorted({row.report.category for row in self.rows})

    @property
    def statuses(self) -> list[str]:
        """That some mesh has."""
        there = {row.report.status for row in self.rows}
        return [status for status in STATUSES if status in there]

    def chosen(self, category: str = ALL, status: str = ALL) -> list[Row]:
        """The meshes of a category and a status, in the order in which they came in."""
        return [
            row
            for row in self.rows
            if category in (ALL, row.report.category) and status in (ALL, row.report.status)
        ]

    def original(self, row: Row) -> tuple[TriangleMesh | None, str]:
        """The mesh as it came, cube frame, or why there is none."""
        frame = None
        if row.index is not None:
            with self._lock:
                frame = self._dataset.frame(row.index)
        return read_original(self._root, row.report.path, frame)

    def voxels(self, index: int, resolution: int) -> NDArray[np.float32]:
        """A grid (R, R, R) of a shape."""
        with self._lock:
            return self._dataset.voxels(index, resolution)

    def points(self, index: int, point_set: str, count: int) -> PointCloud:
        """Some of a shape's points: all that are stored, where `count` is more."""
        with self._lock:
            count = min(count, self._dataset.config.points)
            positions, sdf = self._dataset.points(index, point_set, 0, count)
            frame = self._dataset.frame(index)
        # Points are stored in the sphere frame, and shown with what is in the cube frame.
        positions = positions * np.float32(frame.scale_sphere / frame.scale_cube)
        colors = np.where((sdf < 0)[:, None], _INSIDE, _OUTSIDE).astype(np.uint8)
        return PointCloud(positions, colors)


def reconstruction(voxels: NDArray[np.float32], level: float = 0.0) -> Surface:
    """What a grid makes of a shape, cube frame."""
    vertices, faces = extract_surface(voxels, level)
    return Surface(vertices.astype(np.float32), faces)


def first_slice(voxels: NDArray[np.float32]) -> float:
    """The x of the slice with the most to see."""
    return slice_position(len(voxels), richest_slice(voxels))


def slice_at(
    voxels: NDArray[np.float32], x: float, size: int = 384
) -> tuple[NDArray[np.uint8], float]:
    """The stored slice nearest to x: its picture (size, size, 3), seen from -x, and its own x."""
    index = int(np.rint((np.clip(x, -1, 1) + 1) / 2 * (len(voxels) - 1)))
    return draw_slice(voxels, index, size), slice_position(len(voxels), index)


def told(row: Row, rows: Sequence[Row]) -> str:
    """What is known of a mesh, as a table of markdown."""
    report = row.report
    facts = {
        "mesh": f"{rows.index(row) + 1:,} of {len(rows):,}",
        "id": report.id,
        "category": describe(report.category),
        "status": report.status,
        "reason": report.reason,
        "split": report.split,
        "sign by": report.method,
        "recall": _number(report.surface_recall, ".4f"),
        "inside": _number(report.inside_fraction, ".2%"),
        "faces": _number(report.faces, ","),
    }
    lines = [f"| {name} | {_plain(text)} |" for name, text in facts.items() if text]
    return "\n".join(["| | |", "|---|---|", *lines])


def _plain(text: str) -> str:
    """A text that markdown, or HTML, does nothing with: ids and reasons come from files."""
    safe = text.encode("utf-8", "replace").decode("utf-8")
    for mark in "\\`*_{}[]()<>#|!~&$":
        safe = safe.replace(mark, f"\\{mark}")
    return " ".join(safe.split())


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
