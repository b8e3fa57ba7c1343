"""Generators from shards, with torch.

- `config`, `presets`, `config_file`, `overrides`, `default_data`: the settings of a training and
  its data. `schedule`, `distributed`: its stages and its processes.
- `networks`: generators and critics. `streaming`: shards -> batches.
- `recipes`: a step of training. `training`: the loop around it.
- `shapes`: generators -> surfaces and pictures. `metrics`: scores of sets of shapes.
- `generation`: uses of a trained generator. `viewer`: pages in the browser.

Of the pipeline, the model uses the shard contract, the dataset reader, file writing and pictures.
Letters in shapes: B shapes, N points, R resolution, Z latent.

From Python, these names make shapes with a trained generator:

    from shapegan.model import extract, open_source, write_mesh

    source = open_source("runs/chairs")
    surface = extract(source.generator, source.latent(seed=3), level=source.level)
    write_mesh("chair.obj", surface)

These read batches for a training loop of your own: `VoxelDataset`, `PointDataset` and `Stream`.
The names in `__all__` are public, and stay as they are within a major version; all other modules
and names are private.

The names are loaded on first use, so importing the package imports no torch. Without the extra
`train`, that use raises an ImportError that names it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shapegan.pipeline.extras import naming_extras

if TYPE_CHECKING:
    from shapegan.model.config import TrainConfig
    from shapegan.model.generation.meshes import write_mesh
    from shapegan.model.generation.paths import path_through
    from shapegan.model.generation.source import Source, open_source
    from shapegan.model.metrics.point_clouds import chamfer_matrix, normalise, sample_surface
    from shapegan.model.networks.generator import Generator, GeneratorConfig
    from shapegan.model.presets import preset
    from shapegan.model.schedule import Budget
    from shapegan.model.shapes.image_grid import draw_shapes, write_png
    from shapegan.model.shapes.surface import Surface, extract, extract_levels, sample
    from shapegan.model.streaming.batches import PointBatch, StreamConfig, VoxelBatch
    from shapegan.model.streaming.map_datasets import (
        PointDataset,
        PointItem,
        VoxelDataset,
        VoxelItem,
    )
    from shapegan.model.streaming.stream import Stream
    from shapegan.model.training.checkpoint import latest_checkpoint, load_generator
    from shapegan.model.training.settings import TrainSettings
    from shapegan.model.training.trainer import train

__all__ = [
    "Budget",
    "Generator",
    "GeneratorConfig",
    "PointBatch",
    "PointDataset",
    "PointItem",
    "Source",
    "Stream",
    "StreamConfig",
    "Surface",
    "TrainConfig",
    "TrainSettings",
    "VoxelBatch",
    "VoxelDataset",
    "VoxelItem",
    "chamfer_matrix",
    "draw_shapes",
    "extract",
    "extract_levels",
    "latest_checkpoint",
    "load_generator",
    "normalise",
    "open_source",
    "path_through",
    "preset",
    "sample",
    "sample_surface",
    "train",
    "write_mesh",
    "write_png",
]

_MODULES = {
    "config": ("TrainConfig",),
    "generation.meshes": ("write_mesh",),
    "generation.paths": ("path_through",),
    "generation.source": (
        "Source",
        "open_source",
    ),
    "metrics.point_clouds": (
        "chamfer_matrix",
        "normalise",
        "sample_surface",
    ),
    "networks.generator": (
        "Generator",
        "GeneratorConfig",
    ),
    "presets": ("preset",),
    "schedule": ("Budget",),
    "shapes.image_grid": (
        "draw_shapes",
        "write_png",
    ),
    "shapes.surface": (
        "Surface",
        "extract",
        "extract_levels",
        "sample",
    ),
    "streaming.batches": (
        "PointBatch",
        "StreamConfig",
        "VoxelBatch",
    ),
    "streaming.map_datasets": (
        "PointDataset",
        "PointItem",
        "VoxelDataset",
        "VoxelItem",
    ),
    "streaming.stream": ("Stream",),
    "training.checkpoint": (
        "latest_checkpoint",
        "load_generator",
    ),
    "training.settings": ("TrainSettings",),
    "training.trainer": ("train",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            with naming_extras(f"{__name__}.{name}"):
                return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
