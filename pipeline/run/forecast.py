"""What a run would do, for `--dry-run`."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import h5_fields
from shapegan.pipeline.schema import Job
from shapegan.pipeline.wording import counted, readable_size


def shape_bytes(config: PreprocessConfig) -> int:
    """Bytes of one shape on disk, at most: voxels are compressed, and by how much depends."""
    total = 0
    for one in h5_fields(config):
        size = 2  # every dataset holds numbers of two bytes
        for length in one.shape:
            size *= length
        total += size
    return total


def forecast(out: Path, jobs: Sequence[Job], config: PreprocessConfig, console: Console) -> None:
    """Says what a run would do: `--dry-run`."""
    for name, value in config.to_dict().items():
        console.print(f"{name}: {value}", highlight=False, markup=False)
    for category, count in sorted(Counter(job.category for job in jobs).items()):
        console.print(f"{count:,} meshes of {category or 'no category'}", markup=False)
    shards, needed = -(-len(jobs) // config.shard_size), len(jobs) * shape_bytes(config)
    free = free_bytes(out)
    fits = "fits" if needed <= free else "does NOT fit"
    console.print(
        f"{len(jobs):,} meshes, {counted(shards, 'shard')}, at most {readable_size(needed)};"
        f" {readable_size(free)} are free in {out}: it {fits}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(there).free
