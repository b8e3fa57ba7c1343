import numpy as np
import shapes

from shapegan.pipeline.shell import Shell, build_shell
from shapegan.pipeline.walls import THINNEST, wall_depths
from shapegan.pipeline.winding import WindingField


def depths_of(*meshes):
    """Vertices of the shell, and how thick it is at each."""
    shell = build_shell(*shapes.join(*meshes))
    return shell.vertices, wall_depths(shell, "cpu")


def test_depth_is_the_thickness_behind():
    vertices, depth = depths_of(shapes.thin_plate(0.02))
    middle = np.abs(vertices[:, :2]).max(axis=1) < 0.9
    np.testing.assert_allclose(depth[middle], 0.02, rtol=1e-3)
    vertices, depth = depths_of(shapes.box((1.0, 0.6, 2.0), subdivisions=1))
    # In the middles of the faces.
    for axis, thickness in enumerate((1.0, 0.6, 2.0)):
        center = np.flatnonzero((np.abs(vertices) > 1e-6).sum(axis=1) == 1)
        there = center[np.abs(vertices[center, axis]) > 1e-6]
        assert len(there) == 2
        np.testing.assert_allclose(depth[there], thickness, rtol=1e-3)


def test_a_wall_that_a_ray_would_begin_beyond_is_as_thin_as_any():
    """Behind the plate lies a block, which the rays from the plate would end in."""
    block = shapes.box((1.8, 1.8, 0.5), (0, 0, -0.6))
    # No shell is built, since to that the plate is a sheet.
    vertices, faces = shapes.join(shapes.thin_plate(1e-4), block)
    vertices = vertices.astype(np.float32)
    winding = WindingField(vertices, faces)
    none = np.zeros((0, 3))
    shell = Shell(vertices, faces, faces, np.ones(len(faces), bool), none, none, 0, winding)
    depth = wall_depths(shell, "cpu")
    on_plate = (np.abs(vertices[:, :2]).max(axis=1) < 0.9) & (np.abs(vertices[:, 2]) < 0.1)
    assert on_plate.any()
    np.testing.assert_allclose(depth[on_plate], THINNEST, rtol=1e-3)


def test_parts_are_as_thick_as_they_are_together():
    half = [shapes.box((0.5, 1.0, 1.0), (x, 0, 0), 2) for x in (-0.2, 0.2)]
    vertices, depth = depths_of(*half)
    inner = (np.abs(vertices[:, 1:]) < 0.3).all(axis=1)
    end = inner & (np.abs(np.abs(vertices[:, 0]) - 0.45) < 1e-6)
    assert end.any()
    np.testing.assert_allclose(depth[end], 0.9, rtol=1e-3)


def test_a_sheet_has_no_depth():
    assert np.isinf(depths_of(shapes.plane())[1]).all()
