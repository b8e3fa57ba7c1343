import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.gltf_builder import (
    BOX,
    TRIANGLE,
    Builder,
    glb,
    rejection_reason,
)

from shapegan.pipeline.meshes.formats.gltf import read_gltf


@pytest.mark.parametrize("name", ["ACME_shape", "EXT_mesh_primitive_restart", "KHR_x\n" * 40])
def test_unknown_required_extensions_are_named(name):
    builder = Builder()
    builder.tree["extensionsRequired"] = ["KHR_materials_unlit", name]
    assert f"needs the glTF extension {name[:5]}" in rejection_reason(builder)
    builder.tree["extensionsUsed"] = builder.tree.pop("extensionsRequired")
    assert len(builder.read()) == 1


@pytest.mark.parametrize(
    "name", ["KHR_texture_basisu", "KHR_materials_variants", "EXT_texture_webp"]
)
def test_extensions_of_materials_are_harmless(name):
    builder = Builder()
    builder.tree["extensionsRequired"] = [name]
    assert len(builder.read()) == 1


def test_draco_is_decompressed():
    draco = pytest.importorskip("DracoPy")
    builder = Builder()
    data = draco.encode(BOX.vertices, BOX.faces, quantization_bits=14, preserve_order=True)
    view = builder.view(data)
    name = "KHR_draco_mesh_compression"
    builder.primitive["extensions"] = {name: {"bufferView": view, "attributes": {"POSITION": 0}}}
    builder.primitive["mode"] = 5  # what is decompressed is a list of triangles nevertheless
    builder.tree["accessors"][0] = {"componentType": 5126, "count": 8, "type": "VEC3"}
    builder.tree["extensionsRequired"] = [name]
    np.testing.assert_allclose(builder.read(), BOX.triangles, atol=1e-3)
    builder.primitive["extensions"][name]["attributes"]["POSITION"] = 5
    assert name in rejection_reason(builder)
    builder.tree["bufferViews"][view]["byteLength"] //= 2
    assert rejection_reason(builder) == f"{name}: the compressed data are invalid"


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
def test_meshopt_is_decompressed(name):
    meshopt = pytest.importorskip("meshopt")
    builder = Builder(BOX.vertices.astype("<f4"), BOX.faces.astype("<u2").ravel())
    parts = [
        (meshopt.encode_gltf_buffer(BOX.vertices.astype("<f4"), "ATTRIBUTES"), "ATTRIBUTES", 8, 12),
        (
            meshopt.encode_gltf_buffer(BOX.faces.astype("<u2").ravel(), "TRIANGLES"),
            "TRIANGLES",
            36,
            2,
        ),
    ]
    builder.data = b""
    for view, (data, mode, count, stride) in zip(builder.tree["bufferViews"], parts, strict=True):
        extension = {"buffer": 0, "byteOffset": len(builder.data), "byteLength": len(data)}
        extension |= {"mode": mode, "count": count, "byteStride": stride}
        view |= {"buffer": 1, "byteOffset": 0, "extensions": {name: extension}}
        builder.data += data
    tree = builder.tree | {"extensionsRequired": [name]}
    tree["buffers"] = [{"byteLength": len(builder.data)}, {"byteLength": 168}]
    vertices, faces = read_gltf(glb(json.dumps(tree).encode(), builder.data), Path())
    order = np.lexsort(vertices[faces].mean(axis=1).T)
    expected = BOX.triangles[np.lexsort(BOX.triangles_center.T)]
    np.testing.assert_allclose(
        vertices[faces][order].mean(axis=1), expected.mean(axis=1), atol=1e-6
    )
    broken = glb(json.dumps(tree).encode(), bytes(len(builder.data)))
    assert rejection_reason(broken) == f"{name}: the compressed data are invalid"


def test_meshopt_without_its_package_is_refused_unless_plain_data_are_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "meshopt", None)
    builder = Builder()
    name = "EXT_meshopt_compression"
    builder.tree["bufferViews"][0]["extensions"] = {name: {"buffer": 0, "byteLength": 4}}
    np.testing.assert_array_equal(builder.read(), [TRIANGLE])
    tree = builder.tree | {"buffers": [{"byteLength": 36}, {"byteLength": 36}]}
    tree["bufferViews"][0]["buffer"] = 1
    reason = rejection_reason(glb(json.dumps(tree).encode(), builder.data))
    assert reason == f"{name} needs meshopt: pip install '.[gltf]' in the clone of shapegan"
