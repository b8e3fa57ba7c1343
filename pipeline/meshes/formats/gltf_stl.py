"""Reader of STL, GLB and glTF files, based on trimesh."""

import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.resolvers import FilePathResolver

from shapegan.pipeline.meshes.formats.text import FormatError, check_range

# Without a handler, trimesh's warnings and their tracebacks would appear in the user's terminal.
logging.getLogger("trimesh").addHandler(logging.NullHandler())

MAX_FACES = 100_000_000
"""Limit of the faces in a scene, which may place the same mesh many times."""

_GLTF_1 = "glTF 1.0: save it as glTF 2.0"
_TRIANGLE_FAN = 6
"""Mode of a glTF primitive that is a triangle fan."""


def read_scene(data: bytes, path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read all triangle meshes of a file, each transformed to its place, as one.

    Args:
        data: contents of the file.
        path: its suffix selects the format; buffers of a glTF file are searched beside it.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: the file is truncated or needs a feature that is not supported.
        Exception: trimesh raises exceptions of many types for broken files.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind in ("glb", "gltf"):
        _check_geometry(data, kind)
    elif kind == "stl" and b"\0" in data[:1000]:  # binary, even if it begins with "solid"
        data = _binary_stl(data)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=FilePathResolver(str(path)),
            process=False,
            skip_materials=True,
        )
        return _join(scene)


def _binary_stl(data: bytes) -> bytes:
    """Remove the bytes that some programs append to the triangles that the header declares."""
    header, size = 84, 50
    if len(data) < header:
        raise FormatError(f"not an STL file: {len(data)} bytes, fewer than the header's {header}")
    count = int.from_bytes(data[80:header], "little")
    if count == 0:
        raise FormatError("no faces: the header declares none")
    if len(data) < header + size * count:
        found = (len(data) - header) // size
        raise FormatError(f"truncated: {found} triangles, fewer than the {count} declared")
    return data[: header + size * count]


def _join(scene: trimesh.Scene) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    meshes = [(place, scene.geometry[name]) for place, name in placed]
    meshes = [(place, mesh) for place, mesh in meshes if isinstance(mesh, trimesh.Trimesh)]
    if sum(len(mesh.faces) for _, mesh in meshes) > MAX_FACES:
        raise FormatError(f"the scene has more than {MAX_FACES} faces: simplify or split it")
    if not meshes:
        raise FormatError("no triangles: the file has none, or its scene uses none")
    vertices, faces, base = [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0
    for place, mesh in meshes:
        corners = np.asarray(mesh.faces, np.int64).reshape(-1, 3)
        check_range(corners.reshape(-1), np.full(len(corners), 3), len(mesh.vertices))
        points = np.asarray(mesh.vertices, np.float64)
        vertices.append(points @ place[:3, :3].T + place[:3, 3])
        faces.append(corners + base)
        base += len(points)
    return np.concatenate(vertices), np.concatenate(faces)


def _check_geometry(data: bytes, kind: str) -> None:
    """Reject glTF features that trimesh reads wrongly.

    It reads compressed and sparse geometry as zeros, skips triangle fans, and fails on glTF 1.
    """
    if kind == "glb" and data[4:8] == b"\x01\0\0\0":
        raise FormatError(_GLTF_1)
    start, end = (20, 20 + int.from_bytes(data[12:16], "little")) if kind == "glb" else (0, None)
    tree: dict[str, Any] = json.loads(data[start:end])
    if str(tree.get("asset", {}).get("version", "")).startswith("1"):
        raise FormatError(_GLTF_1)
    accessors = tree.get("accessors", [])
    for primitive in (part for mesh in tree.get("meshes", []) for part in mesh["primitives"]):
        if primitive.get("mode") == _TRIANGLE_FAN:
            raise FormatError("triangle fans are not supported: save the geometry as triangles")
        used = [primitive["attributes"].get("POSITION"), primitive.get("indices")]
        for accessor in (accessors[index] for index in used if index is not None):
            if "bufferView" not in accessor or "sparse" in accessor:
                extensions = ", ".join(tree.get("extensionsRequired", [])) or "sparse accessors"
                raise FormatError(f"{extensions} not supported: save the geometry uncompressed")
