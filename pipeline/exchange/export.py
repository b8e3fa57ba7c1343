"""The driver of an export: a dataset becomes files of another project.

Shapes are read one by one, and each file appears whole or not at all. The files that list shapes
come last, so other programs find a shape only when its files are there. `export.json` names what
is exported; the same call resumes, and skips files that exist.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shapegan.pipeline.dataset.manifest import require_complete
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.deepsdf import DeepSdfExport
from shapegan.pipeline.exchange.export_file import ExportFile, ExportFormat
from shapegan.pipeline.exchange.kinds import EXPORTS
from shapegan.pipeline.exchange.names import ExchangeError
from shapegan.pipeline.exchange.occnet import OccNetExport
from shapegan.pipeline.exchange.original_shapegan import OriginalShapeganExport
from shapegan.pipeline.exchange.plain_arrays import NpyExport, NpzExport, WebDatasetExport
from shapegan.pipeline.files import read_text, replacing, sweep, write_text, writing
from shapegan.pipeline.folder_lock import LOCK_NAME, folder_lock

MARKER_NAME = "export.json"
"""File in the output folder that names the dataset and the format."""

Progress = Callable[[int, int], None]
"""Callback with the shapes that are exported and their total number."""


def no_progress(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def export_format(dataset: Dataset, to: str, name: str = "") -> ExportFormat:
    """The plan of an export.

    Args:
        dataset: The shapes.
        to: One of `shapegan.pipeline.exchange.kinds.EXPORTS`.
        name: Name of the data source in DeepSDF's files; the dataset's folder if empty.

    Raises:
        ExchangeError: the dataset lacks what the format needs.
    """
    if to == "deepsdf":
        return DeepSdfExport(dataset, name or dataset.path.resolve().name)
    if name:
        raise ExchangeError(f"--name has no effect with --to {to}: only deepsdf has such a name")
    formats: dict[str, Callable[[Dataset], ExportFormat]] = {
        "occnet": OccNetExport,
        "shapegan": OriginalShapeganExport,
        "npz": NpzExport,
        "npy": NpyExport,
        "webdataset": WebDatasetExport,
    }
    return formats[to](dataset)


def export_dataset(
    path: Path | str, to: str, out: Path | str, name: str = "", progress: Progress = no_progress
) -> list[str]:
    """Write a dataset as files of another project, or resume that.

    Args:
        path: Folder of a complete dataset.
        to: One of `shapegan.pipeline.exchange.kinds.EXPORTS`.
        out: Output folder.
        name: See `export_format`.
        progress: Called after each file.

    Returns:
        Notes for the user.

    Raises:
        ExchangeError: the format is unknown, the dataset lacks what it needs, or `out` holds
            something else.
        DatasetError: there is no complete dataset, or a shard cannot be read.
        OutputError: a file cannot be written.
    """
    path, out = Path(path), Path(out)
    if to not in EXPORTS:
        raise ExchangeError(f"to: got {to!r}, takes one of {', '.join(EXPORTS)}")
    require_complete(path)
    dataset = Dataset(path)
    plan = export_format(dataset, to, name)
    lists = list(plan.lists())  # names that no file can have are refused before anything is written
    with _open_folder(out, _marker(dataset, to, name)):
        done = 0
        for file in plan.data():
            _write(out, file)
            done += file.shapes
            progress(done, len(dataset))
        for file in lists:
            _write(out, file)
    dataset.close()
    return plan.notes()


def _write(out: Path, file: ExportFile) -> None:
    path = out / file.path
    if path.is_file():
        return
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        file.write(stream)


def _marker(dataset: Dataset, to: str, name: str) -> dict[str, Any]:
    """Facts that decide the bytes of an export."""
    manifest = dataset.manifest
    content = [[shard.sha256 for shard in manifest.shards], dataset.ids, manifest.splits]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {"format": to, "name": name, "dataset": dataset.path.resolve().name, "content": digest}


@contextlib.contextmanager
def _open_folder(out: Path, marker: dict[str, Any]) -> Iterator[None]:
    """Make or reopen the output folder, and lock it.

    Raises:
        ExchangeError: the folder holds another export, or something else.
        OutputError: it cannot be written, or another process writes there.
    """
    held = f"another process is writing to {out}: wait for it, or choose another --out"
    with folder_lock(out, held):
        _check_same(out, marker)
        for folder in (out, *(one for one in out.rglob("*") if one.is_dir())):
            sweep(folder)
        write_text(out / MARKER_NAME, json.dumps(marker, indent=1) + "\n")
        yield


def _check_same(out: Path, marker: dict[str, Any]) -> None:
    path = out / MARKER_NAME
    if not path.is_file():
        _check_empty(out)
        return
    try:
        found = dict(json.loads(read_text(path)))
    except ValueError as error:
        raise ExchangeError(f"{path} is damaged: choose another --out") from error
    changed = [
        "other shapes or splits" if key == "content" else f"{key}: {found.get(key)} -> {value}"
        for key, value in marker.items()
        if found.get(key) != value
    ]
    if changed:
        raise ExchangeError(
            f"{out} holds another export ({'; '.join(changed)}): choose another --out"
        )


def _check_empty(out: Path) -> None:
    strangers: Sequence[Path] = sorted(one for one in out.iterdir() if one.name != LOCK_NAME)
    strangers = [one for one in strangers if not one.name.startswith(f".{MARKER_NAME}.")]
    if strangers:
        raise ExchangeError(
            f"{out} has no {MARKER_NAME}, but {strangers[0].name}: choose another --out"
        )
