import base64
import json
import warnings

import numpy as np
import pytest
import trimesh

from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError

BOX = trimesh.creation.box((1, 2, 3))
CORNERS = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
BYTES = np.array(CORNERS, "<f4").tobytes()


def write(folder, data, name="mesh.gltf"):
    path = folder / name
    path.write_bytes(data)
    return path


def rejection_reason(folder, data, name="mesh.gltf"):
    """The one line that is said of a file."""
    with pytest.raises(BadMeshError) as error:
        load(write(folder, data, name))
    assert len(str(error.value)) <= 160
    assert str(error.value).isprintable()
    return str(error.value)


def gltf(**changes):
    """A glTF file of one triangle, with parts of it replaced."""
    tree = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": f"data:;base64,{base64.b64encode(BYTES).decode()}"}],
    }
    return json.dumps(tree | changes).encode()


def triangles(vertices, faces):
    corners = np.round(np.asarray(vertices, np.float64)[faces], 6) + 0.0
    return sorted(tuple(sorted(map(tuple, face))) for face in corners.tolist())


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_a_scene_is_put_together(suffix, tmp_path):
    scene = trimesh.Scene()
    moved = trimesh.transformations.translation_matrix((10, 0, 0))
    turned = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1)) @ moved
    mirrored = np.diag([-2.0, 1, 1, 1]) @ moved
    expected = []
    for number, place in enumerate([np.eye(4), moved, turned, mirrored]):
        scene.add_geometry(BOX, geom_name="box", node_name=f"box {number}", transform=place)
        expected += triangles(trimesh.transform_points(BOX.vertices, place), BOX.faces)
    data = scene.export(file_type=suffix.removeprefix("."))
    if isinstance(data, dict):
        for name, content in data.items():
            write(tmp_path, content, name)
        data = data["model.gltf"]
    mesh = load(write(tmp_path, data, f"model{suffix}"))
    assert triangles(mesh.vertices, mesh.faces) == sorted(expected)


@pytest.mark.parametrize("head", [b"", b"solid is what this is"])
@pytest.mark.parametrize("tail", [b"", b"\0\0", b"made by hand"])
def test_a_binary_stl_may_begin_and_end_with_words(head, tail, tmp_path):
    data = BOX.export(file_type="stl")
    mesh = load(write(tmp_path, head.ljust(80, b"\0") + data[80:] + tail, "box.stl"))
    assert triangles(mesh.vertices, mesh.faces) == triangles(BOX.vertices, BOX.faces)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BOX.export(file_type="stl")[:-1], "truncated: 11 triangles, fewer than the 12 declared"),
        (bytes(84), "no faces: the header declares none"),
        (bytes(70), "not an STL file: 70 bytes, fewer than the header's 84"),
    ],
)
def test_a_broken_stl_says_what_is_wrong(data, reason, tmp_path):
    assert rejection_reason(tmp_path, data, "box.stl") == reason


def test_textures_are_never_opened(tmp_path, monkeypatch):
    from PIL import Image

    visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)), image=Image.new("RGB", (4, 4)))
    mesh = trimesh.Trimesh(BOX.vertices, BOX.faces, visual=visual, process=False)
    path = write(tmp_path, mesh.export(file_type="glb"), "box.glb")
    opened = []
    monkeypatch.setattr(Image, "open", lambda *args, **kwargs: opened.append(args))
    assert len(load(path).faces) == 12
    assert not opened


def test_nodes_in_a_circle_end(tmp_path):
    circle = [{"mesh": 0, "children": [1]}, {"mesh": 0, "children": [0, 1]}]
    assert len(rejection_reason(tmp_path, gltf(nodes=circle))) > 0


def test_too_many_copies_are_refused(tmp_path, monkeypatch):
    from shapegan.pipeline.meshes.formats import gltf_stl

    nodes = {"nodes": [{"mesh": 0}] * 9, "scenes": [{"nodes": list(range(9))}]}
    assert len(load(write(tmp_path, gltf(**nodes))).faces) == 9
    monkeypatch.setattr(gltf_stl, "MAX_FACES", 8)
    assert "more than 8 faces" in rejection_reason(tmp_path, gltf(**nodes))


@pytest.mark.parametrize("extension", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_geometry_that_would_be_read_as_zeros_is_refused(extension, tmp_path):
    hollow = {"componentType": 5126, "count": 10**9, "type": "VEC3"}
    assert extension in rejection_reason(
        tmp_path, gltf(accessors=[hollow], extensionsRequired=[extension])
    )
    assert "sparse" in rejection_reason(tmp_path, gltf(accessors=[hollow]))


def test_indices_out_of_range(tmp_path):
    views = [{"buffer": 0, "byteLength": 36}, {"buffer": 1, "byteLength": 3}]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5121, "count": 3, "type": "SCALAR"},
    ]
    meshes = [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}]
    for last, message in ((2, ""), (3, "face 0 uses vertex 3; there are vertices 0 to 2")):
        write(tmp_path, BYTES, "points.bin")
        write(tmp_path, bytes([0, 1, last]), "indices.bin")
        buffers = [
            {"byteLength": 36, "uri": "points.bin"},
            {"byteLength": 3, "uri": "indices.bin"},
        ]
        data = gltf(bufferViews=views, accessors=accessors, meshes=meshes, buffers=buffers)
        if message:
            assert rejection_reason(tmp_path, data) == message
        else:
            assert load(write(tmp_path, data)).faces.tolist() == [[0, 1, 2]]


def test_what_trimesh_has_to_say_is_cut_short_and_its_warnings_are_dropped(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        warnings.warn("about something", RuntimeWarning, stacklevel=1)
        raise KeyError("x" * 500 + "\n\x1b")

    monkeypatch.setattr(trimesh, "load_scene", fail)
    assert rejection_reason(tmp_path, gltf()).startswith(
        "not a readable .gltf file: KeyError: 'xxx"
    )


def test_no_mesh_and_no_triangles(tmp_path):
    rejection_reason(tmp_path, gltf(nodes=[{}]))
    rejection_reason(
        tmp_path, gltf(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]}])
    )
    rejection_reason(tmp_path, gltf(meshes=[{"primitives": [{"attributes": {}}]}]))


def test_what_trimesh_would_leave_out_is_refused(tmp_path):
    fan = {"attributes": {"POSITION": 0}, "mode": 6}
    beside = {"attributes": {"POSITION": 0}}
    assert "fans" in rejection_reason(tmp_path, gltf(meshes=[{"primitives": [beside, fan]}]))


@pytest.mark.parametrize("version", ["1.0", "1"])
def test_the_first_gltf_is_named(version, tmp_path):
    old = gltf(asset={"version": version}, meshes={"box": {"primitives": []}})
    assert "glTF 2.0" in rejection_reason(tmp_path, old)
    length = (1024).to_bytes(4, "little")
    binary = b"glTF" + (1).to_bytes(4, "little") + 2 * length + bytes(4) + old
    assert "glTF 2.0" in rejection_reason(tmp_path, binary, "mesh.glb")


def test_buffers_stay_in_their_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    secret = write(tmp_path, BYTES, "secret.bin")
    for uri in ("../secret.bin", str(secret), "http://localhost:1/secret.bin", "missing.bin", "."):
        rejection_reason(inner, gltf(buffers=[{"byteLength": 36, "uri": uri}]))
    write(inner, BYTES, "here.bin")
    assert len(load(write(inner, gltf(buffers=[{"byteLength": 36, "uri": "here.bin"}]))).faces) == 1
