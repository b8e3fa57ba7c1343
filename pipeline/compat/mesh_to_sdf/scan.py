"""mesh-to-sdf's scans: pictures of a mesh's depth and normals, by ray casting without OpenGL."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from shapegan.pipeline.compat.mesh_to_sdf.exceptions import naming_bad_meshes
from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.from_object import triangles_of
from shapegan.pipeline.meshes.triangle_mesh import Frame, frame_of
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.triangles import normals_and_double_areas


def get_rotation_matrix(angle: float, axis: str = "y") -> NDArray[np.float64]:
    """The matrix (4, 4) of a rotation around `x`, `y` or `z`, by an angle in radians."""
    matrix = np.identity(4)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[second, first] = math.sin(angle)
    matrix[first, second] = -matrix[second, first]
    return matrix


def get_camera_transform_looking_at_origin(
    rotation_y: float, rotation_x: float, camera_distance: float = 2
) -> NDArray[np.float64]:
    """The matrix (4, 4) from a camera's axes to the world's; the camera looks along its -z.

    Args:
        rotation_y: angle around the y axis, radians.
        rotation_x: angle around the x axis, radians.
        camera_distance: distance of the camera from the origin.
    """
    transform = get_rotation_matrix(rotation_y, "y") @ get_rotation_matrix(rotation_x, "x")
    transform[:3, 3] = camera_distance * transform[:3, 2]
    return transform


def get_camera_transform(position: Any, look_direction: Any) -> NDArray[np.float64]:
    """The matrix (4, 4) of a camera at a position (3,) that looks in a direction (3,).

    Two numbers are the angles of `get_camera_transform_looking_at_origin`, as in early versions of
    mesh-to-sdf.
    """
    if np.ndim(position) == 0:
        return get_camera_transform_looking_at_origin(position, look_direction)
    back = -np.asarray(look_direction, np.float64) / np.linalg.norm(look_direction)
    right: NDArray[np.float64] = np.cross(back, np.array([0.0, 0.0, -1.0]))
    if np.linalg.norm(right) < 0.5:
        right = np.array([0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    transform = np.identity(4)
    transform[:3] = np.stack([right, up / np.linalg.norm(up), back, np.asarray(position)], axis=1)
    return transform


@dataclass(frozen=True)
class ScanScene:
    """A mesh, prepared for scans from several sides."""

    frame: Frame
    """The cube frame, in which rays are cast."""
    rays: RayScene
    surface: TriangleQueries
    normals: NDArray[np.float64]
    """(F, 3), of the faces, by their winding."""

    @classmethod
    def of(cls, mesh: Any) -> "ScanScene":
        """Build the scene of a mesh with `vertices` and `faces`, or of a `trimesh.Scene`.

        Raises:
            BadMeshException: the mesh has no usable face.
        """
        with naming_bad_meshes():
            triangles = clean(triangles_of(mesh))
            frame = frame_of(triangles.vertices)
        cube = (triangles.vertices - frame.center) / frame.scale_cube
        normals, _ = normals_and_double_areas(cube[triangles.faces])
        return cls(
            frame,
            RayScene(cube, triangles.faces),
            TriangleQueries(cube, triangles.faces),
            normals,
        )

    def render(
        self,
        camera_transform: NDArray[np.float64],
        resolution: int,
        fov: float,
        z_near: float,
        z_far: float,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Cast a ray through the centre of each pixel.

        Args:
            camera_transform: (4, 4), from the camera's axes to the mesh's coordinates.
            resolution: R, width and height in pixels.
            fov: angle of view, radians.
            z_near: smallest depth that is seen.
            z_far: largest depth that is seen.

        Returns:
            Normals (R, R, 3), scaled from [-1, 1] to 0 .. 255, white where there is no hit. Depths
            along the camera's axis (R, R) in the mesh's units, 0 where there is no hit.
        """
        slope = math.tan(fov / 2)
        across = ((np.arange(resolution) + 0.5) / resolution * 2 - 1) * slope
        right, up = np.meshgrid(across, -across)
        ahead = np.stack([right, up, -np.ones_like(up)], axis=-1).reshape(-1, 3)
        stretch = np.linalg.norm(ahead, axis=1)
        direction = (ahead / stretch[:, None]) @ camera_transform[:3, :3].T
        start = camera_transform[:3, 3] + z_near * stretch[:, None] * direction
        start = (start - self.frame.center) / self.frame.scale_cube
        farthest = 2 * float(np.linalg.norm(start, axis=1).max()) + 4
        found = self.rays.distances(
            start.astype(np.float32), direction.astype(np.float32), farthest
        ).astype(np.float64)
        depth = z_near + found * self.frame.scale_cube / stretch
        hit = np.flatnonzero((found < farthest) & (depth <= z_far))
        depths = np.zeros(resolution**2, np.float32)
        depths[hit] = depth[hit]
        colors = np.full((resolution**2, 3), 255, np.uint8)
        if len(hit):
            place = start[hit] + found[hit, None] * direction[hit]
            points: Any = wp.array(
                place.astype(np.float32), dtype=wp.vec3, device=self.surface.device
            )
            nearest = self.surface.nearest(points)
            normal = self.normals[nearest.face.numpy()]
            colors[hit] = np.rint((normal + 1) / 2 * 255).astype(np.uint8)
        return colors.reshape(resolution, resolution, 3), depths.reshape(resolution, resolution)


