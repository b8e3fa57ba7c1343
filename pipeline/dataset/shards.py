"""The shard file: shapes to HDF5 and back, in the layout of `shapegan.pipeline.schema`.

The same shapes give the same bytes: the HDF5 version is fixed, nothing stores a time, texts have a
fixed width, and rows are written in order.
"""

import contextlib
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from shapegan import __version__
from shapegan.pipeline import schema
from shapegan.pipeline.config import MIXES, ImportConfig, PreprocessConfig
from shapegan.pipeline.files import replacing
from shapegan.pipeline.schema import MeshReport, OrientedPoints, Points, Shape

_GRID_CHUNK = 64
_LIBRARY_VERSIONS = ("v110", "v110")
"""HDF5 1.10's file format, whatever library writes it: checksummed metadata, one fixed layout."""


@dataclass(frozen=True)
class H5Field:
    """One chunked dataset of a shard."""

    name: str
    shape: tuple[int, ...]
    """Shape of one row."""
    dtype: str
    chunk: tuple[int, ...]
    """Chunk within one row; no chunk spans two rows."""
    compress: bool
    """True to compress with gzip."""


def point_counts(config: PreprocessConfig) -> dict[str, int]:
    """Point sets of a dataset with this configuration -> number of points in each."""
    if isinstance(config, ImportConfig):
        return dict.fromkeys(config.sets, config.points)
    counts = dict.fromkeys(schema.POINT_SETS[:2], config.points)
    for mix in config.mixes:
        counts |= {name: config.mix_points or paper for name, paper in MIXES[mix].items()}
    counts |= {"on_surface": config.on_surface_points, "salient": config.salient_points}
    return {name: counts[name] for name in schema.POINT_LAYOUTS if counts.get(name)}


def point_sets(config: PreprocessConfig) -> tuple[str, ...]:
    """Point sets with signed distances of a dataset with this configuration."""
    return tuple(name for name in point_counts(config) if not schema.POINT_LAYOUTS[name].normals)


def oriented_sets(config: PreprocessConfig) -> tuple[str, ...]:
    """Point sets with normals of a dataset with this configuration."""
    return tuple(name for name in point_counts(config) if schema.POINT_LAYOUTS[name].normals)


def h5_fields(config: PreprocessConfig) -> list[H5Field]:
    """The chunked datasets of a shard, in the order in which a row is written."""
    found = []
    for resolution in config.resolutions:
        grid, chunk = (resolution,) * 3, (min(resolution, _GRID_CHUNK),) * 3
        found.append(H5Field(schema.voxel_name(resolution), grid, "<f2", chunk, True))
    for name, rows in point_counts(config).items():
        run = min(rows, schema.POINT_CHUNK)
        found.append(H5Field(schema.position_name(name), (rows, 3), "<i2", (run, 3), False))
        if schema.POINT_LAYOUTS[name].normals:
            found.append(H5Field(schema.normal_name(name), (rows, 3), "<i2", (run, 3), False))
        else:
            found.append(H5Field(schema.sdf_name(name), (rows,), "<f2", (run,), False))
    return found


def _arrays(shape: Shape) -> dict[str, NDArray[Any]]:
    """Field name -> array of a shape."""
    arrays: dict[str, NDArray[Any]] = {
        schema.voxel_name(resolution): grid for resolution, grid in shape.voxels.items()
    }
    for name, points in shape.points.items():
        arrays[schema.position_name(name)] = points.position
        arrays[schema.sdf_name(name)] = points.sdf
    for name, oriented in shape.oriented.items():
        arrays[schema.position_name(name)] = oriented.position
        arrays[schema.normal_name(name)] = oriented.normal
    return arrays


def _check_fits(shape: Shape, layout: list[H5Field]) -> dict[str, NDArray[Any]]:
    """Compare the names, shapes and types of a shape's arrays with the layout; return them."""
    arrays = _arrays(shape)
    if sorted(arrays) != sorted(field.name for field in layout):
        raise ValueError(f"{shape.id}: expected {[f.name for f in layout]}, got {list(arrays)}")
    for field in layout:
        got = arrays[field.name]
        if got.shape != field.shape or got.dtype != np.dtype(field.dtype):
            expected = f"{field.shape} {np.dtype(field.dtype)}"
            raise ValueError(
                f"{shape.id}, {field.name}: expected {expected}, got {got.shape} {got.dtype}"
            )
    return arrays


def _texts(values: Sequence[str]) -> NDArray[Any]:
    """Texts as fixed-width UTF-8; HDF5 has no width 0."""
    encoded = [value.encode() for value in values]
    width = max(1, *(len(value) for value in encoded))
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", width))


