"""Occupancy Networks' files (Mescheder et al. 2019, autonomousvision/occupancy_networks).

`CATEGORY/MODEL/points.npz` holds `points` (N, 3), `occupancies` (N,) packed into bits, `loc` (3,)
and `scale`: x_mesh = scale * x + loc. `pointcloud.npz` beside it holds `points` and `normals`
(M, 3) of the surface, with the same `loc` and `scale`. The longest side of the bounding box is 1
and its centre at 0; points are uniform in a box of side 1.1 around it. `CATEGORY/SPLIT.lst` lists
the models of a split, one per line, without a line break at the end, which would list a model
without name.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.export_file import ExportFile, as_npz, as_text
from shapegan.pipeline.exchange.names import (
    TABLE_NAME,
    ExchangeError,
    by_split,
    collect_splits,
    export_names,
    table_of,
)
from shapegan.pipeline.exchange.sources import (
    Found,
    RawShape,
    check_shape,
    npy_shape,
    open_npz,
    reach,
)
from shapegan.pipeline.inputs.split_files import standard_split
from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.sdf.sampling import random_generator

POINTS_NAME = "points.npz"
MAX_POINTS = 100_000
"""Points per shape in the files of the paper."""
_SHARE = 0.4
"""Points per stored uniform point; of a shape as large as a cube, 0.49 lie in the box."""
SURFACE_NAME = "pointcloud.npz"
_STORED_SET, _SURFACE_SET = "occnet", "on_surface"
"""Point sets of the cube frame that are written as they are."""
_PER_CUBE_UNIT = 0.5
"""Units of OccNet's frame per unit of the cube frame."""
_BALL_SHARE, _RANGE_SHARE = 0.38, 0.75
"""Share of the box's volume, at least, that lies in the ball around the shape, and in the range of
stored positions, which is the cube around that ball."""
BOX_SIDE = 1.1
"""Side of the box that the points fill; the longest side of the shape is 1."""


_Labelled = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]
"""Points (N, 3), whether they lie inside (N,), and distances (N,)."""


