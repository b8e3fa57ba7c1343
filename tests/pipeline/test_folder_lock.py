import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from shapegan.pipeline.files import OutputError
from shapegan.pipeline.folder_lock import LOCK_NAME, FolderLockError, folder_lock, is_locked

HOLD_LOCK = """
import pathlib, sys
from shapegan.pipeline.folder_lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1]), ""):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_makes_the_folder_and_refuses_a_second_holder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with folder_lock(folder, "first"):
        assert is_locked(folder) is True
        with pytest.raises(FolderLockError, match=r"^somebody else$"):
            folder_lock(folder, "somebody else").__enter__()
    assert is_locked(folder) is False
    with folder_lock(folder, "again"):
        pass


def test_a_killed_process_releases_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        assert is_locked(tmp_path) is True
        with pytest.raises(FolderLockError):
            folder_lock(tmp_path, "held").__enter__()
        other.kill()
    assert is_locked(tmp_path) is False


def test_checking_the_lock_does_not_take_it(tmp_path: Path) -> None:
    assert is_locked(tmp_path) is False
    with (tmp_path / LOCK_NAME).open("w") as file:
        assert is_locked(tmp_path) is False
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_locked(tmp_path) is True


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        folder_lock(tmp_path / "file" / "run", "held").__enter__()


def test_a_file_system_without_locks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert is_locked(tmp_path) is False  # no lock file yet
    with pytest.raises(FolderLockError, match=r"cannot lock .*: Operation not supported"):
        folder_lock(tmp_path, "held").__enter__()
    assert is_locked(tmp_path) is None
