"""The shard contract: names, types and frames that `shapegan.pipeline` and `shapegan.model` share.

A dataset is a folder: `dataset.json` (manifest), `meshes.csv` (one row per input mesh) and
`shards/00000.h5` and so on. Signed distances are negative inside. There are two frames:

- *cube frame*, of the voxels: the centre of the mesh's bounding box is at 0, its longest side is 2.
- *sphere frame*, of the points: the same centre, and the farthest vertex is at radius 1.

`center` and the scales lead back to the mesh: `x_mesh = center + scale_cube * x_cube`
`= center + scale_sphere * x_sphere`, so a distance in the mesh's units is `scale * sdf`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 3
"""Newest version of the shards and the manifest. Version 3 has the sets of `POINT_LAYOUTS` beyond
`POINT_SETS`, other numbers of points in `cloud`, and voxels that are truncated. Datasets without
these are written in version 2, in which `center`, `scale_cube` and `scale_sphere` are float64."""

MAX_COARSE_RESOLUTION = 32
"""Finest stored grid that may keep thin parts; finer grids are of the true field."""

READ_VERSIONS = (1, 2, 3)
"""Versions that readers accept; they reject any other one and name them. In version 1, `center` and
the scales are float32, which is too coarse for meshes far from the origin."""

POSITION_STEPS = 32767
"""Positions are stored as int16: round(POSITION_STEPS * x), x in [-1, 1]."""

POINT_CHUNK = 4096
"""Rows per chunk of the point datasets. Rows are stored in random order, so any consecutive chunks
are a uniform random sample of the shape's points."""

POINT_SETS = ("uniform", "surface", "cloud")
"""`uniform`: uniform in the unit ball. `surface`: row i is the surface point nearest to row i of
`uniform`, plus noise N(0, 0.0025^2). `cloud` (optional): DeepSDF's mix, or in an imported dataset
the points of its source. All are in the sphere frame."""

WIDE_BOUND = 1.25
"""Largest coordinate that the sets in the cube frame can store: the mesh with any sheet thickness,
and OccNet's padded cube, lie within it."""


@dataclass(frozen=True)
class PointLayout:
    """Frame and contents of a point set."""

    frame: str = "cube"
    """`cube` or `sphere`."""
    bound: float = WIDE_BOUND
    """Positions are stored as int16: round(POSITION_STEPS / bound * x)."""
    normals: bool = False
    """True if the set stores unit normals, on the surface, instead of signed distances."""


POINT_LAYOUTS = {
    **{name: PointLayout("sphere", 1.0) for name in POINT_SETS},
    "occnet": PointLayout(),
    "vecset_volume": PointLayout(),
    "vecset_near": PointLayout(),
    "on_surface": PointLayout(normals=True),
    "salient": PointLayout(normals=True),
}
"""Every point set by its name, in the order in which a shard holds them."""

MANIFEST_NAME = "dataset.json"
WATERTIGHT_NAME = "watertight.json"
REPORT_NAME = "meshes.csv"
SHARD_FOLDER = "shards"


def shard_name(index: int) -> str:
    """Path of a shard below the dataset's folder."""
    return f"{SHARD_FOLDER}/{index:05d}.h5"


def voxel_name(resolution: int) -> str:
    """HDF5 name of the voxels of a resolution R: (N, R, R, R) float16, index order x, y, z."""
    return f"voxels/{resolution}"


def position_name(point_set: str) -> str:
    """HDF5 name of a point set's positions: (N, P, 3) int16, see `POINT_LAYOUTS`."""
    return f"{point_set}/position"


def sdf_name(point_set: str) -> str:
    """HDF5 name of a point set's distances: (N, P) float16, in the frame of the set."""
    return f"{point_set}/sdf"


def normal_name(point_set: str) -> str:
    """HDF5 name of a point set's unit normals: (N, P, 3) int16, round(POSITION_STEPS * n)."""
    return f"{point_set}/normal"


def count_name(point_set: str) -> str:
    """HDF5 name of the number of points (N,) int32 that a shape has in a set with normals.

    Rows after these are 0.
    """
    return f"{point_set}/count"


def grid_axis(resolution: int) -> NDArray[np.float64]:
    """Coordinates of the voxels along each axis: (R,) in the cube frame, both ends included."""
    return np.linspace(-1.0, 1.0, resolution)


def voxel_spacing(resolution: int) -> float:
    """Distance between neighbouring voxels, cube frame."""
    return 2.0 / (resolution - 1)


