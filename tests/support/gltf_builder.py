"""Small glTF files for tests, and how they are read."""

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from shapegan.pipeline.meshes.formats.gltf import read_gltf
from shapegan.pipeline.meshes.formats.text import FormatError

BOX = trimesh.creation.box((1, 2, 3))
TRIANGLE = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0)], "<f4")
TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}


def check_line(error):
    """Message of an error, which must be one short line."""
    assert 0 < len(str(error)) <= 160
    assert str(error).isprintable()
    return str(error)


class Builder:
    """A glTF file in the making: one mesh of one triangle unless changed."""

    def __init__(self, positions=TRIANGLE, indices=None, **accessor):
        self.data = b""
        self.tree = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {}}]}],
            "accessors": [],
            "bufferViews": [],
        }
        self.attributes["POSITION"] = self.accessor(positions, **accessor)
        if indices is not None:
            self.primitive["indices"] = self.accessor(indices)

    @property
    def mesh(self):
        return self.tree["meshes"][0]

    @property
    def primitive(self):
        return self.mesh["primitives"][0]

    @property
    def attributes(self):
        return self.primitive["attributes"]

    @property
    def node(self):
        return self.tree["nodes"][0]

    def view(self, data, **more):
        self.data += bytes(-len(self.data) % 4)
        self.tree["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more}
        )
        self.data += data
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, values, **more):
        values = np.asarray(values)
        item = {"bufferView": self.view(values.tobytes()), **self.kind(values), **more}
        self.tree["accessors"].append(item)
        return len(self.tree["accessors"]) - 1

    @staticmethod
    def kind(values):
        code, shape = TYPES[values.dtype.str[1:]], SHAPES[values.shape[1:]]
        return {"componentType": code, "count": len(values), "type": shape}

    def nodes(self, *nodes, roots=(0,)):
        self.tree |= {"nodes": list(nodes), "scenes": [{"nodes": list(roots)}]}
        return self

    def gltf(self):
        uri = f"data:application/gltf-buffer;base64,{base64.b64encode(self.data).decode()}"
        return json.dumps(self.tree | {"buffers": [{"byteLength": len(self.data), "uri": uri}]})

    def glb(self):
        tree = self.tree | {"buffers": [{"byteLength": len(self.data)}]}
        return glb(json.dumps(tree).encode(), self.data)

    def read(self, notes=None):
        vertices, faces = read_gltf(self.glb(), Path(), notes)
        again = read_gltf(self.gltf().encode(), Path())
        np.testing.assert_array_equal(again[0], vertices)
        np.testing.assert_array_equal(again[1], faces)
        return vertices[faces]


def glb(text, binary=b""):
    chunks = b""
    for kind, chunk in ((b"JSON", text.ljust(-(-len(text) // 4) * 4)), (b"BIN\0", binary)):
        chunk += bytes(-len(chunk) % 4)
        chunks += struct.pack("<I", len(chunk)) + kind + chunk
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def rejection_reason(source, folder=Path()):
    with pytest.raises(FormatError) as error:
        read_gltf(source.glb() if isinstance(source, Builder) else source, folder)
    return check_line(error.value)


def write(folder, data, name="mesh.gltf"):
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def moved(x, y=0, z=0):
    return TRIANGLE + np.array((x, y, z))


def instanced(**attributes):
    builder = Builder()
    builder.tree["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    names = {name: builder.accessor(*value) for name, value in attributes.items()}
    builder.node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": names}}
    return builder


def skin(builder, joints, inverse, rows=((0, 0, 0, 0),) * 3, weights=((1, 0, 0, 0),) * 3):
    """Add a skin: joints are further nodes at the root."""
    matrices = np.array(inverse, "<f4").transpose(0, 2, 1).reshape(-1, 16)
    builder.tree["skins"] = [
        {
            "joints": list(range(1, 1 + len(joints))),
            "inverseBindMatrices": builder.accessor(matrices),
        }
    ]
    builder.tree["nodes"] += joints
    builder.tree["scenes"][0]["nodes"] += range(1, 1 + len(joints))
    builder.node["skin"] = 0
    builder.attributes["JOINTS_0"] = builder.accessor(np.array(rows, "<u1"))
    builder.attributes["WEIGHTS_0"] = builder.accessor(np.array(weights, "<f4"))
