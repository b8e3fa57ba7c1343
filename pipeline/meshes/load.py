"""Triangle meshes from files of any supported format."""

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.compressed import (
    COMPRESSIONS,
    compressed_suffixes,
    decompress,
    without_compression,
)
from shapegan.pipeline.meshes.formats.gltf import read_gltf
from shapegan.pipeline.meshes.formats.obj import read_obj
from shapegan.pipeline.meshes.formats.off import read_off
from shapegan.pipeline.meshes.formats.ply import read_ply
from shapegan.pipeline.meshes.formats.stl import read_stl
from shapegan.pipeline.meshes.formats.text import FormatError
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh, usable

SUFFIXES = (".obj", ".ply", ".stl", ".off", ".glb", ".gltf")
"""Suffixes of the formats that `load` reads, in lower case."""

FILE_SUFFIXES = (*SUFFIXES, *compressed_suffixes(SUFFIXES))
"""Suffixes of the files that `load` reads: those of formats, also compressed, as `.obj.gz`."""

_NOT_MESHES = {
    b"version https://git-lfs": "a pointer of Git LFS, not the mesh: fetch it by git lfs pull",
    b"\x1f\x8b": "compressed by gzip: append .gz to its name, or unpack it",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
}
"""First bytes of files that are often found in place of a mesh -> what to do about them."""


def load(path: Path | str) -> TriangleMesh:
    """Read a mesh file; materials and textures are ignored.

    Polygons are cut into triangles. The meshes of a scene are transformed to their places and
    joined. Faces with vertices that are not finite are removed, and so are vertices that no face
    uses. Degenerate and repeated faces stay.

    Args:
        path: the file; its suffix, one of `FILE_SUFFIXES` in any case, selects the format.

    Returns:
        A mesh with finite vertices and at least one face that has an area. Its notes name what was
        left out.

    Raises:
        BadMeshError: the file holds no usable mesh; the message is one line that gives the reason.
    """
    path = Path(path)
    kind = without_compression(path).suffix.lower()
    if kind not in SUFFIXES:
        raise BadMeshError(f"unknown kind of file {kind[:20]!a}, expected {' '.join(SUFFIXES)}")
    data = _contents(path)
    notes: list[str] = []
    try:
        vertices, faces = _read(kind, data, path.parent, notes)
    except FormatError as error:
        raise BadMeshError(str(error)) from error
    mesh = usable(vertices, faces)
    return replace(mesh, notes=tuple(dict.fromkeys([*notes, *mesh.notes])))


def _read(
    kind: str, data: bytes, folder: Path, notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if kind in (".glb", ".gltf"):
        return read_gltf(data, folder, notes)
    if kind == ".stl":
        return read_stl(data, notes)
    if kind == ".ply":
        return read_ply(data, notes)
    return read_obj(data) if kind == ".obj" else read_off(data, notes)


def _contents(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # reading a pipe could block forever
            raise BadMeshError(
                "a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file"
            )
        data = path.read_bytes()
    except OSError as error:
        raise BadMeshError(f"cannot be read: {error.strerror}") from error
    if data and path.suffix.lower() in COMPRESSIONS:
        data = decompress(data, path.suffix.lower())
    if not data or data.isspace():
        raise BadMeshError("empty file")
    for first_bytes, advice in _NOT_MESHES.items():
        if data.startswith(first_bytes):
            raise BadMeshError(advice)
    return data