@dataclass(frozen=True)
class OccNetExport:
    """A dataset as files of Occupancy Networks."""

    dataset: Dataset

    def __post_init__(self) -> None:
        """Check the point sets.

        Raises:
            ExchangeError: the dataset has none of the points.
        """
        if not {_STORED_SET, "uniform"} & set(self.dataset.point_sets):
            raise ExchangeError(
                f"{self.dataset.path} has no point set {_STORED_SET} or uniform, from which the"
                " points are taken"
            )

    @property
    def _has_surface(self) -> bool:
        return _SURFACE_SET in self.dataset.oriented_sets

    def data(self) -> Iterator[ExportFile]:
        """The points of each shape, and those of its surface if the dataset has them."""
        for index, name in enumerate(export_names(self.dataset)):
            if self._has_surface:
                yield ExportFile(f"{name}/{SURFACE_NAME}", partial(self._write_surface, index))
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
        written, missing = f"{POINTS_NAME} and {SURFACE_NAME} are", "images and voxels"
        if not self._has_surface:
            written, missing = f"{POINTS_NAME} is", f"{SURFACE_NAME}, {missing}"
        notes = [
            f"{written} written; {missing}, which some configurations of Occupancy Networks read as"
            " well, are not"
        ]
        if not self._has_surface:
            notes.append(f"preprocess with --on-surface 100000 to get {SURFACE_NAME}")
        return notes

    def _write_points(self, index: int, file: IO[bytes]) -> None:
        stored = _STORED_SET in self.dataset.point_sets
        points, inside, sdf = (self._stored if stored else self._from_uniform)(index)
        arrays: dict[str, NDArray[Any]] = {"points": points, "occupancies": np.packbits(inside)}
        as_npz(arrays | self._place(index) | {"sdf": sdf})(file)

    def _write_surface(self, index: int, file: IO[bytes]) -> None:
        points, normals = self.dataset.oriented_points(index, _SURFACE_SET)
        arrays = {"points": points * np.float32(_PER_CUBE_UNIT), "normals": normals}
        as_npz(arrays | self._place(index))(file)

    def _place(self, index: int) -> dict[str, NDArray[Any]]:
        """Place and size of a shape in its mesh's coordinates."""
        frame = self.dataset.frame(index)
        return {"loc": frame.center, "scale": np.array(frame.scale_cube / _PER_CUBE_UNIT)}

    def _stored(self, index: int) -> _Labelled:
        """The points of the set that OccNet's mix has made, in OccNet's frame."""
        points, inside = self.dataset.occupancies(index, _STORED_SET)
        sdf = self.dataset.points(index, _STORED_SET)[1]
        return points * np.float32(_PER_CUBE_UNIT), inside, sdf * np.float32(_PER_CUBE_UNIT)

    def _from_uniform(self, index: int) -> _Labelled:
        """Points made from those of the unit ball, in OccNet's frame."""
        frame = self.dataset.frame(index)
        unit = frame.scale_cube / _PER_CUBE_UNIT
        radius = frame.scale_sphere / unit
        positions, sdf = self.dataset.points(index, "uniform")
        rng = random_generator(self.dataset.config.seed, self.dataset.accepted[index].id)
        count = min(MAX_POINTS, int(_SHARE * len(positions)))  # equal for all, to form batches
        points, distances = points_in_box(
            positions * np.float32(radius), sdf * np.float32(radius), radius, count, rng
        )
        return points, distances < 0, distances


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

    Raises:
        ExchangeError: no point lies in the box.
    """
    half = BOX_SIDE / 2
    density = len(points) / (4 / 3 * np.pi * radius**3)
    new = rng.uniform(-half, half, (rng.poisson(density * BOX_SIDE**3), 3)).astype(np.float32)
    new = new[np.linalg.norm(new, axis=1) > radius]
    kept = np.abs(points).max(axis=1) <= half
    all_points = np.concatenate([points[kept], new])
    distances = np.concatenate([sdf[kept], np.full(len(new), np.nan, np.float32)])
    if len(all_points) == 0:
        raise ExchangeError("too few uniform points: none lies in the box around the shape")
    order = np.resize(rng.permutation(len(all_points)), count)
    return all_points[order], distances[order]


@dataclass(frozen=True)
class OccNetImport:
    """A folder with files of Occupancy Networks.

    Occupancies give the sign. The distance comes from `pointcloud.npz` beside them, 100,000 points
    of the surface with normals; or from `sdf` in `points.npz`, which only shapegan writes.
    """

    folder: Path
    resolutions: tuple[int, ...] = ()
    sets: tuple[str, ...] = ("cloud",)

    def find(self) -> list[Found]:
        """All `CATEGORY/MODEL/points.npz`; see `ImportFormat`."""
        found = []
        for path in self.folder.rglob(POINTS_NAME):
            parts = path.parent.relative_to(self.folder).parts
            if len(parts) < 2:
                raise ExchangeError(f"{path}: expected CATEGORY/MODEL/{POINTS_NAME}")
            name = "/".join(parts)
            found.append(Found(name, parts[0], name, path))
        if not found:
            raise ExchangeError(
                f"{self.folder} has no CATEGORY/MODEL/{POINTS_NAME}: is it of Occupancy Networks?"
            )
        return found

    def rows(self, found: Found) -> int:
        """Points in the range of the sphere frame, at least; see `ImportFormat`."""
        (count, _) = npy_shape(found.path, "points")
        with zipfile.ZipFile(found.path) as archive:
            known = "sdf.npy" in archive.namelist()
        return int(count * (_BALL_SHARE if known else _RANGE_SHARE))

    def splits(self) -> dict[str, str]:
        """Splits of the lists in the folders of categories."""
        return collect_splits(
            (f"{path.parent.name}/{line.strip()}", standard_split(path.stem), str(path))
            for path in self.folder.glob("*/*.lst")
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            if line.strip()
        )

    def read(self, found: Found, frame: Frame | None) -> RawShape:
        """Read a shape; see `ImportFormat`."""
        with open_npz(found.path) as arrays:
            points = check_shape(found.path, arrays["points"], (None, 3))
            occupied = _occupancies(found.path, arrays["occupancies"], len(points))
            sdf = arrays.get("sdf")
            loc = arrays.get("loc", np.zeros(3))
            unit = float(arrays.get("scale", 1.0))
        note = "distances are approximated from pointcloud.npz"
        if sdf is None:
            surface, normals = _read_surface(found.path.with_name(SURFACE_NAME))
            distances = surface_distances(points, surface, normals)
            sdf = np.where(occupied, -distances, distances)
            radius = float(np.linalg.norm(surface, axis=1).max())
        else:
            sdf = check_shape(found.path, sdf, (len(points),))
            known = np.isfinite(sdf)
            note = "scale_sphere is estimated from the points"
            radius = reach(np.column_stack([points[known], sdf[known]]))
        if frame is not None:
            radius, note = frame.scale_sphere / (2 * frame.scale_cube), ""
        else:
            center = np.asarray(loc, np.float64).reshape(3)
            frame = Frame(center, unit / 2, unit * radius)
        rows = np.column_stack([points, sdf]) / np.float32(radius)
        return RawShape({}, {"cloud": rows.astype(np.float32)}, frame, (note,) if note else ())


def _occupancies(path: Path, stored: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Occupancies (N,), which may be packed into bits."""
    if stored.dtype == np.uint8 and stored.shape == (-(-count // 8),):
        return np.unpackbits(stored)[:count].astype(bool)
    return check_shape(path, stored, (count,)) >= 0.5


def _read_surface(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (M, 3) of the surface, and their normals (M, 3)."""
    if not path.is_file():
        raise ExchangeError(
            f"has no {path.name}, and occupancies alone give no distances: sample the surface too"
        )
    with open_npz(path) as arrays:
        points = check_shape(path, arrays["points"], (None, 3))
        return points, check_shape(path, arrays["normals"], (len(points), 3))


def surface_distances(
    points: NDArray[np.float32], surface: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distances (N,) of points (N, 3) to a surface of which points and normals (M, 3) are known.

    It is the distance to the nearest surface point; or to its tangent plane, if the foot on that
    plane is within three times the spacing of the surface points.
    """
    tree = cKDTree(surface)
    spacing = float(np.median(tree.query(surface[:1000], k=2)[0][:, 1]))
    distance, nearest = tree.query(points)
    height = np.abs(np.einsum("ij,ij->i", points - surface[nearest], normals[nearest]))
    beside = np.sqrt(np.maximum(distance**2 - height**2, 0))
    found: NDArray[np.float32] = np.where(beside <= 3 * spacing, height, distance).astype(
        np.float32
    )
    return found
