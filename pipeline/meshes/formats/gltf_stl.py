"""STL, GLB and glTF files -> triangles, by way of trimesh."""

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

# Without a handler, trimesh's warnings and their tracebacks would land in the user's terminal.
logging.getLogger("trimesh").addHandler(logging.NullHandler())

MOST_FACES = 100_000_000
"""A scene may place a mesh many times; more faces than this in all are refused."""


_OLD = "glTF 1.0: save it as glTF 2.0"
_FAN = 6
"""What glTF calls a fan of triangles."""


def read_scene(data: bytes, path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Joins all triangle meshes of a file, each in its place.

    Args:
        data: the file's contents.
        path: its suffix tells the format; a glTF file's buffers are looked for beside it.

    Returns:
        Vertices (V, 3), as they come: possibly not finite, possibly in no face. Faces (F, 3),
        all of them rows of the vertices.

    Raises:
        FormatError: the file asks for what cannot be done.
        Exception: trimesh raises all sorts at broken files.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind in ("glb", "gltf"):
        _check_geometry(data, kind)
    elif kind == "stl" and b"\0" in data[:1000]:  # no text has one, whatever it begins with
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
    """As many triangles as the header says, without what some programs append to them."""
    begin, size = 84, 50
    if len(data) < begin:
        raise FormatError(f"not an STL file: {len(data)} bytes, and its header would have {begin}")
    count = int.from_bytes(data[80:begin], "little")
    if count == 0:
        raise FormatError("no faces: the header says that there are none")
    if len(data) < begin + size * count:
        there = (len(data) - begin) // size
        raise FormatError(f"cut off: the header says {count} triangles, {there} are there")
    return data[: begin + size * count]


def _join(scene: trimesh.Scene) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
    meshes = [(place, scene.geometry[name]) for place, name in placed]
    meshes = [(place, mesh) for place, mesh in meshes if isinstance(mesh, trimesh.Trimesh)]
    if sum(len(mesh.faces) for _, mesh in meshes) > MOST_FACES:
        raise FormatError(f"the scene has more than {MOST_FACES} faces")
    if not meshes:
        raise FormatError("no triangles: the file holds none, or its scene shows none")
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
    """Refuses what trimesh would take for something else.

    It reads compressed and sparse geometry as zeros, passes over fans of triangles, and fails at
    glTF 1.
    """
    if kind == "glb" and data[4:8] == b"\x01\0\0\0":
        raise FormatError(_OLD)
    start, end = (20, 20 + int.from_bytes(data[12:16], "little")) if kind == "glb" else (0, None)
    tree: dict[str, Any] = json.loads(data[start:end])
    if str(tree.get("asset", {}).get("version", "")).startswith("1"):
        raise FormatError(_OLD)
    accessors = tree.get("accessors", [])
    for primitive in (part for mesh in tree.get("meshes", []) for part in mesh["primitives"]):
        if primitive.get("mode") == _FAN:
            raise FormatError("geometry in triangle fans cannot be read: save it as triangles")
        used = [primitive["attributes"].get("POSITION"), primitive.get("indices")]
        for accessor in (accessors[index] for index in used if index is not None):
            if "bufferView" not in accessor or "sparse" in accessor:
                extensions = ", ".join(tree.get("extensionsRequired", [])) or "sparse accessors"
                raise FormatError(f"geometry in {extensions} cannot be read")
