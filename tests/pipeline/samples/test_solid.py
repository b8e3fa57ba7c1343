import json

import numpy as np
import pytest
from scipy.spatial import cKDTree
from support import shapes

from shapegan.pipeline.samples.parts import arc, box, disc, lathe, plate, rod
from shapegan.pipeline.samples.solid import Solid, SolidError, load_solid

SOLID = Solid(
    primitives=(
        box((0, 0, 0), (2, 1, 1)),
        box((0.8, 0.5, 0), (1, 1, 1), 0.1),
        rod((0, 0, 0), (0, 2, 0), 0.3, 0.2),
        disc((0, -1, 0), 1, 0.2),
        arc((0, 0, 0), [[1, -1], [1.3, -1], [1.3, 0.5], [1, 0.5]], 120),
    ),
    sheets=(
        plate([[-1, -1], [1, -1], [1, 1], [-1, 1]], 0.0, (0, 2.5, 0)),
        lathe([[0.5, 0], [0.3, 1]], (0, 3, 0)),
    ),
    center=(0.1, 0.2, 0.3),
    scale=0.25,
)


def own(points):
    return points / SOLID.scale + np.array(SOLID.center)


def test_is_the_union_in_the_meshs_units():
    points = shapes.points_around(3000, reach=0.9).astype(np.float64)
    expected = SOLID.scale * np.min([p.distance(own(points)) for p in SOLID.primitives], axis=0)
    np.testing.assert_allclose(SOLID.signed_distance(points), expected, atol=1e-12)
    sheets = SOLID.scale * np.min([p.distance(own(points)) for p in SOLID.sheets], axis=0)
    np.testing.assert_allclose(SOLID.sheet_distance(points), sheets, atol=1e-12)
    assert (expected < 0).any()


def test_agrees_with_its_mesh():
    solid = Solid(SOLID.primitives, (), SOLID.center, SOLID.scale)
    mesh = solid.mesh(tolerance=2e-3)
    points = shapes.points_around(400, reach=0.5).astype(np.float64)
    inside = shapes.winding_numbers(points, mesh.vertices, mesh.faces) > 0.5
    got = solid.signed_distance(points)
    clear = np.abs(got) > 1e-3
    np.testing.assert_array_equal((got < 0)[clear], inside[clear])
    gap = shapes.distances(points[~inside], mesh.vertices, mesh.faces)
    np.testing.assert_allclose(got[~inside], gap, atol=6e-4)
    on_faces = shapes.points_near((mesh.vertices, mesh.faces), 20_000, 1e-9).astype(np.float64)
    visible = on_faces[solid.signed_distance(on_faces) > -6e-4]
    depth = cKDTree(visible).query(points[inside])[0]
    assert (-got[inside] <= depth + 6e-4).all()


def test_without_sheets_none_is_near():
    assert np.isposinf(Solid(SOLID.primitives).sheet_distance(np.zeros((2, 3)))).all()


def test_the_file_gives_it_back(tmp_path):
    path = tmp_path / "solid.json"
    path.write_text(SOLID.to_json())
    again = load_solid(path)
    points = shapes.points_around(500).astype(np.float64)
    np.testing.assert_array_equal(again.signed_distance(points), SOLID.signed_distance(points))
    np.testing.assert_array_equal(again.sheet_distance(points), SOLID.sheet_distance(points))
    assert again.to_json() == SOLID.to_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(json.loads(SOLID.to_json()) | {"format": 2}),
        json.dumps(json.loads(SOLID.to_json()) | {"center": [1, 2]}),
        SOLID.to_json().replace("prism", "orb"),
        SOLID.to_json().replace("outline", "line"),
    ],
)
def test_files_without_a_solid_give_one_line(tmp_path, text):
    path = tmp_path / "solid.json"
    path.write_text(text)
    with pytest.raises(SolidError, match=r"solid.json") as caught:
        load_solid(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(SolidError):
        load_solid(tmp_path / "none.json")
