"""The training shape that is most like a generated one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shapegan.model.metrics.point_clouds import Cloud, normalise, sample_surface
from shapegan.model.shapes.surface import Surface
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.isosurface import extract_surface

POINTS = 1024
"""Points of a shape's cloud: more hardly change which shape is nearest."""
MOST = 2000
"""Training shapes that are compared; the page says so where there are more."""


@dataclass(frozen=True)
class Found:
    """A training shape."""

    index: int
    """Its number in the dataset."""
    id: str
    chamfer: float
    """Distance of the two clouds, see `shapegan.model.metrics.point_clouds`."""
    surface: Surface
    """From its finest voxels, cube frame."""


class Nearest:
    """Finds training shapes by chamfer distance of normalised clouds.

    Args:
        dataset: With voxels.
        split: Whose shapes; all where the dataset has no splits.

    Raises:
        DatasetError: where there is nothing to compare with.
    """

    def __init__(self, dataset: Dataset, split: str = "train") -> None:
        if not dataset.resolutions:
            raise DatasetError(f"{dataset.path} has no voxels, of which surfaces could be taken")
        splits = dataset.splits
        chosen: Sequence[int] = splits.get(split, []) if splits else range(len(dataset))
        if not chosen:
            raise DatasetError(f"{dataset.path} has no shape of the split {split}")
        self.all = len(chosen)
        self._indices = list(chosen[:MOST])
        self._dataset, self._lock = dataset, threading.Lock()
        self._trees: list[cKDTree | None] = []
        for index in self._indices:
            surface = self._surface(index)
            self._trees.append(None if surface.empty else cKDTree(_cloud(surface)))
        if not any(tree is not None for tree in self._trees):
            raise DatasetError(f"{dataset.path}: the voxels of no shape have a surface")

    @property
    def compared(self) -> int:
        """Shapes that are looked at."""
        return len(self._indices)

    def chamfers(self, cloud: Cloud) -> NDArray[np.float64]:
        """Chamfer distances of a normalised cloud (n, 3) to those of all shapes; inf of empty ones.

        As `chamfer_matrix` has it. That one builds tables that pay for many clouds against many;
        for one cloud against many that stay, trees are there already.
        """
        tree = cKDTree(cloud)

        def chamfer(other: cKDTree | None) -> float:
            if other is None:
                return np.inf
            there, back = other.query(cloud)[0], tree.query(other.data)[0]
            return float((there**2).mean() + (back**2).mean())

        return np.array([chamfer(other) for other in self._trees])

    def find(self, surface: Surface) -> Found:
        """The shape nearest to a surface, in whatever frame that is.

        Raises:
            ValueError: where it is empty.
        """
        distances = self.chamfers(_cloud(surface))
        best = int(distances.argmin())
        index = self._indices[best]
        return Found(index, self._dataset.ids[index], float(distances[best]), self._surface(index))

    def _surface(self, index: int) -> Surface:
        with self._lock:
            voxels = self._dataset.voxels(index, self._dataset.resolutions[-1])
        vertices, faces = extract_surface(voxels)
        return Surface(vertices.astype(np.float32), faces)


def _cloud(surface: Surface) -> Cloud:
    return normalise(sample_surface(surface.vertices, surface.faces, POINTS))
