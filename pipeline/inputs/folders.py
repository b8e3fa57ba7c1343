"""Mesh files below a folder, in the layouts of ShapeNetCore or any other."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.inputs.unread_files import unread_suffix
from shapegan.pipeline.meshes.compressed import COMPRESSIONS
from shapegan.pipeline.meshes.load import FILE_SUFFIXES
from shapegan.pipeline.taxonomy import is_synset

V2_MESH = "models/model_normalized.obj"
_MODEL_MESHES = (V2_MESH, "model_normalized.obj", "model.obj")
"""Main mesh of a model folder in a ShapeNet tree: version 2, the same without `models/`, version 1.
"""


class DiscoverError(PlainError, ValueError):
    """An unusable input folder, category or split; the message is one line that says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(escape_unprintable(message))


def escape_unprintable(text: str) -> str:
    """Escape unprintable characters, newlines included; names of files may contain any."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class MeshFile(NamedTuple):
    """A mesh file below the root folder."""

    id: str
    """Path below the root or synset, without suffix unless `shared_id` is set; valid Unicode, with
    forward slashes."""
    relative: str
    """Path below the root."""
    category: str
    """Synset id, or first folder below the root; empty for files in the root itself."""
    shared_id: str = ""
    """The id without suffix, if other files have it as well, else empty."""


@dataclass
class MeshTree:
    """Meshes and categories below a root folder."""

    meshes: list[MeshFile] = field(default_factory=list)
    """Sorted by id."""
    categories: set[str] = field(default_factory=set)
    """All categories found, including synsets that were not entered."""
    empty_models: list[str] = field(default_factory=list)
    """Ids of model folders of a ShapeNet tree that contain no mesh."""
    unread: Counter[str] = field(default_factory=Counter)
    """Suffix -> number of files of known 3D formats and archives, none of which is read."""
    unread_example: str = ""
    """Path below the root of the first of them."""


class _Folder(NamedTuple):
    path: str
    relative: str
    """Path below the root; empty, or with a slash at the end."""
    id: str
    """First part of the ids of meshes inside: as `relative`, but beginning at the synset."""
    category: str
    synset: str
    """The synset's folder that this one is or lies in, with a slash at the end; may be empty."""
    ancestors: tuple[tuple[int, int], ...]
    """Device and inode of each folder above."""

    @classmethod
    def first(cls, root: Path) -> "_Folder":
        if is_synset(root.name):
            return cls(str(root), "", f"{root.name}/", root.name, f"{root.name}/", ())
        return cls(str(root), "", "", "", "", ())

    @property
    def is_synset(self) -> bool:
        return bool(self.synset) and self.id == self.synset

    def child(self, name: str) -> "_Folder":
        below = self._replace(
            path=f"{self.path}/{name}",
            relative=f"{self.relative}{name}/",
            id=f"{self.id}{name}/",
            category=self.category or name,
        )
        if is_synset(name) and not self.synset:
            return below._replace(id=f"{name}/", category=name, synset=f"{name}/")
        return below

    def has(self, file: str) -> bool:
        return Path(f"{self.path}/{file}").is_file()

    def mesh(self, file: str) -> MeshFile:
        """The mesh `file` of this folder, named after the file."""
        return _named(self.id + without_suffix(file), self.relative + file, self.category)

    def model(self, file: str, root: str) -> MeshFile:
        """The mesh `file` of this folder, named after the folder."""
        return _named(self.id.rstrip("/") or root, self.relative + file, self.category)


def _named(name: str, relative: str, category: str) -> MeshFile:
    return MeshFile(as_text(name), relative, as_text(category))


def without_suffix(name: str) -> str:
    """Name or path of a mesh without its suffix, such as `.obj` or `.obj.gz`, if it has one."""
    lower = name.lower()
    found = (one for one in FILE_SUFFIXES if lower.endswith(one))
    return name[: -len(next(found, ""))] if lower.endswith(FILE_SUFFIXES) else name


