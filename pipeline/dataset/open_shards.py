"""Shards that are open for reading, each process with its own handles."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import DatasetError, ShardEntry

MAX_OPEN = 256
"""Files kept open at once, well below the usual limit of 1,024 per process. Opening a file takes
longer than reading ten windows of points, and an open file takes 0.6 MB."""
PREPROCESS_AGAIN = "run `shapegan preprocess` on it again"
"""Advice for a shard that cannot be read."""


class OpenShard:
    """A shard's file, with the HDF5 fields looked up so far.

    Looking up a field takes longer than reading a window of points.

    Args:
        path: The HDF5 file.
        size: Its size in bytes by the manifest.

    Raises:
        DatasetError: the file is missing, torn, not HDF5, or of another format version.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self._fields: dict[str, h5py.Dataset] = {}
        check_size(path, size)
        try:
            # Hardly anything is read twice, so HDF5 need not cache chunks for each field.
            self.file = h5py.File(path, rdcc_nbytes=0)
        except OSError as error:
            raise DatasetError(f"{path} is not an HDF5 file, {PREPROCESS_AGAIN}") from error
        found = self.file.attrs.get("format_version")
        if found not in schema.READ_VERSIONS:
            self.close()
            raise DatasetError(
                f"{path} has format version {found}, this shapegan reads"
                f" {', '.join(map(str, schema.READ_VERSIONS))}"
            )

    def read(self, name: str, row: int, start: int, stop: int | None) -> NDArray[Any]:
        """Read `start` to `stop` of a field's row, as stored.

        Raises:
            DatasetError: the file has no such field, or was torn after it was opened.
        """
        try:
            values: NDArray[Any] = self._field(name)[row, start:stop]
        except (OSError, KeyError) as error:
            check_size(self.path, self._size)
            raise DatasetError(
                f"{self.path}: cannot read {name} of shape {row}, {PREPROCESS_AGAIN}"
            ) from error
        # If an open file is cut short, HDF5 reads zeros there without an error.
        check_size(self.path, self._size)
        return values

    def _field(self, name: str) -> h5py.Dataset:
        if name not in self._fields:
            self._fields[name] = self.file[name]
        return self._fields[name]

    def close(self) -> None:
        """Close the file."""
        self._fields.clear()
        self.file.close()


class OpenShards:
    """A least-recently-used cache of open shards.

    It may be pickled, or used on both sides of a fork: each process opens its own files.

    Args:
        folder: The dataset's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[str, OpenShard] = OrderedDict()
        self._process = os.getpid()

    def __len__(self) -> int:
        """Number of open files."""
        return len(self._open)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_process": None}

    def __getitem__(self, shard: ShardEntry) -> OpenShard:
        """The open file of a shard that holds shapes.

        Raises:
            DatasetError: see `OpenShard`.
        """
        if self._process != os.getpid():
            # Handles from before a fork share their file position with the parent's, and can
            # read wrong data without an error.
            self._open, self._process = OrderedDict(), os.getpid()
        name = str(shard.file)
        if name not in self._open:
            if len(self._open) >= MAX_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[name] = OpenShard(self._folder / name, shard.bytes)
        self._open.move_to_end(name)
        return self._open[name]

    def close(self) -> None:
        """Close all files; they are opened again when needed."""
        while self._open:
            self._open.popitem()[1].close()


def check_size(path: Path, size: int) -> None:
    """Compare a shard's size with the manifest's.

    Raises:
        DatasetError: the file is missing, or has another size.
    """
    try:
        found = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}, {PREPROCESS_AGAIN}") from error
    if found != size:
        raise DatasetError(f"{path} is torn: {found} bytes of {size}, {PREPROCESS_AGAIN}")


def window_end(start: int, count: int | None, stored: int) -> int:
    """Index after the last point of a window.

    Raises:
        IndexError: the window exceeds the stored points.
    """
    stop = stored if count is None else start + count
    if not 0 <= start <= stop <= stored:
        raise IndexError(f"got points {start} to {stop}, there are {stored}")
    return stop
