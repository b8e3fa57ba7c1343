import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

FOLDER = Path(__file__).parents[2] / "benchmarks"

AC3D = """AC3Db
MATERIAL "grey" rgb 1 1 1  amb 1 1 1  emis 0 0 0  spec 0 0 0  shi 1  trans 0
OBJECT world
kids 1
OBJECT group
loc 10 0 0
kids 1
OBJECT poly
name "plate"
data 8
SURF 0x0
loc 0 5 0
rot 0 1 0 -1 0 0 0 0 1
numvert 4
0 0 0
1 0 0

1 1 0
0 1 0
numsurf 2
SURF 0x20
mat 0
refs 4
0 0 0
1 0 0
2 0 0
3 0 0
SURF 0x12
mat 0
refs 2
0 0 0
1 0 0
kids 0
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in ("catalogue", "real_shapes"):
        sys.modules.pop(name, None)


def test_ac3d_objects_are_put_in_their_places_and_lines_left_out(tmp_path):
    import real_shapes

    path = tmp_path / "plate.ac"
    path.write_text(AC3D)
    mesh = real_shapes.read_ac3d(path)
    # Rows of `rot` are where the object's axes go: x to y, and y to -x.
    assert_allclose(mesh.vertices, [[10, 5, 0], [10, 6, 0], [9, 6, 0], [9, 5, 0]])
    assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3]])


def test_shapes_are_rotated_not_mirrored():
    import real_shapes

    for rotation in real_shapes.TO_SHAPENET.values():
        assert_allclose(rotation @ rotation.T, np.eye(3))
        assert np.linalg.det(rotation) == pytest.approx(1)
    assert_allclose(real_shapes.TO_SHAPENET["furniture"] @ [0, 0, 1], [0, 0, -1])  # its front
    assert_allclose(real_shapes.TO_SHAPENET["aircraft"] @ [-1, 0, 0], [0, 0, -1])  # its nose


def test_furniture_is_rotated_by_its_catalogue_and_then_to_shapenets_axes(tmp_path, monkeypatch):
    import real_shapes
    from catalogue import CATALOGUE

    entries = ["name#1=Armchair", "model#1=/shop/arm.obj", "modelRotation#1=1 0 0 0 0 1 0 -1 0"]
    entries += [
        "name#2=Chair",
        "model#2=/shop/chair.obj",
        "name#3=Wheelchair",
        "model#3=/shop/w.obj",
    ]
    with zipfile.ZipFile(tmp_path / "shop.sh3f", "w") as file:
        file.writestr(CATALOGUE, "\n".join(entries))
        for name in ("arm", "chair", "w"):
            file.writestr(f"shop/{name}.obj", "v 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\n")
    monkeypatch.setattr(real_shapes, "FURNITURE", tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    real_shapes.write_kind("chairs", out)
    assert sorted(path.name for path in out.iterdir()) == ["shop-arm.obj", "shop-chair.obj"]
    arm, chair = (real_shapes.load(path).vertices for path in sorted(out.iterdir()))
    # The first stood on z, and its front was to -y.
    assert_allclose(arm, [[-1, 0, 0], [0, 0, 1], [0, 1, 0]])
    assert_allclose(chair, [[-1, 0, 0], [0, 1, 0], [0, 0, -1]])
