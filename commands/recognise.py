"""Recognition of a path that a command was given: a dataset, a run, meshes, weights, ..."""

import itertools
import json
import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from shapegan.commands.errors import UserError

_GENERATE = "`shapegan generate {path} --out DIR` makes meshes with it"
_KINDS = {
    "dataset": (
        "a dataset",
        "`shapegan train --data {path}` trains on it, and `shapegan inspect {path}` shows it",
    ),
    "datasets": ("a folder of datasets", "name one of them, such as {found}"),
    "run": ("the folder of a run", _GENERATE + ", and `shapegan status {path}` shows its progress"),
    "runs": ("a folder of runs", "name one of them, such as {found}"),
    "watertight": (
        "a folder of watertight meshes",
        "`shapegan preprocess {path}/meshes --out DIR` makes a dataset of them",
    ),
    "part": ("a part of {found}", "name that folder"),
    "meshes": (
        "a folder of meshes",
        "`shapegan preprocess {path} --out DIR` makes a dataset of it",
    ),
    "mesh": (
        "a mesh",
        "`shapegan preprocess` takes the folder that holds meshes, and `shapegan watertight` and"
        " `shapegan reconstruct` a single one",
    ),
    "archive": ("an archive", "unpack it, and name what it holds"),
    "checkpoint": ("a checkpoint of shapegan", _GENERATE),
    "published": ("a file of the authors' published weights", _GENERATE),
    "deepsdf": (
        "of DeepSDF",
        "shapegan cannot read the weights of DeepSDF's own code; `shapegan train --recipe"
        " autodecoder` trains such a network",
    ),
    "weights": ("a file of torch", "no command takes it"),
}
"""Kind -> description, and advice on which command takes it."""

SOURCES = ("run", "checkpoint", "published", "weights")
"""Kinds that SOURCE takes; whoever loads other weights reports what they lack."""

_SIGNATURES = (
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b"),
    (0, b"BZh"),
    (0, b"\xfd7zXZ\x00"),
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"Rar!"),
    (0, b"\x28\xb5\x2f\xfd"),
    (257, b"ustar"),
)
"""Position and first bytes of archives."""

_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of files that torch wrote before version 1.6."""

_TORCH_SUFFIXES = (".pt", ".pth", ".to", ".ckpt")

_MAX_NAMES_BYTES = 2**22
"""Bytes of a file of weights that are searched for names."""

_MAX_FOLDERS = 2000
"""Folders that are searched for a mesh, a dataset or a run."""


class Recognised(NamedTuple):
    """Content of a path, and the commands that take it."""

    kind: str
    """One of `_KINDS`."""
    found: Path
    """The path itself, the first of several datasets or runs in it, or what it is a part of."""


def takes(
    noun: str, *kinds: str
) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """Make a callback that refuses paths of other kinds, and names the command that takes them.

    Args:
        noun: description of what the parameter takes, for the message.
        kinds: kinds that it takes. Paths that are not recognised pass: the command reports them.
    """

    def check(_: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            check_kind(path, _label(parameter), noun, kinds)
        return path

    return check


def check_kind(path: Path, label: str, noun: str, kinds: Collection[str]) -> None:
    """Refuse a path of another kind.

    Args:
        path: Path to check.
        label: Name of the parameter.
        noun: Description of what the parameter takes.
        kinds: Kinds that it takes.

    Raises:
        UserError: the path holds something else; the message says what, and which command takes it.
    """
    recognised = recognise(path)
    if recognised is None or recognised.kind in kinds:
        return
    what, advice = (
        text.format(path=path, found=recognised.found) for text in _KINDS[recognised.kind]
    )
    raise UserError(f"{path} is {what}, but {label} takes {noun}: {advice}")


def _label(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    return str(parameter.metavar).strip("[]")  # brackets mark an argument as optional


def recognise(path: Path) -> Recognised | None:
    """Recognise what a path holds, by names and first bytes; None if it is nothing known."""
    if not (path.is_dir() or path.is_file()):  # reading a pipe could block forever
        return None
    try:
        kind = _folder_kind(path) if path.is_dir() else _file_kind(path)
        if kind:
            return Recognised(kind, path)
        for folder in path.resolve().parents[:2]:
            if own_kind(folder):
                return Recognised("part", folder)
        return _collection(path) if path.is_dir() else None
    except OSError:
        return None


def _folder_kind(folder: Path) -> str:
    if kind := own_kind(folder):
        return kind
    if (folder / "specs.json").is_file() and (folder / "ModelParameters").is_dir():
        return "deepsdf"
    return "meshes" if _holds_mesh(folder) else ""


def own_kind(folder: Path) -> str:
    """`dataset`, `run` or `watertight`, by the files that shapegan writes into such folders."""
    from shapegan.pipeline.schema import MANIFEST_NAME, WATERTIGHT_NAME

    if {"format_version", "fingerprint"} <= _keys(folder / WATERTIGHT_NAME):
        return "watertight"
    if {"format_version", "shards"} <= _keys(folder / MANIFEST_NAME):
        return "dataset"
    return "run" if {"recipe", "stages"} <= _keys(folder / "config.json") else ""


def _keys(path: Path) -> set[str]:
    """Keys of a JSON object; empty if the file holds anything else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    return set(content) if isinstance(content, dict) else set()


