"""Meshes -> HDF5 shards of signed distances, and the same for a single mesh in Python.

The names in `__all__` are public, and stay as they are within a major version; all other modules
and names are private. They are loaded on first use, so that importing the package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapegan.pipeline.dataset.manifest import DatasetError
    from shapegan.pipeline.dataset.reader import Dataset
    from shapegan.pipeline.editing.merge import merge_datasets
    from shapegan.pipeline.editing.split import SplitChange, split_dataset
    from shapegan.pipeline.editing.subset import Selection, subset_dataset
    from shapegan.pipeline.errors import PlainError
    from shapegan.pipeline.exchange.export import export_dataset
    from shapegan.pipeline.exchange.importing import ImportSettings, import_dataset
    from shapegan.pipeline.mesh_sdf import MeshSDF
    from shapegan.pipeline.meshes.load import load
    from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, Frame, TriangleMesh
    from shapegan.pipeline.schema import MeshReport

__all__ = [
    "BadMeshError",
    "Dataset",
    "DatasetError",
    "Frame",
    "ImportSettings",
    "MeshReport",
    "MeshSDF",
    "PlainError",
    "Selection",
    "SplitChange",
    "TriangleMesh",
    "export_dataset",
    "import_dataset",
    "load",
    "merge_datasets",
    "split_dataset",
    "subset_dataset",
]

_MODULES = {
    "dataset.manifest": ("DatasetError",),
    "dataset.reader": ("Dataset",),
    "editing.merge": ("merge_datasets",),
    "editing.split": (
        "SplitChange",
        "split_dataset",
    ),
    "editing.subset": (
        "Selection",
        "subset_dataset",
    ),
    "errors": ("PlainError",),
    "exchange.export": ("export_dataset",),
    "exchange.importing": (
        "ImportSettings",
        "import_dataset",
    ),
    "mesh_sdf": ("MeshSDF",),
    "meshes.load": ("load",),
    "meshes.triangle_mesh": (
        "BadMeshError",
        "Frame",
        "TriangleMesh",
    ),
    "schema": ("MeshReport",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
