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

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.queries.rims import rim_edges
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.mouths import have_open_mouths
from shapegan.pipeline.shell.orientation import OrientedPatches, wound_alike
from shapegan.pipeline.shell.side_tests import OUTSIDE, SideTest, normals_of
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET

FAINT = 0.2
"""A patch whose better side sees less of the sky than this share may face the other way."""

BOTH_SIDES = 0.2
"""Either side of a patch may be in front if its back sees more than this share of what its front
sees. A leak by which light comes into a hidden part shows less of the sky than that."""


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
    test = SideTest(vertices.astype(np.float32), patches, device)
    sheet, faces = patches.two_sided & ~patches.dim, patches.faces
    doubtful = _doubtful(as_wound, patches)

    # 1. Walls by the windings of the mesh, with light in front.
    agrees = test.outside_in_front(as_wound, doubtful | ~sheet, doubtful)
    wall = test.lit(as_wound, agrees)
    faces = test.choose(wall, as_wound, faces)

    # 2. Walls by light.
    certain = ~patches.dim & ~sheet
    faces, wall = _add_walls_by_light(test, faces, wall, certain, doubtful & ~certain & ~agrees)

    # 3. Walls by the windings of the mesh, with a wall in little light in view.
    if (agrees & ~wall).any():
        in_light = wall | certain & (patches.front < FAINT)
        in_view = test.walls_in_view(faces, as_wound, in_light, agrees & ~wall)
        wall, faces = wall | in_view, test.choose(in_view, as_wound, faces)
    return faces, wall


def _add_walls_by_light(
    test: SideTest,
    faces: NDArray[np.int32],
    wall: NDArray[np.bool_],
    certain: NDArray[np.bool_],
    candidates: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Find candidates (P,) with light on one side and, with that side in front, the outside.

    Where light comes to both sides, as through a missing rim, either may be the front: so little
    light does not show which side sees more. A small mouth hardly lets any in.

    Args:
        test: tests of P patches of F faces.
        faces: (F, 3), with the front of walls in front.
        wall: (P,), walls found so far.
        certain: (P,), other patches that bound the solid.
        candidates: (P,), the patches to test.

    Returns:
        Faces (F, 3) and walls (P,) with those found.
    """
    patches = test.patches
    lit_sides = (
        (faces, patches.front > 0),
        (faces[:, ::-1], patches.back > BOTH_SIDES * patches.front),
    )
    while True:
        before = wall
        for sides, lit in lit_sides:
            left = candidates & ~wall
            outside = functools.partial(test.are_outside_with, faces, wall | certain, sides)
            mouths = have_open_mouths(test.vertices, sides, patches, left & ~lit, outside)
            chosen = left & lit | mouths
            turned = test.choose(chosen, sides, faces)
            found = test.walls_by_light(turned, wall | certain, chosen)
            wall, faces = wall | found, test.choose(found, sides, faces)
        # A wall that was found leaves the outside where there was none: look at the others again.
        if (wall == before).all() or not (candidates & ~wall).any():
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
    normal = normals_of(as_wound, patches)
    in_front = patches.samples.position + np.float32(RAY_OFFSET) * normal
    # The finest grid does not pay off for these few points.
    return bool(field.numbers(in_front, grids=2).min() > -OUTSIDE)
