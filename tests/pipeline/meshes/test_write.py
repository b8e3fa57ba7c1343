import numpy as np
import pytest
import trimesh
from support import shapes

from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh
from shapegan.pipeline.meshes.write import encode_mesh

FORMATS = pytest.mark.parametrize("suffix", MESH_FORMATS)


def ball(place=(0, 0, 0), radius=0.7):
    vertices, faces = shapes.icosphere(radius, 2)
    return TriangleMesh(np.asarray(vertices, float) + place, faces)


def written(mesh, suffix, folder):
    path = folder / f"mesh.{suffix}"
    path.write_bytes(encode_mesh(mesh, suffix))
    return path


@FORMATS
def test_trimesh_and_load_read_what_was_written(suffix, tmp_path):
    mesh = ball()
    path = written(mesh, suffix, tmp_path)
    for read in (trimesh.load(path, force="mesh"), load(path)):
        places = np.asarray(read.vertices)[np.asarray(read.faces)]
        expected = mesh.vertices[mesh.faces]
        assert len(places) == len(expected)
        np.testing.assert_allclose(places, expected, atol=1e-6)
    assert trimesh.load(path, force="mesh").is_watertight


@pytest.mark.parametrize("suffix", ["obj", "ply", "glb"])
def test_meshes_far_from_the_origin_keep_their_precision(suffix, tmp_path):
    mesh = ball((1e6, -3e6, 2e6))
    read = load(written(mesh, suffix, tmp_path))
    got, expected = read.vertices[read.faces], mesh.vertices[mesh.faces]
    np.testing.assert_allclose(got - [1e6, -3e6, 2e6], expected - [1e6, -3e6, 2e6], atol=2e-7)


def test_stl_refuses_meshes_that_it_is_too_coarse_for():
    with pytest.raises(BadMeshError, match="take OBJ, PLY or GLB"):
        encode_mesh(ball((1e8, 0, 0)), "stl")
    encode_mesh(ball((100, 0, 0)), "stl")


@pytest.mark.parametrize("radius", [1e-7, 1e7])
def test_obj_has_enough_digits(radius, tmp_path):
    mesh = ball(radius=radius)
    read = load(written(mesh, "obj", tmp_path))
    np.testing.assert_allclose(read.vertices, mesh.vertices, atol=2e-9 * radius)


def test_single_precision_stays_single_in_ply(tmp_path):
    mesh = ball()
    single = TriangleMesh(mesh.vertices.astype(np.float32), mesh.faces)
    assert b"property float x" in encode_mesh(single, "ply")
    assert b"property double x" in encode_mesh(mesh, "ply")


def test_other_formats_are_refused():
    with pytest.raises(ValueError, match="format: got 'dxf', takes obj or ply or stl or glb"):
        encode_mesh(ball(), "dxf")
