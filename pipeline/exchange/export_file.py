"""Files of an export, and the protocol of the formats that plan them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.dataset.reader import Dataset

Writer = Callable[[IO[bytes]], None]
"""Writes the content of a file, in small pieces where the file is large."""


@dataclass(frozen=True)
class ExportFile:
    """A file to write."""

    path: str
    """Below the output folder."""
    write: Writer
    """Called only if the file does not exist yet."""
    shapes: int = 0
    """Shapes that are exported once this file is written, for the progress."""


class ExportFormat(Protocol):
    """A format of another project, for one dataset."""

    def data(self) -> Iterator[ExportFile]:
        """The files of the shapes, in order."""

    def lists(self) -> Iterator[ExportFile]:
        """The files that list shapes, written when all data are: others find shapes by these."""

    def notes(self) -> list[str]:
        """One line for each thing that the user should know."""


def as_npy(array: NDArray[Any]) -> Writer:
    """Write an array as .npy."""
    return lambda file: np.lib.format.write_array(file, array, allow_pickle=False)


def as_npz(arrays: dict[str, NDArray[Any]]) -> Writer:
    """Write arrays as .npz, without compression; the same arrays give the same bytes."""
    return lambda file: np.savez(file, **arrays)  # type: ignore[arg-type]


def as_text(text: str) -> Writer:
    """Write a text as UTF-8; bytes of file names that are not UTF-8 stay as they are."""

    def write(file: IO[bytes]) -> None:
        file.write(text.encode("utf-8", "surrogateescape"))

    return write


def points_with_sdf(dataset: Dataset, index: int, point_set: str) -> NDArray[np.float32]:
    """A point set of a shape: (P, 4) float32, columns x, y, z, sdf; sphere frame."""
    positions, sdf = dataset.points(index, point_set)
    return np.column_stack([positions, sdf])
