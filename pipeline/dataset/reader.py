"""Reading a dataset: `Dataset(path)`, for users and for training.

dataset = Dataset("datasets/chairs")
grid = dataset.voxels(0, 32)                                  # (32, 32, 32)
positions, sdf = dataset.points(0, "uniform", 4096, 1024)     # (1024, 3), (1024,)
"""

import bisect
import itertools
import os
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import (
    DatasetError,
    Manifest,
    ShardRow,
    read_manifest,
    read_reports,
)
from shapegan.pipeline.dataset.shards import point_sets, read_shape
from shapegan.pipeline.files import sha256
from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import MeshReport, Shape

_OPEN_SHARDS = 256
"""Files kept open at once, well below the 1,024 that a process may usually have. To open one takes
longer than ten windows of points, and 0.6 MB."""
_AGAIN = "run `shapegan preprocess` on it again"


class _OpenShard:
    """A shard's file and the fields found in it: to find one takes longer than to read a window."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self._fields: dict[str, h5py.Dataset] = {}
        _check_size(path, size)
        try:
            # Hardly anything is read twice, so HDF5 need not keep chunks for each field.
            self.file = h5py.File(path, rdcc_nbytes=0)
        except OSError as error:
            raise DatasetError(f"{path} is no HDF5 file, {_AGAIN}") from error
        found = self.file.attrs.get("format_version")
        if found != schema.FORMAT_VERSION:
            self.close()
            raise DatasetError(
                f"{path} has format version {found}, this shapegan reads {schema.FORMAT_VERSION}"
            )

    def read(self, name: str, row: int, start: int, stop: int | None) -> NDArray[Any]:
        """A part of a field's row, undecoded."""
        try:
            values: NDArray[Any] = self._field(name)[row, start:stop]
        except (OSError, KeyError) as error:
            _check_size(self.path, self._size)
            raise DatasetError(
                f"{self.path}: cannot read {name} of shape {row}, {_AGAIN}"
            ) from error
        # What a file lost while it was open HDF5 gives as zeros, without an error.
        _check_size(self.path, self._size)
        return values

    def _field(self, name: str) -> h5py.Dataset:
        if name not in self._fields:
            self._fields[name] = self.file[name]
        return self._fields[name]

    def close(self) -> None:
        self._fields.clear()
        self.file.close()


def _check_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}, {_AGAIN}") from error
    if found != size:
        raise DatasetError(f"{path} is torn: {found} bytes of {size}, {_AGAIN}")


