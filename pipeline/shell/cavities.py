"""Cavities: which dim patches are walls of a cavity, and which are hidden within the solid.

The inner skin of a vase sees the sky through the mouth alone, often less of it than a hidden face
sees through cracks. If that skin is not joined to the outer one, light alone does not show whether
it bounds a cavity. Winding numbers do: a wall has the outside in front of it and the inside behind
it (Jacobson et al. 2013). Three rules apply:

- *As wound*: light comes in, and by the windings of the mesh the outside lies in front.
- *By light*: the windings are random, but light comes in on one side only, or the outside is
  straight ahead of the mouths of one side. With that side in front, the outside lies in front.
- *Closed*: no light comes in. Only the windings distinguish a cavity from a hidden part, so the
  mesh must be watertight and consistently wound.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import lengths
from shapegan.pipeline.queries.rims import rim_edges
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.mouths import have_open_mouths
from shapegan.pipeline.shell.orientation import OrientedPatches, wound_alike
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET

OUTSIDE = 0.3
"""A sample has the outside in front of it if the winding number there is nearer to 0 than this. It
is off by about 0.1 at most where the rim of a thick wall is missing."""

FAINT = 0.2
"""A patch whose better side sees less of the sky than this share may face the other way."""

AGREE = 0.8
"""A patch has the outside in front of it if this share of its area has."""

SAMPLES = 64
"""Samples of each patch at which winding numbers are tested, about."""

BOTH_SIDES = 0.2
"""Either side of a patch may be in front if its back sees more than this share of what its front
sees. A leak by which light comes into a hidden part shows less of the sky than that."""

MORE_RAYS = 64
"""Rays from each sample of a patch that looks like a wall, but that no light was found to reach."""

PARTNERS = 8
"""Points of walls to which a line of sight is tried from each sample in the dark."""

GOLDEN_RATIO = 0.6180339887498949
"""Multiples of it, modulo 1, spread evenly."""


def find_open_cavities(
    vertices: NDArray[np.float64],
    as_wound: NDArray[np.int32],
    patches: OrientedPatches,
    device: str,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Find the patches in little light that are walls of a cavity into which it comes.

    Args:
        vertices: (V, 3), cube frame.
        as_wound: (F, 3), from `wind_as_given`.
        patches: the same faces in P patches.
        device: Warp's name of the device.

    Returns:
        Faces (F, 3), those of walls with the cavity in front, and which patches are walls (P,).
    """
    test = _SideTest(vertices.astype(np.float32), patches, device)
    sheet, faces = patches.two_sided & ~patches.dim, patches.faces
    doubtful = _doubtful(as_wound, patches)

    # 1. Walls by the windings of the mesh, with light in front.
    agrees = test.outside_in_front(as_wound, doubtful | ~sheet, doubtful)
    wall = test.lit(as_wound, agrees)
    faces = test.choose(wall, as_wound, faces)

    # 2. Walls by light. Where it comes to both sides, as through a missing rim, either may be one:
    # so little light does not show which side sees more. A small mouth hardly lets any in.
    certain = ~patches.dim & ~sheet
    by_light = doubtful & ~certain & ~agrees
    front_lit, back_lit = patches.front > 0, patches.back > BOTH_SIDES * patches.front
    for sides, lit in ((faces, front_lit), (faces[:, ::-1], back_lit)):
        chosen = by_light & lit
        outside = functools.partial(test.are_outside, faces, wall | certain)
        unlit = by_light & ~lit & ~wall
        chosen |= have_open_mouths(test.vertices, sides, patches, unlit, outside)
        turned = test.choose(chosen, sides, faces)
        found = test.walls_by_light(turned, wall | certain, chosen & ~wall)
        wall, faces = wall | found, test.choose(found, sides, faces)

    # 3. Walls by the windings of the mesh, with a wall in little light in view.
    if (agrees & ~wall).any():
        in_light = wall | certain & (patches.front < FAINT)
        in_view = test.walls_in_view(faces, as_wound, in_light, agrees & ~wall)
        wall, faces = wall | in_view, test.choose(in_view, as_wound, faces)
    return faces, wall


