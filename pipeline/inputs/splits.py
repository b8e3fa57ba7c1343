"""Assignment of meshes to splits (train, val, test), by lists or by fractions of all meshes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from shapegan.pipeline.inputs.folders import DiscoverError, MeshFile, without_suffix
from shapegan.pipeline.inputs.split_files import (
    SplitEntry,
    read_split_file,
    standard_split,
)

SplitAssignment = tuple[list[tuple[MeshFile, str]], list[str]]
"""Meshes with their split, in the order given, and notes for the user."""


def read_splits(given: Sequence[str]) -> "ListedSplits | FractionSplits | None":
    """Read the values of `--splits`; return None if there are none.

    A single value may give fractions: of train, val and test, such as `0.8,0.1,0.1`, or of splits
    with any names, such as `train=0.9,test=0.1`. All other values are files:

    - `.csv` with a header: a column for the mesh (`id`, `modelId`, ...), one for its `split`, and
      optionally one for its category (`synsetId`, ...), as in ShapeNet's `all.csv`.
    - `.json`: lists of mesh ids, optionally under the names of dataset, category and split, such
      as DeepSDF's `{"ShapeNetV2": {"03001627": [...]}}`.
    - `.txt` or `.lst`: one mesh id per line.

    If nothing in the file names the split, the file's own name does: `chairs_train.json`. A mesh id
    is the one in `meshes.csv`, with or without a suffix, or its last part, which selects every
    mesh of that name. Of files that differ in their suffix alone, a name without suffix selects
    all, one with a suffix only that file. `training`, `valid`, `validation` and `testing` become
    the standard names.

    Raises:
        DiscoverError: a value is none of these, or two lines contradict each other.
    """
    if not given:
        return None
    if fractions := [found for text in given if (found := _read_fractions(text))]:
        if len(given) > 1:
            raise DiscoverError("splits: give either fractions, once, or files")
        return fractions[0]
    return ListedSplits([entry for name in given for entry in read_split_file(Path(name))])


@dataclass(frozen=True)
class FractionSplits:
    """Splits by a hash of the mesh id: a mesh keeps its split when others are added or removed."""

    fractions: dict[str, Fraction]
    """Split -> fraction of the meshes; their sum is 1."""

    def split(self, mesh: str) -> str:
        """Split of the mesh with this id."""
        digest = hashlib.sha256(mesh.encode()).digest()
        position = Fraction(int.from_bytes(digest[:8]), 2**64)
        for split, fraction in self.fractions.items():
            if position < fraction:
                return split
            position -= fraction
        raise AssertionError("fractions add up to 1, and the position is below 1")

    def assign(self, meshes: Sequence[MeshFile]) -> SplitAssignment:
        """Assign each mesh to a split."""
        # Files that differ in their suffix alone show the same shape, so they share a split.
        assigned = [(mesh, self.split(mesh.shared_id or mesh.id)) for mesh in meshes]
        used = {split for _, split in assigned}
        wanted = [split for split, fraction in self.fractions.items() if fraction]
        return assigned, [f"the split '{name}' has no mesh" for name in wanted if name not in used]


def _read_fractions(text: str) -> FractionSplits | None:
    pairs = [part.rpartition("=") for part in text.split(",")]
    try:
        numbers = [Fraction(number) for _, _, number in pairs]
    except (ValueError, ZeroDivisionError):
        return None
    names = [standard_split(name.strip()) for name, _, _ in pairs]
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
    return FractionSplits(dict(zip(names, numbers, strict=True)))


class ListedSplits:
    """Splits by lists of meshes; meshes that are not listed are left out."""

    def __init__(self, entries: Sequence[SplitEntry]) -> None:
        self._entries = entries
        self._spelled: dict[str, SplitEntry] = {}
        self._named: dict[str, list[SplitEntry]] = {}
        for entry in entries:
            _check_agree(self._spelled.setdefault(entry.spelled, entry), entry)
            self._named.setdefault(entry.name, []).append(entry)
        for entry in entries:
            if entry.alias and entry.alias not in self._named:
                self._named[entry.alias] = [entry]

    def assign(self, meshes: Sequence[MeshFile]) -> SplitAssignment:
        """Assign each listed mesh to its split.

        Raises:
            DiscoverError: none of the meshes is listed.
        """
        found, notes = self.select(meshes)
        return found, [*notes, *_left_out_notes(meshes, found)]

    def select(self, meshes: Sequence[MeshFile]) -> SplitAssignment:
        """Assign as `assign` does; the notes leave out the meshes that are not listed.

        Raises:
            DiscoverError: none of the meshes is listed.
        """
        found: list[tuple[MeshFile, str]] = []
        used: set[str] = set()
        for mesh in meshes:
            if entry := self._find(mesh):
                found.append((mesh, entry.split))
                used.add(entry.spelled)
        if not found:
            raise DiscoverError(self._none_listed_message(meshes))
        return found, self._unused_notes(meshes, used)

    def _find(self, mesh: MeshFile) -> SplitEntry | None:
        """The entry of a mesh: one that spells it with its suffix, or else one of its name.

        Raises:
            DiscoverError: entries with other suffixes are in different splits.
        """
        for name in (mesh.id, mesh.relative, _last(mesh.id)):
            if name in self._spelled:
                return self._spelled[name]
        plain = mesh.shared_id or mesh.id
        for name in (plain, without_suffix(mesh.relative), _last(plain)):
            entries = self._named.get(name, [])
            if mesh.shared_id:  # an entry with a suffix is for another file
                entries = [entry for entry in entries if not entry.suffix]
            for entry in entries:
                _check_agree(entries[0], entry)
            if entries:
                return entries[0]
        return None

    def _none_listed_message(self, meshes: Sequence[MeshFile]) -> str:
        if not self._entries:
            return "the split files list no mesh"
        first = self._entries[0]
        return (
            f"none of the {len(self._entries):,} meshes in the split files exists: the first one"
            f" listed is '{first.name}' ({first.location}), the first one found '{meshes[0].id}'"
        )

    def _unused_notes(self, meshes: Sequence[MeshFile], used: set[str]) -> list[str]:
        unused = {entry.spelled for entry in self._entries} - used
        categories = {mesh.category for mesh in meshes}
        others = {name for name in unused if "/" in name and name.split("/")[0] not in categories}
        unused -= others
        notes = []
        if unused:
            notes.append(_note("meshes in the split files that do not exist", unused))
        if others:
            notes.append(_note("meshes of other categories in the split files", others))
        return notes


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _check_agree(before: SplitEntry, entry: SplitEntry) -> None:
    if before.split != entry.split:
        raise DiscoverError(
            f"{entry.location}: '{entry.name}' is in '{entry.split}' here, and in"
            f" '{before.split}' in {before.location}"
        )


def _left_out_notes(meshes: Sequence[MeshFile], found: Sequence[tuple[MeshFile, str]]) -> list[str]:
    left_out = {mesh.id for mesh in meshes} - {mesh.id for mesh, _ in found}
    return [_note("meshes left out because no split lists them", left_out)] if left_out else []


def _note(what: str, names: set[str]) -> str:
    return f"{what}: {len(names):,}, such as {min(names)}"
