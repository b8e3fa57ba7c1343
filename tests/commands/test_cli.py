"""Help and version of the command import nothing heavy."""

import json
import os
import subprocess
import sys

import pytest

WAITING = "OMP_WAIT_POLICY"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["preprocess", "--help"],
        ["inspect", "--help"],
        ["samples", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import json, sys\n"
        "from shapegan.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "torch", "warp", "dask", "distributed", "trimesh", "h5py", "rich"}


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [
        ("status", {}, "PASSIVE"),
        ("status", {WAITING: "ACTIVE"}, "ACTIVE"),
        ("train", {}, "None"),
    ],
)
def test_waiting_threads_leave_their_cores_to_others_unless_they_train(
    command: str, given: dict[str, str], expected: str
) -> None:
    program = (
        "import os, sys\n"
        "from shapegan.cli import main\n"
        "try:\n    main([sys.argv[1], 'nowhere'])\nexcept SystemExit: pass\n"
        f"print(os.environ.get({WAITING!r}))"
    )
    inherited = {name: value for name, value in os.environ.items() if name != WAITING}
    done = subprocess.run(
        [sys.executable, "-c", program, command],
        capture_output=True,
        text=True,
        check=True,
        env=inherited | given,
    )
    assert done.stdout.splitlines()[-1] == expected
