"""Files of the code of Kleineberg et al. 2020, the repository marian42/shapegan.

`voxels_R/NAME.npy` holds (R, R, R) float32, cube frame, index order x, y, z. `uniform/NAME.npy`,
`surface/NAME.npy` and `cloud/NAME.npy` hold (P, 4) float32, columns x, y, z, sdf, sphere frame; row
i of `surface` belongs to row i of `uniform`. `SPLIT.txt` lists names, one per line. Frames and
signs are those of shapegan's own datasets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.export_file import (
    ExportFile,
    as_npy,
    as_text,
    points_with_sdf,
)
from shapegan.pipeline.exchange.names import (
    DEFAULT_SPLIT,
    TABLE_NAME,
    ExchangeError,
    by_split,
    collect_splits,
    export_names,
    table_of,
)
from shapegan.pipeline.exchange.sources import (
    Found,
    RawShape,
    check_shape,
    extent,
    npy_shape,
    reach,
)
from shapegan.pipeline.inputs.split_files import standard_split
from shapegan.pipeline.meshes.triangle_mesh import Frame

SETS = ("uniform", "surface", "cloud")


@dataclass(frozen=True)
class OriginalShapeganExport:
    """A dataset as files of the original shapegan."""

    dataset: Dataset

    @cached_property
    def names(self) -> list[str]:
        """Name of each shape; of the category only if there are several."""
        found = export_names(self.dataset)
        several = len({name.category for name in found}) > 1
        return [str(name) if several else name.model for name in found]

    def data(self) -> Iterator[ExportFile]:
        """A file for each grid and each point set of each shape."""
        for index, name in enumerate(self.names):
            paths = [f"voxels_{resolution}" for resolution in self.dataset.resolutions]
            writers = [partial(self._write_voxels, index, r) for r in self.dataset.resolutions]
            sets = [name for name in SETS if name in self.dataset.point_sets]
            paths += sets
            writers += [partial(self._write_points, index, point_set) for point_set in sets]
            for place, (path, write) in enumerate(zip(paths, writers, strict=True)):
                last = place == len(paths) - 1
                yield ExportFile(f"{path}/{name}.npy", write, shapes=int(last))

    def lists(self) -> Iterator[ExportFile]:
        """A list for each split; its training scripts read `train.txt`."""
        yield ExportFile(TABLE_NAME, as_text(table_of(self.dataset, self.names)))
        for split, indices in by_split(self.dataset).items():
            text = "".join(f"{self.names[index]}\n" for index in indices)
            yield ExportFile(f"{split}.txt", as_text(text))

    def notes(self) -> list[str]:
        """A missing `train.txt`, and folders in which some of its training scripts do not look."""
        notes = []
        if DEFAULT_SPLIT not in by_split(self.dataset):
            notes.append("its training scripts read train.txt: the dataset has no split train")
        if any("/" in name for name in self.names):
            notes.append(
                "its scripts that read voxels_32/**.npy find no files in subfolders: for them,"
                " export one category (`shapegan subset --category`)"
            )
        return notes

    def _write_voxels(self, index: int, resolution: int, file: IO[bytes]) -> None:
        as_npy(self.dataset.voxels(index, resolution))(file)

    def _write_points(self, index: int, point_set: str, file: IO[bytes]) -> None:
        as_npy(points_with_sdf(self.dataset, index, point_set))(file)


@dataclass(frozen=True)
class OriginalShapeganImport:
    """A folder of `prepare_shapenet_dataset.py`, or of `prepare_data.py`.

    The latter has `NAME-sdf.npy`, a cloud, and `NAME-voxels-R.npy`, whose frame is the sphere
    frame; there both frames of the new dataset are the same.
    """

    folder: Path
    radius: float = 1.0
    """Distance of the farthest vertex from the origin in the point sets."""

    @cached_property
    def _files(self) -> dict[str, dict[str, Path]]:
        """Name -> `uniform`, `voxels_64` and so on -> path."""
        found: dict[str, dict[str, Path]] = {}
        for path in self.folder.rglob("*.npy"):
            relative = path.relative_to(self.folder).as_posix().removesuffix(".npy")
            kind, _, name = relative.partition("/")
            if not (kind in SETS or re.fullmatch(r"voxels_\d+", kind)):
                match = re.fullmatch(r"(.+)-(?:(sdf)|voxels-(\d+))", relative)
                if match is None:
                    continue
                name, kind = match[1], "cloud" if match[2] else f"voxels_{match[3]}"
            found.setdefault(name, {})[kind] = path
        return found

    @cached_property
    def _kinds(self) -> set[str]:
        return {kind for files in self._files.values() for kind in files}

    @property
    def _one_frame(self) -> bool:
        """True for files of `prepare_data.py`."""
        folders = [*SETS, *(kind for kind in self._kinds if kind.startswith("voxels"))]
        return not any((self.folder / name).is_dir() for name in folders)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the voxels."""
        kinds = [kind for kind in self._kinds if kind.startswith("voxels_")]
        return tuple(sorted(int(kind.removeprefix("voxels_")) for kind in kinds))

    @property
    def sets(self) -> tuple[str, ...]:
        """Point sets."""
        return tuple(name for name in SETS if name in self._kinds)

    def find(self) -> list[Found]:
        """All names; see `ImportFormat`."""
        if not self._files:
            raise ExchangeError(
                f"{self.folder} has none of voxels_64/, uniform/, surface/, cloud/ and"
                " NAME-sdf.npy: is it of the original shapegan?"
            )
        found = []
        for name, files in self._files.items():
            category = name.split("/")[0] if "/" in name else self.folder.resolve().name
            id_ = name if "/" in name else f"{category}/{name}"
            found.append(Found(name, category, id_, next(iter(files.values()))))
        return found

    def rows(self, found: Found) -> int:
        """Points of the smallest set; see `ImportFormat`."""
        files = self._files[found.name]
        return min((npy_shape(files[name])[0] for name in self.sets if name in files), default=0)

    def splits(self) -> dict[str, str]:
        """Splits of the text files in the folder."""
        return collect_splits(
            (line.strip(), standard_split(path.stem), str(path))
            for path in self.folder.glob("*.txt")
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            if line.strip()
        )

    def read(self, found: Found, frame: Frame | None) -> RawShape:
        """Read a shape; see `ImportFormat`."""
        voxels = {
            r: check_shape(*self._load(found, f"voxels_{r}"), (r, r, r)) for r in self.resolutions
        }
        points = {
            name: check_shape(*self._load(found, name), (None, 4)) / np.float32(self.radius)
            for name in self.sets
        }
        if frame is not None:
            return RawShape(voxels, points, frame)
        return RawShape(voxels, points, *self._estimate(voxels, points))

    def _load(self, found: Found, kind: str) -> tuple[Path, NDArray[Any]]:
        path = self._files[found.name].get(kind)
        if path is None:
            raise ExchangeError(f"has no file of {kind}, which other shapes have")
        return path, np.load(path, allow_pickle=False)

    def _estimate(
        self, voxels: dict[int, NDArray[np.float32]], points: dict[str, NDArray[np.float32]]
    ) -> tuple[Frame, tuple[str, ...]]:
        """A frame at the origin, whose scales have the right ratio; and a note."""
        if self._one_frame:
            return Frame(np.zeros(3), 1.0, 1.0), ()
        if points:
            sizes = [extent(rows[np.isfinite(rows).all(axis=1)]) for rows in points.values()]
            note = "scale_cube is estimated from the points"
            return Frame(np.zeros(3), max(sizes), 1.0), (note,)
        finest = max(voxels)
        rows = np.column_stack([schema.grid_points(finest), voxels[finest].reshape(-1)])
        note = "scale_sphere is estimated from the voxels"
        return Frame(np.zeros(3), 1.0, reach(rows)), (note,)
