"""Search for the training shape nearest to a generated one."""

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

POINTS = 1024
"""Points of each shape's cloud; more of them rarely change which shape is nearest."""
MAX_COMPARED = 2000
"""Training shapes that are searched; the page reports if there are more."""


@dataclass(frozen=True)
class TrainingShape:
    """A training shape and its distance from the shape that it was searched for."""

    index: int
    """Row of the shape in the dataset."""
    id: str
    chamfer: float
    """Chamfer distance of the normalised clouds, see `shapegan.model.metrics.point_clouds`."""
    surface: Surface
    """Surface of the shape's finest voxels, cube frame."""


class TrainingShapes:
    """Search for the nearest training shape, by chamfer distance of normalised clouds.

    Args:
        dataset: With voxels.
        split: Split to search; ignored if the dataset has no splits.

    Raises:
        DatasetError: if there are no shapes to compare with.
    """

    def __init__(self, dataset: Dataset, split: str = "train") -> None:
        if not dataset.resolutions:
            raise DatasetError(f"{dataset.path} has no voxels to extract surfaces from")
        splits = dataset.splits
        indices: Sequence[int] = splits.get(split, []) if splits else range(len(dataset))
        if not indices:
            raise DatasetError(f"{dataset.path} has no shapes in the split {split}")
        self.total = len(indices)
        self._indices = list(indices[:MAX_COMPARED])
        self._dataset, self._lock = dataset, threading.Lock()
        self._trees: list[cKDTree | None] = []
        for index in self._indices:
            surface = self._surface(index)
            self._trees.append(None if surface.empty else cKDTree(_cloud(surface)))
        if not any(tree is not None for tree in self._trees):
            raise DatasetError(f"{dataset.path}: the voxels of no shape have a surface")

    @property
    def compared(self) -> int:
        """Number of shapes that are searched, at most `MAX_COMPARED`."""
        return len(self._indices)

    def chamfers(self, cloud: Cloud) -> NDArray[np.float64]:
        """Chamfer distances of a normalised cloud (n, 3) to all searched shapes; inf if empty.

        The distances are those of `chamfer_matrix`. Its tables pay off for many clouds against
        many; here one cloud is compared with many that stay, so k-d trees are kept instead.
        """
        tree = cKDTree(cloud)

        def chamfer(other: cKDTree | None) -> float:
            if other is None:
                return np.inf
            there, back = other.query(cloud)[0], tree.query(other.data)[0]
            return float((there**2).mean() + (back**2).mean())

        return np.array([chamfer(other) for other in self._trees])

    def nearest(self, surface: Surface) -> TrainingShape:
        """The training shape nearest to a surface in any frame.

        Raises:
            ValueError: if the surface is empty.
        """
        distances = self.chamfers(_cloud(surface))
        best = int(distances.argmin())
        index = self._indices[best]
        chamfer = float(distances[best])
        return TrainingShape(index, self._dataset.ids[index], chamfer, self._surface(index))

    def _surface(self, index: int) -> Surface:
        with self._lock:
            voxels = self._dataset.voxels(index, self._dataset.resolutions[-1])
        return Surface.of_voxels(voxels)


def _cloud(surface: Surface) -> Cloud:
    return normalise(sample_surface(surface.vertices, surface.faces, POINTS))
