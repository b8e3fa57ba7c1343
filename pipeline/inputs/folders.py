"""Which files below a folder are meshes: ShapeNetCore's layouts, and any other."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.meshes.load import SUFFIXES
from shapegan.pipeline.taxonomy import is_synset

V2_MESH = "models/model_normalized.obj"
_MODEL_MESHES = (V2_MESH, "model_normalized.obj", "model.obj")
"""The one mesh of a model's folder in a ShapeNet tree: version 2, bared of `models/`, version 1."""


class DiscoverError(PlainError, ValueError):
    """An input that gives nothing to do; the message is one line with what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Spells out what would break a line, as names of files and meshes may hold anything."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class MeshFile(NamedTuple):
    """A mesh that was found."""

    id: str
    """What is left of the path without its suffix; valid Unicode, with forward slashes."""
    relative: str
    """The path below the root."""
    category: str
    """Synset id, or first folder below the root; empty for what lies in the root itself."""


@dataclass
class Tree:
    """What lies below a root."""

    meshes: list[MeshFile] = field(default_factory=list)
    """In the order of their ids."""
    categories: set[str] = field(default_factory=set)
    """All that were seen, entered or not."""
    hollow: list[str] = field(default_factory=list)
    """Model folders of a ShapeNet tree without a mesh, as ids."""


class _Folder(NamedTuple):
    path: str
    relative: str
    """Below the root; empty, or with a slash at the end."""
    id: str
    """What the ids of meshes inside begin with; as `relative`, but begins at the synset."""
    category: str
    synset: str
    """The synset's folder that this is or lies in, if any, with a slash at the end."""
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
        return _named(self.id + file.rpartition(".")[0], self.relative + file, self.category)

    def model(self, file: str, root: str) -> MeshFile:
        """The mesh `file` of this folder, named after the folder."""
        return _named(self.id.rstrip("/") or root, self.relative + file, self.category)


def _named(name: str, relative: str, category: str) -> MeshFile:
    return MeshFile(_as_text(name), relative, _as_text(category))


def _as_text(name: str) -> str:
    """Spells out the bytes of a file name that are no UTF-8, which no HDF5 string can hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def scan_tree(root: Path, wanted: Callable[[str], bool] = lambda _: True) -> Tree:
    """Finds meshes; reads no file, and of a ShapeNet tree only the folders of its synsets.

    In a synset's folder, wherever below the root (which may be one itself), each folder is a
    model and gives the one mesh that ShapeNet means (`_MODEL_MESHES`), with the id
    `<synset>/<model>`. A model folder that has none of them, and any other folder, gives all files
    that end in one of `SUFFIXES`, with the path below the root, or the synset, as id. There too
    `models/model_normalized.obj` stands for its folder. What begins with a dot, and `__MACOSX`,
    is skipped. Links are followed, but not back into a folder that they are in.

    Args:
        root: an absolute path.
        wanted: whether a synset's folder is to be entered at all.

    Raises:
        DiscoverError: where a folder cannot be read.
    """
    walk = _Walk(root.name, wanted)
    walk.enter(_Folder.first(root))
    while walk.todo:
        folder = walk.todo.pop()
        try:
            walk.visit(folder)
        except OSError as error:
            raise DiscoverError(
                f"cannot read {error.filename or folder.path}: {error.strerror}"
            ) from error
    return walk.result()


class _Walk:
    """A tree that is being read."""

    def __init__(self, root: str, wanted: Callable[[str], bool]) -> None:
        self.todo: list[_Folder] = []
        self._tree = Tree()
        self._root = root
        self._wanted = wanted
        self._unsure: set[str] = set()
        """Model folders without the one mesh, which may hold others."""

    def enter(self, folder: _Folder) -> None:
        if folder.is_synset:
            self._tree.categories.add(folder.category)
            if not self._wanted(folder.category):
                return
        self.todo.append(folder)

    def visit(self, folder: _Folder) -> None:
        status = Path(folder.path).stat()
        here = (status.st_dev, status.st_ino)
        if here in folder.ancestors:
            return
        folder = folder._replace(ancestors=(*folder.ancestors, here))
        for name, is_folder in _entries(folder.path):
            if not is_folder:
                self._tree.meshes.append(folder.mesh(name))
            elif folder.is_synset:
                self._visit_model(folder.child(name))
            elif name == "models" and folder.has(V2_MESH):
                self._tree.meshes.append(folder.model(V2_MESH, self._root))
            else:
                self.enter(folder.child(name))

    def _visit_model(self, folder: _Folder) -> None:
        for file in _MODEL_MESHES:
            if folder.has(file):
                self._tree.meshes.append(folder.model(file, self._root))
                return
        self._unsure.add(_as_text(folder.id))
        self.enter(folder)

    def result(self) -> Tree:
        tree = self._tree
        tree.meshes.sort()
        tree.categories.update(mesh.category for mesh in tree.meshes)
        full = {"/".join(mesh.id.split("/", 2)[:2]) + "/" for mesh in tree.meshes}
        tree.hollow = sorted(folder.rstrip("/") for folder in self._unsure - full)
        return tree


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """Names of the folders and the meshes in a folder, and which of both they are."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if _is_folder(entry):
                yield entry.name, True
            elif entry.name.lower().endswith(SUFFIXES) and _is_file(entry):
                yield entry.name, False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # `DirEntry.is_dir` raises where a link leads to itself.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Or a link that leads nowhere, which is reported as a mesh that cannot be read."""
    return entry.is_symlink() or entry.is_file()
