"""Compressed geometry of glTF: Draco meshes and meshoptimizer's buffer views."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.extras import MissingPackageError, naming_extras
from shapegan.pipeline.meshes.formats.text import FormatError

DRACO = "KHR_draco_mesh_compression"
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_MAX_BYTES = 1 << 32
"""Limit of a decompressed buffer view, in bytes."""


@dataclass(frozen=True)
class DracoMesh:
    """A decompressed primitive."""

    attributes: dict[int, NDArray[Any]]
    """Id of an attribute -> (V, components)."""
    corners: NDArray[np.int64]
    """(3 F,), rows of the attributes."""


def decode_draco(data: bytes) -> DracoMesh:
    """Decompress a primitive of `KHR_draco_mesh_compression`.

    Raises:
        FormatError: the data are invalid, or the package that decompresses them is missing.
    """
    with _named(DRACO):
        import DracoPy
    try:
        mesh = DracoPy.decode(data)
        attributes = {item["unique_id"]: np.asarray(item["data"]) for item in mesh.attributes}
        faces = np.asarray(getattr(mesh, "faces", ()), np.int64)
    except Exception as error:  # DracoPy raises exceptions of its own, which share no base class
        raise FormatError(f"{DRACO}: the compressed data are invalid") from error
    return DracoMesh(attributes, faces.reshape(-1))


def meshopt_extension(view: dict[str, Any]) -> dict[str, Any] | None:
    """The object that describes a buffer view's compressed bytes; None if it has none."""
    extensions = view.get("extensions", {})
    return next(
        ({**extensions[name], "name": name} for name in _MESHOPT if name in extensions), None
    )


def decode_view(extension: dict[str, Any], data: bytes) -> bytes:
    """Decompress a buffer view of `EXT_meshopt_compression`.

    Args:
        extension: its object from `meshopt_extension`.
        data: the compressed bytes.

    Raises:
        FormatError: the data are invalid, or the package that decompresses them is missing.
    """
    name = extension["name"]
    with _named(name):
        import meshopt
    count, stride = int(extension["count"]), int(extension["byteStride"])
    if not 0 < count * stride <= _MAX_BYTES:
        raise FormatError(f"{name}: {count} elements of {stride} bytes, expected 1 byte to 4 GiB")
    try:
        decoded: NDArray[Any] = meshopt.decode_gltf_buffer(
            data, count, stride, extension["mode"], extension.get("filter")
        )
    except (ValueError, RuntimeError) as error:
        raise FormatError(f"{name}: the compressed data are invalid") from error
    return decoded.tobytes()


@contextmanager
def _named(extension: str) -> Iterator[None]:
    """Reject the file if a package is missing; the line names the glTF extension and the extra."""
    try:
        with naming_extras(extension):
            yield
    except MissingPackageError as error:
        raise FormatError(str(error)) from error
