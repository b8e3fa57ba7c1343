"""Points on the surface and along its sharp edges, with normals.

Candidates come from faces and edges. A candidate stays if the field is 0 there and grows along its
normal, so points lie on the field's zero set even where parts grew or lie within one another.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.sdf.sampling import SignedDistanceField
from shapegan.pipeline.sdf.sharp_edges import SharpEdges

ON_SURFACE = 2e-5
"""Largest distance of a point from the field's zero set, cube frame."""

STEP = 1e-4
"""Length of the step along the normal that must lead outside, cube frame."""

FACING = 0.9
"""Smallest growth of the distance over the step that a face's normal needs, in steps."""

EDGE_FACING = 0.05
"""The same for an edge, whose normal is half-way between those of its faces. In a crease it leads
to points that are nearer to both faces than the step is long."""

_FEWEST = 64
"""Candidates drawn in a round beyond those that are expected to be needed."""

_MAX_DRAWN = 25
"""Most candidates for each point that is wanted."""

Samples: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Points (N, 3) and outward unit normals (N, 3), cube frame."""

_Candidates: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""`Samples`, and the signed distances (N,) there."""


class OrientedField(SignedDistanceField, Protocol):
    """A field whose surface consists of faces with a known outside."""

    def surface_samples(self, count: int, rng: np.random.Generator) -> Samples:
        """Points (count, 3) spread over faces by area, and outward unit normals (count, 3)."""
        ...

    def sharp_edges(self, angle: float) -> SharpEdges:
        """Edges at which the surface turns by more than an angle in degrees."""
        ...


def surface_samples(field: OrientedField, count: int, rng: np.random.Generator) -> Samples:
    """Points on the zero set of a field, uniform by area, with outward unit normals.

    Returns:
        (count, 3) and (count, 3), or fewer rows where hardly any face bounds the solid.
    """

    def candidates(drawn: int) -> _Candidates:
        points, normals = field.surface_samples(drawn, rng)
        sdf, _ = field.signed_distances(points)
        # Thin parts grew: their faces lie within them.
        for _ in range(2):
            off = np.flatnonzero(np.abs(sdf) > ON_SURFACE / 4)
            if len(off) == 0:
                break
            points[off] -= sdf[off, None] * normals[off]
            sdf[off], _ = field.signed_distances(points[off])
        return points, normals, sdf

    return _collect(field, candidates, count, FACING)


def salient_samples(
    field: OrientedField, count: int, angle: float, rng: np.random.Generator
) -> Samples:
    """Points along the sharp edges of a field's zero set, uniform by length.

    These are the salient points of Dora (Chen et al. 2024, "Dora: sampling and benchmarking for 3D
    shape variational auto-encoders", section 3.2).

    Args:
        field: the field.
        count: number of points.
        angle: degrees by which the normals of an edge's faces differ at least.
        rng: from `shapegan.pipeline.sdf.sampling.random_generator`.

    Returns:
        (count, 3) and (count, 3): points, and unit normals half-way between those of the edge's
        faces. Fewer rows, or none, where the surface has hardly any sharp edge.
    """
    edges = field.sharp_edges(angle)
    lengths = np.linalg.norm((edges.end - edges.start).astype(np.float64), axis=1)
    if not lengths.sum() > 0:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)

    def candidates(drawn: int) -> _Candidates:
        edge = rng.choice(len(lengths), drawn, p=lengths / lengths.sum())
        along = rng.random((drawn, 1), dtype=np.float32)
        start, end = edges.start[edge], edges.end[edge]
        points = start + along * (end - start)
        return points, edges.normal[edge], field.signed_distances(points)[0]

    return _collect(field, candidates, count, EDGE_FACING)


def _collect(
    field: OrientedField, candidates: Callable[[int], _Candidates], count: int, facing: float
) -> Samples:
    """The first `count` candidates on the zero set from which the normal leads outside."""
    points, normals = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
    drawn = 0
    while len(points) < count and drawn < _MAX_DRAWN * count + _FEWEST:
        # Later rounds draw what the first ones lack, at the share that was good.
        share = max(len(points) / drawn, 0.05) if drawn else 1.0
        size = int((count - len(points)) / share) + _FEWEST
        drawn += size
        place, normal, at = candidates(size)
        ahead, _ = field.signed_distances(place + np.float32(STEP) * normal)
        good = (np.abs(at) < ON_SURFACE) & (ahead > facing * STEP)
        points = np.concatenate([points, place[good]])
        normals = np.concatenate([normals, normal[good]])
    return points[:count], normals[:count]
