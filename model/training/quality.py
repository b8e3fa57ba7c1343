"""Quality of generated shapes while a run trains: scores against the validation split."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from torch import Tensor

from shapegan.model.metrics.scores import Reference, mesh_validity, sample_clouds
from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.schedule import Position
from shapegan.model.shapes.surface import Surface, extract
from shapegan.model.training.row_file import read_rows
from shapegan.pipeline.dataset.reader import Dataset

SPLIT = "val"
"""Split with whose shapes generated ones are compared."""
RESOLUTION = 32
"""Grid of generated and real surfaces."""
SHAPES = 32
"""Most shapes of each set."""
MIN_SHAPES = 2
"""Fewest shapes of each set."""
_POINTS = 1024
"""Points of each cloud."""
_REAL_SET, _GENERATED_SET = range(2)
"""Seeds of the sets' clouds."""


@dataclass(frozen=True)
class Quality:
    """Scores of generated shapes against real ones; see `metrics.scores`."""

    shapes: int
    """Generated shapes, and real ones, that were compared."""
    coverage: float
    mmd: float | None
    """None if every generated shape is empty."""
    one_nna: float
    single_component: float
    """Share of the generated shapes that are one connected component, cavities left out."""
    empty: float
    """Share of the generated shapes that are empty."""

    @property
    def error(self) -> float:
        """Distance of the 1-NNA from 0.5, at which the sets cannot be told apart."""
        return abs(self.one_nna - 0.5)

    def values(self) -> dict[str, float]:
        """Name -> value, of those that there are."""
        return {name: value for name, value in asdict(self).items() if value is not None}


COLUMNS = ("total", "stage", "step", "seconds", *(field.name for field in fields(Quality)))
"""Columns of quality.csv; the first four are those of metrics.csv."""


def quality_row(position: Position, quality: Quality) -> dict[str, float]:
    """Row of quality.csv."""
    place = {"total": position.total, "stage": position.stage, "step": position.step}
    return {**place, "seconds": round(position.seconds, 3), **quality.values()}


def best_error(path: Path) -> float | None:
    """Smallest distance of a 1-NNA from 0.5 in quality.csv; None if it has no row."""
    return min((abs(row["one_nna"] - 0.5) for row in read_rows(path)), default=None)


class QualityWatch:
    """Real shapes of the validation split, with which generated ones are compared.

    Args:
        data: Folder of the dataset.
        device: Warp device, such as `cuda:0`.
    """

    def __init__(self, data: Path, device: str = "cpu") -> None:
        self._data, self._device = data, device
        self._reference: Reference | None = None
        dataset = Dataset(data)
        known: Sequence[int] = dataset.splits.get(SPLIT, []) if dataset.resolutions else []
        places = np.linspace(0, len(known) - 1, min(SHAPES, len(known))).round().astype(int)
        self._indices = [known[place] for place in places]

    @property
    def shapes(self) -> int:
        """Number of shapes in each set; 0 if the validation split has fewer than two."""
        return len(self._indices) if len(self._indices) >= MIN_SHAPES else 0

    def measure(self, generator: AnyGenerator, latents: Tensor) -> Quality:
        """Compare the shapes of latents (S, Z) with the real ones."""
        if self._reference is None:
            self._reference = Reference(sample_clouds(self._real(), _REAL_SET, _POINTS))
        surfaces = [extract(generator, latent, RESOLUTION) for latent in latents]
        clouds = sample_clouds(surfaces, _GENERATED_SET, _POINTS)
        scores = self._reference.scores(clouds, len(surfaces) - len(clouds)).chamfer
        validity = mesh_validity(surfaces)
        return Quality(
            len(surfaces),
            scores.coverage,
            scores.mmd,
            scores.one_nna,
            validity.single_component,
            1.0 - validity.filled,
        )

    def _real(self) -> list[Surface]:
        """Surfaces of the real shapes, from their grid nearest to `RESOLUTION`."""
        dataset = Dataset(self._data)
        sizes = sorted(dataset.resolutions, key=lambda size: (abs(size - RESOLUTION), size))
        found = [Surface.of_voxels(dataset.voxels(index, sizes[0])) for index in self._indices]
        return [surface for surface in found if not surface.empty]