def _doubtful(as_wound: NDArray[np.int32], patches: OrientedPatches) -> NDArray[np.bool_]:
    """Find patches (P,) whose role or front the little light that they see does not settle.

    These are the dim ones, and faint ones that see as much from behind, or whose windings in the
    mesh (F, 3) disagree with the light. It may come from behind, through a missing rim.
    """
    faint = patches.front < FAINT
    disagrees = np.zeros_like(faint)
    disagrees[patches.patch[~wound_alike(as_wound, patches.faces)]] = True
    doubtful: NDArray[np.bool_] = patches.dim | faint & (patches.two_sided | disagrees)
    return doubtful


def is_consistently_wound(
    vertices: NDArray[np.float64],
    as_wound: NDArray[np.int32],
    patches: OrientedPatches,
    device: str,
) -> bool:
    """True for a watertight mesh whose windings bound a solid.

    Every edge is used as often in one direction as in the other, so winding numbers are whole
    everywhere. None of those on either side of the faces may be negative.

    Args:
        vertices: (V, 3), cube frame.
        as_wound: (F, 3), from `wind_as_given`.
        patches: the same faces.
        device: Warp's name of the device.
    """
    if len(rim_edges(as_wound)):
        return False
    field = WindingField(vertices.astype(np.float32), as_wound, device)
    normal = _normals(as_wound, patches)
    in_front = patches.samples.position + np.float32(RAY_OFFSET) * normal
    # The finest grid does not pay off for these few points.
    return bool(field.numbers(in_front, grids=2).min() > -OUTSIDE)


