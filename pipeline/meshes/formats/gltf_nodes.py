"""Nodes of a glTF scene: which meshes are where.

Source: the Khronos glTF 2.0 specification, section 3.5, and the extensions `KHR_node_visibility`
and `EXT_mesh_gpu_instancing`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.gltf_accessors import count_of, read_floats
from shapegan.pipeline.meshes.formats.gltf_document import Document, Json
from shapegan.pipeline.meshes.formats.text import FormatError

INSTANCING = "EXT_mesh_gpu_instancing"
MAX_NODES = 10_000_000
"""Limit of the nodes and of the instances of one node."""


def visible_nodes(document: Document) -> Iterator[tuple[Json, NDArray[np.float64]]]:
    """Visible nodes of the scene that have a mesh, and their world matrices (4, 4).

    The scene is the default one, the first one if there is no default, or all nodes without a
    parent if there are no scenes. In a file without nodes, a library, each mesh is as it is.

    Raises:
        FormatError: a node is reached twice, or has an invalid transform.
    """
    nodes = document.tree.get("nodes", [])
    if not nodes:
        yield from (({"mesh": index}, np.eye(4)) for index in range(len(_meshes(document))))
        return
    reached: set[int] = set()
    pending = [(index, np.eye(4)) for index in reversed(_roots(document))]
    while pending:
        index, parent_matrix = pending.pop()
        node = document.item("nodes", index)
        if index in reached:
            raise FormatError(f"node {index} has two parents or is its own ancestor")
        reached.add(index)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible") is False:
            continue
        matrix = parent_matrix @ _local_matrix(node)
        if "mesh" in node:
            yield node, matrix
        pending += [(child, matrix) for child in reversed(node.get("children", []))]


def world_matrices(document: Document, indices: list[Any]) -> NDArray[np.float64]:
    """World matrices (N, 4, 4) of nodes by their indices.

    Raises:
        FormatError: a node does not exist, is its own ancestor, or has an invalid transform.
    """
    nodes = document.tree.get("nodes", [])
    parents = {
        child: index for index, node in enumerate(nodes) for child in node.get("children", [])
    }
    known: dict[int, NDArray[np.float64]] = {}
    for index in indices:
        chain = [index]
        while chain[-1] in parents and chain[-1] not in known:
            chain.append(parents[chain[-1]])
            if len(chain) > len(nodes):
                raise FormatError(f"node {index} has two parents or is its own ancestor")
        for node in reversed(chain):
            if node not in known:
                above = known[parents[node]] if node in parents else np.eye(4)
                known[node] = above @ _local_matrix(document.item("nodes", node))
    return np.array([known[index] for index in indices]).reshape(-1, 4, 4)


def instance_matrices(document: Document, node: Json) -> NDArray[np.float64]:
    """Matrices (N, 4, 4) of a node's instances, relative to the node; the identity without any.

    Raises:
        FormatError: the attributes of the instances differ in number.
    """
    extension = node.get("extensions", {}).get(INSTANCING)
    if extension is None:
        return np.eye(4)[None]
    attributes = extension["attributes"]
    counts = {count_of(document, accessor) for accessor in attributes.values()}
    if len(counts) > 1 or max(counts, default=1) > MAX_NODES:
        raise FormatError(f"{INSTANCING}: the attributes have {sorted(counts)} instances")
    count = max(counts, default=1)
    parts = [
        read_floats(document, attributes[name], len(default))
        if name in attributes
        else np.tile(np.array(default, np.float64), (count, 1))
        for name, default in (
            ("TRANSLATION", (0, 0, 0)),
            ("ROTATION", (0, 0, 0, 1)),
            ("SCALE", (1, 1, 1)),
        )
    ]
    return compose(*parts)


def compose(
    translation: NDArray[np.float64], rotation: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matrices (N, 4, 4) that scale, then rotate, then translate.

    Args:
        translation: (N, 3).
        rotation: (N, 4), quaternions x, y, z, w of any length; those of length 0 rotate nothing.
        scale: (N, 3).
    """
    lengths = np.linalg.norm(rotation, axis=1, keepdims=True)
    x, y, z, w = (rotation / np.where(lengths > 0, lengths, 1)).T
    matrices = np.zeros((len(rotation), 4, 4))
    matrices[:, 0, :3] = np.stack(
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=1
    )
    matrices[:, 1, :3] = np.stack(
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=1
    )
    matrices[:, 2, :3] = np.stack(
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1
    )
    matrices[:, :3, :3] *= scale[:, None, :]
    matrices[:, :3, 3] = translation
    matrices[:, 3, 3] = 1
    return matrices


def _meshes(document: Document) -> list[Json]:
    meshes: list[Json] = document.tree.get("meshes", [])
    return meshes


def _roots(document: Document) -> list[Any]:
    """Indices of the scene's root nodes."""
    if document.tree.get("scenes"):
        scene = document.item("scenes", document.tree.get("scene", 0))
        return list(scene.get("nodes", []))
    nodes = document.tree["nodes"]
    children = {child for node in nodes for child in node.get("children", [])}
    roots = [index for index in range(len(nodes)) if index not in children]
    if not roots:
        raise FormatError("every node is its own ancestor")
    return roots


def _local_matrix(node: Json) -> NDArray[np.float64]:
    if "matrix" in node:
        rows = _numbers(node, "matrix", ()).reshape(4, 4)
        return np.array(rows.T)  # stored column by column
    matrices = compose(
        _numbers(node, "translation", (0, 0, 0))[None],
        _numbers(node, "rotation", (0, 0, 0, 1))[None],
        _numbers(node, "scale", (1, 1, 1))[None],
    )
    return np.array(matrices[0])


def _numbers(node: Json, name: str, default: tuple[float, ...]) -> NDArray[np.float64]:
    count = len(default) or 16
    values = np.array(node.get(name, default), np.float64)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise FormatError(f"the {name} of a node is not {count} finite numbers")
    return values
