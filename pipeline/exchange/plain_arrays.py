"""Plain arrays for any program: one .npz per shape, one folder of .npy per shape, or WebDataset.

A shape has `voxels_R` (R, R, R), cube frame; `SET_points` (P, 3) and `SET_sdf` (P,), in the frame
of the set (`shapegan.pipeline.schema.POINT_LAYOUTS`); `on_surface_points` and `on_surface_normals`
(P, 3), cube frame, and likewise `salient`, of which a shape may have fewer; all float32. In tar
files of WebDataset a sample is a shape: `KEY.json` holds its id, category and split, and its frame,
and `KEY.voxels_64.npy` and so on the arrays. The key is the shape's index, since WebDataset ends a
key at the first dot.
"""

import io
import itertools
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.export_file import ExportFile, as_npy, as_npz, as_text
from shapegan.pipeline.exchange.names import TABLE_NAME, by_split, export_names, table_of


def arrays_of(dataset: Dataset, index: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Name and content of the arrays of a shape, one after the other."""
    for resolution in dataset.resolutions:
        yield f"voxels_{resolution}", dataset.voxels(index, resolution)
    for name in dataset.point_sets:
        positions, sdf = dataset.points(index, name)
        yield f"{name}_points", positions
        yield f"{name}_sdf", sdf
    for name in dataset.oriented_sets:
        positions, normals = dataset.oriented_points(index, name)
        yield f"{name}_points", positions
        yield f"{name}_normals", normals


def array_names(dataset: Dataset) -> list[str]:
    """Names of the arrays, in the order of `arrays_of`."""
    kinds = ("points", "sdf")
    sets = [f"{name}_{kind}" for name in dataset.point_sets for kind in kinds]
    kinds = ("points", "normals")
    sets += [f"{name}_{kind}" for name in dataset.oriented_sets for kind in kinds]
    return [f"voxels_{resolution}" for resolution in dataset.resolutions] + sets


@dataclass(frozen=True)
class _PlainExport:
    dataset: Dataset

    def lists(self) -> Iterator[ExportFile]:
        """The table of all shapes, with their splits and frames."""
        names = [str(name) for name in export_names(self.dataset)]
        yield ExportFile(TABLE_NAME, as_text(table_of(self.dataset, names)))

    def notes(self) -> list[str]:
        """Nothing."""
        return []


class NpzExport(_PlainExport):
    """A dataset as one .npz file per shape."""

    def data(self) -> Iterator[ExportFile]:
        """A file for each shape."""
        for index, name in enumerate(export_names(self.dataset)):
            yield ExportFile(f"{name}.npz", partial(self._write, index), shapes=1)

    def _write(self, index: int, file: IO[bytes]) -> None:
        frame = self.dataset.frame(index)
        arrays: dict[str, NDArray[Any]] = dict(arrays_of(self.dataset, index))
        arrays["center"] = frame.center
        arrays["scale_cube"] = np.array(frame.scale_cube)
        arrays["scale_sphere"] = np.array(frame.scale_sphere)
        as_npz(arrays)(file)


class NpyExport(_PlainExport):
    """A dataset as one folder of .npy files per shape, which can be mapped into memory."""

    def data(self) -> Iterator[ExportFile]:
        """A file for each array of each shape."""
        arrays = array_names(self.dataset)
        for index, name in enumerate(export_names(self.dataset)):
            for array in arrays:
                write = partial(self._write, index, array)
                yield ExportFile(f"{name}/{array}.npy", write, shapes=int(array == arrays[-1]))

    def _write(self, index: int, wanted: str, file: IO[bytes]) -> None:
        kind, _, rest = wanted.rpartition("_")
        if kind == "voxels":
            array = self.dataset.voxels(index, int(rest))
        elif kind in self.dataset.oriented_sets:
            array = self.dataset.oriented_points(index, kind)[rest == "normals"]
        else:
            array = self.dataset.points(index, kind)[rest == "sdf"]
        as_npy(array)(file)


class WebDatasetExport(_PlainExport):
    """A dataset as tar files of `shard_size` shapes, each of one split."""

    def data(self) -> Iterator[ExportFile]:
        """The tar files: `SPLIT-000000.tar`, or `shapes-000000.tar` for shapes in no split."""
        size = self.dataset.config.shard_size
        for split, indices in self._groups().items():
            for number, start in enumerate(range(0, len(indices), size)):
                chosen = indices[start : start + size]
                path = f"{split}-{number:06d}.tar"
                yield ExportFile(path, partial(self._write, chosen), shapes=len(chosen))

    def lists(self) -> Iterator[ExportFile]:
        """The table of all shapes; refuses splits that cannot be names of files."""
        self._groups()
        yield from super().lists()

    def _groups(self) -> dict[str, list[int]]:
        groups = by_split(self.dataset) if self.dataset.splits else {}
        listed = set(itertools.chain.from_iterable(groups.values()))
        rest = [index for index in range(len(self.dataset)) if index not in listed]
        return groups | ({"shapes": rest} if rest else {})

    def _write(self, indices: list[int], file: IO[bytes]) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for index in indices:
                key = f"{index:07d}"
                _add(archive, f"{key}.json", json.dumps(self._facts(index)).encode())
                for name, array in arrays_of(self.dataset, index):
                    content = io.BytesIO()
                    as_npy(array)(content)
                    _add(archive, f"{key}.{name}.npy", content.getvalue())

    def _facts(self, index: int) -> dict[str, Any]:
        report, frame = self.dataset.accepted[index], self.dataset.frame(index)
        return {
            "id": report.id,
            "category": report.category,
            "split": report.split,
            "center": frame.center.tolist(),
            "scale_cube": frame.scale_cube,
            "scale_sphere": frame.scale_sphere,
        }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file without time or owner, so that the same shapes give the same bytes."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