@dataclass(frozen=True)
class _SideTest:
    """Tests of what lies in front of the patches of one mesh."""

    vertices: NDArray[np.float32]
    """(V, 3), cube frame."""
    patches: OrientedPatches
    """F faces in P patches, with S samples."""
    device: str

    @functools.cached_property
    def _tested(self) -> NDArray[np.bool_]:
        """(S,), about `SAMPLES` samples of each patch, spread evenly."""
        owner = self._owner
        order = np.argsort(owner, kind="stable")
        count = np.bincount(owner)
        rank = np.empty(len(owner), np.int64)
        rank[order] = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        tested: NDArray[np.bool_] = rank % (1 + count // SAMPLES)[owner] == 0
        return tested

    @property
    def _owner(self) -> NDArray[np.int32]:
        """(S,), the patch of each sample."""
        return self.patches.patch[self.patches.samples.face]

    def outside_in_front(
        self, faces: NDArray[np.int32], solid: NDArray[np.bool_], candidates: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Find candidates (P,) with the outside in front of them.

        Args:
            faces: (F, 3), with the side to test in front.
            solid: (P,), the patches of which winding numbers are taken.
            candidates: (P,), the patches to test.
        """
        owner, samples = self._owner, self.patches.samples
        rows = np.flatnonzero(candidates[owner] & self._tested)
        if len(rows) == 0:
            return candidates
        normal = _normals(faces, self.patches)[rows]
        in_front = samples.position[rows] + np.float32(RAY_OFFSET) * normal
        outside = self.are_outside(faces, solid, in_front)
        owner, area = owner[rows], samples.area[rows]
        share, whole = (
            np.bincount(owner, weight, len(candidates)) for weight in (area * outside, area)
        )
        found: NDArray[np.bool_] = candidates & (share >= AGREE * whole)
        return found

    def are_outside(
        self, faces: NDArray[np.int32], solid: NDArray[np.bool_], points: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Find points (N, 3) outside the solid patches (P,), by the windings of faces (F, 3)."""
        faces = faces[solid[self.patches.patch]]
        field = WindingField(self.vertices, faces, self.device, halve_long=False)
        outside: NDArray[np.bool_] = np.abs(field.numbers(points, exact=True)) < OUTSIDE
        return outside

    def walls_by_light(
        self, faces: NDArray[np.int32], solid: NDArray[np.bool_], candidates: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Find candidates (P,) that have the outside in front of them, together with the solid.

        Those that have not are left out, which may change the others; so the test is repeated.

        Args:
            faces: (F, 3), with the side to test in front.
            solid: (P,), patches that certainly bound the solid.
            candidates: (P,), the patches to test.
        """
        while candidates.any():
            outside = self.outside_in_front(faces, solid | candidates, candidates)
            if (outside == candidates).all():
                break
            candidates = outside
        return candidates

    def lit(self, faces: NDArray[np.int32], candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find candidates (P,) that see some sky in front, by the windings of faces (F, 3)."""
        samples, owner = self.patches.samples, self._owner
        agrees = wound_alike(faces, self.patches.faces)[samples.face]
        sky = np.where(agrees, self.patches.sky[:, 0], self.patches.sky[:, 1])
        seen = candidates & (np.bincount(owner, sky, len(candidates)) > 0)
        # The mouth may be so small that none of the few rays found it.
        seen |= have_open_mouths(self.vertices, faces, self.patches, candidates & ~seen)
        rows = np.flatnonzero((candidates & ~seen)[owner])
        if len(rows):
            normal = _normals(faces, self.patches)[rows]
            sky = self.patches.scene.sky_fractions(
                samples.position[rows], normal, MORE_RAYS, RAY_OFFSET
            )[:, 0]
            seen |= np.bincount(owner[rows], sky, len(candidates)) > 0
        lit: NDArray[np.bool_] = seen
        return lit

    def choose(
        self, chosen: NDArray[np.bool_], one: NDArray[np.int32], other: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """One winding (F, 3) for the chosen patches (P,), the other (F, 3) for the rest."""
        return np.where(chosen[self.patches.patch][:, None], one, other)

    def walls_in_view(
        self,
        faces: NDArray[np.int32],
        as_wound: NDArray[np.int32],
        walls: NDArray[np.bool_],
        dark: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Find dark patches (P,) with a line of sight from their front to the front of a wall.

        Patches found count as walls for further ones.

        Args:
            faces: (F, 3), with the front of walls in front.
            as_wound: (F, 3), with the front of dark patches in front.
            walls: (P,), walls that light reaches.
            dark: (P,), the patches to test.
        """
        found, owner = np.zeros_like(dark), self._owner
        of_walls, of_dark = _normals(faces, self.patches), _normals(as_wound, self.patches)
        while walls.any() and dark.any():
            start, end = (np.flatnonzero(chosen[owner]) for chosen in (dark, walls))
            spread = np.arange(len(start) * PARTNERS) * GOLDEN_RATIO % 1
            start = np.repeat(start, PARTNERS)
            end = end[(spread * len(end)).astype(np.int64)]
            clear = self._clear(start, of_dark[start], end, of_walls[end])
            seen = np.bincount(owner[start], clear, len(dark)) > 0
            of_walls = np.where(seen[owner][:, None], of_dark, of_walls)
            found, walls, dark = found | seen, seen, dark & ~seen
        return found

    def _clear(
        self,
        start: NDArray[np.intp],
        start_normal: NDArray[np.float32],
        end: NDArray[np.intp],
        end_normal: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """For pairs of samples (N,) and their normals (N, 3): the fronts see each other."""
        position, offset = self.patches.samples.position, np.float32(RAY_OFFSET)
        origin = position[start] + offset * start_normal
        way = position[end] + offset * end_normal - origin
        length = lengths(way)
        clear: NDArray[np.bool_] = (way * start_normal).sum(axis=1) > 0
        clear &= (way * end_normal).sum(axis=1) < 0
        rows = np.flatnonzero(clear)
        direction = way[rows] / length[rows][:, None]
        reach = self.patches.scene.distances(origin[rows], direction, 4.0)
        clear[rows] = reach >= length[rows]
        found: NDArray[np.bool_] = clear
        return found


def _normals(faces: NDArray[np.int32], patches: OrientedPatches) -> NDArray[np.float32]:
    """Normals (S, 3) of the samples of patches, by the windings of faces (F, 3)."""
    agrees = wound_alike(faces, patches.faces)[patches.samples.face]
    normal = patches.samples.normal
    return np.where(agrees[:, None], normal, -normal)
