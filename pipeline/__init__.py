"""Meshes -> HDF5 shards of signed distances, and the same for a single mesh in Python.

Exported names are loaded on first use, so that importing the package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapegan.pipeline.dataset.reader import Dataset
    from shapegan.pipeline.mesh_sdf import MeshSDF
    from shapegan.pipeline.meshes.load import load
    from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, Frame, TriangleMesh

__all__ = [
    "BadMeshError",
    "Dataset",
    "Frame",
    "MeshSDF",
    "TriangleMesh",
    "load",
]

_MODULES = {
    "dataset.reader": ("Dataset",),
    "mesh_sdf": ("MeshSDF",),
    "meshes.load": ("load",),
    "meshes.triangle_mesh": ("BadMeshError", "Frame", "TriangleMesh"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
