"""Discovery of the meshes to process, by folder, category and split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shapegan.pipeline import taxonomy
from shapegan.pipeline.inputs.folders import (
    V2_MESH,
    DiscoverError,
    MeshFile,
    MeshTree,
    as_text,
    escape_unprintable,
    scan_tree,
    without_suffix,
)
from shapegan.pipeline.inputs.same_ids import read_preference, separate_ids
from shapegan.pipeline.inputs.splits import read_splits
from shapegan.pipeline.inputs.unread_files import ARCHIVES, list_unread
from shapegan.pipeline.meshes.load import FILE_SUFFIXES, SUFFIXES
from shapegan.pipeline.schema import Job

__all__ = ["DiscoverError", "Discovery", "discover", "discover_file"]

_MAX_NAMED = 12
"""Limit of the categories that a message names."""


@dataclass(frozen=True)
class Discovery:
    """Meshes to process, and notes for the user."""

    jobs: list[Job]
    """Sorted by id, so the order does not depend on the file system."""
    notes: list[str]
    """One line about each group of meshes that is left out, or that gets longer ids."""
    unread: str = ""
    """One line about files of other 3D formats and archives, which are left out; may be empty."""


def discover(
    root: Path,
    categories: Sequence[str] = (),
    limit: int | None = None,
    splits: Sequence[str] = (),
    prefer: Sequence[str] = (),
    left_out: Path | None = None,
) -> Discovery:
    """Find the meshes below a folder (see `shapegan.pipeline.inputs.folders.scan_tree`).

    Args:
        root: a ShapeNetCore tree, a folder around it or one of its synsets, or any folder.
        categories: synset ids, names, or first folders below the root; all if empty.
        limit: keep only this many meshes, the first ones that `categories` and `splits` select.
        splits: see `shapegan.pipeline.inputs.splits.read_splits`; meshes that it does not name are
            left out.
        prefer: formats, such as `obj`, the best one first. Of files that differ in their suffix
            alone, only the best one is taken; see
            `shapegan.pipeline.inputs.same_ids.separate_ids`.
        left_out: a folder that is not entered, such as one of results; it need not exist.

    Raises:
        DiscoverError: there are no meshes, or an argument does not fit the meshes found.
    """
    # 1. Check the arguments before the folder is scanned, which may take minutes.
    splitter = read_splits(splits)
    preference = read_preference(prefer)
    folder = _resolve(root)
    # 2. Find all meshes of the categories.
    tree = scan_tree(folder, lambda one: not categories or _matches_any(categories, one), left_out)
    notes = _empty_model_notes(tree)
    if not tree.meshes and not categories:
        raise DiscoverError(_no_meshes_message(root, tree))
    # 3. Select those of the categories and splits.
    found = _of_categories(tree, categories, root)
    separated = replace(tree, meshes=separate_ids(tree.meshes, preference))
    meshes = _of_categories(separated, categories, root)
    selected, more_notes = splitter.assign(meshes) if splitter else ([(m, "") for m in meshes], [])
    notes += [*_same_id_notes(found, meshes), *more_notes]
    jobs = [_job(folder, mesh, split) for mesh, split in selected[:limit]]
    notes = [escape_unprintable(note) for note in notes]
    return Discovery(jobs, notes, escape_unprintable(_unread_note(tree)))


def discover_file(path: Path) -> Discovery:
    """The job of a single mesh file; its id is the file's name without suffix.

    Raises:
        DiscoverError: the file is not of a format that is read.
    """
    if not path.name.lower().endswith(FILE_SUFFIXES):
        raise DiscoverError(f"{path} is not a mesh: its suffix is none of {' '.join(SUFFIXES)}")
    name = as_text(without_suffix(path.name))
    return Discovery([Job(name, "", path.resolve(), path.name)], [])


def _job(folder: Path, mesh: MeshFile, split: str) -> Job:
    return Job(mesh.id, mesh.category, folder / mesh.relative, mesh.relative, split)


def _resolve(root: Path) -> Path:
    try:
        folder = root.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that points to itself
        raise DiscoverError(f"cannot read {root}: no such folder") from error
    if not folder.is_dir():
        raise DiscoverError(f"{root} is a file: give the folder that contains the meshes")
    return folder


def _no_meshes_message(root: Path, tree: MeshTree) -> str:
    looked = f"files in {' '.join(SUFFIXES)}, or <synset>/<model>/{V2_MESH}"
    if not tree.unread:
        return f"no meshes in {root}: looked for {looked}"
    archives = {one: count for one, count in tree.unread.items() if one in ARCHIVES}
    others = {one: count for one, count in tree.unread.items() if one not in ARCHIVES}
    advice = []
    if others:
        advice.append(f"convert its files of other formats ({list_unread(others)})")
    if archives:
        advice.append(f"unpack its archives ({list_unread(archives)}) first")
    return f"no meshes in {root} (looked for {looked}): {', or '.join(advice)}"


def _unread_note(tree: MeshTree) -> str:
    if not tree.unread:
        return ""
    return (
        f"files that are not read: {tree.unread.total():,} ({list_unread(tree.unread)}), such as"
        f" {tree.unread_example}"
    )


def _same_id_notes(found: Sequence[MeshFile], meshes: Sequence[MeshFile]) -> list[str]:
    """Notes about meshes that were dropped, and about those that got longer ids."""
    notes = []
    if dropped := len(found) - len(meshes):
        notes.append(f"files left out because --prefer takes another one of the name: {dropped:,}")
    if longer := [mesh for mesh in meshes if mesh.shared_id]:
        first = [mesh.id for mesh in longer if mesh.shared_id == longer[0].shared_id]
        notes.append(
            f"files that share a name and get longer ids: {len(longer):,}, such as"
            f" {' and '.join(first[:2])}; --prefer obj,glb takes one of each name"
        )
    return notes


def _empty_model_notes(tree: MeshTree) -> list[str]:
    models = tree.empty_models
    return [f"model folders without a mesh: {len(models):,}, such as {models[0]}"] if models else []


def _matches_any(words: Iterable[str], category: str) -> bool:
    return any(taxonomy.match_rank(word, category) for word in words)


def _of_categories(tree: MeshTree, words: Sequence[str], root: Path) -> list[MeshFile]:
    if not words:
        return tree.meshes
    selected = {best_category(word, tree.categories, root) for word in words}
    meshes = [mesh for mesh in tree.meshes if mesh.category in selected]
    empty = sorted(selected - {mesh.category for mesh in meshes})
    if empty:
        raise DiscoverError(f"no meshes of {taxonomy.describe(empty[0])} in {root}")
    return meshes


def best_category(word: str, categories: Iterable[str], root: Path) -> str:
    """The category that matches a word best.

    Args:
        word: Synset id, its name, or a folder's name.
        categories: Categories to choose from.
        root: Folder with these categories, for messages.

    Raises:
        DiscoverError: no category matches, or several match equally well.
    """
    ranks = {one: taxonomy.match_rank(word, one) for one in sorted(categories)}
    best = max(ranks.values(), default=0)
    if not best:
        raise DiscoverError(_unknown_category_message(word, list(ranks), root))
    matching = [one for one, rank in ranks.items() if rank == best]
    if len(matching) > 1:
        names = " or ".join(map(taxonomy.describe, matching))
        raise DiscoverError(f"category '{word}' may be {names}: give the folder's exact name")
    return matching[0]


def _unknown_category_message(word: str, categories: Sequence[str], root: Path) -> str:
    known = " or ".join(map(taxonomy.describe, sorted(taxonomy.synsets(word))))
    message = f"no category '{word}' in {root}"
    if known:
        message += f", which would be {known}"
    if close := taxonomy.close_names(word, categories):
        message += f"; did you mean {' or '.join(map(repr, close))}"
    existing = [taxonomy.describe(one) for one in categories if one]
    named = ", ".join(existing[:_MAX_NAMED])
    more = f" and {len(existing) - _MAX_NAMED} more" if len(existing) > _MAX_NAMED else ""
    return f"{message}; there are {named}{more}" if existing else f"{message}, or any other"
