"""Which mesh is for training and which for testing: lists of them, or a share of all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from shapegan.pipeline.inputs.folders import DiscoverError, MeshFile
from shapegan.pipeline.inputs.split_files import Entry, read_split_file, usual_split, without_suffix

Assigned = tuple[list[tuple[MeshFile, str]], list[str]]
"""Meshes with their split, in the order given, and notes for the user."""


def read_splits(given: Sequence[str]) -> "Listed | Shares | None":
    """Reads what says which mesh is in which split; None for nothing given.

    It is either the fractions of train, val and test, such as `0.8,0.1,0.1`, or of splits of any
    names, such as `train=0.9,test=0.1`; or files:

    - `.csv` with a header: a column for the mesh (`id`, `modelId`, ...), one for its `split`, and
      maybe one for its category (`synsetId`, ...); ShapeNet's `all.csv` is one.
    - `.json`: lists of mesh ids under the names of dataset, category and split, as far as there
      are any, such as DeepSDF's `{"ShapeNetV2": {"03001627": [...]}}`.
    - `.txt` or `.lst`: a mesh id a line.

    Where nothing in the file names the split, its own name does: `chairs_train.json`. A mesh id
    is the one in `meshes.csv`, with or without a suffix, or its last part, which stands for every
    mesh of that name. `training`, `valid`, `validation` and `testing` become the usual names.

    Raises:
        DiscoverError: where this is none of them, or two lines contradict each other.
    """
    if not given:
        return None
    if shares := [found for text in given if (found := _read_shares(text))]:
        if len(given) > 1:
            raise DiscoverError("splits: give fractions once, and no files beside them")
        return shares[0]
    return Listed([entry for name in given for entry in read_split_file(Path(name))])


@dataclass(frozen=True)
class Shares:
    """Splits by a hash of the mesh's id: a mesh stays where it is when others come and go."""

    shares: dict[str, Fraction]

    def split(self, mesh: str) -> str:
        """The split of the mesh with this id."""
        digest = hashlib.sha256(mesh.encode()).digest()
        place = Fraction(int.from_bytes(digest[:8]), 2**64)
        for split, share in self.shares.items():
            if place < share:
                return split
            place -= share
        raise AssertionError("shares add up to 1, and the place is below 1")

    def assign(self, meshes: Sequence[MeshFile]) -> Assigned:
        """Gives each mesh a split."""
        found = [(mesh, self.split(mesh.id)) for mesh in meshes]
        used = {split for _, split in found}
        empty = [split for split, share in self.shares.items() if share and split not in used]
        return found, [f"no mesh fell into the split '{split}'" for split in empty]


def _read_shares(text: str) -> Shares | None:
    pairs = [part.rpartition("=") for part in text.split(",")]
    try:
        numbers = [Fraction(number) for _, _, number in pairs]
    except (ValueError, ZeroDivisionError):
        return None
    names = [usual_split(name.strip()) for name, _, _ in pairs]
    if names == ["", "", ""]:
        names = ["train", "val", "test"]
    if "" in names or len(set(names)) < len(names):
        raise DiscoverError(
            f"splits '{text}': expected three fractions, or a name for each, such as"
            " train=0.9,test=0.1"
        )
    if sum(numbers) != 1 or min(numbers) < 0:
        raise DiscoverError(
            f"splits '{text}': expected fractions that add up to 1, got {float(sum(numbers)):g}"
        )
    return Shares(dict(zip(names, numbers, strict=True)))


class Listed:
    """Splits by lists of meshes; what is not listed is left out."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._index: dict[str, Entry] = {}
        for entry in entries:
            before = self._index.setdefault(entry.name, entry)
            if before.split != entry.split:
                raise DiscoverError(
                    f"{entry.place}: '{entry.name}' is in '{entry.split}' here, and in"
                    f" '{before.split}' in {before.place}"
                )
        for entry in entries:
            if entry.other:
                self._index.setdefault(entry.other, entry)

    def assign(self, meshes: Sequence[MeshFile]) -> Assigned:
        """Gives each mesh that is listed its split.

        Raises:
            DiscoverError: where none of the meshes is listed.
        """
        found: list[tuple[MeshFile, str]] = []
        used: set[str] = set()
        for mesh in meshes:
            if entry := self._find(mesh):
                found.append((mesh, entry.split))
                used.add(entry.name)
        if not found:
            raise DiscoverError(self._nothing(meshes))
        return found, [*self._missing(meshes, used), *_left_out(meshes, found)]

    def _find(self, mesh: MeshFile) -> Entry | None:
        names = (mesh.id, without_suffix(mesh.relative), mesh.id.rpartition("/")[2])
        return next((self._index[name] for name in names if name in self._index), None)

    def _nothing(self, meshes: Sequence[MeshFile]) -> str:
        if not self._entries:
            return "the split files list no mesh"
        first = self._entries[0]
        return (
            f"none of the {len(self._entries):,} meshes of the split files is there: they list"
            f" such as '{first.name}' ({first.place}), and there are such as '{meshes[0].id}'"
        )

    def _missing(self, meshes: Sequence[MeshFile], used: set[str]) -> list[str]:
        unused = {entry.name for entry in self._entries} - used
        categories = {mesh.category for mesh in meshes}
        others = {name for name in unused if "/" in name and name.split("/")[0] not in categories}
        unused -= others
        notes = []
        if unused:
            notes.append(_note("meshes of the split files that are not there", unused))
        if others:
            notes.append(_note("meshes of the split files in other categories", others))
        return notes


def _left_out(meshes: Sequence[MeshFile], found: Sequence[tuple[MeshFile, str]]) -> list[str]:
    left = {mesh.id for mesh in meshes} - {mesh.id for mesh, _ in found}
    return [_note("meshes in no split, so left out", left)] if left else []


def _note(what: str, names: set[str]) -> str:
    return f"{what}: {len(names):,}, such as {min(names)}"
