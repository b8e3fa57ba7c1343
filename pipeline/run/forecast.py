"""The forecast of a run for `--dry-run`: its settings, meshes, files and disk space."""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shapegan.pipeline.config import PreprocessConfig, WatertightConfig
from shapegan.pipeline.dataclass_json import to_plain
from shapegan.pipeline.dataset.shards import h5_fields
from shapegan.pipeline.progress_display import print_line
from shapegan.pipeline.schema import Job
from shapegan.pipeline.wording import counted, readable_size

_NUMBER_BYTES = 2
"""Bytes of every number in a shard: float16 or int16."""

_CELLS_FACES = 4.5
"""Faces of a typical surface, in squares of the resolution; most have 2 to 7."""

_FACE_BYTES = {"obj": 41, "ply": 25, "stl": 50, "glb": 18}
"""Bytes of a face and its share of the vertices, by file format."""

_FLAGS = {"mixes": "mix", "on_surface_points": "on-surface", "salient_points": "salient"}
"""Setting -> name of its flag, where they differ by more than hyphens."""


def shape_bytes(config: PreprocessConfig) -> int:
    """Upper bound of one shape's bytes on disk: voxels are compressed, by an unknown factor."""
    return sum(_NUMBER_BYTES * math.prod(field.shape) for field in h5_fields(config))


def print_forecast(
    out: Path, jobs: Sequence[Job], config: PreprocessConfig, console: Console
) -> None:
    """Print what a run of `preprocess` would do."""
    _print_choices(jobs, config, console)
    shards, needed = -(-len(jobs) // config.shard_size), len(jobs) * shape_bytes(config)
    free = free_bytes(out)
    fits = "fits" if needed <= free else "does NOT fit"
    print_line(
        console,
        f"{len(jobs):,} meshes, {counted(shards, 'shard')}, at most {readable_size(needed)};"
        f" {readable_size(free)} are free in {out}: it {fits}",
    )


def print_surface_forecast(
    out: Path, jobs: Sequence[Job], config: WatertightConfig, console: Console
) -> None:
    """Print what a run of `watertight` would do."""
    _print_choices(jobs, config, console)
    each = _CELLS_FACES * config.resolution**2 * _FACE_BYTES[config.format]
    print_line(
        console,
        f"{len(jobs):,} meshes, typically {readable_size(int(each))} each,"
        f" {readable_size(int(len(jobs) * each))} together; {readable_size(free_bytes(out))} are"
        f" free in {out}",
    )


def _print_choices(
    jobs: Sequence[Job], config: PreprocessConfig | WatertightConfig, console: Console
) -> None:
    """Print the settings, and how many meshes there are of each category."""
    for name, value in to_plain(config).items():
        words = (", ".join(map(str, value)) or "none") if isinstance(value, list) else value
        print_line(console, f"{_FLAGS.get(name, name.replace('_', '-'))}: {words}")
    for category, count in sorted(Counter(job.category for job in jobs).items()):
        print_line(console, f"{count:,} meshes of {category or 'no category'}")


def free_bytes(folder: Path) -> int:
    """Free disk space of a folder, which need not exist yet."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free
