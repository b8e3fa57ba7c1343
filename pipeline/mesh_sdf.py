"""Signed distances of one mesh, from Python.

`MeshSDF` is made once for a mesh and answers for any points. The three functions beside it stand
in for those of the package mesh-to-sdf: same names, same first arguments, same frames and results,
so that changing the import is all there is to do.
"""

import warnings
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh, usable
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.sampling import SphereField, deepsdf_mix

FrameName: TypeAlias = Literal["mesh", "cube", "sphere"]
"""The mesh's own coordinates, or a frame of `shapegan.pipeline.schema`."""

SHEET_THICKNESS = PreprocessConfig().sheet_thickness

ON_SURFACE = 1e-5
"""Nearer to the surface than this, cube frame, a gradient is had from differences."""


FARTHEST = 1e9
"""Points may lie this far away, cube frame; in floats, squares of much more are infinite."""


class MeshSDF:
    """The signed distance field of a mesh; negative inside.

    The mesh may be wound at random, torn, full of hidden faces, and open. Faces that enclose
    nothing are given a thickness; what was done is in `method`.

    Attributes:
        frame: where the cube and the sphere frame lie in the mesh's coordinates.
        method: how signs were found, and what was thickened or closed
            (`shapegan.pipeline.schema.MeshReport`).
        quality: how well the field agrees with the mesh (`shapegan.pipeline.sdf.quality.Quality`);
            its `rejection_reason()` says why the field should not be trusted, or nothing.
    """

    def __init__(
        self, mesh: Any, *, sheet_thickness: float = SHEET_THICKNESS, device: str = "cpu"
    ) -> None:
        """Finds the field; takes about as long as half a million distances.

        Args:
            mesh: a `trimesh.Trimesh` or `trimesh.Scene`, or whatever else has `vertices` (V, 3)
                and `faces` (F, 3).
            sheet_thickness: half the thickness that sheets and thin walls get, in the cube frame,
                in which the mesh's longest side is 2; 0 leaves sheets out.
            device: `cpu` or `cuda`.

        Raises:
            BadMeshError: if the mesh has no usable face.
            ConfigError: for a thickness that `PreprocessConfig` would not take.
        """
        PreprocessConfig(sheet_thickness=sheet_thickness)  # checks it
        made = make_field(_triangles(mesh), sheet_thickness, device=device)
        self.frame, self.method, self.quality = made.frame, made.method, made.quality
        self._field = made.field

    def scale(self, frame: FrameName) -> float:
        """Mesh units in a unit of a frame."""
        scales = {
            "mesh": 1.0,
            "cube": self.frame.scale_cube,
            "sphere": self.frame.scale_sphere,
        }
        if frame not in scales:
            raise ValueError(f"frame: got {frame!r}, takes mesh, cube or sphere")
        return scales[frame]

    def transform(self, source: FrameName, target: FrameName) -> NDArray[np.float64]:
        """The matrix (4, 4) that takes points of one frame to another."""
        return np.linalg.inv(self._to_mesh(target)) @ self._to_mesh(source)

    def _to_mesh(self, frame: FrameName) -> NDArray[np.float64]:
        scale = self.scale(frame)
        matrix = np.diag([scale, scale, scale, 1.0])
        matrix[:3, 3] = 0.0 if frame == "mesh" else self.frame.center
        return matrix

    def signed_distances(self, points: ArrayLike, frame: FrameName = "mesh") -> NDArray[np.float32]:
        """Signed distances (N,) at points (N, 3), both in the units of the frame."""
        cube, unit = self._in_cube(points, frame)
        sdf, _ = self._field.signed_distances(cube)
        return sdf * unit

    def signed_distances_and_gradients(
        self, points: ArrayLike, frame: FrameName = "mesh"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their gradients (N, 3) of length 1.

        The gradient points away from the nearest surface point, or towards it from inside.
        Points on the surface itself get the direction in which the distance rises fastest.
        """
        cube, unit = self._in_cube(points, frame)
        sdf, closest = self._field.signed_distances(cube)
        away = np.where(sdf < 0, -1, 1)[:, None] * (cube - closest)
        on_surface = np.flatnonzero(np.linalg.norm(away, axis=1) < ON_SURFACE)
        away[on_surface] = self._differences(cube[on_surface])
        length = np.linalg.norm(away, axis=1, keepdims=True)
        return sdf * unit, (away / np.maximum(length, 1e-30)).astype(np.float32)

    def _differences(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        steps = np.float32(100 * ON_SURFACE) * np.eye(3, dtype=np.float32)
        ahead, behind = (
            self._field.signed_distances((points[:, None] + way * steps).reshape(-1, 3))[0]
            for way in (1, -1)
        )
        return (ahead - behind).reshape(-1, 3)

    def _in_cube(
        self, points: ArrayLike, frame: FrameName
    ) -> tuple[NDArray[np.float32], np.float32]:
        """Points in the cube frame, and its unit in the frame that they came in."""
        given = np.asarray(points, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != 3:
            raise ValueError(f"points: got shape {given.shape}, takes (N, 3)")
        if not np.isfinite(given).all():
            raise ValueError("points: got NaN or infinity, takes finite numbers")
        origin = self.frame.center if frame == "mesh" else 0.0
        unit = self.frame.scale_cube / self.scale(frame)
        cube = (given - origin) / unit
        if np.abs(cube).max(initial=0) > FARTHEST:
            raise ValueError(
                f"points: got one more than {FARTHEST:.0e} times half the mesh's size away"
            )
        return cube.astype(np.float32), np.float32(unit)

    def voxels(self, resolution: int = 64) -> NDArray[np.float32]:
        """Signed distances (R, R, R) in the cube frame, index order x, y, z.

        Voxel (i, j, k) lies at `linspace(-1, 1, R)` along each axis
        (`shapegan.pipeline.schema.grid_points`).

        Raises:
            ValueError: for less than two voxels a side.
        """
        if resolution < 2:
            raise ValueError(f"resolution: got {resolution}, takes 2 or more")
        return self._field.voxels(resolution)

    def near_surface(
        self, count: int, frame: FrameName = "sphere", seed: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """DeepSDF's mix of points (count, 3) and their signed distances (count,).

        47 of 50 lie near the surface, at 0.0025 and 0.00025 of the sphere frame; the others fill
        its ball evenly (Park et al. 2019, supplementary B.1). In random order.

        Raises:
            ValueError: for a negative count.
        """
        if count < 0:
            raise ValueError(f"count: got {count}, takes 0 or more")
        asker = SphereField(self._field, self.frame.scale_sphere / self.frame.scale_cube)
        points = deepsdf_mix(asker, count, np.random.default_rng(seed))
        sdf, _ = asker.signed_distances(points)
        unit = np.float32(self.frame.scale_sphere / self.scale(frame))
        origin = self.frame.center if frame == "mesh" else np.zeros(3)
        return (points * unit + origin).astype(np.float32), sdf * unit


def mesh_to_sdf(mesh: Any, query_points: ArrayLike, **scanning: object) -> NDArray[np.float32]:
    """Signed distances (N,) of a mesh at points (N, 3), both in the mesh's coordinates.

    Args:
        mesh: as for `MeshSDF`.
        query_points: (N, 3).
        scanning: what mesh-to-sdf's function of this name takes for its scans; of no use here,
            so naming it gives a warning.

    Raises:
        BadMeshError: if the mesh has no usable face.
    """
    _warn_of(scanning)
    return MeshSDF(mesh).signed_distances(query_points)


def mesh_to_voxels(
    mesh: Any,
    voxel_resolution: int = 64,
    *,
    pad: bool = False,
    check_result: bool = False,
    return_gradients: bool = False,
    **scanning: object,
) -> Any:
    """Signed distances (R, R, R) on a grid over the cube frame.

    Args:
        mesh: as for `MeshSDF`.
        voxel_resolution: R.
        pad: add a layer of voxels around, so that surfaces are closed: (R + 2, R + 2, R + 2).
        check_result: refuse fields that disagree with the mesh.
        return_gradients: give a pair: also the gradients (R, R, R, 3), or with the layer around.
        scanning: see `mesh_to_sdf`.

    Raises:
        BadMeshError: if the mesh has no usable face, or fails the check.
        ValueError: for less than two voxels.
    """
    _warn_of(scanning)
    if voxel_resolution < 2:
        raise ValueError(f"voxel_resolution: got {voxel_resolution}, takes 2 or more")
    made = MeshSDF(mesh)
    if check_result and (reason := made.quality.rejection_reason()):
        raise BadMeshError(reason)
    if not pad and not return_gradients:
        return made.voxels(voxel_resolution)
    steps = np.arange(-pad, voxel_resolution + pad)
    axis = -1 + 2 * steps / (voxel_resolution - 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    if not return_gradients:
        return made.signed_distances(grid.reshape(-1, 3), "cube").reshape(grid.shape[:3])
    sdf, gradients = made.signed_distances_and_gradients(grid.reshape(-1, 3), "cube")
    return sdf.reshape(grid.shape[:3]), gradients.reshape(grid.shape)


def sample_sdf_near_surface(
    mesh: Any,
    number_of_points: int = 500_000,
    *,
    min_size: float = 0.0,
    return_gradients: bool = False,
    **scanning: object,
) -> tuple[NDArray[np.float32], ...]:
    """DeepSDF's mix of points (N, 3) and their signed distances (N,), sphere frame.

    Args:
        mesh: as for `MeshSDF`.
        number_of_points: N.
        min_size: refuse meshes that fill less than this share of their unit ball.
        return_gradients: add the gradients, (N, 3).
        scanning: see `mesh_to_sdf`.

    Raises:
        BadMeshError: if the mesh has no usable face, or is too small.
    """
    _warn_of(scanning)
    made = MeshSDF(mesh)
    ball = 4 / 3 * np.pi * (made.frame.scale_sphere / made.frame.scale_cube) ** 3
    size = made.quality.inside_fraction * 8 / ball
    if size < min_size:
        raise BadMeshError(f"too small: it fills {size:.2%} of its ball, takes {min_size:.2%}")
    points, sdf = made.near_surface(number_of_points)
    if not return_gradients:
        return points, sdf
    return points, *made.signed_distances_and_gradients(points, "sphere")


_SCANNING = frozenset(
    {
        "surface_point_method",
        "sign_method",
        "bounding_radius",
        "scan_count",
        "scan_resolution",
        "sample_point_count",
        "normal_sample_count",
    }
)


def _warn_of(scanning: dict[str, object]) -> None:
    if unknown := sorted(set(scanning) - _SCANNING):
        raise TypeError(f"unexpected argument: {', '.join(unknown)}")
    if scanning:
        names = ", ".join(sorted(scanning))
        warnings.warn(f"{names}: nothing is scanned here, so it is ignored", stacklevel=3)


def _triangles(mesh: Any) -> TriangleMesh:
    """Takes what trimesh gives, scenes too, without importing it."""
    if hasattr(mesh, "to_mesh"):
        mesh = mesh.to_mesh()
    if not (hasattr(mesh, "vertices") and hasattr(mesh, "faces")):
        raise TypeError(f"mesh: got {type(mesh).__name__}, takes what has vertices and faces")
    vertices = _threes("vertices", mesh.vertices).astype(np.float64)
    faces = _threes("faces", mesh.faces)
    if len(faces) and faces.dtype.kind not in "iu":
        raise BadMeshError(f"faces: got {faces.dtype}, takes whole numbers")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise BadMeshError(f"a face asks for a vertex that is none of the {len(vertices)}")
    return usable(vertices, faces.astype(np.int64))


def _threes(name: str, values: ArrayLike) -> NDArray[Any]:
    rows = np.asarray(values)
    if rows.size and (rows.ndim != 2 or rows.shape[1] != 3):
        raise BadMeshError(f"{name}: got shape {rows.shape}, takes (N, 3)")
    return rows.reshape(-1, 3)
