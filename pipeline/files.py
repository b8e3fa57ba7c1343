"""Atomic writing of files: to a temporary name, flushed to the disk, then renamed."""

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
    """An unusable output folder; the message is one line that says what to do."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` while `path` is written, such as a full disk, into `OutputError`."""
    try:
        yield
    except OSError as error:
        raise _output_error(path, error) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on exit, flush its file to the disk and rename it to `path`.

    Raises:
        OutputError: the file cannot be written, for example because the disk is full.
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
    advice = "fix that, or choose another path"
    if error.errno in _FULL:
        advice = "make space, and run the same command again"
    return OutputError(f"cannot write {path}: {why}; {advice}")


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, atomically.

    Text may contain file names that are not valid UTF-8; `read_text` restores them.

    Raises:
        OutputError: the file cannot be written; an existing one stays as it was.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def read_text(path: Path) -> str:
    """Read a file of `write_text`."""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed run left below a folder."""
    for leftover in folder.rglob(f".*{_TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
