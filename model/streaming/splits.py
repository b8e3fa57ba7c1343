"""Opening of a split for a stream, with checks that the dataset has what the stream needs."""

from dataclasses import replace
from pathlib import Path

from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.model.streaming.sources import ShardSource
from shapegan.model.streaming.thin_parts import THIN_RESOLUTION
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset

_VOXEL_CHOICE = "--stages, or with --set stages.N.lattice"
_ANOTHER_DATASET = ", or preprocess the meshes into another dataset"
_OTHER_SPLITS = ", or make other splits with `shapegan split`"
_OFFSET_CHOICE = "--set stages.N.thin_offset=0"


def open_split(path: Path, config: StreamConfig) -> ShardSource:
    """Open the shapes of a stream's split.

    Raises:
        StreamError: the dataset cannot be read, or lacks what the stream reads.
    """
    try:
        dataset = Dataset(path)
        splits = dataset.splits
    except DatasetError as error:
        raise StreamError(str(error)) from error
    if config.kind == "voxels":
        _check_has(path, "voxels of resolution", config.size, dataset.resolutions, _VOXEL_CHOICE)
    else:
        for name in with_stored_sets(config, dataset).sets:
            _check_has(path, "point set", name, dataset.point_sets, "--recipe voxel")
        if config.thin_parts:
            stored = dataset.resolutions
            _check_has(path, "voxels of resolution", THIN_RESOLUTION, stored, _OFFSET_CHOICE)
    if not config.split or not splits:
        return ShardSource(dataset, range(len(dataset)))
    _check_has(path, "shapes in split", config.split, tuple(splits), "--split", _OTHER_SPLITS)
    return ShardSource(dataset, splits[config.split])


def with_stored_sets(config: StreamConfig, dataset: Dataset) -> StreamConfig:
    """Draw balanced points from a dataset's own mix if it has no other set, as imported ones."""
    if config.balanced and dataset.point_sets == ("cloud",):
        return replace(config, sets=("cloud",))
    return config


def _check_has(
    path: Path,
    what: str,
    wanted: object,
    there: tuple[object, ...],
    option: str,
    otherwise: str = _ANOTHER_DATASET,
) -> None:
    if wanted not in there:
        listed = ", ".join(str(one) for one in there) or "none"
        raise StreamError(
            f"{path} has no {what} {wanted}, there are: {listed}; choose with {option}{otherwise}"
        )
