"""A dataset in Python: `Dataset(path)`, for users and for training.

dataset = Dataset("datasets/chairs")
grid = dataset.voxels(0, 32)                                  # (32, 32, 32)
positions, sdf = dataset.points(0, "uniform", 4096, 1024)     # (1024, 3), (1024,)
"""

import bisect
import itertools
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import (
    DatasetError,
    Manifest,
    ShardEntry,
    require_manifest,
)
from shapegan.pipeline.dataset.open_shards import (
    PREPROCESS_AGAIN,
    OpenShard,
    OpenShards,
    check_size,
    window_end,
)
from shapegan.pipeline.dataset.reports import read_reports, with_splits
from shapegan.pipeline.dataset.shards import (
    oriented_sets,
    point_counts,
    point_sets,
    read_shape,
)
from shapegan.pipeline.files import sha256
from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import MeshReport, Shape


class Dataset:
    """The shapes of a dataset by index: those of shard 0 first, in the order of its rows.

    Data is read when a method needs it. An instance may be pickled, or used on both sides of a
    fork: each process opens the shards itself, as HDF5 requires. It is not thread-safe.

    Args:
        path: The folder that holds `dataset.json`.

    Raises:
        DatasetError: there is no dataset of this format, or it has no shapes.
    """

    path: Path
    manifest: Manifest

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.manifest = require_manifest(self.path)
        self._shards = _shards_with_shapes(self.path, self.manifest)
        self._ends = list(itertools.accumulate(shard.shapes for shard in self._shards))
        self._open = OpenShards(self.path)

    def __len__(self) -> int:
        """Number of shapes."""
        return self._ends[-1]

    @property
    def config(self) -> PreprocessConfig:
        """Configuration that the dataset was made with."""
        return self.manifest.config

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of each shape's voxel grids, ascending."""
        return self.config.resolutions

    @property
    def finest(self) -> int:
        """The highest resolution of the voxels.

        Raises:
            DatasetError: the dataset has no voxels, as some that `shapegan import` made.
        """
        if not self.resolutions:
            raise DatasetError(f"{self.path} has no voxels, only points: this needs voxels")
        return self.resolutions[-1]

    @property
    def point_sets(self) -> tuple[str, ...]:
        """Point sets with distances of each shape, out of `schema.POINT_LAYOUTS`."""
        return point_sets(self.config)

    @property
    def oriented_sets(self) -> tuple[str, ...]:
        """Point sets with normals of each shape: `on_surface`, `salient`, both or none."""
        return oriented_sets(self.config)

    @property
    def point_counts(self) -> dict[str, int]:
        """Point set -> number of points; shapes may have fewer in the sets with normals."""
        return point_counts(self.config)

    @cached_property
    def reports(self) -> list[MeshReport]:
        """The rows of `meshes.csv`: a report for each mesh, accepted or not, in input order."""
        reports = read_reports(self.path / schema.REPORT_NAME)
        # The manifest decides: `shapegan split` may have been killed between the two files.
        return with_splits(reports, self.manifest.splits)

    @cached_property
    def accepted(self) -> list[MeshReport]:
        """The reports of the shapes, in their order: item i belongs to shape i."""
        accepted = [report for report in self.reports if report.status == "ok"]
        if len(accepted) != len(self):
            raise DatasetError(
                f"{self.path}: {schema.REPORT_NAME} has {len(accepted)} accepted meshes,"
                f" {schema.MANIFEST_NAME} has {len(self)}: {PREPROCESS_AGAIN}"
            )
        return accepted

    @property
    def ids(self) -> list[str]:
        """Id of each shape."""
        return [report.id for report in self.accepted]

    @property
    def categories(self) -> list[str]:
        """Synset id, or folder, of each shape."""
        return [report.category for report in self.accepted]

    @property
    def splits(self) -> dict[str, list[int]]:
        """Split -> indices of its shapes; empty if the dataset has no splits."""
        found: dict[str, list[int]] = {}
        for index, report in enumerate(self.accepted):
            if report.split:
                found.setdefault(report.split, []).append(index)
        return found

    def voxels(self, index: int, resolution: int) -> NDArray[np.float32]:
        """Signed distances on a grid: (R, R, R) float32, cube frame, index order x, y, z.

        Raises:
            ValueError: the dataset has no grid of this resolution.
            DatasetError: the shard cannot be read.
        """
        _check_has("resolution", resolution, self.resolutions)
        return self.stored(index, schema.voxel_name(resolution)).astype(np.float32)

    def points(
        self, index: int, point_set: str, start: int = 0, count: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points and their signed distances: (n, 3) and (n,) float32, in the frame of the set.

        That is the sphere frame for `uniform`, `surface` and `cloud`, and the cube frame for the
        others (`schema.POINT_LAYOUTS`).

        Points lie in random order, so any window of them is a fair sample. Only the chunks that
        the window touches are read (`schema.POINT_CHUNK` points each). Point i of `surface` is
        the surface point nearest to point i of `uniform`, plus noise.

        Args:
            index: Index of the shape.
            point_set: One of `point_sets`.
            start: First point.
            count: Number of points; None for all from `start`.

        Raises:
            ValueError: the dataset has no such point set.
            IndexError: the window exceeds the stored points.
            DatasetError: the shard cannot be read.
        """
        _check_has("point set", point_set, self.point_sets)
        stop = window_end(start, count, self.point_counts[point_set])
        positions = self._positions(index, point_set, start, stop)
        sdf = self.stored(index, schema.sdf_name(point_set), start, stop)
        return positions, sdf.astype(np.float32)

    def occupancies(
        self, index: int, point_set: str, start: int = 0, count: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Points (n, 3) and whether they lie inside (n,); see `points` for arguments and errors.

        Exact also where distances were rounded to 0: their sign bit is stored.
        """
        positions, sdf = self.points(index, point_set, start, count)
        return positions, np.signbit(sdf)

    def oriented_points(
        self, index: int, point_set: str, start: int = 0, count: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points on the surface and their outward unit normals: (n, 3) each, cube frame.

        Points lie in random order, so any window of them is a fair sample. A shape without sharp
        edges has no `salient` points.

        Args:
            index: Index of the shape.
            point_set: One of `oriented_sets`.
            start: First point.
            count: Number of points; None for all from `start`.

        Raises:
            ValueError: the dataset has no such point set.
            IndexError: the window exceeds the points of the shape.
            DatasetError: the shard cannot be read.
        """
        _check_has("point set with normals", point_set, self.oriented_sets)
        shard, row = self._locate(index)
        stop = window_end(start, count, int(shard.file[schema.count_name(point_set)][row]))
        normals = self.stored(index, schema.normal_name(point_set), start, stop)
        return self._positions(index, point_set, start, stop), schema.decode_positions(normals)

    def _positions(self, index: int, point_set: str, start: int, stop: int) -> NDArray[np.float32]:
        encoded = self.stored(index, schema.position_name(point_set), start, stop)
        return schema.decode_positions(encoded, schema.POINT_LAYOUTS[point_set].bound)

    def stored(
        self, index: int, name: str, start: int = 0, stop: int | None = None
    ) -> NDArray[Any]:
        """A field of a shape as it is stored, undecoded.

        Args:
            index: Index of the shape.
            name: As `schema.voxel_name`, `schema.position_name` and `schema.sdf_name` give it.
            start: First index along the field's first axis.
            stop: Index after the last one; None for all from `start`.

        Raises:
            IndexError: there is no such shape.
            DatasetError: the shard is missing, was torn (also since it was opened), or has no
                such field.
        """
        shard, row = self._locate(index)
        return shard.read(name, row, start, stop)

    def frame(self, index: int) -> Frame:
        """Center and scales that map a shape's frames to its mesh's coordinates."""
        shard, row = self._locate(index)
        file = shard.file
        center = np.asarray(file["center"][row], dtype=np.float64)
        return Frame(center, float(file["scale_cube"][row]), float(file["scale_sphere"][row]))

    def shape(self, index: int) -> Shape:
        """All fields of a shape, as they are stored."""
        shard, row = self._locate(index)
        return read_shape(shard.file, row)

    def verify(self) -> None:
        """Read every shard and compare its SHA-256 with the manifest's.

        Raises:
            DatasetError: a shard has changed; the message names the first one.
        """
        for shard in self._shards:
            path = self.path / str(shard.file)
            check_size(path, shard.bytes)
            if (found := sha256(path)) != shard.sha256:
                raise DatasetError(
                    f"{path} has changed: its sha256 is {found}; delete it, then {PREPROCESS_AGAIN}"
                )

    def close(self) -> None:
        """Close the shards; they are opened again when needed."""
        self._open.close()

    def _locate(self, index: int) -> tuple[OpenShard, int]:
        """The open shard of a shape, and the shape's row in it."""
        wanted = index + len(self) if index < 0 else index
        if not 0 <= wanted < len(self):
            raise IndexError(f"got shape {index}, there are {len(self)}")
        place = bisect.bisect_right(self._ends, wanted)
        shard = self._shards[place]
        return self._open[shard], wanted - (self._ends[place] - shard.shapes)


def _shards_with_shapes(path: Path, manifest: Manifest) -> list[ShardEntry]:
    """The shards that hold at least one shape; there is at least one such shard."""
    if not manifest.shards:
        raise DatasetError(f"{path} has no shards yet: run `shapegan preprocess` on it to its end")
    shards = [shard for shard in manifest.shards if shard.shapes]
    if not shards:
        raise DatasetError(
            f"{path} has no shapes: every mesh was rejected or failed, {schema.REPORT_NAME} has"
            " the reasons"
        )
    return shards


def _check_has(noun: str, wanted: object, available: tuple[object, ...]) -> None:
    if wanted not in available:
        listed = ", ".join(str(one) for one in available) or "none"
        raise ValueError(f"no {noun} {wanted} in this dataset, there are: {listed}")
