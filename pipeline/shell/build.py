"""Shell: the exterior faces of a mesh, oriented outwards, and its thin sheets.

The windings of a mesh are unreliable, so visibility decides: the side of a patch of connected faces
that sees more of the sky is the front. A patch that sees hardly any sky is hidden, or the wall of a
cavity. A patch that sees about as much from behind as from the front is a sheet, which has no
inside. The others enclose the solid once its holes are closed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries.winding import GRIDS, WindingField
from shapegan.pipeline.shell.cavities import (
    find_open_cavities,
    is_consistently_wound,
)
from shapegan.pipeline.shell.exterior import PROBE_DISTANCE, SplitFaces, split_exterior
from shapegan.pipeline.shell.hole_filling import Solid, close_holes
from shapegan.pipeline.shell.orientation import orient_patches, wind_as_given
from shapegan.pipeline.shell.patches import closed_patches
from shapegan.pipeline.shell.split_vertices import SplitVertices
from shapegan.pipeline.shell.surface_samples import (
    RAY_OFFSET,
    SurfaceSamples,
    cluster_faces,
    sample_clusters,
    sample_faces,
)
from shapegan.pipeline.triangles import areas

NO_INSIDE = 0.6
"""A face has no inside behind it if the winding number there is below this. It is 0.5 for a flat
sheet on its own, 0.75 or more for a wall of a cube without a bottom."""

MOSTLY = 0.5
"""A closed dim patch with the outside in front of more than this share of it is kept whole."""

MAX_FOLD = 0.1
"""Samples without an inside behind them may be a fold of a solid patch if they cover less than
this share of it."""


@dataclass(frozen=True)
class Shell:
    """The oriented exterior of a mesh, cube frame."""

    vertices: NDArray[np.float32]
    """(V, 3), of all faces below."""
    solid: NDArray[np.int32]
    """(F, 3), wound outwards, holes closed: their winding number is that of the inside."""
    pieces: NDArray[np.int32]
    """(P, 3), the same surface; faces that bound the inside only in part are split."""
    exterior: NDArray[np.bool_]
    """(P,), which pieces bound the inside; the others lie within it."""
    source: NDArray[np.int64]
    """(P,), the face of `solid` that each piece is part of."""
    sheets: NDArray[np.int32]
    """(S, 3), faces that have no inside on either side."""
    visible: NDArray[np.float32]
    """(M, 3), points spread evenly over the faces of the mesh, where they see the sky."""
    filled: int
    """Number of faces of `solid` that fill holes; they come last."""
    winding: WindingField
    """Winding numbers of `solid`."""
    cavities: bool = False
    """True if closed cavities were kept that would have been filled otherwise."""

    @property
    def device(self) -> str:
        """Warp's name of the device that the shell was built for."""
        return self.winding.device

    @cached_property
    def split_vertices(self) -> SplitVertices:
        """The vertices that splitting added to exterior pieces."""
        faces = take_rows(self.solid, self.source[self.exterior])
        return SplitVertices.of(self.vertices, self.pieces[self.exterior], faces)


def build_shell(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    device: str = "cpu",
    *,
    fill_cavities: bool = False,
) -> Shell:
    """Find the shell of a clean mesh.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), from `shapegan.pipeline.meshes.clean.clean`.
        device: Warp's name of the device for all queries against the shell.
        fill_cavities: fill the closed cavities of consistently wound watertight meshes, too.
    """
    # 1. Orient every patch by what its two sides see.
    patches = orient_patches(vertices, faces, device)

    # 2. Divide patches into sheets, solid ones, and dim ones, which may be hidden within the solid.
    as_wound = wind_as_given(vertices, faces, patches)
    oriented, wall = find_open_cavities(vertices, as_wound, patches, device)
    dim, sheet = patches.dim & ~wall, patches.two_sided & ~patches.dim & ~wall
    is_solid, is_dim = (~sheet & ~dim)[patches.patch], dim[patches.patch]
    solid, open_ended = close_holes(vertices, oriented[is_solid], patches.patch[is_solid], device)

    # 3. Add dim faces that do not lie inside the solid, and those that bound closed cavities.
    cavities, winding = False, _winding_of(solid, device)
    if is_dim.any():
        added, owner = oriented[is_dim], patches.patch[is_dim]
        exposed = _outside(winding, solid.vertices, added, owner)
        if not fill_cavities and is_consistently_wound(vertices, as_wound, patches, device):
            added, filled = as_wound[is_dim], ~exposed
            wound = WindingField(vertices.astype(np.float32), as_wound, device)
            exposed = _outside(wound, vertices, added, owner)
            cavities = bool((exposed & filled).any())
            # Winding numbers are whole only with all faces.
            exposed |= cavities
        if exposed.any():
            solid = solid.add(added[exposed], owner[exposed])
            winding = _winding_of(solid, device)

    # 4. Split the solid's faces into exterior and interior; add faces without an inside to sheets.
    sheets = np.concatenate([oriented[sheet[patches.patch]], open_ended])
    return _split_solid(solid, winding, sheets, patches.visible, cavities)


