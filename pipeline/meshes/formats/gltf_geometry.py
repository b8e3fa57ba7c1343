"""Positions and triangles of glTF primitives: morph targets, skins and topologies.

Source: the Khronos glTF 2.0 specification, section 3.7.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.gltf_accessors import read_floats, read_integers, scaled
from shapegan.pipeline.meshes.formats.gltf_compression import DRACO, DracoMesh, decode_draco
from shapegan.pipeline.meshes.formats.gltf_document import Document, Json, printable_text
from shapegan.pipeline.meshes.formats.gltf_nodes import world_matrices
from shapegan.pipeline.meshes.formats.strips import strip_triangles
from shapegan.pipeline.meshes.formats.text import FormatError, check_range

_TRIANGLES, _STRIP, _FAN = 4, 5, 6


@dataclass(frozen=True)
class Geometry:
    """Triangles of one primitive."""

    vertices: NDArray[np.float64]
    """(V, 3)."""
    faces: NDArray[np.int64]
    """(F, 3), rows of the vertices."""
    is_skinned: bool
    """True if the vertices are in world coordinates, whatever the matrix of the node."""


def read_geometry(
    document: Document, primitive: Json, weights: list[float], skin: Any, notes: list[str]
) -> Geometry | None:
    """Read a primitive; None if it has no triangles: points, lines, or no positions.

    Args:
        document: the file.
        primitive: a primitive of one of its meshes.
        weights: weights of the morph targets; may be shorter than the list of targets.
        skin: index of the node's skin; None without one.
        notes: gets a line for each part that is left out.

    Raises:
        FormatError: the accessors are invalid, or a face uses a vertex that does not exist.
    """
    mode = primitive.get("mode", _TRIANGLES)
    if not isinstance(mode, int) or not 0 <= mode <= _FAN:
        raise FormatError(f"a primitive has the mode {printable_text(mode)}, expected 0 to 6")
    if "POSITION" not in primitive["attributes"]:
        notes.append("left out a primitive without positions")
        return None
    if mode < _TRIANGLES:
        return None
    reader = _AttributeReader(document, primitive)
    vertices = reader.floats("POSITION", 3)
    corners = reader.corners(len(vertices))
    mode = _TRIANGLES if reader.draco else mode
    faces = _faces(corners, mode)
    if mode == _TRIANGLES and len(corners) % 3:
        notes.append(f"left out {len(corners) % 3} corners that complete no triangle")
    check_range(faces.reshape(-1), np.full(len(faces), 3), len(vertices))
    vertices = _morphed(document, primitive, weights, vertices)
    is_skinned = skin is not None and "JOINTS_0" in primitive["attributes"]
    if is_skinned:
        vertices = _skinned(document, reader, skin, vertices)
    return Geometry(vertices, faces, is_skinned)


class _AttributeReader:
    """Attributes and indices of a primitive, plain or compressed by Draco."""

    def __init__(self, document: Document, primitive: Json) -> None:
        self._document, self._primitive = document, primitive
        self.attributes: Json = primitive["attributes"]
        self.draco: DracoMesh | None = None
        extension = primitive.get("extensions", {}).get(DRACO)
        position = document.item("accessors", self.attributes["POSITION"])
        if extension is not None and "bufferView" not in position:
            self.draco = decode_draco(document.view(extension["bufferView"]))
            self._ids: Json = extension["attributes"]

    def floats(self, name: str, components: int) -> NDArray[np.float64]:
        """Attribute (V, components) as numbers."""
        stored = self._decompressed(name, components)
        if stored is None:
            return read_floats(self._document, self.attributes[name], components)
        return scaled(stored, self._document.item("accessors", self.attributes[name]))

    def integers(self, name: str, components: int) -> NDArray[np.int64]:
        """Attribute (V, components) of unsigned integers."""
        stored = self._decompressed(name, components)
        if stored is None:
            return read_integers(self._document, self.attributes[name], components)
        return stored.astype(np.int64)

    def corners(self, vertex_count: int) -> NDArray[np.int64]:
        """Indices of the vertices (C,), in the order of the topology."""
        if self.draco is not None:
            return self.draco.corners
        if "indices" not in self._primitive:
            return np.arange(vertex_count)
        return read_integers(self._document, self._primitive["indices"], 1)[:, 0]

    def _decompressed(self, name: str, components: int) -> NDArray[Any] | None:
        if self.draco is None or name not in self._ids:
            return None
        stored = self.draco.attributes.get(self._ids[name])
        if stored is None or stored.ndim != 2 or stored.shape[1] != components:
            raise FormatError(f"{DRACO}: {printable_text(name)} is missing or invalid")
        return stored


def _faces(corners: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """Triangles (F, 3) of a topology; corners that complete no triangle are skipped."""
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if mode == _STRIP:
        return strip_triangles(corners)
    step = np.arange(1, max(len(corners) - 1, 1))
    return corners[np.stack([step, step + 1, np.zeros_like(step)], axis=1)]


def _morphed(
    document: Document, primitive: Json, weights: list[float], vertices: NDArray[np.float64]
) -> NDArray[np.float64]:
    targets = primitive.get("targets", [])
    for weight, target in zip(weights, targets, strict=False):
        if weight == 0 or "POSITION" not in target:
            continue
        offsets = read_floats(document, target["POSITION"], 3)
        if len(offsets) != len(vertices):
            raise FormatError(
                f"a morph target moves {len(offsets)} vertices of a primitive of {len(vertices)}"
            )
        vertices = vertices + weight * offsets
    return vertices


def _skinned(
    document: Document, reader: _AttributeReader, skin_index: Any, vertices: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Vertices blended by the joints, which are as the nodes of the file place them."""
    skin = document.item("skins", skin_index)
    matrices = world_matrices(document, skin["joints"])
    if "inverseBindMatrices" in skin:
        inverse = read_floats(document, skin["inverseBindMatrices"], 16)
        if len(inverse) < len(matrices):
            raise FormatError(f"skin {skin_index} has fewer inverse bind matrices than joints")
        inverse = inverse[: len(matrices)].reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = matrices @ inverse
    joints, weights = _influences(reader, len(vertices))
    if np.any(joints >= len(matrices)):
        raise FormatError(f"a vertex is moved by joint {joints.max()} of {len(matrices)}")
    blended = np.zeros_like(vertices)
    for column in range(joints.shape[1]):
        chosen = matrices[joints[:, column]]
        moved = np.einsum("vij,vj->vi", chosen[:, :3, :3], vertices) + chosen[:, :3, 3]
        blended += np.where(weights[:, column, None] != 0, weights[:, column, None] * moved, 0)
    return blended


def _influences(
    reader: _AttributeReader, vertex_count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Joints (V, J) and weights (V, J) of all vertices; the weights of a vertex add up to 1.

    A vertex without any weight follows its first joint.
    """
    joints: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    while f"JOINTS_{len(joints)}" in reader.attributes:
        joints.append(reader.integers(f"JOINTS_{len(joints)}", 4))
        weights.append(reader.floats(f"WEIGHTS_{len(weights)}", 4))
    if any(len(values) != vertex_count for values in [*joints, *weights]):
        raise FormatError("the joints or weights of a skin differ in number from its vertices")
    joint, weight = np.concatenate(joints, axis=1), np.concatenate(weights, axis=1)
    total = weight.sum(axis=1, keepdims=True)
    weight[total[:, 0] == 0, 0] = 1
    return joint, weight / np.where(total == 0, 1, total)
