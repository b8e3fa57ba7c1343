"""Files of meshes in every format, and what `load` promises of them."""

import numpy as np
import pytest
import trimesh

from shapegan.pipeline.meshes.load import SUFFIXES, load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh

BOX = trimesh.creation.box((1, 2, 3))
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
PLY = (
    "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
    "property float z\nelement face {}\nproperty list uchar int vertex_indices\nend_header\n"
)


def exported(suffix, mesh=BOX):
    data = mesh.export(file_type=suffix.removeprefix("."))
    if isinstance(data, dict):  # glTF: the buffers go into the file itself
        data = mesh.export(file_type="gltf", merge_buffers=True, embed_buffers=True)["model.gltf"]
    return data.encode() if isinstance(data, str) else data


CONTENTS = {suffix: exported(suffix) for suffix in SUFFIXES}
CONTENTS[".ply ascii"] = BOX.export(file_type="ply", encoding="ascii")
CONTENTS[".stl ascii"] = BOX.export(file_type="stl_ascii").encode()


def write(folder, data, name="mesh.obj"):
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(folder, data, name="mesh.obj"):
    """Loads what is written, with all that is promised."""
    mesh = load(write(folder, data, name))
    check(mesh)
    return mesh


def check(mesh):
    assert isinstance(mesh, TriangleMesh)
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int32
    assert mesh.vertices.shape == (len(mesh.vertices), 3)
    assert mesh.faces.shape == (len(mesh.faces), 3)
    assert len(mesh.faces) > 0
    assert np.isfinite(mesh.vertices).all()
    np.testing.assert_array_equal(np.unique(mesh.faces), np.arange(len(mesh.vertices)))


def rejection_reason(folder, data, name="mesh.obj"):
    """The one line that is said of a file."""
    path = write(folder, data, name)
    with pytest.raises(BadMeshError) as error:
        load(path)
    return one_line(error.value)


def one_line(error):
    line = str(error)
    assert 0 < len(line) <= 160
    assert line.isprintable()
    return line


def triangles(vertices, faces):
    """Faces as a sorted list of corners, whatever the order of both."""
    corners = np.round(np.asarray(vertices, np.float64)[faces], 6) + 0.0
    return sorted(tuple(sorted(map(tuple, face))) for face in corners.tolist())
