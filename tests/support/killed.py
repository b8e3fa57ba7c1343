"""Commands that are killed in mid-work."""

import os
import signal
import subprocess
import sys

from support.fakes import python_path

KILLED = """
import os, signal, sys
real, left = os.fsync, [int(sys.argv[1])]

def fsync(handle):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(handle)

os.fsync = fsync
from shapegan.cli import main
main(sys.argv[2:], prog_name="shapegan")
"""
"""The command, killed instead of its n-th flush to disk: before a file gets its name, or after."""


def killed(flushes: int, *words: object) -> None:
    environment = os.environ | {"PYTHONPATH": python_path()}
    program = [sys.executable, "-c", KILLED, str(flushes), *map(str, words)]
    done = subprocess.run(program, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
