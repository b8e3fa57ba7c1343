"""Mouths: holes of a patch that have the outside straight ahead.

The mouth of a vessel's inner skin lies behind that of its outer skin, so that the sky is seen along
its axis, however small and deep it is, or the wall of a vessel that this one stands in. Light that
leaks into a hidden copy comes through holes that lie anywhere: behind one in the copy there is
hardly ever one in the skin round it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.shell.hole_filling import boundary_loops
from shapegan.pipeline.shell.orientation import OrientedPatches
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET
from shapegan.pipeline.triangles import areas, cross_products

ENCLOSING = 0.5
"""A patch encloses a hollow if its faces' area vectors add up to less than this share of its area.
It is 1 for a plane, 0.5 for a hemisphere, 0 for a closed patch and for a pipe."""

OUTSIDE_AHEAD = 0.7
"""A patch is open if this share of the area of its holes has the outside straight ahead. It is 0.5
for a pipe with one end within the solid, and 0.67 for a missing triangle of a hidden copy if two of
three rays pass a hole in the skin round it by chance."""

DIAGONAL = 4.0
"""Length of a ray that leaves the mesh, cube frame."""


def _nowhere(points: NDArray[np.float32], _: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.zeros(len(points), bool)


def have_open_mouths(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    patches: OrientedPatches,
    candidates: NDArray[np.bool_],
    outside: Callable[[NDArray[np.float32], NDArray[np.intp]], NDArray[np.bool_]] = _nowhere,
) -> NDArray[np.bool_]:
    """Find candidates (P,) that enclose a hollow in front of them whose mouths lead outside.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), with the side to test in front.
        patches: the same faces in P patches.
        candidates: (P,), the patches to test.
        outside: Tells which positions (N, 3), straight ahead of patches (N,), are outside, where
            the way ends at a face. By default none is, so that only the sky counts.
    """
    # 1. Leave out patches that enclose nothing, and those without a hole.
    count, tested = len(candidates), candidates[patches.patch]
    faces, owner = faces[tested], patches.patch[tested]
    encloses = (_area_of_sum(vertices, faces, owner, count) < ENCLOSING)[owner]
    mouths = _mouths(vertices, faces[encloses], owner[encloses])
    if not mouths:
        return np.zeros(count, bool)

    # 2. Look straight ahead from the points between the middle of each hole and its rim.
    rims, ahead, area, of_patch = zip(*mouths, strict=True)
    points = np.array([len(rim) for rim in rims])
    start = np.concatenate([(rim + rim.mean(axis=0)) / 2 for rim in rims])
    direction = np.repeat(np.array(ahead), points, axis=0)
    distance = patches.scene.distances(start, direction, DIAGONAL)
    patch = np.repeat(of_patch, points)
    is_open = distance >= DIAGONAL
    if not is_open.all():
        end = start + (distance - np.float32(RAY_OFFSET))[:, None] * direction
        is_open[~is_open] = outside(end[~is_open], patch[~is_open])

    # 3. Compare the area with the outside ahead with the whole area of the holes of each patch.
    weight = np.repeat(np.array(area) / points, points)
    seen, whole = (np.bincount(patch, w, count) for w in (weight * is_open, weight))
    found: NDArray[np.bool_] = (seen >= OUTSIDE_AHEAD * whole) & (whole > 0)
    return found


def _area_of_sum(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], owner: NDArray[np.int32], count: int
) -> NDArray[np.float64]:
    """Length of the sum of the area vectors of each patch, over its area (P,); 0 without faces."""
    corners = vertices[faces]
    vector = cross_products(corners) / 2
    total = np.stack([np.bincount(owner, vector[:, k], count) for k in range(3)], axis=1)
    whole = np.bincount(owner, areas(corners), count)
    share: NDArray[np.float64] = np.linalg.norm(total, axis=1) / np.maximum(
        whole, np.finfo(float).tiny
    )
    return share


def _mouths(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], owner: NDArray[np.int32]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], float, int]]:
    """Find the holes of patches with the hollow in front.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        owner: (F,), the patch of each face.

    Returns:
        For each hole its rim (K, 3), the direction (3,) out of the hollow, its area, its patch.
    """
    # Patches that meet in a vertex get one each, so that no rim runs from one to another.
    key = owner[:, None].astype(np.int64) * len(vertices) + faces
    vertex, corner = np.unique(key, return_inverse=True)
    found = []
    for loop in boundary_loops(corner.reshape(-1, 3).astype(np.int32)):
        patch, position = divmod(vertex[loop], len(vertices))
        rim = vertices[position]
        arm = rim - rim.mean(axis=0)
        # A filling in the loop's direction faces the hollow, so the way out is the reverse.
        outwards = -np.cross(arm, np.roll(arm, -1, axis=0)).sum(axis=0) / 2
        area = np.linalg.norm(outwards)
        if area > 0:
            found.append((rim, outwards / area, float(area), int(patch[0])))
    return found
