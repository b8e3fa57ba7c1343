"""Content of mesh files, in the formats that most programs read."""

import json
import math
import struct
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError
from shapegan.pipeline.triangles import normals_and_double_areas

_FAR = 16.0
"""Meshes farther from the origin than this many times their size get a translated node in GLB, as
its coordinates have single precision."""
_SINGLE = float(np.finfo(np.float32).eps)
_ARRAY_BUFFER, _INDEX_BUFFER, _FLOAT, _UINT = 34962, 34963, 5126, 5125
"""Numbers of the glTF 2.0 specification, sections 5.11.5 and 5.1.3."""


class Mesh(Protocol):
    """A triangle mesh."""

    @property
    def vertices(self) -> NDArray[np.floating]:
        """(V, 3)."""

    @property
    def faces(self) -> NDArray[np.integer]:
        """(F, 3), rows of `vertices`."""


def encode_mesh(mesh: Mesh, mesh_format: str) -> bytes:
    """Content of a mesh file.

    OBJ states coordinates to a billionth of the mesh's size, and PLY (binary) as they are, wherever
    the mesh lies. STL (binary) has single precision. So has GLB, for coordinates relative to a node
    that is at the mesh.

    Args:
        mesh: Not empty.
        mesh_format: One of `shapegan.pipeline.config.MESH_FORMATS`.

    Raises:
        BadMeshError: vertices would fall together in the format's precision.
        ValueError: unknown format.
    """
    encoders = {"obj": _obj, "ply": _ply, "stl": _stl, "glb": _glb}
    if mesh_format not in encoders:
        raise ValueError(f"format: got {mesh_format!r}, takes {' or '.join(MESH_FORMATS)}")
    return encoders[mesh_format](mesh)


def _obj(mesh: Mesh) -> bytes:
    vertices, faces = mesh.vertices, np.asarray(mesh.faces) + 1
    number = f"%.{_digits(mesh)}f"
    line = f"v {number} {number} {number}\n"
    lines = line * len(vertices) % tuple(vertices.ravel().tolist())
    return (lines + "f %d %d %d\n" * len(faces) % tuple(faces.ravel().tolist())).encode()


def _digits(mesh: Mesh) -> int:
    """Digits after the decimal point that round vertices by 1e-9 of the mesh's size or less."""
    size = float(np.ptp(mesh.vertices, axis=0).max())
    return max(8, 9 - math.floor(math.log10(size))) if size > 0 else 8


def _ply(mesh: Mesh) -> bytes:
    double = mesh.vertices.dtype == np.float64
    kind = "double" if double else "float"
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(mesh.vertices)}",
        *(f"property {kind} {axis}" for axis in "xyz"),
        f"element face {len(mesh.faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    rows = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, mesh.faces
    vertices = mesh.vertices.astype("<f8" if double else "<f4")
    return "\n".join(header).encode() + vertices.tobytes() + rows.tobytes()


def _stl(mesh: Mesh) -> bytes:
    vertices = _single(mesh.vertices, "STL", "OBJ, PLY or GLB")
    corners = vertices[mesh.faces]
    rows = np.zeros(
        len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")]
    )
    rows["normal"] = normals_and_double_areas(mesh.vertices[mesh.faces])[0]
    rows["corners"] = corners
    return bytes(80) + struct.pack("<I", len(rows)) + rows.tobytes()


def _glb(mesh: Mesh) -> bytes:
    """A binary glTF 2.0 file with one node, one mesh and one primitive."""
    vertices = mesh.vertices.astype(np.float64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    node: dict[str, object] = {"mesh": 0}
    if np.abs(vertices).max() > _FAR * (high - low).max():
        center = (low + high) / 2
        node["translation"] = center.tolist()
        vertices = vertices - center
    places = _single(vertices, "GLB", "OBJ or PLY")
    positions = places.astype("<f4").tobytes()
    indices = mesh.faces.astype("<u4").tobytes()
    views = [
        {"byteOffset": 0, "byteLength": len(positions), "target": _ARRAY_BUFFER},
        {"byteOffset": len(positions), "byteLength": len(indices), "target": _INDEX_BUFFER},
    ]
    accessors: list[dict[str, object]] = [
        {
            "componentType": _FLOAT,
            "count": len(places),
            "type": "VEC3",
            "min": places.min(axis=0).tolist(),
            "max": places.max(axis=0).tolist(),
        },
        {"componentType": _UINT, "count": mesh.faces.size, "type": "SCALAR"},
    ]
    document = {
        "asset": {"version": "2.0", "generator": "shapegan"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"byteLength": len(positions) + len(indices)}],
        "bufferViews": [{"buffer": 0, **view} for view in views],
        "accessors": [{"bufferView": k, **one} for k, one in enumerate(accessors)],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(positions) + len(indices), b"BIN\0") + positions + indices
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def _single(vertices: NDArray[np.floating], name: str, others: str) -> NDArray[np.float32]:
    """Vertices (V, 3) in single precision.

    Raises:
        BadMeshError: some of them fall together.
    """
    rounded = vertices.astype(np.float32)
    size = float(np.ptp(vertices, axis=0).max())
    if np.abs(vertices).max() * _SINGLE < 1e-6 * size:
        return rounded
    before, after = (len(np.unique(one, axis=0)) for one in (vertices, rounded))
    if after < before:
        raise BadMeshError(
            f"{name} has single precision, too coarse this far from the origin: take {others}"
        )
    return rounded
