"""Real shapes of a dataset, with which generated ones are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shapegan.model.shapes.surface import Surface
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError


class EvaluationError(PlainError):
    """Something that cannot be evaluated; the message is one line with the remedy."""


@dataclass(frozen=True)
class RealShapes:
    """Surfaces of a dataset's shapes, from their finest voxels, cube frame."""

    ids: list[str]
    surfaces: list[Surface]


def choose_real_shapes(
    dataset: Dataset, split: str | None, fewest: int = 2
) -> tuple[str, Sequence[int]]:
    """Choose the real shapes of an evaluation.

    Args:
        dataset: Of the shapes.
        split: Name of a split; None for `test`, or for all shapes of a dataset without splits.
        fewest: Shapes that the evaluation needs.

    Returns:
        Name of the split, empty for all shapes; and indices of its shapes in the dataset.

    Raises:
        EvaluationError: if there is no such split, or it has fewer shapes than needed.
    """
    splits = dataset.splits
    if split is None and not splits:
        split, of = "", str(dataset.path)
        indices: Sequence[int] = range(len(dataset))
    else:
        split = split or "test"
        if split not in splits:
            listed = ", ".join(sorted(splits)) or "none"
            raise EvaluationError(
                f"{dataset.path} has no split {split!r}, it has: {listed}; name one with --split,"
                " or make splits with `shapegan split`"
            )
        indices, of = splits[split], f"split {split!r} of {dataset.path}"
    if len(indices) < fewest:
        raise EvaluationError(f"{of} has 1 shape: expected at least 2 to compare with")
    return split, indices


def read_real_shapes(dataset: Dataset, indices: Sequence[int]) -> RealShapes:
    """Surfaces of shapes of the dataset; shapes whose voxels hold no surface are left out.

    Raises:
        DatasetError: if the dataset cannot be read.
    """
    found = RealShapes([], [])
    for index in indices:
        surface = Surface.of_voxels(dataset.voxels(index, dataset.finest))
        if not surface.empty:
            found.ids.append(dataset.ids[index])
            found.surfaces.append(surface)
    return found


def real_surface(dataset: Dataset, index: int, frame: str) -> Surface:
    """Surface of a shape's finest voxels, in a frame: `cube` or `sphere`."""
    surface = Surface.of_voxels(dataset.voxels(index, dataset.finest))
    if frame == "cube":
        return surface
    scales = dataset.frame(index)
    factor = np.float32(scales.scale_cube / scales.scale_sphere)
    return Surface(surface.vertices * factor, surface.faces)