def as_text(name: str) -> str:
    """Escape the bytes of a file name that are not UTF-8, which HDF5 strings cannot hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def scan_tree(
    root: Path, wanted: Callable[[str], bool] = lambda _: True, left_out: Path | None = None
) -> MeshTree:
    """Find the meshes below a folder; only folders are read, not files.

    A synset's folder may lie anywhere below the root, or be the root. Each folder in it is a model
    and contributes its main mesh (`_MODEL_MESHES`), with the id `<synset>/<model>`. A model folder
    without a main mesh, and any folder outside synsets, contributes all files that end in one of
    `FILE_SUFFIXES`; their ids are the paths below the synset or root. Outside synsets, too,
    `models/model_normalized.obj` represents its folder. Names that begin with a dot, and
    `__MACOSX`, are skipped. Links are followed, except those to a folder above them.

    Args:
        root: an absolute path.
        wanted: synset id -> whether to enter its folder.
        left_out: a folder that is not entered; it need not exist.

    Raises:
        DiscoverError: a folder cannot be read.
    """
    scan = _TreeScan(root.name, wanted, _identity(left_out) if left_out else None)
    scan.enter(_Folder.first(root))
    while scan.todo:
        folder = scan.todo.pop()
        try:
            scan.visit(folder)
        except OSError as error:
            raise DiscoverError(
                f"cannot read {error.filename or folder.path}: {error.strerror}"
            ) from error
    return scan.result()


class _TreeScan:
    """State of `scan_tree`: the folders still to visit, and what was found so far."""

    def __init__(
        self, root: str, wanted: Callable[[str], bool], left_out: tuple[int, int] | None
    ) -> None:
        self.todo: list[_Folder] = []
        self._tree = MeshTree()
        self._root = root
        self._wanted = wanted
        self._left_out = left_out
        self._without_main_mesh: set[str] = set()
        """Ids of model folders without a main mesh, which may contain other meshes."""

    def enter(self, folder: _Folder) -> None:
        if folder.is_synset:
            self._tree.categories.add(folder.category)
            if not self._wanted(folder.category):
                return
        self.todo.append(folder)

    def visit(self, folder: _Folder) -> None:
        status = Path(folder.path).stat()
        here = (status.st_dev, status.st_ino)
        if here in folder.ancestors or here == self._left_out:
            return
        folder = folder._replace(ancestors=(*folder.ancestors, here))
        for name, is_folder in _entries(folder.path):
            if not is_folder:
                self._visit_file(folder, name)
            elif folder.is_synset:
                self._visit_model(folder.child(name))
            elif name == "models" and folder.has(V2_MESH):
                self._tree.meshes.append(folder.model(V2_MESH, self._root))
            else:
                self.enter(folder.child(name))

    def _visit_file(self, folder: _Folder, name: str) -> None:
        tree = self._tree
        if name.lower().endswith(FILE_SUFFIXES):
            tree.meshes.append(folder.mesh(name))
        elif suffix := unread_suffix(name):
            tree.unread[suffix] += 1
            path = as_text(folder.relative + name)
            tree.unread_example = min(tree.unread_example or path, path)

    def _visit_model(self, folder: _Folder) -> None:
        for packing in ("", *COMPRESSIONS):
            for file in (f"{mesh}{packing}" for mesh in _MODEL_MESHES):
                if folder.has(file):
                    self._tree.meshes.append(folder.model(file, self._root))
                    return
        self._without_main_mesh.add(as_text(folder.id))
        self.enter(folder)

    def result(self) -> MeshTree:
        tree = self._tree
        tree.meshes.sort()
        tree.categories.update(mesh.category for mesh in tree.meshes)
        with_mesh = {"/".join(mesh.id.split("/", 2)[:2]) + "/" for mesh in tree.meshes}
        empty = self._without_main_mesh - with_mesh
        tree.empty_models = sorted(folder.rstrip("/") for folder in empty)
        return tree


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if it does not exist."""
    if not folder.is_dir():
        return None
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Names of the folders and files in a folder, each with True if it is a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if _is_folder(entry):
                yield entry.name, True
            elif _is_file(entry):
                yield entry.name, False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # `DirEntry.is_dir` raises an error for a link that points to itself.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    """True for files, and for broken links, which are later reported as unreadable meshes."""
    return entry.is_symlink() or entry.is_file()
