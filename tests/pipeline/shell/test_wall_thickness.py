import numpy as np
import pytest
from support import shapes

from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.build import Shell, build_shell
from shapegan.pipeline.shell.wall_thickness import (
    MIN_THICKNESS,
    interpolate_at_splits,
    local_thickness,
)


def depths_of(*meshes):
    """Vertices of the shell, and how thick it is at each."""
    shell = build_shell(*shapes.join(*meshes))
    return shell.vertices, local_thickness(shell)


def test_thickness_is_the_distance_to_the_opposite_side():
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


def test_a_wall_thinner_than_the_ray_offset_has_the_smallest_thickness():
    """Behind the plate lies a block, which the rays from the plate would end in."""
    block = shapes.box((1.8, 1.8, 0.5), (0, 0, -0.6))
    # No shell is built, since to that the plate is a sheet.
    vertices, faces = shapes.join(shapes.thin_plate(1e-4), block)
    vertices = vertices.astype(np.float32)
    winding = WindingField(vertices, faces)
    none = np.zeros((0, 3))
    every, outer = np.arange(len(faces)), np.ones(len(faces), bool)
    shell = Shell(vertices, faces, faces, outer, every, none, none, 0, winding)
    depth = local_thickness(shell)
    on_plate = (np.abs(vertices[:, :2]).max(axis=1) < 0.9) & (np.abs(vertices[:, 2]) < 0.1)
    assert on_plate.any()
    np.testing.assert_allclose(depth[on_plate], MIN_THICKNESS, rtol=1e-3)


def test_overlapping_parts_have_the_thickness_of_their_union():
    half = [shapes.box((0.5, 1.0, 1.0), (x, 0, 0), 2) for x in (-0.2, 0.2)]
    vertices, depth = depths_of(*half)
    inner = (np.abs(vertices[:, 1:]) < 0.3).all(axis=1)
    end = inner & (np.abs(np.abs(vertices[:, 0]) - 0.45) < 1e-6)
    assert end.any()
    np.testing.assert_allclose(depth[end], 0.9, rtol=1e-3)


def test_a_sheet_has_infinite_thickness():
    assert np.isinf(depths_of(shapes.plane())[1]).all()


def frame_of_boards():
    """Boards of three thicknesses that go through each other, no two of them cut alike."""
    boards = [
        shapes.box((1.6, 1.2, 0.02), (0.1, 0, 0.3)),
        shapes.box((0.012, 0.9, 1.5), (-0.4, 0.05, 0)),
        shapes.turned(shapes.box((1.3, 0.008, 1.1), (0, 0.1, 0.1)), 0.3),
    ]
    return build_shell(*shapes.join(*boards))


def heights_at(shell, values, vertex):
    """What outer pieces of a face and its neighbours make of values, where one has a vertex."""
    place = shell.vertices[vertex].astype(float)
    corners = shell.solid[shell.source]
    face = corners[(shell.pieces == vertex).any(axis=1)][0]
    beside = np.isin(corners, face).sum(axis=1) >= 2
    found = []
    for piece in shell.pieces[shell.exterior & beside]:
        a, b, c = shell.vertices[piece].astype(float)
        weights = np.linalg.lstsq(np.vstack([np.transpose([a, b, c]), np.ones(3)]), [*place, 1])[0]
        off = np.linalg.norm(weights @ [a, b, c] - place)
        if weights.min() > -1e-5 and off < 1e-6:
            found.append(weights @ values[piece])
    return found


def test_adjacent_faces_agree_on_their_edge_wherever_they_are_split():
    shell = frame_of_boards()
    used = np.unique(shell.pieces[shell.exterior])
    taken = np.setdiff1d(used, shell.solid)
    assert len(taken) > 20
    # What is linear in space stays so.
    linear = (shell.vertices @ [0.3, -0.2, 0.5]).astype(np.float32)
    lost = linear.copy()
    lost[taken] = np.nan
    np.testing.assert_allclose(interpolate_at_splits(shell, lost)[used], linear[used], atol=1e-6)
    # What is not has no steps.
    values = np.random.default_rng(1).random(len(linear)).astype(np.float32)
    values = interpolate_at_splits(shell, values)
    heights = [heights_at(shell, values, vertex) for vertex in taken]
    assert max(map(len, heights)) > 3
    assert max(map(np.ptp, heights)) < 1e-3


def test_pieces_count_for_their_whole_face():
    shell = frame_of_boards()
    depth = local_thickness(shell)
    assert len(shell.pieces) > len(shell.solid)
    for axis, thickness in ((2, 0.02), (0, 0.012)):
        corner = [0.9, 0.6, 0.31] if axis == 2 else [-0.406, 0.5, 0.75]
        at = np.linalg.norm(shell.vertices - corner, axis=1).argmin()
        # The rims, which see far, count little.
        assert depth[at] == pytest.approx(thickness, rel=0.15)
