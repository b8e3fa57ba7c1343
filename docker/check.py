#!/usr/bin/env python3
"""Build the image without a container engine, and use it as its users do.

    make docker-check                      # as root, on Debian with buildah and debootstrap

The base image is a Debian made by debootstrap, so no registry of images is needed. Packages come
from this machine's own sources: its Debian mirror, and pip's configuration, which the build
receives as a secret. All files lie in one folder below --scratch, which is removed at the end.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from buildah import IMAGE, SUITE, Buildah, build, make_base, refuse

OWNER = 1000
"""User and group of the image."""
TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap"}
"""Commands that are needed -> their Debian packages."""


def heading(message: str) -> None:
    """Print a heading."""
    print(f"\n== {message}", flush=True)


def expect(holds: bool, message: str) -> None:
    """Print a line for a condition; exit if it does not hold."""
    print(f"{'ok' if holds else 'NOT OK'}: {message}", flush=True)
    if not holds:
        refuse("the image is not as it should be")


def check_machine() -> None:
    """Exit with a line if root or a tool is missing; install nothing."""
    if os.geteuid() != 0:
        refuse("debootstrap and chroot need root: sudo make docker-check")
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        refuse(f"apt-get install --no-install-recommends {' '.join(missing)}")


def check_config(config: dict[str, Any]) -> list[str]:
    """Check the image's configuration.

    Returns:
        The command of its health check.
    """
    expect(config["User"] == f"{OWNER}:{OWNER}", f"the user is {config['User']}")
    expect(
        config["Entrypoint"] == ["tini", "--", "shapegan"], f"entry point {config['Entrypoint']}"
    )
    expect(list(config["Volumes"]) == ["/cache"], f"volumes {list(config['Volumes'])}")
    health: list[str] = config["Healthcheck"]["Test"]
    expect(health[0] == "CMD", f"health check {health}")
    return health[1:]


def work(buildah: Buildah, config: dict[str, Any]) -> None:
    """Turn meshes into a trained run inside the image."""
    shapegan = config["Entrypoint"]

    heading("the user, and no secret of the build left behind")
    expect(buildah.run(["id", "-u"]).strip() == str(OWNER), "the process is not root")
    expect(buildah.run(["cat", "/etc/pip.conf"], code=1) != "", "no pip.conf is left")

    heading("meshes to a dataset")
    version = buildah.run([*shapegan, "--version"])
    as_module = buildah.run(["python3", "-m", "shapegan", "--version"])
    # The last line: tini warns before it that it is not the first process.
    same = as_module.splitlines()[-1] == version.splitlines()[-1]
    expect(same, "`python -m shapegan` is the command")
    buildah.run([*shapegan, "samples", "chairs", "--count", "4", "--out", "/data/meshes"])
    sizes = ["--points", "16384", "--resolutions", "8,16,64"]
    preprocess = ["preprocess", "/data/meshes", "--out", "/data/datasets", "--workers", "2"]
    buildah.run([*shapegan, *preprocess, *sizes])
    buildah.run([*shapegan, "inspect", "/data/datasets", "--verify"])

    heading("OpenGL for --method scan")
    scan = ["preprocess", "/data/meshes", "--out", "/data/scan", "--method", "scan"]
    buildah.run([*shapegan, *scan, "--limit", "1", "--workers", "0", *sizes])

    heading("a dataset to a generator, and its shapes")
    train = [*shapegan, "train", "--data", "/data/datasets", "--run", "/data/runs/run"]
    train += ["--preset", "demo", "--stages", "8", "--batch-size", "4", "--preview-shapes", "1"]
    first, again = (buildah.run([*train, "--steps", "20"]) for _ in range(2))
    expect("stage 1 of 1" in first and "done: 20 steps" in first, "the run is done")
    expect(
        "stage 1 of 1" not in again and "already finished: 20 steps" in again,
        "it is not done twice",
    )
    make = ["generate", "/data/runs/run", "--out", "/data/generated", "--count", "2"]
    buildah.run([*shapegan, *make, "--resolution", "32"])


def check_traces(buildah: Buildah, data: Path, cache: Path) -> None:
    """Check that files were written to the volumes, and nowhere else."""
    heading("files that were written")
    kernels = [path for path in cache.joinpath("warp").rglob("*") if path.is_file()]
    expect(bool(kernels), f"{len(kernels)} files of compiled kernels are on the cache's volume")
    made = [path for folder in (data, cache) for path in folder.rglob("*")]
    expect(
        all(path.stat().st_uid == OWNER for path in made),
        f"all {len(made)} files belong to user {OWNER}",
    )
    folder = Path(buildah.query("mount", buildah.container))
    strays = [
        found
        for place in ("etc", "home", "opt", "root", "srv", "usr", "var")
        for found in (folder / place).rglob("*")
        if not found.is_symlink() and found.stat().st_uid == OWNER
    ]
    expect(not strays, "no other file in the image belongs to the user")


def check_health(buildah: Buildah, health: list[str]) -> None:
    """Check that the health check passes, and fails where it should."""
    heading("the health check")
    buildah.run(health)
    buildah.run([*health, "--fresh", "/data/runs/run/metrics.csv"])
    buildah.run([*health, "--fresh", "/data/runs/none/metrics.csv"], code=1)
    buildah.run(["env", "WARP_CACHE_PATH=/proc/none", *health], code=1)


def check(buildah: Buildah, options: argparse.Namespace) -> None:
    """Build the image, use it, and look at the result."""
    started = time.monotonic()
    heading(f"a Debian {SUITE}")
    make_base(buildah, options.debian, options.mirror)
    heading("the image")
    config = build(buildah, options.build_arg)
    print(f"({time.monotonic() - started:.0f} s for both)")
    heading("the image's configuration")
    health = check_config(config)
    data, cache = buildah.scratch / "data", buildah.scratch / "cache"
    for folder in (data, cache):
        folder.mkdir()
        os.chown(folder, OWNER, OWNER)
    buildah.volumes = [f"{data}:/data", f"{cache}:/cache"]
    buildah.container = buildah.query("from", "--pull-never", IMAGE)
    work(buildah, config)
    check_health(buildah, health)
    check_traces(buildah, data, cache)
    heading(f"all is well, after {time.monotonic() - started:.0f} s")


def parse_options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path("/var/tmp"), help="folder with 8 GB of free space"
    )
    parser.add_argument(
        "--debian", type=Path, metavar="FOLDER", help="result of debootstrap, to save time"
    )
    parser.add_argument("--mirror", help="mirror of Debian, if not this machine's")
    parser.add_argument(
        "--build-arg", action="append", default=[], help="TORCH_INDEX=..., for instance"
    )
    parser.add_argument("--keep", action="store_true", help="keep the images and the data")
    return parser.parse_args()


def main() -> None:
    """Run the check in a scratch folder, and remove the folder."""
    options = parse_options()
    check_machine()
    scratch = Path(tempfile.mkdtemp(prefix="shapegan-docker-check-", dir=options.scratch))
    buildah = Buildah(scratch)
    try:
        check(buildah, options)
    finally:
        if options.keep:
            print(f"left in {scratch}")
        else:
            unmount = buildah.command("umount", "--all")
            subprocess.run(unmount, env=buildah.environment, stdout=subprocess.DEVNULL)
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
