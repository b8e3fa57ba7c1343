"""Images built and run by Buildah, without a container engine or a registry of images."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
SUITE = "bookworm"
BASE = "localhost/shapegan-base:check"
IMAGE = "localhost/shapegan:check"
PIP_KEYS = ("index-url", "extra-index-url", "find-links", "constraint", "cert", "proxy", "timeout")
"""Settings of pip that name the sources of packages."""


def refuse(message: str) -> NoReturn:
    """Print a line with what to do, and exit with code 2."""
    print(f"docker-check: {message}", file=sys.stderr)
    sys.exit(2)


class Buildah:
    """Buildah with its own storage below a folder; the machine's storage is not touched.

    Args:
        scratch: The folder.
    """

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
        # Plain copies work on every file system, and inside other containers.
        return ["buildah", *places, "--storage-driver=vfs", *words]

    def do(self, *words: str, quiet: bool = False) -> None:
        """Run buildah; show its output, or if quiet, show it only on failure."""
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

    def query(self, *words: str) -> str:
        """Run buildah and return its output."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def run(self, words: list[str], *, code: int = 0) -> str:
        """Run a command in the container, as the image's user; show and return its output.

        Args:
            words: The command line.
            code: Expected exit code; if it is not 0, any other code than 0 will do.
        """
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


def debian_mirror() -> str:
    """The mirror of this machine's own Debian packages."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    for line in targets.splitlines():
        mirror, _, suite = line.partition(" ")
        if suite == SUITE:
            return mirror
    refuse(f"no mirror of Debian's {SUITE} among apt's sources: give one by --mirror")


def bootstrap(folder: Path, mirror: str, log: Path) -> None:
    """Install a minimal Debian into a folder."""
    words = ["debootstrap", "--variant=minbase", SUITE, str(folder), mirror]
    with log.open("w") as output:
        done = subprocess.run(words, stdout=output, stderr=output)
    if done.returncode:
        print(log.read_text()[-2000:], file=sys.stderr)
        refuse(f"debootstrap failed with the mirror {mirror}: give another by --mirror")


def make_base(buildah: Buildah, debian: Path | None, mirror: str | None) -> None:
    """Make the base image: a new Debian, or a copy of the given one."""
    container = buildah.query("from", "scratch")
    folder = Path(buildah.query("mount", container))
    if debian:
        subprocess.run(["cp", "--archive", f"{debian}/.", str(folder)], check=True)
    else:
        bootstrap(folder, mirror or debian_mirror(), buildah.scratch / "debootstrap.log")
    for path in folder.joinpath("var/cache/apt/archives").glob("*.deb"):
        path.unlink()
    buildah.do("commit", "--quiet", "--rm", container, BASE, quiet=True)


def pip_values() -> dict[str, str]:
    """The settings of this machine's pip that name the sources of packages."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    values: dict[str, str] = {}
    for key, value in re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        name = {"default-timeout": "timeout"}.get(key, key)
        if name in PIP_KEYS:
            values[name] = value
    return values


def pip_settings(scratch: Path) -> tuple[Path, list[str]]:
    """Write a pip.conf that names the same sources of packages inside the build.

    Returns:
        The file, and the volumes that it needs: local folders of packages, and the certificates.
    """
    values = pip_values()
    volumes = set()
    for name, value in values.items():
        for word in value.split():
            # The files of an index lie beside it, so the volume is the folder above.
            path = Path(word.removeprefix("file://"))
            folder = path.parent if word.startswith("file://") else path
            if path.is_absolute() and path.exists() and name != "cert":
                volumes.add(f"{folder}:{folder}:ro")
    if certificates := values.get("cert"):
        # Not at the usual path, to which apt may write.
        values["cert"] = "/run/certificates.crt"
        volumes.add(f"{certificates}:{values['cert']}:ro")
    path = scratch / "pip.conf"
    path.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
    return path, sorted(volumes)


def build(buildah: Buildah, arguments: list[str]) -> dict[str, Any]:
    """Build the image.

    Returns:
        Its configuration, as an engine would read it.
    """
    settings, volumes = pip_settings(buildah.scratch)
    # Health checks exist in Docker's format, not in the Open Container Initiative's.
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
    config: dict[str, Any] = json.loads(buildah.query("inspect", "--type=image", IMAGE))["Docker"][
        "config"
    ]
    return config