def _winding_of(solid: Solid, device: str) -> WindingField:
    """Winding numbers of a solid."""
    return WindingField(solid.vertices.astype(np.float32), solid.faces, device)


def _outside(
    winding: WindingField,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Faces (N, 3) that have nothing of a solid in front, or belong to a body that lies outside it.

    A closed patch most of which is outside counts as a whole: without the faces whose middles lie
    in another part, such as the floor that it stands on, it would have holes.

    Args:
        winding: winding numbers of the solid.
        vertices: (V, 3), cube frame.
        faces: (N, 3).
        patch: (N,), the patch of each face.

    Returns:
        (N,).
    """
    samples = sample_faces(vertices, faces, extra=0)
    in_front = samples.position + np.float32(RAY_OFFSET) * samples.normal
    inside = winding.numbers(in_front, exact=True) > 0.5
    outside: NDArray[np.bool_] = np.bincount(samples.face, inside, len(faces)) == 0
    area = areas(take_rows(vertices, faces))
    share, whole = (np.bincount(patch, some) for some in (area * outside, area))
    is_body = closed_patches(faces, patch) & (share > MOSTLY * whole)
    return outside | is_body[patch]


def _split_solid(
    solid: Solid,
    winding: WindingField,
    sheets: NDArray[np.int32],
    visible: NDArray[np.float32],
    cavities: bool,
) -> Shell:
    """Move faces without an inside from the solid to the sheets, and split its other faces."""
    vertices = solid.vertices.astype(np.float32)
    # The finest grid does not pay off for these few points.
    classes = _classify_faces(vertices, solid, winding, grids=2)
    if classes.sheet.any():
        # The winding numbers of the other faces are more accurate without the sheets.
        own = len(solid.faces) - solid.filled
        sheets = np.concatenate([sheets, solid.faces[:own][classes.sheet[:own]]])
        solid = solid.without(classes.sheet)
        winding = _winding_of(solid, winding.device)
        classes = _classify_faces(vertices, solid, winding, grids=len(GRIDS))
    whole = np.arange(len(solid.faces))
    split_up = SplitFaces(vertices, solid.faces, classes.exterior, whole)
    if len(solid.faces):
        split_up = split_exterior(
            vertices, solid.faces, classes.exterior, classes.clusters, winding
        )
    return Shell(
        split_up.vertices,
        solid.faces,
        split_up.pieces,
        split_up.exterior,
        split_up.source,
        sheets,
        visible,
        solid.filled,
        winding,
        cavities,
    )


@dataclass(frozen=True)
class _FaceClasses:
    """Classes of the faces of a solid."""

    sheet: NDArray[np.bool_]
    """(F,), faces that have no inside behind them."""
    exterior: NDArray[np.bool_]
    """(F,), faces that have the inside behind them and the outside in front, at least in part."""
    clusters: NDArray[np.int64]
    """(F,), faces that were classified together."""


def _classify_faces(
    vertices: NDArray[np.float32], solid: Solid, winding: WindingField, grids: int
) -> _FaceClasses:
    """Classify the faces of a solid by winding numbers (Jacobson et al. 2013) on both sides.

    Args:
        vertices: (V, 3), those of the solid.
        solid: F faces.
        winding: winding numbers of the solid.
        grids: number of reference grids that the winding numbers are continued from.
    """
    exact = vertices.astype(np.float64)
    clusters = cluster_faces(exact, solid.faces, solid.patch)
    samples = sample_clusters(exact, solid.faces, clusters)
    position = samples.position + np.float32(PROBE_DISTANCE) * samples.normal
    before = winding.numbers(position, grids=grids)
    behind = before + 1  # crossing one face inwards adds one
    no_inside = (behind < NO_INSIDE) & ~_folded(before, samples, solid.patch)
    sheet, bounds, weight = (
        np.bincount(clusters[samples.face], samples.area * holds, len(solid.faces))[clusters]
        for holds in (no_inside, (behind >= 0.5) & (before < 0.5), np.ones(len(before)))
    )
    is_sheet = sheet > 0.5 * weight
    return _FaceClasses(is_sheet, (bounds > 0) & ~is_sheet, clusters)


def _folded(
    before: NDArray[np.float32], samples: SurfaceSamples, patch: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Find samples where a solid patch passes through itself and is inside out.

    They have no inside behind them, but are not sheets: without them the solid would have a hole.

    Args:
        before: (S,), winding numbers in front of the samples.
        samples: S samples.
        patch: (F,), the patch of each face.

    Returns:
        (S,).
    """
    inverted = before < -0.75
    owner = patch[samples.face]
    no_inside = np.bincount(owner, samples.area * (before + 1 < NO_INSIDE))
    whole = np.bincount(owner, samples.area)
    folded: NDArray[np.bool_] = inverted & (no_inside < MAX_FOLD * whole)[owner]
    return folded