def _holds_mesh(folder: Path) -> bool:
    from shapegan.pipeline.meshes.load import FILE_SUFFIXES

    for path, folders, files in itertools.islice(os.walk(folder), _MAX_FOLDERS):
        # A dataset or a run further down is not a mesh, and may hold thousands of files.
        if path != str(folder) and own_kind(Path(path)):
            folders.clear()
            continue
        if any(name.lower().endswith(FILE_SUFFIXES) for name in files):
            return True
    return False


def _collection(folder: Path) -> Recognised | None:
    """A folder with datasets or runs right in it."""
    children = sorted(one for one in folder.iterdir() if one.is_dir())
    for child in children[:_MAX_FOLDERS]:
        if kind := own_kind(child):
            return Recognised(f"{kind}s", child)
    return None


def _file_kind(path: Path) -> str:
    from shapegan.pipeline.meshes.load import FILE_SUFFIXES

    with path.open("rb") as file:
        head = file.read(512)
        if head.startswith(_OLD_TORCH):
            return _weights_kind(head + file.read(_MAX_NAMES_BYTES))
    if path.name.lower().endswith(FILE_SUFFIXES):
        return "mesh"
    if names := list(_torch_names(path)):
        return _weights_kind(names[0])
    if path.suffix.lower() in _TORCH_SUFFIXES:
        return "weights"  # the command that loads it reports the damage
    packed = any(head[at:].startswith(signature) for at, signature in _SIGNATURES)
    return "archive" if packed and path.suffix.lower() != ".npz" else ""


def _torch_names(path: Path) -> Iterator[bytes]:
    """The pickle in a file that torch wrote as a zip archive; it holds the names of all tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    with archive.open(name) as file:
                        yield file.read(_MAX_NAMES_BYTES)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return


def _weights_kind(pickled: bytes) -> str:
    """Kind of a file of torch by the names in its pickle, of which nothing is executed."""
    if b"layers1.0.weight" in pickled or b"z_lin1.weight" in pickled:
        return "published"
    own: tuple[Any, ...] = (b"code_version", b"position", b"recipe", b"logger")
    if all(name in pickled for name in own):
        return "checkpoint"
    if b"epoch" in pickled and any(
        name in pickled for name in (b"latent_codes", b"optimizer_state_dict")
    ):
        return "deepsdf"
    layers = re.search(rb"(?<![A-Za-z_])(module\.|decoder\.)?lin\d+\.(weight|bias)", pickled)
    return "deepsdf" if layers else "weights"