class Scan:
    """A picture of a mesh's depth and normals from one side.

    Attributes:
        camera_transform: (4, 4), from the camera's axes to the mesh's coordinates.
        camera_position: (3,).
        projection_matrix: (4, 4), from the camera's axes to clip coordinates.
        resolution: R, width and height in pixels.
        depth_buffer: (R, R) float32, 0 where there is no hit.
        normal_buffer: (R, R, 3) uint8; None without `calculate_normals`.
        depth: (R, R) float64, the depth in clip coordinates, infinite where there is no hit.
        points: (N, 3) float64, the points that were hit.
        normals: (N, 3) float64, towards the camera; None without `calculate_normals`.
    """

    def __init__(
        self,
        mesh: Any,
        camera_transform: NDArray[np.float64],
        resolution: int = 400,
        calculate_normals: bool = True,
        fov: float = 1,
        z_near: float = 0.1,
        z_far: float = 10,
    ) -> None:
        """Scan a mesh, or a `ScanScene` of it; see `ScanScene.render` for the arguments."""
        scene = mesh if isinstance(mesh, ScanScene) else ScanScene.of(mesh)
        self.camera_transform, self.resolution = camera_transform, resolution
        self.camera_position = camera_transform[:3, 3]
        self.projection_matrix = np.diag([1 / math.tan(fov / 2)] * 2 + [0.0, 0.0])
        span = z_far - z_near
        self.projection_matrix[2:, 2:] = [
            [-(z_far + z_near) / span, -2 * z_far * z_near / span],
            [-1, 0],
        ]
        colors, self.depth_buffer = scene.render(camera_transform, resolution, fov, z_near, z_far)
        self.normal_buffer = colors if calculate_normals else None
        hit = self.depth_buffer > 0
        depth = np.where(hit, self.depth_buffer, np.inf).astype(np.float64)
        self.depth = (z_far + z_near - 2 * z_near * z_far / depth) / span
        self.depth[~hit] = np.inf
        row, column = np.nonzero(hit)
        slope = math.tan(fov / 2)
        right = ((column + 0.5) / resolution * 2 - 1) * slope
        up = (1 - (row + 0.5) / resolution * 2) * slope
        ahead = np.stack([right, up, -np.ones(len(row))], axis=1) * depth[hit][:, None]
        self.points = ahead @ camera_transform[:3, :3].T + self.camera_position
        self.normals = self._normals(colors[hit]) if calculate_normals else None

    def _normals(self, colors: NDArray[np.uint8]) -> NDArray[np.float64]:
        normals: NDArray[np.float64] = colors / 255 * 2 - 1
        away = np.einsum("ij,ij->i", self.camera_position - self.points, normals) < 0
        normals[away] *= -1
        return normals

    def convert_world_space_to_viewport(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (N, 3) in pixels: (N, 4) of column, row, clip depth, 1."""
        world = np.pad(np.asarray(points, np.float64), [(0, 0), (0, 1)], constant_values=1)
        clip = world @ (self.projection_matrix @ np.linalg.inv(self.camera_transform)).T
        clip /= clip[:, 3:]
        half = self.resolution / 2
        viewport: NDArray[np.float64] = clip * [half, -half, 1, 1] + [half, half, 0, 0]
        return viewport

    def is_visible(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Flags (N,) of points (N, 3) in the picture and before the surface that it shows."""
        viewport = self.convert_world_space_to_viewport(points)
        column, row = np.floor(viewport[:, :2]).astype(np.int64).T
        inside = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < self.resolution)
        inside &= viewport[:, 2] > -1
        visible = np.zeros(len(viewport), bool)
        visible[inside] = viewport[inside, 2] < self.depth[row[inside], column[inside]]
        return visible

    def show(self) -> None:
        """Open a window with `points`; needs trimesh's viewer (`pip install 'pyglet<2'`)."""
        import trimesh

        trimesh.PointCloud(self.points).show()

    def save(self, filename_depth: str | Path, filename_normals: str | Path | None = None) -> None:
        """Write the depth as a picture and, if there are normals, those as another one.

        Args:
            filename_depth: file for the depth; the largest is white.
            filename_normals: file for the normals; None for `filename_depth` with `_normals` before
                its suffix.
        """
        depth = self.depth_buffer / max(float(self.depth_buffer.max()), 1e-30) * 255
        Image.fromarray(depth.astype(np.uint8)).save(filename_depth)
        if self.normal_buffer is not None:
            path = Path(filename_depth)
            beside = path.with_name(f"{path.stem}_normals{path.suffix}")
            Image.fromarray(self.normal_buffer).save(filename_normals or beside)
