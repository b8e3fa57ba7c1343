#!/usr/bin/env python3
"""Builds the image without a container engine, and works with it as its users do.

    make docker-check                      # as root, on Debian with buildah and debootstrap

A Debian made by debootstrap is the base, so no registry of images is needed. Packages come from
where this machine has them from: its Debian mirror, and pip's configuration, which the build gets
as a secret. Everything lies in one folder below --scratch, which is removed at the end.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
SUITE = "bookworm"
BASE = "localhost/shapegan-base:check"
IMAGE = "localhost/shapegan:check"
OWNER = 1000
"""User and group of the image."""
TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap"}
"""Commands that are needed, and Debian's packages with them."""
PIP_KEYS = ("index-url", "extra-index-url", "find-links", "constraint", "cert", "proxy", "timeout")
"""Settings of pip that say where packages come from."""


def refuse(message: str) -> NoReturn:
    """Leaves with a line that says what to do."""
    print(f"docker-check: {message}", file=sys.stderr)
    sys.exit(2)


def say(message: str) -> None:
    """A heading in the output."""
    print(f"\n== {message}", flush=True)


class Buildah:
    """Buildah with storage of its own below a folder; nothing of the machine's is touched."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.container = ""
        self.volumes: list[str] = []
        self.environment = {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(scratch),
        }

    def command(self, *words: str) -> list[str]:
        """A command line of buildah."""
        places = [f"--root={self.scratch / 'storage'}", f"--runroot={self.scratch / 'run'}"]
        # Plain copies work on every file system, and inside of other containers.
        return ["buildah", *places, "--storage-driver=vfs", *words]

    def do(self, *words: str, quiet: bool = False) -> None:
        """Runs buildah; its output is shown, or only where it fails."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
        )
        if done.returncode:
            print(done.stdout or "", file=sys.stderr)
            refuse(f"`buildah {words[0]}` failed, with exit code {done.returncode}")

    def tell(self, *words: str) -> str:
        """What buildah prints."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def run(self, words: list[str], *, code: int = 0) -> str:
        """Runs a command in the container, as the image's user; shows and returns its output."""
        print(f"$ {shlex.join(words)}", flush=True)
        options = [f"--volume={volume}" for volume in self.volumes]
        started = time.monotonic()
        done = subprocess.run(
            self.command("run", *options, self.container, "--", *words),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        print(done.stdout.rstrip(), f"\n({time.monotonic() - started:.0f} s)", sep="", flush=True)
        if (done.returncode != 0) != (code != 0):
            refuse(f"`{shlex.join(words)}` gave exit code {done.returncode}, expected {code}")
        return done.stdout


def check_machine() -> None:
    """Says what is missing; installs nothing."""
    if os.geteuid() != 0:
        refuse("debootstrap and chroot need root: sudo make docker-check")
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        refuse(f"apt-get install --no-install-recommends {' '.join(missing)}")


def debian_mirror() -> str:
    """The mirror that this machine has its Debian from."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    for line in told.splitlines():
        mirror, _, suite = line.partition(" ")
        if suite == SUITE:
            return mirror
    refuse(f"no mirror of Debian's {SUITE} among apt's sources: give one by --mirror")


def bootstrap(folder: Path, mirror: str, log: Path) -> None:
    """Puts a Debian of the smallest kind into a folder."""
    words = ["debootstrap", "--variant=minbase", SUITE, str(folder), mirror]
    with log.open("w") as output:
        done = subprocess.run(words, stdout=output, stderr=output)
    if done.returncode:
        print(log.read_text()[-2000:], file=sys.stderr)
        refuse(f"debootstrap failed with the mirror {mirror}: give another by --mirror")


def make_base(buildah: Buildah, debian: Path | None, mirror: str | None) -> None:
    """A Debian, new or a copy of the given one, as an image."""
    container = buildah.tell("from", "scratch")
    folder = Path(buildah.tell("mount", container))
    if debian:
        subprocess.run(["cp", "--archive", f"{debian}/.", str(folder)], check=True)
    else:
        bootstrap(folder, mirror or debian_mirror(), buildah.scratch / "debootstrap.log")
    for path in folder.joinpath("var/cache/apt/archives").glob("*.deb"):
        path.unlink()
    buildah.do("commit", "--quiet", "--rm", container, BASE, quiet=True)


def pip_settings(scratch: Path) -> tuple[Path, list[str]]:
    """Where this machine's pip has packages from.

    Returns:
        A pip.conf that says the same inside of the build, and the volumes that it needs: local
        folders of packages, and the file with certificates.
    """
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    values: dict[str, str] = {}
    for key, value in re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", told, re.MULTILINE):
        name = {"default-timeout": "timeout"}.get(key, key)
        if name in PIP_KEYS:
            values[name] = value
    volumes = set()
    for name, value in values.items():
        for word in value.split():
            # An index has its files beside it; so the folder above comes along.
            path = Path(word.removeprefix("file://"))
            folder = path.parent if word.startswith("file://") else path
            if path.is_absolute() and path.exists() and name != "cert":
                volumes.add(f"{folder}:{folder}:ro")
    if certificates := values.get("cert"):
        # At a place of its own: apt may write to the usual one.
        values["cert"] = "/run/certificates.crt"
        volumes.add(f"{certificates}:{values['cert']}:ro")
    path = scratch / "pip.conf"
    path.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
    return path, sorted(volumes)


def build(buildah: Buildah, arguments: list[str]) -> dict[str, Any]:
    """Builds the image.

    Returns:
        Its configuration, as an engine would see it.
    """
    settings, volumes = pip_settings(buildah.scratch)
    # Health checks are in Docker's format, not in the Open Container Initiative's.
    buildah.do(
        "bud",
        "--format=docker",
        "--layers=false",
        f"--secret=id=pip,src={settings}",
        *(f"--volume={volume}" for volume in volumes),
        *(f"--build-arg={argument}" for argument in (f"BASE={BASE}", *arguments)),
        f"--file={ROOT / 'docker' / 'Dockerfile'}",
        f"--tag={IMAGE}",
        str(ROOT),
    )
    config: dict[str, Any] = json.loads(buildah.tell("inspect", "--type=image", IMAGE))["Docker"][
        "config"
    ]
    return config


def expect(holds: bool, message: str) -> None:
    """A line for what was looked at; the check ends where it does not hold."""
    print(f"{'ok' if holds else 'NOT OK'}: {message}", flush=True)
    if not holds:
        refuse("the image is not as it should be")


def check_config(config: dict[str, Any]) -> list[str]:
    """What the image says of itself.

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
    """Meshes to a trained run inside of the image."""
    shapegan = config["Entrypoint"]

    say("the user, and no secret of the build left behind")
    expect(buildah.run(["id", "-u"]).strip() == str(OWNER), "the process is not root")
    expect(buildah.run(["cat", "/etc/pip.conf"], code=1) != "", "no pip.conf is left")

    say("meshes to a dataset")
    buildah.run([*shapegan, "--version"])
    buildah.run([*shapegan, "samples", "chairs", "--count", "4", "--out", "/data/meshes"])
    sizes = ["--points", "16384", "--resolutions", "8,16"]
    buildah.run(
        [
            *shapegan,
            "preprocess",
            "/data/meshes",
            "--out",
            "/data/datasets",
            "--workers",
            "2",
            *sizes,
        ]
    )
    buildah.run([*shapegan, "inspect", "/data/datasets", "--verify"])

    say("OpenGL for --method scan")
    scan = ["preprocess", "/data/meshes", "--out", "/data/scan", "--method", "scan"]
    buildah.run([*shapegan, *scan, "--limit", "1", "--workers", "0", *sizes])

    say("a dataset to a generator, and its shapes")
    train = [*shapegan, "train", "--data", "/data/datasets", "--run", "/data/runs/run"]
    train += ["--preset", "demo", "--stages", "8", "--batch-size", "4", "--preview-shapes", "1"]
    first, again = (buildah.run([*train, "--steps", "20"]) for _ in range(2))
    expect("stage 1 of 1" in first and "done: 20 steps" in first, "the run is done")
    expect("stage 1 of 1" not in again and "done: 20 steps" in again, "it is not done twice")
    make = ["generate", "/data/runs/run", "--out", "/data/generated", "--count", "2"]
    buildah.run([*shapegan, *make, "--resolution", "32"])


def check_traces(buildah: Buildah, data: Path, cache: Path) -> None:
    """Where the work left files: on the volumes, and nowhere else."""
    say("what was written, and where")
    kernels = [path for path in cache.joinpath("warp").rglob("*") if path.is_file()]
    expect(bool(kernels), f"{len(kernels)} files of compiled kernels are on the cache's volume")
    made = [path for folder in (data, cache) for path in folder.rglob("*")]
    expect(
        all(path.stat().st_uid == OWNER for path in made),
        f"all {len(made)} files are user {OWNER}'s",
    )
    folder = Path(buildah.tell("mount", buildah.container))
    strays = [
        found
        for place in ("etc", "home", "opt", "root", "srv", "usr", "var")
        for found in (folder / place).rglob("*")
        if not found.is_symlink() and found.stat().st_uid == OWNER
    ]
    expect(not strays, "nothing of the user's is anywhere else in the image")


def check_health(buildah: Buildah, health: list[str]) -> None:
    """The health check passes, and fails where it should."""
    say("the health check")
    buildah.run(health)
    buildah.run([*health, "--fresh", "/data/runs/run/metrics.csv"])
    buildah.run([*health, "--fresh", "/data/runs/none/metrics.csv"], code=1)
    buildah.run(["env", "WARP_CACHE_PATH=/proc/none", *health], code=1)


def main() -> None:
    """Builds, works, looks, and tidies up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path("/var/tmp"), help="a folder with 8 GB free"
    )
    parser.add_argument(
        "--debian", type=Path, metavar="FOLDER", help="what debootstrap made before, to save time"
    )
    parser.add_argument("--mirror", help="of Debian, if not this machine's")
    parser.add_argument(
        "--build-arg", action="append", default=[], help="TORCH_INDEX=..., for instance"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the images and data where they are"
    )
    asked = parser.parse_args()
    check_machine()
    scratch = Path(tempfile.mkdtemp(prefix="shapegan-docker-check-", dir=asked.scratch))
    buildah = Buildah(scratch)
    try:
        started = time.monotonic()
        say(f"a Debian {SUITE}")
        make_base(buildah, asked.debian, asked.mirror)
        say("the image")
        config = build(buildah, asked.build_arg)
        print(f"({time.monotonic() - started:.0f} s for both)")
        say("what the image says of itself")
        health = check_config(config)
        data, cache = scratch / "data", scratch / "cache"
        for folder in (data, cache):
            folder.mkdir()
            os.chown(folder, OWNER, OWNER)
        buildah.volumes = [f"{data}:/data", f"{cache}:/cache"]
        buildah.container = buildah.tell("from", "--pull-never", IMAGE)
        work(buildah, config)
        check_health(buildah, health)
        check_traces(buildah, data, cache)
        say(f"all is well, after {time.monotonic() - started:.0f} s")
    finally:
        if asked.keep:
            print(f"left in {scratch}")
        else:
            unmount = buildah.command("umount", "--all")
            subprocess.run(unmount, env=buildah.environment, stdout=subprocess.DEVNULL)
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
