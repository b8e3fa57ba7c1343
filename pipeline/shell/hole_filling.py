"""Hole filling: which holes of oriented faces are closed, and which parts enclose nothing."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.missing_rims import bridge_missing_rims
from shapegan.pipeline.shell.patches import directed_edges, group_edges
from shapegan.pipeline.shell.smallest_fillings import fill_loops
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET, sample_faces
from shapegan.pipeline.triangles import areas

OPEN_ENDED = 0.45
"""Limit on the area of fillings over the area of faces, for a part with two holes or more. Above
it the part is not a solid but a sheet with open ends, such as a lampshade. The ratio is 0.5 for a
pipe as long as wide, 0.05 for a pipe 10x as long."""


@dataclass(frozen=True)
class Solid:
    """Oriented faces with their holes filled."""

    vertices: NDArray[np.float64]
    """(V, 3), cube frame."""
    faces: NDArray[np.int32]
    """(F, 3); the fillings come last."""
    patch: NDArray[np.int32]
    """(F,), the patch of each face; the filling of each hole is a patch of its own."""
    filled: int
    """Number of faces that fill holes."""

    def add(self, faces: NDArray[np.int32], patch: NDArray[np.int32]) -> "Solid":
        """Copy with faces (N, 3) of patches (N,) added before the fillings."""
        own = len(self.faces) - self.filled
        return replace(
            self,
            faces=np.concatenate([self.faces[:own], faces, self.faces[own:]]),
            patch=np.concatenate([self.patch[:own], patch, self.patch[own:]]),
        )

    def without(self, drop: NDArray[np.bool_]) -> "Solid":
        """Copy without the faces that are marked (F,)."""
        filled = int((~drop)[len(drop) - self.filled :].sum())
        return replace(self, faces=self.faces[~drop], patch=self.patch[~drop], filled=filled)


def close_holes(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
    device: str,
) -> tuple[Solid, NDArray[np.int32]]:
    """Fill the holes of oriented faces that separate the inside from the outside.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), the patch of each face.
        device: Warp's name of the device.

    Returns:
        The solid, and the faces (S, 3) of open-ended parts, which are left out of it.
    """
    # 1. Fill every loop of boundary edges.
    loops = [loop for loop in boundary_loops(faces) if len(loop) >= 3]
    fill, loop, centers = fill_loops(loops, vertices)
    grown = np.concatenate([vertices, centers])
    if len(fill) == 0:
        return Solid(vertices, faces, patch, 0), faces[:0]

    # 2. Keep the fillings that separate the inside from the outside.
    strips = bridge_missing_rims(loops, vertices, faces, patch)
    fill, loop = _choose_fillings(grown, faces, (fill, loop), strips, device)

    # 3. Leave out the parts that consist mostly of holes.
    sheet, closes_sheet = _open_ended(grown, faces, fill, loop)
    fill, loop = fill[~closes_sheet], loop[~closes_sheet]
    fill_patch = patch.max(initial=0) + 1 + loop
    solid = Solid(
        grown,
        np.concatenate([faces[~sheet], fill]),
        np.concatenate([patch[~sheet], fill_patch]).astype(np.int32),
        len(fill),
    )
    return solid, faces[sheet]


def _choose_fillings(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    fillings: tuple[NDArray[np.int32], NDArray[np.intp]],
    bridges: tuple[NDArray[np.intp], list[NDArray[np.int32]]],
    device: str,
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Keep fillings that separate the inside; a strip replaces two with a plug between.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), without fillings.
        fillings: triangles (T, 3), and the loop (T,) that each closes, of L loops.
        bridges: pairs of loops (N, 2), and for each its strip.
        device: Warp's name of the device.

    Returns:
        The triangles that are kept (K, 3), and for each its loop (K,), or L + n of the nth strip.
    """
    (fill, loop), (pairs, strips) = fillings, bridges
    replaces = np.zeros(len(strips), bool)
    if strips:
        strip = np.concatenate(strips)
        of_strip = np.repeat(np.arange(len(strips)), [len(strip) for strip in strips])
        replaces = _separate_inside(vertices, faces, strip, of_strip, device, extra=100)
        strip, of_strip = strip[replaces[of_strip]], of_strip[replaces[of_strip]]
        # With the rims, winding numbers show the inside of these parts more clearly.
        faces = np.concatenate([faces, strip])
    separates = _separate_inside(vertices, faces, fill, loop, device)
    count = len(separates)
    separates[pairs[replaces]] = False
    fill, loop = fill[separates[loop]], loop[separates[loop]]
    if not replaces.any():
        return fill, loop
    return np.concatenate([fill, strip]), np.concatenate([loop, count + of_strip])


