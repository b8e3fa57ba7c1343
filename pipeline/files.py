"""Files that appear whole or not at all: written under another name, flushed, then renamed."""

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from shapegan.pipeline.errors import PlainError

_TEMPORARY = ".tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputError(PlainError):
    """The output folder cannot be used; the message is one line with what to do."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Makes what goes wrong in writing a file or folder, such as on a full disk, `OutputError`."""
    try:
        yield
    except OSError as error:
        raise _output_error(path, error) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path; at the end its file is flushed to the disk and renamed to `path`.

    Raises:
        OutputError: where the file cannot be written, such as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_TEMPORARY}")
    try:
        with writing(path):
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _output_error(path: Path, error: OSError) -> OutputError:
    why = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
    advice = "make space" if error.errno in _FULL else "mend that"
    return OutputError(f"cannot write {path}: {why}; {advice}, and the same command resumes")


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file, or raises `OutputError` and leaves what was there.

    File names that are no UTF-8 come back as they were from `read_text`.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def read_text(path: Path) -> str:
    """Reads what `write_text` wrote."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def sweep(folder: Path) -> None:
    """Removes the temporary files that a killed run left."""
    for leftover in folder.glob(f".*{_TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
