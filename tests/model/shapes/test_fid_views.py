from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.testing import assert_allclose
from PIL import Image

from shapegan.model.shapes.fid_views import cameras, dodecahedron, draw_views, write_views


@dataclass
class Triangles:
    vertices: np.ndarray
    faces: np.ndarray


def ball(subdivisions=2):
    mesh = trimesh.creation.icosphere(subdivisions)
    return Triangles(7 * np.asarray(mesh.vertices) + 3, np.asarray(mesh.faces))


def test_views_are_from_the_vertices_of_a_dodecahedron():
    points = dodecahedron()
    assert_allclose(np.linalg.norm(points, axis=1), 1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    edge = np.sort(apart, axis=1)[:, 1:4]
    assert_allclose(edge, edge[0, 0])  # each has three neighbours, equally far
    eyes = [camera.eye for camera in cameras()]
    assert_allclose(eyes, 2 * points, atol=1e-12)


def test_a_ball_looks_alike_in_size_from_everywhere_and_fits():
    pictures = draw_views(ball(), size=48)
    assert len(pictures) == 20
    shares = [(picture < 250).any(axis=2).mean() for picture in pictures]
    assert min(shares) > 0.6
    assert max(shares) - min(shares) < 0.05


def test_a_folder_for_each_view_without_empty_shapes(tmp_path):
    empty = Triangles(np.zeros((0, 3)), np.zeros((0, 3), int))
    write_views(tmp_path, ["one", "none"], [ball(1), empty], 16)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert found == [f"view-{number:02d}/one.png" for number in range(20)]
    with Image.open(tmp_path / found[0]) as picture:
        assert picture.size == (16, 16)
