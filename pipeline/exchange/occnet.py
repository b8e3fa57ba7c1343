"""Occupancy Networks' files (Mescheder et al. 2019, autonomousvision/occupancy_networks).

`CATEGORY/MODEL/points.npz` holds `points` (N, 3), `occupancies` (N,) packed into bits, `loc` (3,)
and `scale`: x_mesh = scale * x + loc. The longest side of the bounding box is 1 and its centre at
0; points are uniform in a box of side 1.1 around it. `CATEGORY/SPLIT.lst` lists the models of a
split, one per line, without a line break at the end, which would list a model without name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.export_file import ExportFile, as_npz, as_text
from shapegan.pipeline.exchange.names import (
    TABLE_NAME,
    ExchangeError,
    by_split,
    export_names,
    table_of,
)
from shapegan.pipeline.sdf.sampling import random_generator

POINTS_NAME = "points.npz"
MAX_POINTS = 100_000
"""Points per shape in the files of the paper."""
_SHARE = 0.4
"""Points per stored uniform point; of a shape as large as a cube, 0.49 lie in the box."""
BOX_SIDE = 1.1
"""Side of the box that the points fill; the longest side of the shape is 1."""


@dataclass(frozen=True)
class OccNetExport:
    """A dataset as files of Occupancy Networks."""

    dataset: Dataset

    def __post_init__(self) -> None:
        """Check the point sets.

        Raises:
            ExchangeError: the dataset has no uniform points.
        """
        if "uniform" not in self.dataset.point_sets:
            raise ExchangeError(
                f"{self.dataset.path} has no point set uniform, from which the points are taken"
            )

    def data(self) -> Iterator[ExportFile]:
        """A file for each shape."""
        for index, name in enumerate(export_names(self.dataset)):
            yield ExportFile(f"{name}/{POINTS_NAME}", partial(self._write_points, index), shapes=1)

    def lists(self) -> Iterator[ExportFile]:
        """A list for each split of each category."""
        names = export_names(self.dataset)
        table = table_of(self.dataset, [str(name) for name in names])
        yield ExportFile(TABLE_NAME, as_text(table))
        splits = by_split(self.dataset)
        for category in sorted({name.category for name in names}):
            for split, indices in splits.items():
                found = (names[index] for index in indices)
                models = "\n".join(name.model for name in found if name.category == category)
                yield ExportFile(f"{category}/{split}.lst", as_text(models))

    def notes(self) -> list[str]:
        """Files of OccNet's dataset that are not written."""
        return [
            "points.npz is written; pointcloud.npz, images and voxels, which some configurations of"
            " Occupancy Networks read as well, are not"
        ]

    def _write_points(self, index: int, file: IO[bytes]) -> None:
        frame = self.dataset.frame(index)
        unit = 2 * frame.scale_cube
        radius = frame.scale_sphere / unit
        positions, sdf = self.dataset.points(index, "uniform")
        rng = random_generator(self.dataset.config.seed, self.dataset.ids[index])
        count = min(MAX_POINTS, int(_SHARE * len(positions)))  # equal for all, to form batches
        points, distances = points_in_box(
            positions * np.float32(radius), sdf * np.float32(radius), radius, count, rng
        )
        arrays = {
            "points": points,
            "occupancies": np.packbits(distances < 0),
            "loc": frame.center,
            "scale": np.array(unit),
            "sdf": distances,
        }
        as_npz(arrays)(file)


def points_in_box(
    points: NDArray[np.float32],
    sdf: NDArray[np.float32],
    radius: float,
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points that are uniform in OccNet's box, from points that are uniform in a ball.

    Of the ball's points, those in the box are kept. Where the box reaches beyond the ball, new
    points fill it with the same density. They are outside, since the shape lies in the ball, but
    for the thickness that its bare sheets were given.

    Args:
        points: (P, 3), uniform in the ball.
        sdf: (P,).
        radius: Of the ball.
        count: N.
        rng: Random generator of the shape.

    Returns:
        Points (N, 3) in random order, repeated if there are too few, and their distances (N,),
        float32; NaN where the distance is not known, beyond the ball.
    """
    half = BOX_SIDE / 2
    density = len(points) / (4 / 3 * np.pi * radius**3)
    new = rng.uniform(-half, half, (rng.poisson(density * BOX_SIDE**3), 3)).astype(np.float32)
    new = new[np.linalg.norm(new, axis=1) > radius]
    kept = np.abs(points).max(axis=1) <= half
    all_points = np.concatenate([points[kept], new])
    distances = np.concatenate([sdf[kept], np.full(len(new), np.nan, np.float32)])
    order = np.resize(rng.permutation(len(all_points)), count)
    return all_points[order], distances[order]
