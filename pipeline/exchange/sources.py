"""Shapes that an import finds in a folder, and the protocol of the formats that find them."""

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.exchange.names import ExchangeError
from shapegan.pipeline.meshes.triangle_mesh import Frame


@dataclass(frozen=True)
class Found:
    """A shape in the source, not read yet."""

    name: str
    """Name in the source, and in `shapes.csv` beside it."""
    category: str
    id: str
    """Id in the new dataset, unless `shapes.csv` has another one."""
    path: Path
    """Its main file."""


@dataclass(frozen=True)
class RawShape:
    """A shape as read, in the frames of the shards."""

    voxels: dict[int, NDArray[np.float32]]
    """Resolution R -> signed distances (R, R, R), cube frame."""
    points: dict[str, NDArray[np.float32]]
    """Point set -> (n, 4), columns x, y, z, sdf; sphere frame. Sets of equal length are paired row
    by row. Rows with NaN do not count."""
    frame: Frame
    notes: tuple[str, ...] = ()


class ImportFormat(Protocol):
    """A format of another project, for one folder."""

    def find(self) -> list[Found]:
        """All shapes, in any order.

        Raises:
            ExchangeError: there are none.
        """

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the voxels; empty if there are none."""

    @property
    def sets(self) -> tuple[str, ...]:
        """Point sets."""

    def rows(self, found: Found) -> int:
        """Points of a shape's smallest set that can be used, from the headers of its files."""

    def splits(self) -> dict[str, str]:
        """Name -> split, from lists in the source; empty if there are none."""

    def read(self, found: Found, frame: Frame | None) -> RawShape:
        """Read a shape.

        Args:
            found: The shape.
            frame: Its exact frame, if `shapes.csv` has it.

        Raises:
            ExchangeError: a file is missing, or holds something else.
            Exception: any that numpy raises for a damaged file.
        """


def npy_shape(path: Path, member: str = "") -> tuple[int, ...]:
    """Shape of the array in an .npy file, or in a member of an .npz file, from its header.

    Raises:
        ExchangeError: the file cannot be read, or has no such member.
    """
    try:
        if not member:
            return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape)
        with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            return tuple(read(file)[0])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ExchangeError(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Any]:
    """The arrays of an .npz file by name; numpy itself leaves damaged files open."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        yield arrays


def check_shape(
    path: Path, array: NDArray[np.generic], expected: Sequence[int | None]
) -> NDArray[np.float32]:
    """Check the shape of an array, None standing for any length; return it as float32.

    Raises:
        ExchangeError: it has another shape, or does not hold numbers.
    """
    fits = array.ndim == len(expected) and all(
        want in (None, got) for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiub":
        shape = ", ".join("n" if want is None else str(want) for want in expected)
        raise ExchangeError(
            f"{path.name}: expected numbers ({shape}), got {array.dtype} {array.shape}"
        )
    return array.astype(np.float32)


def extent(rows: NDArray[np.float32]) -> float:
    """Half the longest side of a shape's bounding box, from points with distances.

    The ball around an inside point whose radius is the distance lies in the shape, so this is a
    lower bound; points near the surface make it tight.

    Args:
        rows: (n, 4), columns x, y, z, sdf.

    Raises:
        ExchangeError: no point is inside.
    """
    inside = _inside(rows)
    low = (inside[:, :3] + inside[:, 3:]).min(axis=0)
    high = (inside[:, :3] - inside[:, 3:]).max(axis=0)
    return float((high - low).max()) / 2


def reach(rows: NDArray[np.float32]) -> float:
    """Distance of a shape's farthest point from the origin; see `extent`."""
    inside = _inside(rows)
    return float((np.linalg.norm(inside[:, :3], axis=1) - inside[:, 3]).max())


def _inside(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    inside = rows[rows[:, 3] < 0]
    if len(inside) == 0:
        raise ExchangeError("nothing inside: no point has a negative distance")
    return inside