class Dataset:
    """The shapes of a dataset, by number: those of shard 0 first, in the order of its rows.

    Nothing is read before it is asked for. An instance may be pickled, or be used on both sides
    of a fork: each process opens the shards for itself, as HDF5 demands. It is not made for
    several threads.

    Args:
        path: The folder that holds `dataset.json`.

    Raises:
        DatasetError: where there is no dataset, none of this format, or no shape in it.
    """

    path: Path
    manifest: Manifest

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.manifest = read_manifest(self.path)
        except OSError as error:
            raise DatasetError(
                f"{self.path} is no dataset: cannot read {schema.MANIFEST_NAME}: {error.strerror}"
            ) from error
        self._shards = [shard for shard in self.manifest.shards if shard.shapes]
        if not self._shards and self.manifest.shards:
            raise DatasetError(
                f"{self.path} has no shape: every mesh was turned away, {schema.REPORT_NAME}"
                " says why"
            )
        if not self._shards:
            raise DatasetError(
                f"{self.path} has no shards yet: run `shapegan preprocess` on it to its end"
            )
        self._ends = list(itertools.accumulate(shard.shapes for shard in self._shards))
        self._open: OrderedDict[str, _OpenShard] = OrderedDict()
        self._owner = os.getpid()

    def __len__(self) -> int:
        """Number of shapes."""
        return self._ends[-1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_owner": None}

    @property
    def config(self) -> PreprocessConfig:
        """What the dataset was made with."""
        return self.manifest.config

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Voxel grids of each shape, ascending."""
        return self.config.resolutions

    @property
    def point_sets(self) -> tuple[str, ...]:
        """Point sets of each shape, out of `schema.POINT_SETS`."""
        return point_sets(self.config)

    @cached_property
    def reports(self) -> list[MeshReport]:
        """The rows of `meshes.csv`: a report for each mesh, accepted or not, in input order."""
        return read_reports(self.path / schema.REPORT_NAME)

    @cached_property
    def accepted(self) -> list[MeshReport]:
        """The reports of the shapes, in their order: row i speaks of shape i."""
        accepted = [report for report in self.reports if report.status == "ok"]
        if len(accepted) != len(self):
            raise DatasetError(
                f"{self.path}: {schema.REPORT_NAME} speaks of {len(accepted)} accepted meshes,"
                f" {schema.MANIFEST_NAME} of {len(self)}: run `shapegan preprocess` on it again"
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
        """Split -> numbers of its shapes; empty where the dataset has no splits."""
        found: dict[str, list[int]] = {}
        for number, report in enumerate(self.accepted):
            if report.split:
                found.setdefault(report.split, []).append(number)
        return found

    def voxels(self, index: int, resolution: int) -> NDArray[np.float32]:
        """Signed distances on a grid: (R, R, R) float32, cube frame, index order x, y, z."""
        _check_has("resolution", resolution, self.resolutions)
        return self.stored(index, schema.voxel_name(resolution)).astype(np.float32)

    def points(
        self, index: int, point_set: str, start: int = 0, count: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points and their signed distances: (n, 3) and (n,) float32, sphere frame.

        Rows lie in random order, so any window of them is a fair sample; only the chunks that it
        touches are read (`schema.POINT_CHUNK` rows each). Row i of `surface` is the surface point
        nearest to row i of `uniform`, plus noise.

        Args:
            index: Number of the shape.
            point_set: One of `point_sets`.
            start: First row.
            count: Rows; None for all from `start`.
        """
        _check_has("point set", point_set, self.point_sets)
        rows = self.config.points
        stop = rows if count is None else start + count
        if not 0 <= start <= stop <= rows:
            raise IndexError(f"rows {start} to {stop} asked for, there are {rows}")
        encoded = self.stored(index, schema.position_name(point_set), start, stop)
        sdf = self.stored(index, schema.sdf_name(point_set), start, stop)
        return schema.decode_positions(encoded), sdf.astype(np.float32)

    def stored(
        self, index: int, name: str, start: int = 0, stop: int | None = None
    ) -> NDArray[Any]:
        """A field of a shape as it is stored, undecoded; along its first axis only a part.

        Args:
            index: Number of the shape.
            name: As `schema.voxel_name`, `schema.position_name` and `schema.sdf_name` give it.
            start: First row.
            stop: Row after the last one; None for all from `start`.

        Raises:
            DatasetError: where the shard has gone, is torn, also since it was opened, or has no
                such field.
        """
        shard, row = self._locate(index)
        return shard.read(name, row, start, stop)

    def frame(self, index: int) -> Frame:
        """Where the shape's frames lie in its mesh's coordinates."""
        shard, row = self._locate(index)
        file = shard.file
        center = np.asarray(file["center"][row], dtype=np.float64)
        return Frame(center, float(file["scale_cube"][row]), float(file["scale_sphere"][row]))

    def shape(self, index: int) -> Shape:
        """All that is stored of a shape, as it is stored."""
        shard, row = self._locate(index)
        return read_shape(shard.file, row)

    def verify(self) -> None:
        """Reads every shard and compares its bytes with the manifest.

        Raises:
            DatasetError: naming the first shard that has changed.
        """
        for shard in self._shards:
            path = self.path / str(shard.file)
            _check_size(path, shard.bytes)
            if (found := sha256(path)) != shard.sha256:
                raise DatasetError(
                    f"{path} has changed: its sha256 is {found}; delete it, then {_AGAIN}"
                )

    def close(self) -> None:
        """Closes the shards; they are opened again when needed."""
        while self._open:
            self._open.popitem()[1].close()

    def _locate(self, index: int) -> tuple[_OpenShard, int]:
        """The open shard and the row of a shape."""
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"shape {index} asked for, there are {len(self)}")
        place = bisect.bisect_right(self._ends, number)
        shard = self._shards[place]
        return self._shard(shard), number - (self._ends[place] - shard.shapes)

    def _shard(self, shard: ShardRow) -> _OpenShard:
        if self._owner != os.getpid():
            # Handles that come from before a fork share a file position with the parent's and
            # can give wrong data without an error.
            self._open, self._owner = OrderedDict(), os.getpid()
        name = str(shard.file)
        if name not in self._open:
            if len(self._open) >= _OPEN_SHARDS:
                self._open.popitem(last=False)[1].close()
            self._open[name] = _OpenShard(self.path / name, shard.bytes)
        self._open.move_to_end(name)
        return self._open[name]


def _check_has(what: str, wanted: object, there: tuple[object, ...]) -> None:
    if wanted not in there:
        listed = ", ".join(str(one) for one in there) or "none"
        raise ValueError(f"no {what} {wanted} in this dataset, there are: {listed}")
