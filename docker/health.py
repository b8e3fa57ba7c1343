#!/usr/bin/env python3
"""Health check of a shapegan container: exit code 0, or 1 and a line with the reason.

It imports Python's own modules only, so that it is quick while the container is busy.
"""

import argparse
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CACHES = ("WARP_CACHE_PATH", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH")
"""Environment variables that name folders of compiled kernels."""


class UnhealthyError(Exception):
    """A failed check; the message is one line with the reason."""


def check_caches() -> None:
    """Check that each folder of kernels is writable; otherwise every start compiles, or fails."""
    for name in CACHES:
        if folder := os.environ.get(name):
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise UnhealthyError(f"{name}={folder} cannot be written to: {error}") from error


def check_url(url: str, seconds: float) -> None:
    """Check that a server in the container responds with status 200."""
    if not url.startswith("http://"):
        raise UnhealthyError(f"--url takes http:// only, got {url}")
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            status = response.status
    except OSError as error:
        raise UnhealthyError(f"{url} does not respond: {error}") from error
    if status != 200:
        raise UnhealthyError(f"{url} responds with status {status}")


def check_fresh(path: Path, minutes: float) -> None:
    """Check that a file that a run appends to, such as metrics.csv, was changed recently."""
    try:
        age = (time.time() - path.stat().st_mtime) / 60
    except OSError as error:
        raise UnhealthyError(f"cannot read the time of {path}: {error}") from error
    if age > minutes:
        raise UnhealthyError(f"{path} is {age:.0f} minutes old, at most {minutes:g} are allowed")


def main(arguments: list[str]) -> int:
    """Run the checks of the options; the caches are always checked."""
    parser = argparse.ArgumentParser(prog="shapegan-health", description=__doc__)
    parser.add_argument("--url", help="URL that has to respond with status 200")
    parser.add_argument("--fresh", type=Path, metavar="FILE", help="file that a run appends to")
    parser.add_argument("--minutes", type=float, default=30.0, help="allowed age of FILE")
    options = parser.parse_args(arguments)
    try:
        check_caches()
        if options.url:
            check_url(options.url, seconds=5.0)
        if options.fresh:
            check_fresh(options.fresh, options.minutes)
    except UnhealthyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