def grid_points(resolution: int) -> NDArray[np.float32]:
    """Positions of all voxels: (R^3, 3) float32, cube frame.

    Row (i * R + j) * R + k is voxel (i, j, k).
    """
    axis = grid_axis(resolution)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return grid.reshape(-1, 3).astype(np.float32)


def encode_positions(positions: NDArray[np.floating], bound: float = 1.0) -> NDArray[np.int16]:
    """Clip positions (..., 3) to [-bound, bound] and round them to the stored int16."""
    steps: NDArray[np.floating] = np.rint(
        np.clip(positions, -bound, bound) * (POSITION_STEPS / bound)
    )
    return steps.astype(np.int16)


def decode_positions(encoded: NDArray[np.int16], bound: float = 1.0) -> NDArray[np.float32]:
    """Convert stored positions (..., 3) to float32 in [-bound, bound]."""
    return encoded.astype(np.float32) / np.float32(POSITION_STEPS / bound)


@dataclass(frozen=True)
class Points:
    """A point set of one shape, as stored."""

    position: NDArray[np.int16]
    """(P, 3), in the frame of the set, see `encode_positions`."""
    sdf: NDArray[np.float16]
    """(P,), signed distances at the rounded positions, in the frame of the set."""


@dataclass(frozen=True)
class OrientedPoints:
    """A point set on the surface of one shape, as stored."""

    position: NDArray[np.int16]
    """(P, 3), see `encode_positions`; 0 from `count` on."""
    normal: NDArray[np.int16]
    """(P, 3), outward unit normals times `POSITION_STEPS`, rounded; 0 from `count` on."""
    count: int
    """Number of points, at most P."""


@dataclass(frozen=True)
class Shape:
    """The record of one mesh in a shard."""

    id: str
    category: str
    """Synset id, or a folder's name if the input is not a ShapeNet tree; may be empty."""
    voxels: dict[int, NDArray[np.float16]]
    """Resolution R -> signed distances (R, R, R), cube frame."""
    points: dict[str, Points]
    """Name from `POINT_LAYOUTS` -> points with signed distances."""
    center: NDArray[np.float64]
    """(3,), origin of both frames in mesh coordinates."""
    scale_cube: float
    """Mesh units per unit of the cube frame."""
    scale_sphere: float
    """Mesh units per unit of the sphere frame."""
    oriented: dict[str, OrientedPoints] = field(default_factory=dict)
    """Name from `POINT_LAYOUTS` -> points with normals."""


@dataclass(frozen=True)
class Job:
    """One mesh to process."""

    id: str
    """Unique in the dataset."""
    category: str
    path: Path
    """Absolute path."""
    relative: str
    """Path below the input folder, with forward slashes."""
    split: str = ""
    """`train`, `val`, `test` or another name; empty without splits."""


class Report(Protocol):
    """A row about one input mesh: what all kinds of output have in common."""

    @property
    def id(self) -> str:
        """Id of the mesh."""

    @property
    def status(self) -> str:
        """One of `STATUSES`."""

    @property
    def reason(self) -> str:
        """One line; empty if `ok`."""


@dataclass(frozen=True)
class MeshReport:
    """One row of `meshes.csv`; the names of the fields are its header."""

    id: str
    category: str
    path: str
    """Relative to the input folder."""
    status: str
    """`ok`, `rejected` (the mesh has no plausible field) or `failed` (unreadable, crashed, timed
    out, out of memory)."""
    reason: str = ""
    """One line; empty if `ok`."""
    shard: int | None = None
    row: int | None = None
    method: str = ""
    """Method that found the signs: `winding`, `flood` or `scan`. Additions to `winding` are
    appended, in this order: `+sheets` (sheets got a thickness), `+thin` (thin parts were
    thickened), `+caps` (wide openings were capped), `+cavities` (closed cavities were kept)."""
    faces: int | None = None
    """Triangles as read, before cleaning."""
    inside_fraction: float | None = None
    """Fraction of the 64^3 voxels that lie inside."""
    surface_recall: float | None = None
    """Fraction of the visible surface that lies within one voxel of the 64^3 grid's zero set."""
    seconds: float | None = None
    """CPU seconds used for the mesh."""
    split: str = ""
    """`train`, `val`, `test` or another name; empty without splits."""
    notes: str = ""
    """Notes of the reader on what it left out or doubts, separated by semicolons."""


STATUSES = ("ok", "rejected", "failed")


@dataclass(frozen=True)
class Outcome:
    """Result of processing one mesh: a report, and the shape if its status is `ok`."""

    report: MeshReport
    shape: Shape | None = field(default=None)
