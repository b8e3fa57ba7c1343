"""The lock of an output folder: one process at a time writes a dataset or a run."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from shapegan.pipeline.files import OutputError, writing

LOCK_NAME = ".lock"
"""File in the folder. Its modification time is when the lock was last taken."""


class FolderLockError(OutputError):
    """A folder that cannot be locked; the message is one line with what to do."""


@contextlib.contextmanager
def folder_lock(folder: Path, held_message: str) -> Iterator[None]:
    """Hold the exclusive lock of a folder; make the folder if it does not exist.

    The lock is `flock` on `LOCK_NAME`. The system releases it when the process ends, even by a
    crash.

    Args:
        folder: The output folder.
        held_message: Error message if another process holds the lock.

    Raises:
        FolderLockError: another process holds the lock, or the file system has no locks.
        OutputError: the folder cannot be made or written.
    """
    with _open_lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderLockError(held_message) from error
        except OSError as error:
            raise FolderLockError(f"cannot lock {folder}: {error.strerror}") from error
        yield


def _open_lock_file(folder: Path) -> TextIO:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK_NAME).open("w")


def is_locked(folder: Path) -> bool | None:
    """Test whether a process holds the lock of a folder; None if the file system has no locks.

    The test takes a shared lock for an instant.
    """
    try:
        with (folder / LOCK_NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
