"""Orientation: the side of each patch that faces outwards, by what its two sides see of the sky.

Rays go out from both sides of every face, and patches of connected faces vote together (Takayama
et al. 2014, "A simple method for correcting facet orientations in polygon meshes based on ray
casting").
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import any_true, take_rows
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.shell.patches import Patches, closed_patches, find_patches
from shapegan.pipeline.shell.surface_samples import (
    RAY_OFFSET,
    SurfaceSamples,
    cluster_faces,
    pick_by_area,
    sample_clusters,
)
from shapegan.pipeline.triangles import areas, centroids, cross_products

RAYS = 8
"""Rays from each side of a sample in meshes where most faces vote alone; half as many in others."""

HIDDEN = 0.02
"""A patch whose better side sees less of the sky than this share may be hidden."""

TWO_SIDED = 0.5
"""A patch is a sheet if its back sees more than this share of what its front sees. The ratio is 1
for a flat sheet, 0.4 for an open hemisphere, 0.2 for a cube without a bottom."""


@dataclass(frozen=True)
class OrientedPatches:
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
    """(M, 3), points spread evenly over the faces, where they see the sky."""
    samples: SurfaceSamples
    """S samples that the rays started from, with the normals of `faces`."""
    sky: NDArray[np.float32]
    """(S, 2), the share of the sky that each sample sees in front and behind."""
    scene: RayScene
    """All faces, for more rays."""

    @property
    def dim(self) -> NDArray[np.bool_]:
        """(P,), patches that see hardly any sky and may be hidden within the solid."""
        return self.front < HIDDEN

    @property
    def two_sided(self) -> NDArray[np.bool_]:
        """(P,), patches whose back sees about as much as their front."""
        return self.back > TWO_SIDED * self.front


def orient_patches(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], device: str
) -> OrientedPatches:
    """Wind each patch consistently, with the side in front that sees more of the sky.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), of a clean mesh.
        device: Warp's name of the device.
    """
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
    inside_out = back + front == 0
    if inside_out.any():
        inside_out &= _volumes(vertices, patches) < 0
    if inside_out.any():  # without light on either side, a closed patch is taken for a body
        flip |= inside_out & closed_patches(patches.faces, patches.patch)
    turned = flip[owner][:, None]
    return OrientedPatches(
        np.where(flip[patches.patch][:, None], patches.faces[:, ::-1], patches.faces),
        patches.patch,
        np.maximum(front, back) / area,
        np.minimum(front, back) / area,
        visible,
        replace(samples, normal=np.where(turned, -samples.normal, samples.normal)),
        np.where(turned, sky[:, ::-1], sky),
        scene,
    )


def _volumes(vertices: NDArray[np.float64], patches: Patches) -> NDArray[np.float64]:
    """Volumes (P,) between the faces and the middle of each patch, negative if it is inside out.

    Args:
        vertices: (V, 3).
        patches: P patches.
    """
    corners, patch = take_rows(vertices, patches.faces), patches.patch
    center, count = centroids(corners), np.bincount(patch)
    middle = np.stack([np.bincount(patch, center[:, k]) / count for k in range(3)], axis=1)
    way = center - take_rows(middle, patch)
    sixfold = (way * cross_products(corners)).sum(axis=1)
    volume: NDArray[np.float64] = np.bincount(patch, sixfold, len(count)) / 6
    return volume


def wind_as_given(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], patches: OrientedPatches
) -> NDArray[np.int32]:
    """Faces (F, 3) in their own windings, all reversed if most of the visible area is inside out.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), as the mesh has them.
        patches: the same faces, oriented by what they see.
    """
    area = areas(take_rows(vertices, faces)) * ~patches.dim[patches.patch]
    agrees = wound_alike(faces, patches.faces)
    return faces if area[agrees].sum() >= area[~agrees].sum() else faces[:, ::-1]


def wound_alike(one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Faces (F,) that are wound alike in two windings (F, 3) of one mesh."""
    return ~any_true(one != other)
