"""Which faces are outside, which way is out, and which are bare sheets.

A mesh's windings say nothing, so the light decides: rays go out from both sides of every face,
and the side that sees more of the sky is the front (Takayama et al. 2014, "A simple method for
correcting facet orientations in polygon meshes based on ray casting"). Patches of connected
faces vote together. What sees no sky is hidden; what sees about as much from behind as from the
front is a bare sheet, which has no inside. The rest encloses the solid once its holes are closed.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.queries.winding import LEVELS, WindingField
from shapegan.pipeline.shell.exterior import BEFORE, Pieces, expose
from shapegan.pipeline.shell.hole_filling import Solid, close
from shapegan.pipeline.shell.patches import find_patches
from shapegan.pipeline.shell.surface_samples import (
    OFFSET,
    SurfaceSamples,
    cluster,
    sample_clusters,
    sample_faces,
    spread,
)

RAYS = 8
"""Rays from each side of a sample where most faces have to vote alone; half as many elsewhere."""

HIDDEN = 0.02
"""A patch that sees less of the sky than this, from its better side, may be a hidden one."""

TWO_SIDED = 0.5
"""A patch whose back sees more than this share of what its front sees is a bare sheet. A flat
sheet has 1, an open hemisphere 0.4, a cube without a bottom 0.2."""

BARE = 0.6
"""A face whose back has a winding number below this has no inside behind it. A flat sheet on its
own has 0.5, a wall of a cube without a bottom 0.75 or more."""

FOLD = 0.1
"""Share of a patch below which what has no inside behind it may be a fold of a solid one."""


@dataclass(frozen=True)
class Shell:
    """The oriented outside of a mesh, cube frame."""

    vertices: NDArray[np.float32]
    """(V, 3)."""
    solid: NDArray[np.int32]
    """(F, 3), wound outwards, holes closed: its winding number says what is inside."""
    pieces: NDArray[np.int32]
    """(P, 3), the same surface, its faces cut where they are exposed only in part."""
    outer: NDArray[np.bool_]
    """(P,), which of `pieces` bound the inside; the others lie within it."""
    source: NDArray[np.int64]
    """(P,), which of `solid` each of `pieces` is of."""
    sheets: NDArray[np.int32]
    """(S, 3), faces that have no inside on either side."""
    visible: NDArray[np.float32]
    """(M, 3), points spread evenly over the faces, as they came, that see the sky."""
    filled: int
    """How many faces of `solid` were put in to close holes; they are its last ones."""
    winding: WindingField
    """Winding numbers of `solid`."""


def build_shell(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], device: str = "cpu"
) -> Shell:
    """Finds the shell of a clean mesh.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), from `shapegan.pipeline.meshes.clean.clean`.
        device: Warp's name of it.
    """
    # 1. Wind every patch alike; look at the sky from both sides of every face.
    patches = find_patches(faces)
    samples = sample_clusters(
        vertices, patches.faces, cluster(vertices, patches.faces, patches.patch)
    )
    rays = RAYS if patches.count > 0.2 * len(faces) else RAYS // 2
    scene = RayScene(vertices, patches.faces, device)
    sky = scene.sky(samples.position, samples.normal, rays, OFFSET)
    visible = samples.position[spread(samples, sky.max(axis=1) > 0)]

    # 2. Turn each patch to the side that sees more.
    owner = patches.patch[samples.face]
    front, back = (
        np.bincount(owner, samples.area * sky[:, side], patches.count) for side in (0, 1)
    )
    area = np.bincount(owner, samples.area, patches.count)
    turn = back > front
    oriented = np.where(turn[patches.patch][:, None], patches.faces[:, ::-1], patches.faces)
    more, less = np.maximum(front, back) / area, np.minimum(front, back) / area

    # 3. Sort patches: bare sheets, solid ones, and dim ones that the solid may hide.
    two_sided = less > TWO_SIDED * more
    dim = more < HIDDEN
    sheet = two_sided & ~dim
    clear, faint = (~sheet & ~dim)[patches.patch], dim[patches.patch]
    solid, open_ended = close(vertices, oriented[clear], patches.patch[clear], device)
    if faint.any():
        solid = _admit(solid, oriented[faint], patches.patch[faint], device)

    # 4. Keep of the solid what bounds it; what has no inside on either side is a sheet, too.
    sheets = np.concatenate([oriented[sheet[patches.patch]], open_ended])
    return _sort_faces(solid, sheets, visible, device)


def _admit(solid: Solid, faces: NDArray[np.int32], patch: NDArray[np.int32], device: str) -> Solid:
    """Adds dim faces to the solid, but for those that lie inside it."""
    field = WindingField(solid.vertices.astype(np.float32), solid.faces, device)
    samples = sample_faces(solid.vertices, faces, extra=0)
    inside = field.numbers(samples.position + np.float32(OFFSET) * samples.normal, exact=True) > 0.5
    seen = np.bincount(samples.face, inside, len(faces)) == 0
    own = len(solid.faces) - solid.filled
    return replace(
        solid,
        faces=np.concatenate([solid.faces[:own], faces[seen], solid.faces[own:]]),
        patch=np.concatenate([solid.patch[:own], patch[seen], solid.patch[own:]]),
    )


def _sort_faces(
    solid: Solid, sheets: NDArray[np.int32], visible: NDArray[np.float32], device: str
) -> Shell:
    vertices = solid.vertices.astype(np.float32)
    winding = WindingField(vertices, solid.faces, device, levels=2)
    bare, outer, clusters = _bare_and_outer(vertices, solid, winding)
    winding.levels = len(LEVELS)
    if bare.any():
        # Without them the winding numbers of the others are cleaner.
        own = len(solid.faces) - solid.filled
        sheets = np.concatenate([sheets, solid.faces[:own][bare[:own]]])
        solid = solid.without(bare)
        winding = WindingField(vertices, solid.faces, device)
        _, outer, clusters = _bare_and_outer(vertices, solid, winding)
    pieces = Pieces(vertices, solid.faces, outer, np.arange(len(solid.faces)))
    if len(solid.faces):
        pieces = expose(vertices, solid.faces, outer, clusters, winding, device)
    return Shell(
        pieces.vertices,
        solid.faces,
        pieces.faces,
        pieces.outer,
        pieces.source,
        sheets,
        visible,
        solid.filled,
        winding,
    )


def _bare_and_outer(
    vertices: NDArray[np.float32], solid: Solid, winding: WindingField
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Which faces (F,) have no inside behind them, which have it, and outside before; clusters."""
    grown = vertices.astype(np.float64)
    clusters = cluster(grown, solid.faces, solid.patch)
    samples = sample_clusters(grown, solid.faces, clusters)
    before = winding.numbers(samples.position + np.float32(BEFORE) * samples.normal)
    behind = before + 1  # which is what crossing one face does
    lacks = (behind < BARE) & ~_folded(before, samples, solid.patch)
    bare, bounds, weight = (
        np.bincount(clusters[samples.face], samples.area * holds, len(solid.faces))[clusters]
        for holds in (lacks, (behind >= 0.5) & (before < 0.5), np.ones(len(before)))
    )
    is_bare = bare > 0.5 * weight
    outer = (bounds > 0) & ~is_bare
    return is_bare, outer, clusters


def _folded(
    before: NDArray[np.float32], samples: SurfaceSamples, patch: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which samples (S,) lie where a solid patch goes through itself and is inside out.

    They have nothing behind them, either, but are no sheets: without them, the solid has a hole.
    """
    inverted = before < -0.75
    owner = patch[samples.face]
    bare = np.bincount(owner, samples.area * (before + 1 < BARE))
    whole = np.bincount(owner, samples.area)
    folded: NDArray[np.bool_] = inverted & (bare < FOLD * whole)[owner]
    return folded