def _create(
    file: h5py.File,
    config: PreprocessConfig,
    ids: Sequence[str],
    categories: Sequence[str],
) -> None:
    """Create all of a shard's datasets and attributes; fill in ids and categories only."""
    file.attrs["format_version"] = config.format_version
    file.attrs["code_version"] = __version__
    file.attrs["config"] = json.dumps(config.to_dict(), sort_keys=True)
    file.create_dataset("id", data=_texts(ids))
    file.create_dataset("category", data=_texts(categories))
    count = len(ids)
    file.create_dataset("center", (count, 3), "<f8")
    file.create_dataset("scale_cube", (count,), "<f8")
    file.create_dataset("scale_sphere", (count,), "<f8")
    for name in oriented_sets(config):
        file.create_dataset(schema.count_name(name), (count,), "<i4")
    for field in h5_fields(config):
        packing = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        file.create_dataset(
            field.name,
            (count, *field.shape),
            field.dtype,
            chunks=(1, *field.chunk),
            fill_time="never",
            **(packing if field.compress else {}),
        )


def _write_row(file: h5py.File, row: int, shape: Shape, layout: list[H5Field]) -> None:
    for name, array in _check_fits(shape, layout).items():
        file[name][row] = array
    file["center"][row] = shape.center
    file["scale_cube"][row] = shape.scale_cube
    file["scale_sphere"][row] = shape.scale_sphere
    for name, oriented in shape.oriented.items():
        file[schema.count_name(name)][row] = oriented.count


def _copy_row(
    source: h5py.File, source_row: int, file: h5py.File, row: int, layout: list[H5Field]
) -> None:
    """Copy a shape of another shard; its chunks are copied without decompression."""
    counts = [f"{name}/count" for name in schema.POINT_LAYOUTS if f"{name}/count" in source]
    for name in ("center", "scale_cube", "scale_sphere", *counts):
        file[name][row] = source[name][source_row]
    for field in layout:
        read, write = source[field.name].id, file[field.name].id
        steps = (range(0, size, step) for size, step in zip(field.shape, field.chunk, strict=True))
        for corner in itertools.product(*steps):
            skipped_filters, chunk = read.read_direct_chunk((source_row, *corner))
            write.write_direct_chunk((row, *corner), chunk, skipped_filters)


class _DeferredErrorFile(io.FileIO):
    """A file that stores the first write error in `error` and raises none.

    HDF5 cannot recover from a full disk: it tries again to write its buffers when the file is
    closed and when the interpreter ends, and crashes. So errors are hidden from it.
    """

    error: OSError | None = None

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        total = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return total


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file that is renamed to `path` when it is whole."""
    with replacing(path) as temporary, _DeferredErrorFile(temporary, "w+") as raw:
        with h5py.File(raw, "w", libver=_LIBRARY_VERSIONS) as file:
            yield file
        if raw.error is not None:
            raise raw.error


def write_shard(path: Path, shapes: Sequence[Shape], config: PreprocessConfig) -> None:
    """Write one or more shapes as a shard.

    Raises:
        ValueError: a shape does not fit the configuration.
        OutputError: `path` cannot be written.
    """
    layout = h5_fields(config)
    with _new_file(path) as file:
        _create(file, config, [s.id for s in shapes], [s.category for s in shapes])
        for row, shape in enumerate(shapes):
            _write_row(file, row, shape, layout)


def join_shards(
    path: Path, sources: Sequence[Path], reports: Sequence[MeshReport], config: PreprocessConfig
) -> None:
    """Join shards of one shape each into one shard; see `join_rows`."""
    join_rows(path, [(source, (0,)) for source in sources], reports, config)


def join_rows(
    path: Path,
    sources: Sequence[tuple[Path, Sequence[int]]],
    reports: Sequence[MeshReport],
    config: PreprocessConfig,
) -> None:
    """Join rows of shards into one shard.

    Args:
        path: File to write.
        sources: Shards, each with the rows to take from it, in the order of the new rows.
        reports: Reports of the same shapes.
        config: Configuration of the dataset.

    Raises:
        OutputError: `path` cannot be written.
    """
    layout = h5_fields(config)
    rows = itertools.count()
    with _new_file(path) as file:
        _create(file, config, [r.id for r in reports], [r.category for r in reports])
        for shard, source_rows in sources:
            with h5py.File(shard) as source:
                for source_row in source_rows:
                    _copy_row(source, source_row, file, next(rows), layout)


def read_shape(file: h5py.File, row: int) -> Shape:
    """Read all fields of one shape from an open shard."""
    names = [name for name in schema.POINT_LAYOUTS if name in file]
    oriented = [name for name in names if schema.POINT_LAYOUTS[name].normals]
    return Shape(
        id=file["id"].asstr()[row],
        category=file["category"].asstr()[row],
        voxels={int(r): file["voxels"][r][row] for r in sorted(file.get("voxels", ()), key=int)},
        points={
            name: Points(file[schema.position_name(name)][row], file[schema.sdf_name(name)][row])
            for name in names
            if name not in oriented
        },
        center=np.asarray(file["center"][row], np.float64),
        scale_cube=float(file["scale_cube"][row]),
        scale_sphere=float(file["scale_sphere"][row]),
        oriented={
            name: OrientedPoints(
                file[schema.position_name(name)][row],
                file[schema.normal_name(name)][row],
                int(file[schema.count_name(name)][row]),
            )
            for name in oriented
        },
    )
