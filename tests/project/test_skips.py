"""Skips have to be expected: tests/conftest.py fails a run that skips for another reason."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def run(folder, reason, environment):
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    test = f'import pytest\n\n@pytest.mark.skip(reason="{reason}")\ndef test_it(): pass\n'
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    environment = {"PYTHONPATH": str(CONFTEST.parent)} | environment  # of `support`
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("reason", "at_home", "in_ci"),
    [
        ("needs a GPU that CUDA can use", 0, 0),
        ("there is no chromium: apt-get install chromium", 0, 1),
        ("it failed too often", 1, 1),
    ],
)
def test_an_unexpected_skip_fails_the_run(tmp_path, reason, at_home, in_ci):
    assert run(tmp_path, reason, {}).returncode == at_home
    done = run(tmp_path, reason, {"CI": "true"})
    assert done.returncode == in_ci
    assert (f"unexpected skip, not listed in tests/conftest.py: {reason}" in done.stdout) == in_ci
