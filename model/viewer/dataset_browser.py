"""A dataset to browse: each input mesh, and the data stored for it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.dataset.original_mesh import read_original
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.pictures.field_slice import draw_slice, richest_slice, slice_position
from shapegan.pipeline.pictures.point_cloud import colors_by_sign
from shapegan.pipeline.schema import POINT_LAYOUTS, STATUSES, MeshReport
from shapegan.pipeline.taxonomy import describe

ALL = "all"
"""Filter value for any category or status."""


@dataclass(frozen=True)
class MeshEntry:
    """An input mesh of the dataset."""

    report: MeshReport
    index: int | None
    """Index of its shape in the dataset; None if the mesh was rejected or failed."""


@dataclass(frozen=True)
class PointCloud:
    """Points of a point set with colours."""

    positions: NDArray[np.float32]
    """(N, 3), cube frame."""
    colors: NDArray[np.uint8]
    """(N, 3) RGB: blue inside, orange outside."""


class DatasetBrowser:
    """A dataset's input meshes and their shapes; thread-safe, unlike `Dataset`.

    Args:
        dataset: With or without voxels and point sets.
        mesh_root: Folder of the input meshes; None for the folder that was preprocessed.
    """

    def __init__(self, dataset: Dataset, mesh_root: Path | None = None) -> None:
        self._dataset, self._lock = dataset, threading.Lock()
        self._root = mesh_root or Path(dataset.manifest.input)
        indices = {id(report): index for index, report in enumerate(dataset.accepted)}
        self.entries = [MeshEntry(report, indices.get(id(report))) for report in dataset.reports]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the voxel grids, ascending."""
        return self._dataset.resolutions

    @property
    def point_sets(self) -> tuple[str, ...]:
        """Names of the point sets."""
        return self._dataset.point_sets

    @property
    def categories(self) -> list[str]:
        """Categories of all meshes, sorted."""
        return sorted({entry.report.category for entry in self.entries})

    @property
    def statuses(self) -> list[str]:
        """Statuses that occur, in the order of `STATUSES`."""
        present = {entry.report.status for entry in self.entries}
        return [status for status in STATUSES if status in present]

    def filtered(self, category: str = ALL, status: str = ALL) -> list[MeshEntry]:
        """Meshes of a category and a status, in the order of the input."""
        return [
            entry
            for entry in self.entries
            if category in (ALL, entry.report.category) and status in (ALL, entry.report.status)
        ]

    def original(self, entry: MeshEntry) -> tuple[TriangleMesh | None, str]:
        """The input mesh in the cube frame and "", or None and the reason why there is none."""
        frame = None
        if entry.index is not None:
            with self._lock:
                frame = self._dataset.frame(entry.index)
        return read_original(self._root, entry.report.path, frame)

    def voxels(self, index: int, resolution: int) -> NDArray[np.float32]:
        """Voxels (R, R, R) of a shape: signed distances, cube frame."""
        with self._lock:
            return self._dataset.voxels(index, resolution)

    def points(self, index: int, point_set: str, count: int) -> PointCloud:
        """The first `count` points of a shape, or all if fewer are stored."""
        with self._lock:
            count = min(count, self._dataset.point_counts[point_set])
            positions, sdf = self._dataset.points(index, point_set, 0, count)
            frame = self._dataset.frame(index)
        if POINT_LAYOUTS[point_set].frame == "sphere":  # the page shows all in the cube frame
            positions = positions * np.float32(frame.scale_sphere / frame.scale_cube)
        return PointCloud(positions, colors_by_sign(sdf))


def richest_slice_position(voxels: NDArray[np.float32]) -> float:
    """Position x of the slice with the most detail, cube frame."""
    return slice_position(len(voxels), richest_slice(voxels))


def slice_at(
    voxels: NDArray[np.float32], x: float, size: int = 384
) -> tuple[NDArray[np.uint8], float]:
    """Draw the slice of a grid nearest to a plane x = const.

    Args:
        voxels: (R, R, R).
        x: Position of the plane, cube frame; clipped to [-1, 1].
        size: Height and width of the picture, pixels.

    Returns:
        The picture (size, size, 3), seen from -x, and the position x of the slice.
    """
    index = int(np.rint((np.clip(x, -1, 1) + 1) / 2 * (len(voxels) - 1)))
    return draw_slice(voxels, index, size), slice_position(len(voxels), index)


def summary(entry: MeshEntry, entries: Sequence[MeshEntry]) -> str:
    """Markdown table of a mesh's report, with its place among the shown entries."""
    report = entry.report
    facts = {
        "mesh": f"{entries.index(entry) + 1:,} of {len(entries):,}",
        "id": report.id,
        "category": describe(report.category),
        "status": report.status,
        "reason": report.reason,
        "split": report.split,
        "sign by": report.method,
        "recall": _formatted(report.surface_recall, ".4f"),
        "inside": _formatted(report.inside_fraction, ".2%"),
        "faces": _formatted(report.faces, ","),
    }
    lines = [f"| {name} | {_escaped(text)} |" for name, text in facts.items() if text]
    return "\n".join(["| | |", "|---|---|", *lines])


def _escaped(text: str) -> str:
    """Escape Markdown and HTML: ids and reasons come from files, which are not trusted."""
    safe = text.encode("utf-8", "replace").decode("utf-8")
    for mark in "\\`*_{}[]()<>#|!~&$":
        safe = safe.replace(mark, f"\\{mark}")
    return " ".join(safe.split())


def _formatted(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
