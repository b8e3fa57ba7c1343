"""mesh-to-sdf's `SurfacePointCloud`: the distances of one mesh, queried as often as needed.

Distances and signs come from `shapegan.pipeline.MeshSDF`. Points on the surface, their k-d tree and
scans are made when they are first used, since most programs need none of them.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.compat.mesh_to_sdf.exceptions import BadMeshException, naming_bad_meshes
from shapegan.pipeline.compat.mesh_to_sdf.scan import Scan
from shapegan.pipeline.compat.mesh_to_sdf.utils import get_raster_points, random_generator
from shapegan.pipeline.extras import naming_extras, require
from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.sdf.sampling import FINE_SIGMA, NEAR_SHARE, SIGMA, points_in_ball
from shapegan.pipeline.sdf.scan import voxels_rejection


class SurfacePointCloud:
    """The signed distance field of a mesh, in the mesh's coordinates.

    Attributes:
        mesh: as given.
        points: (N, 3) float64 on the surface, by default uniform by area.
        normals: (N, 3) float64, outward unit normals; None without `calculate_normals`.
        scans: pictures of the mesh from all sides; None without the method `scan`.
        kd_tree: of `points`.
    """

    def __init__(
        self,
        mesh: Any,
        points: Any,
        normals: Any = None,
        scans: list[Scan] | None = None,
        *,
        sheet_thickness: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Compute the field of the mesh.

        Args:
            mesh: a `trimesh.Trimesh` or `trimesh.Scene`, or any other object with `vertices` (V, 3)
                and `faces` (F, 3).
            points: (N, 3) on the surface, or the number of points to sample when needed.
            normals: (N, 3), or None; True to compute those of sampled points.
            scans: pictures of the mesh.
            sheet_thickness: half the thickness that sheets and thin parts get, see `MeshSDF`.
            seed: of sampled points; None for new ones each time.

        Raises:
            BadMeshException: the mesh has no usable face.
            TypeError: the mesh lacks vertices or faces.
        """
        self.mesh = mesh
        with naming_bad_meshes():
            self.field = MeshSDF(mesh, sheet_thickness=sheet_thickness)
        self._seed = seed
        self._count, self._with_normals = 0, normals is True
        self._make_scans: Callable[[], list[Scan]] | None = None
        if isinstance(points, int):
            self._count = points
        else:
            self._sampled = (np.asarray(points), normals)
        if scans is not None:
            self.scans = scans

    @cached_property
    def _sampled(self) -> tuple[NDArray[np.float64], Any]:
        with naming_bad_meshes():
            points, normals = self.field.surface_points(
                self._count, seed=random_generator(self._seed)
            )
        return points, normals.astype(np.float64) if self._with_normals else None

    @property
    def points(self) -> NDArray[np.float64]:
        """(N, 3), points on the surface."""
        return self._sampled[0]

    @property
    def normals(self) -> Any:
        """(N, 3), outward unit normals of `points`; None without `calculate_normals`."""
        return self._sampled[1]

    @cached_property
    def scans(self) -> list[Scan] | None:
        """Pictures of the mesh from all sides; None without the method `scan`."""
        return self._make_scans() if self._make_scans else None

    @cached_property
    def kd_tree(self) -> Any:
        """scikit-learn's `KDTree` of `points`.

        scipy's takes milliseconds for a query far from the surface: its nodes are not tight boxes.

        Raises:
            MissingPackageError: scikit-learn is not installed.
        """
        with naming_extras("SurfacePointCloud.kd_tree", "scan"):
            require("sklearn")
        from sklearn.neighbors import KDTree

        return KDTree(self.points)

    def get_random_surface_points(
        self, count: int, use_scans: bool = True, *, seed: int | None = None
    ) -> NDArray[np.float64]:
        """New random points (count, 3) on the surface, uniform by area; `use_scans` is ignored."""
        del use_scans
        with naming_bad_meshes():
            return self.field.surface_points(count, seed=random_generator(seed))[0]

    def get_sdf(
        self,
        query_points: ArrayLike,
        use_depth_buffer: bool = False,
        sample_count: int = 11,
        return_gradients: bool = False,
    ) -> Any:
        """Signed distances (N,) float32 at points (N, 3).

        Args:
            query_points: (N, 3).
            use_depth_buffer: without effect.
            sample_count: without effect.
            return_gradients: also return the gradients (N, 3) float64, of length 1.

        Raises:
            ValueError: points of another shape, or points that are not finite.
        """
        del use_depth_buffer, sample_count
        if not return_gradients:
            return self.field.signed_distances(query_points)
        sdf, gradients = self.field.signed_distances_and_gradients(query_points)
        return sdf, gradients.astype(np.float64)

    def get_sdf_in_batches(
        self,
        query_points: ArrayLike,
        use_depth_buffer: bool = False,
        sample_count: int = 11,
        batch_size: int = 1000000,
        return_gradients: bool = False,
    ) -> Any:
        """Like `get_sdf`, with at most `batch_size` points at a time, which bounds the memory."""
        points = np.asarray(query_points)
        if len(points) <= batch_size:
            return self.get_sdf(points, use_depth_buffer, sample_count, return_gradients)
        batches = np.array_split(points, math.ceil(len(points) / batch_size))
        results = [self.get_sdf(batch, return_gradients=return_gradients) for batch in batches]
        if not return_gradients:
            return np.concatenate(results)
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))

    def get_voxels(
        self,
        voxel_resolution: int,
        use_depth_buffer: bool = False,
        sample_count: int = 11,
        pad: bool = False,
        check_result: bool = False,
        return_gradients: bool = False,
    ) -> Any:
        """Signed distances (R, R, R) at the points of `get_raster_points`.

        See `shapegan.pipeline.compat.mesh_to_sdf.mesh_to_voxels` for the arguments.

        Raises:
            BadMeshException: the voxels fail the check.
            ValueError: fewer than two voxels a side.
        """
        if voxel_resolution < 2:
            raise ValueError(f"voxel_resolution: got {voxel_resolution}, takes 2 or more")
        points = get_raster_points(voxel_resolution)
        found = self.get_sdf_in_batches(
            points, use_depth_buffer, sample_count, return_gradients=return_gradients
        )
        sdf, gradients = found if return_gradients else (found, None)
        voxels = sdf.reshape((voxel_resolution,) * 3)
        if check_result and (reason := voxels_rejection(voxels)):
            raise BadMeshException(reason)
        if pad:
            voxels = np.pad(voxels, 1, constant_values=1)
        if gradients is None:
            return voxels
        gradients = gradients.reshape(*(voxel_resolution,) * 3, 3)
        if pad:
            gradients = np.pad(gradients, [(1, 1)] * 3 + [(0, 0)], mode="edge")
        return voxels, gradients

    def sample_sdf_near_surface(
        self,
        number_of_points: int = 500000,
        use_scans: bool = True,
        sign_method: str = "normal",
        normal_sample_count: int = 11,
        min_size: float = 0,
        return_gradients: bool = False,
        *,
        seed: int | None = None,
    ) -> Any:
        """DeepSDF's mix: points (N, 3) float32 and distances (N,) float32, mesh's coordinates.

        First points near the surface with noise of 0.0025, then the same with noise of 0.00025,
        then those uniform in the unit ball.

        See `shapegan.pipeline.compat.mesh_to_sdf.sample_sdf_near_surface` for the arguments.

        Raises:
            BadMeshException: the mesh is too small.
            ValueError: negative number of points, or unknown `sign_method`.
        """
        del use_scans, normal_sample_count
        check_sign_method(sign_method)
        if number_of_points < 0:
            raise ValueError(f"number_of_points: got {number_of_points}, takes 0 or more")
        rng = random_generator(seed)
        near = int(number_of_points * NEAR_SHARE) // 2
        with naming_bad_meshes():
            surface, _ = self.field.surface_points(near, seed=rng)
        noisy = [surface + rng.normal(0, sigma, surface.shape) for sigma in (SIGMA, FINE_SIGMA)]
        ball = points_in_ball(number_of_points - 2 * near, rng)
        points = np.concatenate([*noisy, ball]).astype(np.float32)
        found = self.get_sdf_in_batches(points, return_gradients=return_gradients)
        sdf = found[0] if return_gradients else found
        inside = np.count_nonzero(sdf[2 * near :] < 0) / max(len(ball), 1)
        if min_size > 0 and inside < min_size:
            raise BadMeshException(
                f"too small: it fills {inside:.2%} of the unit ball, takes {min_size:.2%}"
            )
        return (points, *found) if return_gradients else (points, sdf)

    def show(self) -> None:
        """Open a window with `points`; needs trimesh's viewer (`pip install 'pyglet<2'`)."""
        import trimesh

        trimesh.PointCloud(self.points).show()

    def is_outside(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Flags (N,) of points (N, 3) whose signed distance is not negative."""
        outside: NDArray[np.bool_] = self.field.signed_distances(points) >= 0
        return outside


def check_sign_method(sign_method: str) -> None:
    """Check the name of a sign method, of which none has an effect.

    Raises:
        ValueError: it is neither `normal` nor `depth`.
    """
    if sign_method not in ("normal", "depth"):
        raise ValueError(f"sign_method: got {sign_method!r}, takes normal or depth")
