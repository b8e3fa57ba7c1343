"""Mesh files that are compressed one by one, such as `chair.obj.gz`."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shapegan.pipeline.meshes.triangle_mesh import BadMeshError

_OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}

COMPRESSIONS = tuple(_OPENERS)
"""Suffixes of compressed files that are read, in lower case."""

MAX_BYTES = 2**30
"""Largest size of a decompressed file. A small file may expand to more than the memory holds."""

_CHUNK = 2**20


def compressed_suffixes(suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Each suffix with each compression: `.obj.gz`, `.obj.bz2` and so on."""
    return tuple(f"{suffix}{packing}" for suffix in suffixes for packing in COMPRESSIONS)


def without_compression(path: Path) -> Path:
    """The path that the file would have if it were not compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def decompress(data: bytes, suffix: str) -> bytes:
    """Decompress the contents of a file.

    Args:
        data: contents of the file.
        suffix: one of `COMPRESSIONS`.

    Raises:
        BadMeshError: the data is cut off or damaged, or expands to more than `MAX_BYTES`.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        with _OPENERS[suffix](io.BytesIO(data)) as file:
            while chunk := file.read(_CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BYTES:
                    raise BadMeshError(
                        f"expands to more than {MAX_BYTES / 1e9:.2g} GB: unpack it if that is right"
                    )
    except EOFError as error:
        raise BadMeshError(f"cut off: the {suffix} file has no end") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())
        raise BadMeshError(f"not a readable {suffix} file: {reason[:80]!a}") from error
    return b"".join(chunks)
