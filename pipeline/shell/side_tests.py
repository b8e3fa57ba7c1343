"""Tests of what lies in front of patches: the outside, the sky, or the front of a wall."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import lengths
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.mouths import have_open_mouths
from shapegan.pipeline.shell.orientation import OrientedPatches, wound_alike
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET

OUTSIDE = 0.3
"""A sample has the outside in front of it if the winding number there is nearer to 0 than this. It
is off by about 0.1 at most where the rim of a thick wall is missing."""

AGREE = 0.8
"""A patch has the outside in front of it if this share of its area has."""

SAMPLES = 64
"""Samples of each patch at which winding numbers are tested, about."""

MORE_RAYS = 64
"""Rays from each sample of a patch that looks like a wall, but that no light was found to reach."""

PARTNERS = 8
"""Points of walls to which a line of sight is tried from each sample in the dark."""

GOLDEN_RATIO = 0.6180339887498949
"""Multiples of it, modulo 1, spread evenly."""


@dataclass(frozen=True)
class SideTest:
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
        normal = normals_of(faces, self.patches)[rows]
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
        numbers = self._numbers(faces[solid[self.patches.patch]], points)
        outside: NDArray[np.bool_] = np.abs(numbers) < OUTSIDE
        return outside

    def are_outside_with(
        self,
        faces: NDArray[np.int32],
        solid: NDArray[np.bool_],
        sides: NDArray[np.int32],
        points: NDArray[np.float32],
        owner: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Find points (N, 3) outside the solid patches, alone or with the patch that asks.

        The inner skin of a vessel makes the outside before its mouth: without it the outer skin has
        no number of 0 there.

        Args:
            faces: (F, 3), with the front of solid patches in front.
            solid: (P,), the solid patches.
            sides: (F, 3), with the side of the asking patches to test in front.
            points: (N, 3), cube frame.
            owner: (N,), the patch that asks for each point.
        """
        numbers = self._numbers(faces[solid[self.patches.patch]], points)
        outside: NDArray[np.bool_] = np.abs(numbers) < OUTSIDE
        for patch in np.unique(owner[~outside]):
            rows = np.flatnonzero(~outside & (owner == patch))
            own = self._numbers(sides[self.patches.patch == patch], points[rows])
            outside[rows] = np.abs(numbers[rows] + own) < OUTSIDE
        return outside

    def _numbers(
        self, faces: NDArray[np.int32], points: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Winding numbers (N,) of faces (F, 3) at points (N, 3)."""
        field = WindingField(self.vertices, faces, self.device, halve_long=False)
        return field.numbers(points, exact=True)

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
            normal = normals_of(faces, self.patches)[rows]
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
        of_walls, of_dark = normals_of(faces, self.patches), normals_of(as_wound, self.patches)
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


def normals_of(faces: NDArray[np.int32], patches: OrientedPatches) -> NDArray[np.float32]:
    """Normals (S, 3) of the samples of patches, by the windings of faces (F, 3)."""
    agrees = wound_alike(faces, patches.faces)[patches.samples.face]
    normal = patches.samples.normal
    return np.where(agrees[:, None], normal, -normal)
