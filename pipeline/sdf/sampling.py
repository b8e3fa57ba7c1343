"""Where to ask for distances: grids, the ball, the surface's neighbourhood, DeepSDF's mix.

All positions are those that the shard can hold: rounded first, asked there, so that rounding adds
no error to a distance.
"""

import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import Points, decode_positions, encode_positions

NEAR = 0.0025
"""Standard deviation of the noise on surface points, sphere frame (the paper's code)."""

NEARER = 0.00025
"""Of the second half of DeepSDF's near points."""

NEAR_SHARE = 47 / 50
"""Share of DeepSDF's mix that lies near the surface (Park et al. 2019, supplementary B.1)."""


class FieldProtocol(Protocol):
    """A signed distance field in the cube frame, of whatever method."""

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


def generator(seed: int, mesh_id: str) -> np.random.Generator:
    """The random numbers of one mesh: they hang on nothing but the seed and its id."""
    return np.random.default_rng([seed, zlib.crc32(mesh_id.encode())])


def points_in_ball(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Points (count, 3) uniform in the unit ball."""
    direction = rng.standard_normal((count, 3), dtype=np.float32)
    radius = np.cbrt(rng.random((count, 1), dtype=np.float32))
    direction *= radius / np.linalg.norm(direction, axis=1, keepdims=True)
    return direction


def points_on_faces(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Points (count, 3) spread over faces by area, their unit normals, and whose they are.

    Args:
        vertices: (V, 3).
        faces: (F, 3), with some area.
        count: how many.
        rng: from `generator`.
    """
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(cross, axis=1)
    face = rng.choice(len(faces), count, p=double / double.sum())
    u, v = rng.random((2, count, 1), dtype=np.float32)
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = (corners[face, k] for k in range(3))
    points: NDArray[np.float32] = a + u * (b - a) + v * (c - a)
    return points, (cross[face] / double[face, None]).astype(np.float32), face


def sample_points(
    field: FieldProtocol, frame: Frame, count: int, cloud: bool, rng: np.random.Generator
) -> dict[str, Points]:
    """The point sets of one shape, as a shard holds them.

    Args:
        field: the shape's.
        frame: where its frames lie.
        count: P, points in each set.
        cloud: whether to add DeepSDF's mix.
        rng: from `generator`.
    """
    asker = SphereField(field, frame.scale_sphere / frame.scale_cube)
    uniform, nearest = _stored(asker, points_in_ball(count, rng))
    noise = rng.standard_normal((count, 3), dtype=np.float32)
    surface, _ = _stored(asker, nearest + np.float32(NEAR) * noise)
    sets = {"uniform": uniform, "surface": surface}
    if cloud:
        sets["cloud"], _ = _stored(asker, deepsdf_mix(asker, count, rng))
    return sets


class SphereField:
    """A field of the cube frame, seen from the sphere frame."""

    def __init__(self, field: FieldProtocol, scale: float) -> None:
        """Wraps a field.

        Args:
            field: cube frame.
            scale: the sphere frame's unit in the cube frame.
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
    """DeepSDF's mix of points near the surface and in the ball, in random order: (count, 3)."""
    near = round(count * NEAR_SHARE)
    points = points_in_ball(count, rng)
    spread = np.where(np.arange(near) % 2 == 0, NEAR, NEARER).astype(np.float32)[:, None]
    noise = rng.standard_normal((near, 3), dtype=np.float32)
    points[:near] = field.surface_points(near, rng) + spread * noise
    return points[rng.permutation(count)]


def _stored(field: SphereField, points: NDArray[np.float32]) -> tuple[Points, NDArray[np.float32]]:
    """Rounds points (N, 3), asks there, and gives the nearest surface points (N, 3), too."""
    position = encode_positions(points)
    sdf, nearest = field.signed_distances(decode_positions(position))
    return Points(position, sdf.astype(np.float16)), nearest
