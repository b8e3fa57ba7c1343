"""Holes of oriented faces: which are closed, and which mean that the faces enclose nothing."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.faces import OFFSET, face_areas, sample_faces
from shapegan.pipeline.patches import boundary_loops, fill_loops
from shapegan.pipeline.winding import WindingField

OPEN_ENDED = 0.45
"""A part with two holes or more whose closures have more than this share of its area is no solid
but a sheet that is open at its ends, such as a lampshade. It is 0.5 for a pipe as long as wide,
0.05 for one ten times as long."""


@dataclass(frozen=True)
class Solid:
    """Oriented faces with their holes closed."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    patch: NDArray[np.int32]
    """(F,), where a face came from; each hole's closure is a patch of its own."""
    filled: int

    def without(self, drop: NDArray[np.bool_]) -> "Solid":
        """Leaves out the faces that are marked (F,)."""
        filled = int((~drop)[len(drop) - self.filled :].sum())
        return replace(self, faces=self.faces[~drop], patch=self.patch[~drop], filled=filled)


def close(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
    device: str,
) -> tuple[Solid, NDArray[np.int32]]:
    """Closes the holes of oriented faces where the winding number has its half-way there.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), where each came from.
        device: Warp's name of it.

    Returns:
        The solid, and the faces (S, 3) of open-ended parts, which are left out of it.
    """
    # 1. Put a patch over every loop of rim edges.
    loops = [loop for loop in boundary_loops(faces) if len(loop) >= 3]
    fill, loop, centers = fill_loops(loops, vertices)
    grown = np.concatenate([vertices, centers])
    if len(fill) == 0:
        return Solid(vertices, faces, patch, 0), faces[:0]

    # 2. Keep those that stand between inside and outside: half-way between two whole numbers,
    #    for a hole of one part may lie inside another part.
    samples = sample_faces(grown, fill, extra=len(loops))
    field = WindingField(grown.astype(np.float32), faces, device)
    winding = field.numbers(samples.position + np.float32(OFFSET) * samples.normal, exact=True)
    halfway = (np.abs(winding - np.floor(winding) - 0.5) < 0.3) & (winding > 0)
    weight = np.bincount(loop[samples.face], samples.area)
    good = np.bincount(loop[samples.face], samples.area * halfway) > 0.9 * weight
    fill, loop = fill[good[loop]], loop[good[loop]]

    # 3. Leave out the parts that are mostly holes.
    sheet, closes_sheet = _open_ended(grown, faces, fill, loop)
    fill, loop = fill[~closes_sheet], loop[~closes_sheet]
    closures = patch.max(initial=0) + 1 + loop
    solid = Solid(
        grown,
        np.concatenate([faces[~sheet], fill]),
        np.concatenate([patch[~sheet], closures]).astype(np.int32),
        len(fill),
    )
    return solid, faces[sheet]


def _open_ended(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    fill: NDArray[np.int32],
    loop: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which faces (F,) belong to parts that are mostly holes, and which closures (T,)."""
    ends = np.concatenate([faces, fill])
    tail, head = ends[:, [0, 1]].ravel(), ends[:, [1, 2]].ravel()
    links = coo_matrix((np.ones(len(tail), np.int8), (tail, head)), shape=(len(vertices),) * 2)
    count, part = connected_components(links, directed=False)
    of_face, of_fill = part[faces[:, 0]], part[fill[:, 0]]
    area = np.bincount(of_face, face_areas(vertices, faces), count)
    closed = np.bincount(of_fill, face_areas(vertices, fill), count)
    holes = np.bincount(part[fill[np.unique(loop, return_index=True)[1], 0]], minlength=count)
    is_sheet = (holes >= 2) & (closed > OPEN_ENDED * area)
    return is_sheet[of_face], is_sheet[of_fill]
