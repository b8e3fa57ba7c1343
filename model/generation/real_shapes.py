"""Real shapes of a dataset, with which generated ones are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def split_indices(dataset: Dataset, split: str) -> list[int]:
    """Indices of a split's shapes in the dataset.

    Raises:
        EvaluationError: if there is no such split, or it has fewer than two shapes.
    """
    splits = dataset.splits
    if split not in splits:
        listed = ", ".join(sorted(splits)) or "none"
        raise EvaluationError(
            f"{dataset.path} has no split {split!r}, it has: {listed}; name one with --split, or"
            " make splits with `shapegan preprocess --splits`"
        )
    if len(splits[split]) < 2:
        raise EvaluationError(
            f"split {split!r} of {dataset.path} has 1 shape: expected at least 2 to compare with"
        )
    return splits[split]


def read_real_shapes(dataset: Dataset, indices: Sequence[int]) -> RealShapes:
    """Surfaces of shapes of the dataset; shapes whose voxels hold no surface are left out.

    Raises:
        DatasetError: if the dataset cannot be read.
    """
    found = RealShapes([], [])
    for index in indices:
        surface = Surface.of_voxels(dataset.voxels(index, dataset.resolutions[-1]))
        if not surface.empty:
            found.ids.append(dataset.ids[index])
            found.surfaces.append(surface)
    return found
