#!/usr/bin/env python3
"""Whether a container of shapegan is well: exit code 0, or 1 and a line that says why not.

Needs nothing but Python, so that it answers while the container is busy.
"""

import argparse
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CACHES = ("WARP_CACHE_PATH", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH")
"""Environment variables with folders that compiled kernels go to."""


class UnwellError(Exception):
    """The message is a line that says what is wrong."""


def check_caches() -> None:
    """Each folder for kernels can be written to; else every start would compile again, or fail."""
    for name in CACHES:
        if folder := os.environ.get(name):
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise UnwellError(f"{name}={folder} cannot be written to: {error}") from error


def check_url(url: str, seconds: float) -> None:
    """A server in the container answers with 200."""
    if not url.startswith("http://"):
        raise UnwellError(f"--url is for http://, not {url}")
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            status = answer.status
    except OSError as error:
        raise UnwellError(f"{url} does not answer: {error}") from error
    if status != 200:
        raise UnwellError(f"{url} answers with {status}")


def check_fresh(path: Path, minutes: float) -> None:
    """A file that a run appends to, such as metrics.csv, was touched not long ago."""
    try:
        age = (time.time() - path.stat().st_mtime) / 60
    except OSError as error:
        raise UnwellError(f"{path} cannot be looked at: {error}") from error
    if age > minutes:
        raise UnwellError(f"{path} is {age:.0f} minutes old, of at most {minutes:g}")


def main(arguments: list[str]) -> int:
    """Checks what was asked for; the caches always."""
    parser = argparse.ArgumentParser(prog="shapegan-health", description=__doc__)
    parser.add_argument("--url", help="something that answers with 200")
    parser.add_argument("--fresh", type=Path, metavar="FILE", help="something that is appended to")
    parser.add_argument("--minutes", type=float, default=30.0, help="how old FILE may be")
    asked = parser.parse_args(arguments)
    try:
        check_caches()
        if asked.url:
            check_url(asked.url, seconds=5.0)
        if asked.fresh:
            check_fresh(asked.fresh, asked.minutes)
    except UnwellError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
