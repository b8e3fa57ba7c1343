"""DeepSDF's files (Park et al. 2019, the repository facebookresearch/DeepSDF).

`SdfSamples/NAME/CLASS/INSTANCE.npz` holds `pos` (n, 4) and `neg` (m, 4), float32, columns x, y, z,
sdf; `pos` has the points outside. A split is a JSON file: NAME -> CLASS -> list of INSTANCE. The
bounding box's centre is at 0, and the farthest vertex at radius 1 / 1.03.
`NormalizationParameters/NAME/CLASS/INSTANCE.npz` holds `offset` (3,) and `scale` (1,):
x = scale * (x_mesh + offset).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.export_file import (
    ExportFile,
    as_npz,
    as_text,
    points_with_sdf,
)
from shapegan.pipeline.exchange.names import (
    TABLE_NAME,
    ExchangeError,
    ExportName,
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
    open_npz,
)
from shapegan.pipeline.inputs.split_files import read_split_file
from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import POINT_SETS

SAMPLES_FOLDER = "SdfSamples"
NORMALIZATION_FOLDER = "NormalizationParameters"
SPLITS_FOLDER = "splits"
"""Folder of the split files; DeepSDF's `specs.json` names them by their paths."""
MARGIN = 1.03
"""Distance of the unit sphere from the origin, relative to that of the farthest vertex."""


@dataclass(frozen=True)
class DeepSdfExport:
    """A dataset as DeepSDF's files."""

    dataset: Dataset
    name: str
    """NAME in paths and split files."""

    def __post_init__(self) -> None:
        """Check the name and the point sets.

        Raises:
            ExchangeError: the dataset has no points, or the name is not that of a folder.
        """
        if not self.sets:
            raise ExchangeError(f"{self.dataset.path} has no point sets, which DeepSDF needs")
        if not self.name.isprintable() or "/" in self.name or self.name in ("", ".", ".."):
            raise ExchangeError(f"--name {self.name!r}: takes the name of a folder")

    @property
    def sets(self) -> tuple[str, ...]:
        """Point sets that are written: DeepSDF's own mix where it is stored."""
        stored = tuple(name for name in POINT_SETS if name in self.dataset.point_sets)
        return ("cloud",) if "cloud" in stored else stored

    def data(self) -> Iterator[ExportFile]:
        """Two files for each shape."""
        for index, name in enumerate(export_names(self.dataset)):
            path = self._path(NORMALIZATION_FOLDER, name)
            yield ExportFile(path, partial(self._write_normalization, index))
            path = self._path(SAMPLES_FOLDER, name)
            yield ExportFile(path, partial(self._write_samples, index), shapes=1)

    def lists(self) -> Iterator[ExportFile]:
        """A JSON file for each split."""
        names = export_names(self.dataset)
        table = table_of(self.dataset, [str(name) for name in names])
        yield ExportFile(TABLE_NAME, as_text(table))
        for split, indices in by_split(self.dataset).items():
            classes: dict[str, list[str]] = {}
            for index in indices:
                classes.setdefault(names[index].category, []).append(names[index].model)
            text = json.dumps({self.name: classes}, indent=1) + "\n"
            yield ExportFile(f"{SPLITS_FOLDER}/{split}.json", as_text(text))

    def notes(self) -> list[str]:
        """Advice on the distribution of the points."""
        if self.sets == ("cloud",):
            return []
        return [
            f"the points are those of {' and '.join(self.sets)}; `preprocess --mix deepsdf` also"
            " stores DeepSDF's own mix"
        ]

    def _path(self, folder: str, name: ExportName) -> str:
        return f"{folder}/{self.name}/{name}.npz"

    def _write_samples(self, index: int, file: IO[bytes]) -> None:
        rows = [points_with_sdf(self.dataset, index, name) for name in self.sets]
        samples = np.concatenate(rows) / np.float32(MARGIN)
        outside = samples[:, 3] > 0
        as_npz({"pos": samples[outside], "neg": samples[~outside]})(file)

    def _write_normalization(self, index: int, file: IO[bytes]) -> None:
        frame = self.dataset.frame(index)
        scale = np.array([1 / (MARGIN * frame.scale_sphere)])
        as_npz({"offset": -frame.center, "scale": scale})(file)


@dataclass(frozen=True)
class DeepSdfImport:
    """A folder with DeepSDF's files."""

    folder: Path
    """Its data source, or the folder `SdfSamples` in it."""
    radius: float = 1 / MARGIN
    """Distance of the farthest vertex from the origin in the files."""
    resolutions: tuple[int, ...] = ()
    sets: tuple[str, ...] = ("cloud",)

    @property
    def samples(self) -> Path:
        """The folder `SdfSamples`."""
        return self.folder if self.folder.name == SAMPLES_FOLDER else self.folder / SAMPLES_FOLDER

    def find(self) -> list[Found]:
        """All `NAME/CLASS/INSTANCE.npz`; see `ImportFormat`."""
        if not self.samples.is_dir():
            raise ExchangeError(f"{self.folder} has no folder {SAMPLES_FOLDER}: is it of DeepSDF?")
        found = []
        for path in self.samples.rglob("*.npz"):
            parts = path.relative_to(self.samples).with_suffix("").parts[1:]
            if len(parts) < 2:
                raise ExchangeError(f"{path}: expected {SAMPLES_FOLDER}/NAME/CLASS/INSTANCE.npz")
            name = "/".join(parts)
            found.append(Found(name, parts[0], name, path))
        if not found:
            raise ExchangeError(f"{self.samples} has no NAME/CLASS/INSTANCE.npz: is it of DeepSDF?")
        return found

    def rows(self, found: Found) -> int:
        """Points on both sides; see `ImportFormat`."""
        return sum(npy_shape(found.path, side)[0] for side in ("pos", "neg"))

    def splits(self) -> dict[str, str]:
        """Splits of the JSON files in the folder `splits`, if there are any."""
        folder = self.samples.parent / SPLITS_FOLDER
        entries = (entry for path in folder.glob("*.json") for entry in read_split_file(path))
        return collect_splits((entry.name, entry.split, entry.location) for entry in entries)

    def read(self, found: Found, frame: Frame | None) -> RawShape:
        """Read a shape; see `ImportFormat`."""
        with open_npz(found.path) as arrays:
            sides = [check_shape(found.path, arrays[side], (None, 4)) for side in ("pos", "neg")]
        rows = np.concatenate(sides) / np.float32(self.radius)
        if frame is not None:
            return RawShape({}, {"cloud": rows}, frame)
        center, scale = self._normalization(found)
        scale_cube = scale * extent(rows[np.isfinite(rows).all(axis=1)])
        note = "scale_cube is estimated from the points"
        return RawShape({}, {"cloud": rows}, Frame(center, scale_cube, scale), (note,))

    def _normalization(self, found: Found) -> tuple[NDArray[np.float64], float]:
        """Centre and scale of the sphere frame; 0 and 1 without normalization parameters."""
        folder = self.samples.parent / NORMALIZATION_FOLDER
        path = folder / found.path.relative_to(self.samples)
        if not path.is_file():
            return np.zeros(3), 1.0
        with open_npz(path) as arrays:
            offset = np.asarray(arrays["offset"], np.float64).reshape(3)
            return -offset, self.radius / float(np.asarray(arrays["scale"]).reshape(()))
