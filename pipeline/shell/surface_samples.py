"""Sample points on faces, at which visibility and winding numbers are measured."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.triangles import (
    areas,
    centroids,
    cross_products,
    longest_box_sides,
    normals_and_double_areas,
)

EXTRA_SAMPLES = 12_000
"""Samples spread over all faces by area, in addition to one sample per face."""

RAY_OFFSET = 2e-4
"""Distance from a face to the start of a sample's ray or winding number query, cube frame."""

CLUSTER_ABOVE = 30_000
"""Meshes with more faces than this are sampled by clusters of faces. Without clusters the finest
tessellation would take the most time."""

CLUSTER_SIZE = 0.02
"""Cell size of the grid that groups faces into clusters, cube frame; below a voxel of 64^3."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Points on the faces of a mesh, at least one on each sampled face."""

    face: NDArray[np.int64]
    """(S,), the face that each sample lies on, ascending."""
    position: NDArray[np.float32]
    """(S, 3), in the frame of the vertices."""
    normal: NDArray[np.float32]
    """(S, 3), unit normals of the faces, by their winding."""
    area: NDArray[np.float64]
    """(S,), the surface area that each sample stands for."""


def sample_faces(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], extra: int = EXTRA_SAMPLES
) -> SurfaceSamples:
    """Spread points over faces: one on each, and about `extra` more by area.

    The first point of a face is its centroid. The others follow the low-discrepancy sequence R2
    (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences").

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        extra: number of points on top of F.
    """
    corners = take_rows(vertices, faces)
    normal, double = normals_and_double_areas(corners)
    share = double / max(double.sum(), np.finfo(float).tiny)
    count = 1 + np.rint(share * extra).astype(np.int64)
    face = np.repeat(np.arange(len(faces)), count)
    rank = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (1 / 3 + rank * 0.7548776662) % 1.0, (1 / 3 + rank * 0.5698402910) % 1.0
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u)[:, None], np.where(fold, 1 - v, v)[:, None]
    a, b, c = (take_rows(corners[:, k], face) for k in range(3))
    position = a + u * (b - a) + v * (c - a)
    return SurfaceSamples(
        face,
        position.astype(np.float32),
        take_rows(normal.astype(np.float32), face),
        (double / 2 / count)[face],
    )


def cluster_faces(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], patch: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Group small faces of one patch that share a grid cell and a main direction of their normal.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), the patch of each face.

    Returns:
        (F,), the cluster of each face, below F. Every face is its own cluster in meshes of up to
        `CLUSTER_ABOVE` faces.
    """
    if len(faces) <= CLUSTER_ABOVE:
        return np.arange(len(faces))
    corners = take_rows(vertices, faces)
    size = longest_box_sides(corners)
    normal = cross_products(corners)
    axis = np.abs(normal).argmax(axis=1)
    direction = 2 * axis + (normal[np.arange(len(faces)), axis] > 0)
    x, y, z = ((centroids(corners) + 1) / CLUSTER_SIZE).astype(np.int64).clip(0, 127).T
    cell = (x << 14) | (y << 7) | z
    key = (((patch.astype(np.int64) * 6 + direction) << 21) | cell) + len(faces)
    key = np.where(size < CLUSTER_SIZE, key, np.arange(len(faces)))
    return np.unique(key, return_inverse=True)[1]


def sample_clusters(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], clusters: NDArray[np.int64]
) -> SurfaceSamples:
    """Spread points over the first face of each cluster; they stand for the cluster's whole area.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        clusters: (F,), from `cluster_faces`.
    """
    _, first = np.unique(clusters, return_index=True)
    samples = sample_faces(vertices, faces[first])
    if len(first) == len(faces):
        return samples
    area = areas(take_rows(vertices, faces))
    whole = np.bincount(clusters, area)[clusters[first]]
    share = whole / np.maximum(area[first], np.finfo(float).tiny)
    return replace(samples, face=first[samples.face], area=samples.area * share[samples.face])


def pick_by_area(
    samples: SurfaceSamples, candidates: NDArray[np.bool_], count: int = 8192
) -> NDArray[np.intp]:
    """Pick about `count` samples, evenly by area.

    Args:
        samples: S samples.
        candidates: (S,), the samples to choose from.
        count: upper limit; a sample that stands for a large area is picked once.

    Returns:
        (M,), ascending indices of samples.
    """
    chosen = np.flatnonzero(candidates)
    if len(chosen) == 0:
        return chosen
    running = np.cumsum(samples.area[chosen])
    targets = (np.arange(count) + 0.5) / count * running[-1]
    return np.unique(chosen[np.searchsorted(running, targets)])
