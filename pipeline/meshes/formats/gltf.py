"""Reader of glTF 2.0 and GLB files: the triangles of a scene, nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.gltf_document import Document, Json, printable_text
from shapegan.pipeline.meshes.formats.gltf_geometry import Geometry, read_geometry
from shapegan.pipeline.meshes.formats.gltf_nodes import instance_matrices, visible_nodes
from shapegan.pipeline.meshes.formats.text import FormatError

MAX_FACES = 100_000_000
"""Limit of the faces in a scene, which may place the same mesh many times."""


def read_gltf(
    data: bytes, folder: Path, notes: list[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read all visible triangles of a glTF scene, each transformed to its place, as one mesh.

    Skins are in their bind pose and morph targets have their default weights; animations are
    skipped, and so are points and lines. Where a node mirrors its mesh, the triangles are wound the
    other way, so that their front stays in front.

    Args:
        data: contents of a `.gltf` or `.glb` file.
        folder: folder of the file, in which its buffers are searched.
        notes: gets a line for each part that was left out.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: the file is truncated or invalid, or needs an extension that is not supported.
    """
    try:
        with np.errstate(all="ignore"):
            document = Document(data, folder)
            return _join(_place_all(document, [] if notes is None else notes))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        # The tree has something of another type than the specification demands.
        reason = printable_text(f"{type(error).__name__}: {error}")
        raise FormatError(f"not a valid glTF file: {reason}") from error


def _place_all(document: Document, notes: list[str]) -> list[Geometry]:
    """Triangles of all visible nodes, in world coordinates."""
    known: dict[str, list[Geometry]] = {}
    placed: list[Geometry] = []
    face_count = vertex_count = 0
    for node, matrix in visible_nodes(document):
        mesh = document.item("meshes", node["mesh"])
        weights, skin = node.get("weights") or mesh.get("weights") or [], node.get("skin")
        key = repr((node["mesh"], weights, skin))
        if key not in known:
            known[key] = _read_mesh(document, mesh, weights, skin, notes)
        matrices = matrix @ instance_matrices(document, node)
        face_count += len(matrices) * sum(len(part.faces) for part in known[key])
        vertex_count += len(matrices) * sum(len(part.vertices) for part in known[key])
        if face_count > MAX_FACES or vertex_count > 3 * MAX_FACES:
            raise FormatError(f"the scene has more than {MAX_FACES} faces: simplify or split it")
        for part in known[key]:
            placed += _copies(part, matrices)
    return placed


def _copies(part: Geometry, matrices: NDArray[np.float64]) -> list[Geometry]:
    if not part.is_skinned:
        return [_transform(part, matrix) for matrix in matrices]
    if len(matrices) > 1:
        raise FormatError("a node has both a skin and instances, which is not supported")
    return [part]


def _read_mesh(
    document: Document, mesh: Json, weights: list[float], skin: Any, notes: list[str]
) -> list[Geometry]:
    parts = []
    for primitive in mesh["primitives"]:
        part = read_geometry(document, primitive, weights, skin, notes)
        if part is not None:
            parts.append(part)
    return parts


def _transform(part: Geometry, matrix: NDArray[np.float64]) -> Geometry:
    linear = matrix[:3, :3]
    faces = part.faces[:, ::-1] if np.linalg.det(linear) < 0 else part.faces
    return Geometry(part.vertices @ linear.T + matrix[:3, 3], faces, part.is_skinned)


def _join(parts: list[Geometry]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if not any(len(part.faces) for part in parts):
        raise FormatError("no triangles: the file has none, or its scene uses none")
    counts = [len(part.vertices) for part in parts]
    bases = np.cumsum([0, *counts[:-1]])
    faces = [part.faces + base for part, base in zip(parts, bases, strict=True)]
    return np.concatenate([part.vertices for part in parts]), np.concatenate(faces)
