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
from typing import IO

import numpy as np

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
    export_names,
    table_of,
)

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
        if not self.dataset.point_sets:
            raise ExchangeError(f"{self.dataset.path} has no point sets, which DeepSDF needs")
        if not self.name.isprintable() or "/" in self.name or self.name in ("", ".", ".."):
            raise ExchangeError(f"--name {self.name!r}: takes the name of a folder")

    @property
    def sets(self) -> tuple[str, ...]:
        """Point sets that are written: DeepSDF's own mix where it is stored."""
        stored = self.dataset.point_sets
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
            f"the points are those of {' and '.join(self.sets)}; `preprocess --cloud` also stores"
            " DeepSDF's own mix"
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
