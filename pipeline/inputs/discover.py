"""Finding meshes: a ShapeNet tree or any folder, and split lists -> ordered jobs."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import taxonomy
from shapegan.pipeline.inputs.folders import (
    V2_MESH,
    DiscoverError,
    MeshFile,
    Tree,
    one_line,
    scan_tree,
)
from shapegan.pipeline.inputs.splits import read_splits
from shapegan.pipeline.meshes.load import SUFFIXES
from shapegan.pipeline.schema import Job

__all__ = ["DiscoverError", "Discovery", "discover"]

_NAMED = 12
"""Categories that a message names at most."""


@dataclass(frozen=True)
class Discovery:
    """What there is to do."""

    jobs: list[Job]
    """In the order of their ids, which no file system has a say in."""
    notes: list[str]
    """What the user should know about what was left out; a line each."""


def discover(
    root: Path,
    categories: Sequence[str] = (),
    limit: int | None = None,
    splits: Sequence[str] = (),
) -> Discovery:
    """Finds the meshes below a folder (see `shapegan.pipeline.inputs.folders.scan_tree`).

    Args:
        root: a ShapeNetCore tree, a folder around it or one of its synsets, or any folder.
        categories: synset ids, names, or first folders below the root; all if empty.
        limit: take the first so many of what the others leave.
        splits: see `shapegan.pipeline.inputs.splits.read_splits`; meshes that it does not name are
            left out.

    Raises:
        DiscoverError: where nothing is found or an argument does not fit what is.
    """
    # 1. What is asked for, as far as it can be understood without looking.
    rule = read_splits(splits)
    folder = _resolve(root)
    # 2. What is there.
    tree = scan_tree(folder, lambda one: not categories or _any_fits(categories, one))
    notes = _hollow_notes(tree)
    if not tree.meshes and not categories:
        raise DiscoverError(_nothing(root, folder))
    # 3. What of it is wanted.
    meshes = _of_categories(tree, categories, root)
    _check_unique(meshes, root)
    chosen = [(mesh, "") for mesh in meshes]
    if rule:
        chosen, more = rule.assign(meshes)
        notes += more
    jobs = [
        Job(mesh.id, mesh.category, folder / mesh.relative, mesh.relative, split)
        for mesh, split in chosen[:limit]
    ]
    return Discovery(jobs, [one_line(note) for note in notes])


def _resolve(root: Path) -> Path:
    try:
        folder = root.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # the latter for a link that leads to itself
        raise DiscoverError(f"cannot read {root}: no such folder") from error
    if not folder.is_dir():
        raise DiscoverError(f"{root} is a file: give the folder that the meshes lie in")
    return folder


def _nothing(root: Path, folder: Path) -> str:
    looked = f"files in {' '.join(SUFFIXES)}, or <synset>/<model>/{V2_MESH}"
    if archives := len(list(folder.glob("*.zip"))):
        return (
            f"no meshes in {root} (looked for {looked}): unpack its .zip files ({archives}) first"
        )
    return f"no meshes in {root}: looked for {looked}"


def _hollow_notes(tree: Tree) -> list[str]:
    if not tree.hollow:
        return []
    return [f"model folders without a mesh: {len(tree.hollow):,}, such as {tree.hollow[0]}"]


def _any_fits(words: Iterable[str], category: str) -> bool:
    return any(taxonomy.closeness(word, category) for word in words)


def _of_categories(tree: Tree, words: Sequence[str], root: Path) -> list[MeshFile]:
    if not words:
        return tree.meshes
    chosen = {_choose(word, tree.categories, root) for word in words}
    meshes = [mesh for mesh in tree.meshes if mesh.category in chosen]
    empty = sorted(chosen - {mesh.category for mesh in meshes})
    if empty:
        raise DiscoverError(f"no meshes of {taxonomy.describe(empty[0])} in {root}")
    return meshes


def _choose(word: str, categories: Iterable[str], root: Path) -> str:
    """The category that fits a word best."""
    ranks = {one: taxonomy.closeness(word, one) for one in sorted(categories)}
    best = max(ranks.values(), default=0)
    if not best:
        raise DiscoverError(_unknown(word, list(ranks), root))
    fitting = [one for one, rank in ranks.items() if rank == best]
    if len(fitting) > 1:
        names = " or ".join(map(taxonomy.describe, fitting))
        raise DiscoverError(f"category '{word}' may be {names}: give the one as it stands there")
    return fitting[0]


def _unknown(word: str, categories: Sequence[str], root: Path) -> str:
    known = " or ".join(map(taxonomy.describe, sorted(taxonomy.synsets(word))))
    message = f"no category '{word}' in {root}"
    if known:
        message += f", which would be {known}"
    if close := taxonomy.close_names(word, categories):
        message += f"; did you mean {' or '.join(map(repr, close))}"
    there = [taxonomy.describe(one) for one in categories if one]
    named = ", ".join(there[:_NAMED])
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    return f"{message}; there are {named}{more}" if there else f"{message}, or any other"


def _check_unique(meshes: Sequence[MeshFile], root: Path) -> None:
    pairs = [(a, b) for a, b in itertools.pairwise(meshes) if a.id == b.id]
    if pairs:
        a, b = pairs[0]
        more = f" (and {len(pairs) - 1:,} more pairs)" if len(pairs) > 1 else ""
        raise DiscoverError(
            f"{a.relative} and {b.relative} in {root} would both be the mesh '{a.id}'{more}:"
            " leave one of them out, or rename it"
        )
