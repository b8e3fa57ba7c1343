"""Shell: the exterior faces of a mesh, oriented outwards, and its thin sheets.

The windings of a mesh are unreliable, so visibility decides. Rays go out from both sides of every
face, and the side that sees more of the sky is the front (Takayama et al. 2014, "A simple method
for correcting facet orientations in polygon meshes based on ray casting"). Patches of connected
faces vote together. A patch that sees no sky is hidden. A patch that sees about as much from behind
as from the front is a sheet, which has no inside. The others enclose the solid once its holes are
closed.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.queries.winding import GRIDS, WindingField
from shapegan.pipeline.shell.exterior import PROBE_DISTANCE, SplitFaces, split_exterior
from shapegan.pipeline.shell.hole_filling import Solid, close_holes
from shapegan.pipeline.shell.patches import find_patches
from shapegan.pipeline.shell.surface_samples import (
    RAY_OFFSET,
    SurfaceSamples,
    cluster_faces,
    pick_by_area,
    sample_clusters,
    sample_faces,
)

RAYS = 8
"""Rays from each side of a sample in meshes where most faces vote alone; half as many in others."""

HIDDEN = 0.02
"""A patch whose better side sees less of the sky than this share may be hidden."""

TWO_SIDED = 0.5
"""A patch is a sheet if its back sees more than this share of what its front sees. The ratio is 1
for a flat sheet, 0.4 for an open hemisphere, 0.2 for a cube without a bottom."""

NO_INSIDE = 0.6
"""A face has no inside behind it if the winding number there is below this. It is 0.5 for a flat
sheet on its own, 0.75 or more for a wall of a cube without a bottom."""

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

    @property
    def device(self) -> str:
        """Warp's name of the device that the shell was built for."""
        return self.winding.device


def build_shell(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], device: str = "cpu"
) -> Shell:
    """Find the shell of a clean mesh.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), from `shapegan.pipeline.meshes.clean.clean`.
        device: Warp's name of the device for all queries against the shell.
    """
    # 1. Orient every patch by what its two sides see.
    patches = _orient_patches(vertices, faces, device)

    # 2. Divide patches into sheets, solid ones, and dim ones, which may be hidden within the solid.
    two_sided = patches.back > TWO_SIDED * patches.front
    dim = patches.front < HIDDEN
    sheet = two_sided & ~dim
    is_solid, is_dim = (~sheet & ~dim)[patches.patch], dim[patches.patch]
    solid, open_ended = close_holes(
        vertices, patches.faces[is_solid], patches.patch[is_solid], device
    )
    if is_dim.any():
        solid = _add_exposed(solid, patches.faces[is_dim], patches.patch[is_dim], device)

    # 3. Split the solid's faces into exterior and interior; add faces without an inside to sheets.
    sheets = np.concatenate([patches.faces[sheet[patches.patch]], open_ended])
    return _split_solid(solid, sheets, patches.visible, device)


@dataclass(frozen=True)
class _OrientedPatches:
    """Patches with their better side to the front."""

    faces: NDArray[np.int32]
    """(F, 3)."""
    patch: NDArray[np.int32]
    """(F,), the patch of each face, 0 to P - 1."""
    front: NDArray[np.float64]
    """(P,), share of the sky that the front sees, averaged by area."""
    back: NDArray[np.float64]
    """(P,), share of the sky that the back sees; at most `front`."""
    visible: NDArray[np.float32]
    """As in `Shell`."""


def _orient_patches(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], device: str
) -> _OrientedPatches:
    """Wind each patch consistently, with the side in front that sees more of the sky."""
    # 1. Cast rays from both sides of every face.
    patches = find_patches(faces)
    clusters = cluster_faces(vertices, patches.faces, patches.patch)
    samples = sample_clusters(vertices, patches.faces, clusters)
    rays = RAYS if patches.count > 0.2 * len(faces) else RAYS // 2
    scene = RayScene(vertices, patches.faces, device)
    sky = scene.sky_fractions(samples.position, samples.normal, rays, RAY_OFFSET)
    visible = samples.position[pick_by_area(samples, sky.max(axis=1) > 0)]

    # 2. Sum over each patch, and flip the patches whose back sees more.
    owner = patches.patch[samples.face]
    front, back = (
        np.bincount(owner, samples.area * sky[:, side], patches.count) for side in (0, 1)
    )
    area = np.bincount(owner, samples.area, patches.count)
    flip = back > front
    return _OrientedPatches(
        np.where(flip[patches.patch][:, None], patches.faces[:, ::-1], patches.faces),
        patches.patch,
        np.maximum(front, back) / area,
        np.minimum(front, back) / area,
        visible,
    )


def _add_exposed(
    solid: Solid, faces: NDArray[np.int32], patch: NDArray[np.int32], device: str
) -> Solid:
    """Add dim faces (N, 3) of patches (N,) to the solid, except those that lie inside it."""
    field = WindingField(solid.vertices.astype(np.float32), solid.faces, device)
    samples = sample_faces(solid.vertices, faces, extra=0)
    in_front = samples.position + np.float32(RAY_OFFSET) * samples.normal
    inside = field.numbers(in_front, exact=True) > 0.5
    exposed = np.bincount(samples.face, inside, len(faces)) == 0
    own = len(solid.faces) - solid.filled
    return replace(
        solid,
        faces=np.concatenate([solid.faces[:own], faces[exposed], solid.faces[own:]]),
        patch=np.concatenate([solid.patch[:own], patch[exposed], solid.patch[own:]]),
    )


def _split_solid(
    solid: Solid, sheets: NDArray[np.int32], visible: NDArray[np.float32], device: str
) -> Shell:
    """Move faces without an inside from the solid to the sheets, and split its other faces."""
    vertices = solid.vertices.astype(np.float32)
    winding = WindingField(vertices, solid.faces, device)
    # The finest grid does not pay off for these few points.
    classes = _classify_faces(vertices, solid, winding, grids=2)
    if classes.sheet.any():
        # The winding numbers of the other faces are more accurate without the sheets.
        own = len(solid.faces) - solid.filled
        sheets = np.concatenate([sheets, solid.faces[:own][classes.sheet[:own]]])
        solid = solid.without(classes.sheet)
        winding = WindingField(vertices, solid.faces, device)
        classes = _classify_faces(vertices, solid, winding, grids=len(GRIDS))
    whole = np.arange(len(solid.faces))
    split_up = SplitFaces(vertices, solid.faces, classes.exterior, whole)
    if len(solid.faces):
        split_up = split_exterior(
            vertices, solid.faces, classes.exterior, classes.clusters, winding, device
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