def _separate_inside(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    fill: NDArray[np.int32],
    loop: NDArray[np.intp],
    device: str,
    extra: int = 1,
) -> NDArray[np.bool_]:
    """For each loop (L,): its filling separates the inside from the outside.

    The winding number of the faces alone is then half-way between two whole numbers on the
    filling. It need not be one half, since a hole of one part may lie inside another part.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), without fillings.
        fill: (T, 3), fillings of loops.
        loop: (T,), the loop that each filling triangle closes.
        device: Warp's name of the device.
        extra: samples of each loop in addition to one per triangle.
    """
    samples = sample_faces(vertices, fill, extra=extra * (int(loop.max()) + 1))
    field = WindingField(vertices.astype(np.float32), faces, device, halve_long=False)
    start = samples.position + np.float32(RAY_OFFSET) * samples.normal
    winding = field.numbers(start, exact=True)
    halfway = (np.abs(winding - np.floor(winding) - 0.5) < 0.3) & (winding > 0)
    weight = np.bincount(loop[samples.face], samples.area)
    separates: NDArray[np.bool_] = (
        np.bincount(loop[samples.face], samples.area * halfway) > 0.9 * weight
    )
    return separates


def _open_ended(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    fill: NDArray[np.int32],
    loop: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find open-ended parts: those with two holes or more that are large for the part's area.

    Args:
        vertices: (V, 3).
        faces: (F, 3), without fillings.
        fill: (T, 3), fillings of loops.
        loop: (T,), the loop that each filling triangle closes.

    Returns:
        Which faces (F,) and which filling triangles (T,) belong to such parts.
    """
    ends = np.concatenate([faces, fill])
    tail, head = ends[:, [0, 1]].ravel(), ends[:, [1, 2]].ravel()
    links = coo_matrix((np.ones(len(tail), np.int8), (tail, head)), shape=(len(vertices),) * 2)
    count, part = connected_components(links, directed=False)
    of_face, of_fill = part[faces[:, 0]], part[fill[:, 0]]
    area = np.bincount(of_face, areas(take_rows(vertices, faces)), count)
    closed = np.bincount(of_fill, areas(vertices[fill]), count)
    holes = np.bincount(part[fill[np.unique(loop, return_index=True)[1], 0]], minlength=count)
    is_sheet = (holes >= 2) & (closed > OPEN_ENDED * area)
    return is_sheet[of_face], is_sheet[of_fill]


def boundary_loops(faces: NDArray[np.int32]) -> list[list[int]]:
    """Simple closed loops of boundary edges, which only one face has.

    A loop runs opposite to the adjacent faces, so a filling with the loop's own direction is
    wound like them. A walk that returns to a vertex closes a loop there, so a figure of eight
    gives two loops. Walks that end at a non-manifold vertex are dropped.

    Args:
        faces: (F, 3), consistently wound patches.

    Returns:
        The vertices of each loop, in order.
    """
    edges = directed_edges(faces)
    order, start, size = group_edges(edges)
    boundary = edges[order[start[size == 1]]]
    next_vertices: dict[int, list[int]] = {}
    for tail, head in boundary.tolist():
        next_vertices.setdefault(head, []).append(tail)
    loops = []
    for seed in list(next_vertices):
        while next_vertices.get(seed):
            loops.extend(_walk(seed, next_vertices))
    return loops


def _walk(seed: int, next_vertices: dict[int, list[int]]) -> list[list[int]]:
    """Follow boundary edges from `seed` until none leads on; the edges are removed."""
    loops: list[list[int]] = []
    path, position = [seed], {seed: 0}
    while next_vertices.get(path[-1]):
        vertex = next_vertices[path[-1]].pop()
        if vertex in position:
            first = position[vertex]
            loops.append(path[first:])
            for passed in path[first + 1 :]:
                del position[passed]
            del path[first + 1 :]
        else:
            position[vertex] = len(path)
            path.append(vertex)
    return loops
