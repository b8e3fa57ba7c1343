"""Sample points: the unit ball, the neighbourhood of the surface, DeepSDF's mix.

Positions are rounded to what a shard can hold before distances are computed there, so rounding
adds no error to a distance.
"""

import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import Points, decode_positions, encode_positions
from shapegan.pipeline.triangles import normals_and_double_areas

SIGMA = 0.0025
"""Standard deviation of the noise on surface points, sphere frame (the paper's code)."""

FINE_SIGMA = 0.00025
"""Standard deviation for every second near-surface point of DeepSDF's mix, sphere frame."""

NEAR_SHARE = 47 / 50
"""Share of DeepSDF's mix that lies near the surface (Park et al. 2019, supplementary B.1)."""


class SignedDistanceField(Protocol):
    """A signed distance field in the cube frame, negative inside, by any method."""

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3)."""
        ...

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        ...

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) spread over the surface by area."""
        ...


def random_generator(seed: int, mesh_id: str, *purpose: str) -> np.random.Generator:
    """Random generator of one mesh; depends on nothing but the seed and the texts."""
    return np.random.default_rng([seed, *(zlib.crc32(x.encode()) for x in (mesh_id, *purpose))])


def points_in_ball(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Points (count, 3) uniform in the unit ball."""
    direction = rng.standard_normal((count, 3), dtype=np.float32)
    radius = np.cbrt(rng.random((count, 1), dtype=np.float32))
    direction *= radius / np.linalg.norm(direction, axis=1, keepdims=True)
    return direction


def points_on_faces(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Random points on faces, spread by area.

    Args:
        vertices: (V, 3).
        faces: (F, 3), not all without area.
        count: number of points.
        rng: from `random_generator`.

    Returns:
        The points (count, 3), the unit normals of their faces (count, 3), and the faces (count,).
    """
    corners = take_rows(vertices, faces)
    normals, double = normals_and_double_areas(corners)
    face = rng.choice(len(faces), count, p=double / double.sum())
    u, v = rng.random((2, count, 1), dtype=np.float32)
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = (take_rows(corners[:, k], face) for k in range(3))
    points: NDArray[np.float32] = a + u * (b - a) + v * (c - a)
    return points, take_rows(normals, face), face


def sample_points(
    field: SignedDistanceField, frame: Frame, count: int, cloud: int, rng: np.random.Generator
) -> dict[str, Points]:
    """The point sets of one shape in the sphere frame, as a shard holds them.

    Args:
        field: the field of the shape, cube frame.
        frame: the frames of the shape.
        count: number of points of `uniform` and `surface`.
        cloud: number of points of `cloud`, DeepSDF's mix.
        rng: from `random_generator`.

    Returns:
        Points by the name of their set (`shapegan.pipeline.schema.POINT_SETS`).
    """
    sphere_field = SphereField(field, frame.scale_sphere / frame.scale_cube)
    sets = {}
    if count:
        sets["uniform"], nearest = evaluate_rounded(sphere_field, points_in_ball(count, rng))
        noise = rng.standard_normal((count, 3), dtype=np.float32)
        near = nearest + np.float32(SIGMA) * noise
        sets["surface"], _ = evaluate_rounded(sphere_field, near)
    if cloud:
        sets["cloud"], _ = evaluate_rounded(sphere_field, deepsdf_mix(sphere_field, cloud, rng))
    return sets


class SphereField:
    """A field of the cube frame in coordinates and distances of the sphere frame."""

    def __init__(self, field: SignedDistanceField, scale: float) -> None:
        """Wrap a field.

        Args:
            field: cube frame.
            scale: length of the sphere frame's unit in the cube frame.
        """
        self._field = field
        self._scale = np.float32(scale)

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3)."""
        sdf, closest = self._field.signed_distances(points * self._scale)
        return sdf / self._scale, closest / self._scale

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) spread over the surface by area."""
        return self._field.surface_points(count, rng) / self._scale


def deepsdf_mix(field: SphereField, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """DeepSDF's mix of points near the surface and in the unit ball, sphere frame.

    Surface points get Gaussian noise, half of them with `SIGMA`, half with `FINE_SIGMA` (Park et
    al. 2019, supplementary B.1).

    Returns:
        (count, 3), in random order.
    """
    near = round(count * NEAR_SHARE)
    points = points_in_ball(count, rng)
    sigma = np.where(np.arange(near) % 2 == 0, SIGMA, FINE_SIGMA).astype(np.float32)[:, None]
    noise = rng.standard_normal((near, 3), dtype=np.float32)
    points[:near] = field.surface_points(near, rng) + sigma * noise
    return points[rng.permutation(count)]


def evaluate_rounded(
    field: SphereField | SignedDistanceField, points: NDArray[np.float32], bound: float = 1.0
) -> tuple[Points, NDArray[np.float32]]:
    """Round points (N, 3), evaluate the field there; also their nearest surface points (N, 3).

    Args:
        field: the field, in the frame of the points.
        points: (N, 3).
        bound: largest coordinate that the set stores.
    """
    position = encode_positions(points, bound)
    sdf, nearest = field.signed_distances(decode_positions(position, bound))
    return Points(position, sdf.astype(np.float16)), nearest
