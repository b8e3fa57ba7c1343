"""Signed distances of one mesh, from Python."""

from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.config import PreprocessConfig, WatertightConfig
from shapegan.pipeline.meshes.from_object import triangles_of
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.sampling import SphereField, deepsdf_mix
from shapegan.pipeline.sdf.solid_surface import solid_surface
from shapegan.pipeline.sdf.surface_sets import surface_samples

FrameName: TypeAlias = Literal["mesh", "cube", "sphere"]
"""The mesh's own coordinates, or a frame of `shapegan.pipeline.schema`."""

CavitiesOption: TypeAlias = Literal["keep", "fill"]
"""A value of `shapegan.pipeline.config.CAVITIES`."""

ContouringOption: TypeAlias = Literal["cubes", "dual"]
"""A value of `shapegan.pipeline.config.CONTOURINGS`."""

SHEET_THICKNESS = PreprocessConfig().sheet_thickness

ON_SURFACE = 1e-5
"""Nearer to the surface than this, gradients are computed by finite differences, cube frame."""

MAX_DISTANCE = 1e9
"""Largest distance of a point from the mesh's centre along an axis, cube frame. Squares of much
larger numbers overflow float32."""


class MeshSDF:
    """The signed distance field of a mesh; negative inside.

    The mesh may be wound at random, torn, full of hidden faces, and open. Faces that enclose
    nothing, called sheets, get a thickness; with a thickness of 0 their distance is unsigned.

    Attributes:
        frame: the cube frame and the sphere frame in the mesh's coordinates.
        method: how signs were found, and what was thickened, capped or kept
            (`shapegan.pipeline.schema.MeshReport`).
        notes: a line on the faces that were left out, such as those with NaN vertices; empty if all
            were used.
        quality: agreement of the field with the mesh (`shapegan.pipeline.sdf.quality.Quality`); its
            `rejection_reason()` is the reason not to trust the field, or empty.
    """

    def __init__(
        self,
        mesh: Any,
        *,
        sheet_thickness: float = SHEET_THICKNESS,
        cavities: CavitiesOption = "keep",
        device: str = "cpu",
    ) -> None:
        """Compute the field; takes about as long as half a million distances.

        Args:
            mesh: a `trimesh.Trimesh` or `trimesh.Scene`, or any other object with `vertices`
                (V, 3) and `faces` (F, 3).
            sheet_thickness: half the thickness that sheets and thin parts get, in the cube frame,
                in which the mesh's longest side is 2. With 0, sheets have no inside, and their
                distance is unsigned: the field is the minimum of the solid's signed distance and
                the distance to the nearest sheet. Without any solid it is never negative.
            cavities: `keep` keeps closed cavities of watertight meshes with consistent windings,
                and fills those of other meshes; `fill` fills all.
            device: `cpu`, `cuda` or `cuda:N`.

        Raises:
            BadMeshError: the mesh has no usable face.
            ConfigError: `PreprocessConfig` does not accept the thickness or `cavities`.
            TypeError: the mesh lacks vertices or faces.
        """
        PreprocessConfig(sheet_thickness=sheet_thickness, cavities=cavities)  # checks both
        triangles = triangles_of(mesh)
        made = make_field(triangles, sheet_thickness, device=device, cavities=cavities)
        self.notes = triangles.notes
        self.frame, self.method, self.quality = made.frame, made.method, made.quality
        self._made, self._field = made, made.field

    def scale(self, frame: FrameName) -> float:
        """Length of a frame's unit in mesh units.

        Raises:
            ValueError: unknown frame.
        """
        scales = {
            "mesh": 1.0,
            "cube": self.frame.scale_cube,
            "sphere": self.frame.scale_sphere,
        }
        if frame not in scales:
            raise ValueError(f"frame: got {frame!r}, takes mesh, cube or sphere")
        return scales[frame]

    def transform(self, source: FrameName, target: FrameName) -> NDArray[np.float64]:
        """The matrix (4, 4) that maps homogeneous points of one frame to another.

        Raises:
            ValueError: unknown frame.
        """
        scale = self.scale(source) / self.scale(target)
        matrix = np.diag([scale, scale, scale, 1.0])
        matrix[:3, 3] = (self._origin(source) - self._origin(target)) / self.scale(target)
        return matrix

    def _origin(self, frame: FrameName) -> NDArray[np.float64]:
        """A frame's origin (3,) in the mesh's coordinates."""
        return np.zeros(3) if frame == "mesh" else self.frame.center

    def signed_distances(self, points: ArrayLike, frame: FrameName = "mesh") -> NDArray[np.float32]:
        """Signed distances (N,) at points (N, 3), both in the units of the frame.

        Raises:
            ValueError: unknown frame, another shape, or points that are not finite or farther than
                `MAX_DISTANCE` away.
        """
        cube, unit = self._in_cube(points, frame)
        sdf, _ = self._field.signed_distances(cube)
        return sdf * unit

    def signed_distances_and_gradients(
        self, points: ArrayLike, frame: FrameName = "mesh"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their gradients (N, 3) of length 1.

        The gradient points away from the nearest surface point, or towards it from inside. On the
        surface itself it is computed by central differences. On a sheet without thickness the field
        has no gradient, and the differences may be 0.

        Raises:
            ValueError: as for `signed_distances`.
        """
        cube, unit = self._in_cube(points, frame)
        sdf, closest = self._field.signed_distances(cube)
        away = np.where(sdf < 0, -1, 1)[:, None] * (cube - closest)
        on_surface = np.flatnonzero(np.linalg.norm(away, axis=1) < ON_SURFACE)
        away[on_surface] = self._differences(cube[on_surface])
        length = np.linalg.norm(away, axis=1, keepdims=True)
        return sdf * unit, (away / np.maximum(length, 1e-30)).astype(np.float32)

    def _differences(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Central differences (N, 3) of the field at points (N, 3), cube frame; not normalised."""
        steps = np.float32(100 * ON_SURFACE) * np.eye(3, dtype=np.float32)
        ahead, behind = (
            self._field.signed_distances((points[:, None] + sign * steps).reshape(-1, 3))[0]
            for sign in (1, -1)
        )
        return (ahead - behind).reshape(-1, 3)

    def _in_cube(
        self, points: ArrayLike, frame: FrameName
    ) -> tuple[NDArray[np.float32], np.float32]:
        """Points (N, 3) in the cube frame, and the length of its unit in the frame given."""
        given = np.asarray(points, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != 3:
            raise ValueError(f"points: got shape {given.shape}, takes (N, 3)")
        if not np.isfinite(given).all():
            raise ValueError("points: got NaN or infinity, takes finite numbers")
        origin = self.frame.center if frame == "mesh" else 0.0
        unit = self.frame.scale_cube / self.scale(frame)
        cube = (given - origin) / unit
        if np.abs(cube).max(initial=0) > MAX_DISTANCE:
            raise ValueError(
                f"points: got one more than {MAX_DISTANCE:.0e} times half the mesh's size away"
            )
        return cube.astype(np.float32), np.float32(unit)

    def voxels(self, resolution: int = 64) -> NDArray[np.float32]:
        """Signed distances (R, R, R) in the cube frame, index order x, y, z.

        Voxel (i, j, k) lies at `linspace(-1, 1, R)` along each axis
        (`shapegan.pipeline.schema.grid_points`).

        Raises:
            ValueError: fewer than two voxels a side.
        """
        if resolution < 2:
            raise ValueError(f"resolution: got {resolution}, takes 2 or more")
        return self._made.voxels(resolution)

    def surface(
        self,
        resolution: int = 256,
        *,
        contouring: ContouringOption = "cubes",
        sheet_thickness: float | None = None,
    ) -> TriangleMesh:
        """The surface of the solid as a closed, oriented 2-manifold, in the mesh's coordinates.

        It has no hidden faces and no doubled walls. Only cells near the surface are evaluated.

        Args:
            resolution: cells along the mesh's longest side.
            contouring: `cubes` is marching cubes (Lorensen and Cline 1987); `dual` is dual
                contouring (Ju et al. 2002), which keeps sharp edges.
            sheet_thickness: half the thickness that sheets and thin parts get in place of the
                field's own, cube frame. `shapegan watertight` takes 1.1 / resolution, a little more
                than half a cell: the thinnest sheet that the grid cannot miss.

        Returns:
            The mesh; no two of its vertices lie in one place. It has no faces if nothing is inside.

        Raises:
            ConfigError: `WatertightConfig` does not accept an argument.
        """
        WatertightConfig(resolution, contouring=contouring, sheet_thickness=sheet_thickness)
        return solid_surface(self._made, resolution, contouring, sheet_thickness).mesh

    @overload
    def near_surface(
        self, count: int, frame: Literal["cube", "sphere"] = "sphere", seed: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

    @overload
    def near_surface(
        self, count: int, frame: Literal["mesh"], seed: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]: ...

    @overload
    def near_surface(
        self, count: int, frame: FrameName, seed: int = 0
    ) -> tuple[NDArray[np.float32] | NDArray[np.float64], NDArray[np.float32]]: ...

    def near_surface(
        self, count: int, frame: FrameName = "sphere", seed: int = 0
    ) -> tuple[NDArray[np.float32] | NDArray[np.float64], NDArray[np.float32]]:
        """DeepSDF's mix of points (count, 3) and their signed distances (count,).

        47 of 50 points lie near the surface, with Gaussian noise of standard deviation 0.0025 or
        0.00025 of the sphere frame. The others are uniform in its unit ball (Park et al. 2019,
        supplementary B.1). Points are in random order.

        Args:
            count: number of points.
            frame: the frame of the results.
            seed: of the random generator.

        Returns:
            The points, float64 in the frame `mesh`, which may lie far from the origin, and float32
            in the other frames; and the distances, float32.

        Raises:
            ValueError: negative count or unknown frame.
        """
        if count < 0:
            raise ValueError(f"count: got {count}, takes 0 or more")
        field = SphereField(self._field, self.frame.scale_sphere / self.frame.scale_cube)
        points = deepsdf_mix(field, count, np.random.default_rng(seed))
        sdf, _ = field.signed_distances(points)
        unit = self.frame.scale_sphere / self.scale(frame)
        if frame == "mesh":
            mesh_points = points.astype(np.float64) * unit + self.frame.center
            return mesh_points, sdf * np.float32(unit)
        return points * np.float32(unit), sdf * np.float32(unit)

    def surface_points(
        self, count: int, frame: FrameName = "mesh", seed: int | np.random.Generator = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Points on the surface (count, 3), uniform by area, and outward unit normals (count, 3).

        Args:
            count: number of points.
            frame: the frame of the points.
            seed: of the random generator, or the generator.

        Raises:
            BadMeshError: hardly any face bounds the solid, so too few points were found.
            ValueError: negative count or unknown frame.
        """
        if count < 0:
            raise ValueError(f"count: got {count}, takes 0 or more")
        unit = self.frame.scale_cube / self.scale(frame)
        points, normals = surface_samples(self._made.oriented, count, np.random.default_rng(seed))
        if len(points) < count:
            raise BadMeshError(f"lost surface: found {len(points):,} points on it of {count:,}")
        origin = self.frame.center if frame == "mesh" else 0.0
        return points.astype(np.float64) * unit + origin, normals
