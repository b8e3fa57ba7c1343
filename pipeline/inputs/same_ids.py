"""Meshes that would have the same id, such as `link.obj` beside `link.stl`."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from shapegan.pipeline.inputs.folders import (
    V2_MESH,
    DiscoverError,
    MeshFile,
    as_text,
    without_suffix,
)
from shapegan.pipeline.meshes.load import SUFFIXES


def read_preference(words: Sequence[str]) -> tuple[str, ...]:
    """Suffixes in the order of the words of `--prefer`, which may lack the dot.

    Raises:
        DiscoverError: a word is not a format that is read.
    """
    suffixes = tuple(f".{word.lower().removeprefix('.')}" for word in words)
    for word, suffix in zip(words, suffixes, strict=True):
        if suffix not in SUFFIXES:
            known = " ".join(one[1:] for one in SUFFIXES)
            raise DiscoverError(f"--prefer '{word}': expected some of {known}")
    return suffixes


def separate_ids(meshes: Sequence[MeshFile], prefer: Sequence[str] = ()) -> list[MeshFile]:
    """Give meshes of one id different ids, or keep one of them.

    Of the meshes that share an id, those of the most preferred format stay, if there are any, and
    of these the ones that are not compressed. If one stays, it keeps the id. Others get their
    suffix into the id; where that is not enough, the path below the root, then a number.

    Args:
        meshes: as `shapegan.pipeline.inputs.folders.scan_tree` finds them.
        prefer: suffixes of `SUFFIXES`, the best one first.

    Returns:
        Meshes with unique ids, sorted by id. `shared_id` is set where several stayed.
    """
    groups: dict[str, list[MeshFile]] = defaultdict(list)
    for mesh in meshes:
        groups[mesh.id].append(mesh)
    kept = [mesh for group in groups.values() for mesh in _preferred(group, prefer)]
    ids = _unique_ids(kept)
    return sorted(
        mesh if mesh.id == found else mesh._replace(id=found, shared_id=mesh.id)
        for mesh, found in zip(kept, ids, strict=True)
    )


def _preferred(group: list[MeshFile], prefer: Sequence[str]) -> list[MeshFile]:
    """The meshes of a group that are of its most preferred format."""

    def rank(mesh: MeshFile) -> tuple[int, bool]:
        suffix = _suffix(mesh)
        format_, _, packing = suffix[1:].partition(".")
        return prefer.index(f".{format_}"), bool(packing)

    candidates = [mesh for mesh in group if f".{_suffix(mesh).split('.')[1]}" in prefer]
    if len(group) == 1 or not candidates:
        return group
    best = min(map(rank, candidates))
    return [mesh for mesh in candidates if rank(mesh) == best]


def _suffix(mesh: MeshFile) -> str:
    """Suffix of a mesh's file in lower case, such as `.obj` or `.obj.gz`."""
    return mesh.relative[len(without_suffix(mesh.relative)) :].lower()


def _unique_ids(meshes: Sequence[MeshFile]) -> list[str]:
    """An id for each mesh; where several have the same, all of them get a longer one."""
    candidates = [_candidates(mesh) for mesh in meshes]
    level = [0] * len(meshes)
    while True:
        ids = [names[k] for names, k in zip(candidates, level, strict=True)]
        counts = Counter(ids)
        again = [k for k, id_ in enumerate(ids) if counts[id_] > 1]
        longer = [k for k in again if level[k] + 1 < len(candidates[k])]
        if not longer:
            return _numbered(ids)
        for k in longer:
            level[k] += 1


def _candidates(mesh: MeshFile) -> tuple[str, str, str]:
    """Ids of a mesh, from short to long: without suffix, with its file's name, and its path."""
    file = mesh.relative.rpartition("/")[2]
    if as_text(without_suffix(file)) == mesh.id.rpartition("/")[2]:
        named = f"{mesh.id}{file[len(without_suffix(file)) :]}"
    else:
        main = V2_MESH if V2_MESH in mesh.relative else ""
        named = f"{mesh.id}/{mesh.relative[mesh.relative.rindex(main) :] if main else file}"
    return mesh.id, as_text(named), as_text(mesh.relative)


def _numbered(ids: Sequence[str]) -> list[str]:
    """Append ~2, ~3... to ids that are there already: bytes that are not UTF-8 may look alike."""
    used, result = set(ids), []
    seen: set[str] = set()
    for id_ in ids:
        number, found = 1, id_
        while found in seen or (number > 1 and found in used):
            number += 1
            found = f"{id_}~{number}"
        seen.add(found)
        result.append(found)
    return result
