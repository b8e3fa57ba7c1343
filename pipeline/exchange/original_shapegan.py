"""Files of the code of Kleineberg et al. 2020, the repository marian42/shapegan.

`voxels_R/NAME.npy` holds (R, R, R) float32, cube frame, index order x, y, z. `uniform/NAME.npy`,
`surface/NAME.npy` and `cloud/NAME.npy` hold (P, 4) float32, columns x, y, z, sdf, sphere frame; row
i of `surface` belongs to row i of `uniform`. `SPLIT.txt` lists names, one per line. Frames and
signs are those of shapegan's own datasets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import IO

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
    by_split,
    export_names,
    table_of,
)

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
        """A missing `train.txt`."""
        if DEFAULT_SPLIT in by_split(self.dataset):
            return []
        return ["its training scripts read train.txt: the dataset has no split train"]

    def _write_voxels(self, index: int, resolution: int, file: IO[bytes]) -> None:
        as_npy(self.dataset.voxels(index, resolution))(file)

    def _write_points(self, index: int, point_set: str, file: IO[bytes]) -> None:
        as_npy(points_with_sdf(self.dataset, index, point_set))(file)
