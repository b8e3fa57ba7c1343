"""`dataset.json`: configuration, shards with their checksums, and splits of a dataset."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapegan import __version__
from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import read_text


class DatasetError(PlainError, ValueError):
    """A folder without a usable dataset; the message is one line with what to do."""


_OPTIONAL = ("edited_splits", "shard_meshes")
"""Fields of the manifest that most datasets do without; the file leaves them out."""


@dataclass(frozen=True)
class ShardEntry:
    """One shard in the manifest."""

    index: int
    file: str | None
    """Path below the dataset's folder; None if no mesh of the shard was accepted."""
    shapes: int
    """Number of shapes in the shard."""
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of `dataset.json`."""

    config: PreprocessConfig
    input: str
    """The folder of meshes."""
    meshes: int
    """Number of meshes found there."""
    fingerprint: str
    """SHA-256 of the list of meshes, see `shapegan.pipeline.dataset.resumable.fingerprint`."""
    complete: bool = False
    """True if every shard is written."""
    counts: dict[str, int] = field(default_factory=dict)
    """Status -> number of meshes in `meshes.csv`."""
    shards: tuple[ShardEntry, ...] = ()
    splits: dict[str, list[str]] = field(default_factory=dict)
    """Split -> ids of its accepted shapes, in order; empty if the dataset has no splits."""
    edited_splits: bool = False
    """True once `shapegan split` has replaced the splits that the dataset was made with."""
    shard_meshes: tuple[int, ...] = ()
    """Number of meshes of each shard, for datasets of `shapegan merge` and `shapegan subset`; empty
    if every shard but the last has `shard_size`."""
    code_version: str = __version__
    format_version: int = 0
    """Version of the shard format; 0 becomes the one that the configuration needs."""

    def __post_init__(self) -> None:
        """Choose the format version."""
        version = self.format_version or self.config.format_version
        object.__setattr__(self, "format_version", version)

    @property
    def shard_count(self) -> int:
        """Number of shards of the complete dataset."""
        return len(self.shard_meshes) or -(-self.meshes // self.config.shard_size)

    def shard_jobs(self, index: int) -> range:
        """Numbers of the jobs of a shard."""
        if self.shard_meshes:
            first = sum(self.shard_meshes[:index])
            return range(first, first + self.shard_meshes[index])
        size = self.config.shard_size
        return range(index * size, min((index + 1) * size, self.meshes))

    def to_json(self) -> str:
        """The text of `dataset.json`."""
        values = dataclasses.asdict(self) | {"config": self.config.to_dict()}
        for name in _OPTIONAL:
            if not values[name]:
                del values[name]
        head = {"format_version": values.pop("format_version")}
        return json.dumps(head | values, indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read the `dataset.json` of a dataset's folder.

    Raises:
        FileNotFoundError: the file does not exist.
        DatasetError: the file has another format version, or is not a manifest.
    """
    path = folder / schema.MANIFEST_NAME
    try:
        values = json.loads(read_text(path))
        found = values["format_version"]
        if found in schema.READ_VERSIONS:
            return _manifest(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path} is not a manifest of a dataset: {error!r}") from error
    raise DatasetError(
        f"{path} has format version {found}, this shapegan reads"
        f" {', '.join(map(str, schema.READ_VERSIONS))}: make the dataset again, or install the"
        " version that made it"
    )


def require_manifest(folder: Path) -> Manifest:
    """Read the `dataset.json` of a folder that should hold a dataset.

    Raises:
        DatasetError: there is no readable manifest of this format.
    """
    try:
        return read_manifest(folder)
    except OSError as error:
        raise DatasetError(
            f"{folder} is not a dataset: cannot read {schema.MANIFEST_NAME}: {error.strerror}"
        ) from error


def _manifest(values: dict[str, Any]) -> Manifest:
    shards = tuple(ShardEntry(**entry) for entry in values.pop("shards"))
    config = PreprocessConfig.from_dict(values.pop("config"))
    meshes = tuple(values.pop("shard_meshes", ()))
    return Manifest(config=config, shards=shards, shard_meshes=meshes, **values)


def require_complete(folder: Path) -> Manifest:
    """Read the `dataset.json` of a dataset of which every shard is whole.

    Raises:
        DatasetError: there is no dataset of this format, or it is not complete.
    """
    manifest = require_manifest(folder)
    if not manifest.complete:
        raise DatasetError(
            f"{folder} is not complete: {len(manifest.shards):,} of {manifest.shard_count:,} shards"
            " are whole; the command that makes it makes the rest"
        )
    return manifest
