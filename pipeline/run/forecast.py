"""The forecast of a run for `--dry-run`: its settings, meshes, shards and disk space."""

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import h5_fields
from shapegan.pipeline.progress_display import print_line
from shapegan.pipeline.schema import Job
from shapegan.pipeline.wording import counted, readable_size

_NUMBER_BYTES = 2
"""Bytes of every number in a shard: float16 or int16."""


def shape_bytes(config: PreprocessConfig) -> int:
    """Upper bound of one shape's bytes on disk: voxels are compressed, by an unknown factor."""
    return sum(_NUMBER_BYTES * math.prod(field.shape) for field in h5_fields(config))


def print_forecast(
    out: Path, jobs: Sequence[Job], config: PreprocessConfig, console: Console
) -> None:
    """Print what a run would do."""
    for name, value in config.to_dict().items():
        print_line(console, f"{name}: {value}")
    for category, count in sorted(Counter(job.category for job in jobs).items()):
        print_line(console, f"{count:,} meshes of {category or 'no category'}")
    shards, needed = -(-len(jobs) // config.shard_size), len(jobs) * shape_bytes(config)
    free = free_bytes(out)
    fits = "fits" if needed <= free else "does NOT fit"
    print_line(
        console,
        f"{len(jobs):,} meshes, {counted(shards, 'shard')}, at most {readable_size(needed)};"
        f" {readable_size(free)} are free in {out}: it {fits}",
    )


def free_bytes(folder: Path) -> int:
    """Free disk space of a folder, which need not exist yet."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free
