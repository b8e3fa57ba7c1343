"""Draw README.md's comparison again: a mesh beside its 64^3 voxels by mesh-to-sdf and by shapegan.

python docs/make_comparison.py MESH    # comparison.png; about a minute, and needs OpenGL

The picture in README.md shows `antiquechair` of Debian's `sweethome3d-furniture` (CC0).
"""

import sys
from pathlib import Path

import trimesh
import warp as wp
from drawing import Group, draw, save

from shapegan.pipeline import MeshSDF, load
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.pictures.render import CLAY, Camera, Color
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, ScannedSurface

IMAGE = Path(__file__).parent / "images" / "comparison.png"
RESOLUTION = 64
AZIMUTH = 35.0
"""Sees the front of Sweet Home 3D's furniture, which faces +z."""

BLUE: Color = (0.47, 0.63, 0.82)


def main() -> None:
    """Draw the comparison for the mesh that the command line names."""
    wp.config.log_level = wp.LOG_WARNING
    mesh = load(Path(sys.argv[1]))

    # 1. Both fields, on the same grid
    ours = MeshSDF(mesh)
    vertices = trimesh.transform_points(mesh.vertices, ours.transform("mesh", "cube"))
    scanned = ScannedSurface(vertices, mesh.faces, CUBE_RADIUS).voxels(RESOLUTION)

    # 2. The mesh, and the surface of each field at level 0, from the same camera
    camera = Camera(azimuth=AZIMUTH).fitted(vertices)
    row = [(f"the mesh: {len(mesh.faces):,} faces", [Group(vertices, mesh.faces, CLAY)])]
    for name, voxels in (("mesh-to-sdf", scanned), ("shapegan", ours.voxels(RESOLUTION))):
        row.append((f"{name}, {RESOLUTION}^3 voxels", [Group(*extract_surface(voxels), BLUE)]))
    save(IMAGE, [[(caption, draw(groups, camera)) for caption, groups in row]])


if __name__ == "__main__":
    main()
