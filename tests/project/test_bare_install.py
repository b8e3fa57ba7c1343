"""A fresh environment without extras has no torch, and the data side works in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

FIELD = """
from pathlib import Path
from shapegan.pipeline import Dataset, MeshSDF, load
(path,) = sorted(Path("meshes").glob("*/*/models/*.obj"))[:1]
print(MeshSDF(load(path)).voxels(8).shape, len(Dataset("dataset")))
"""


class Environment:
    """A virtual environment, and a folder to work in."""

    def __init__(self, folder):
        self.bin, self.work = folder / "venv" / "bin", folder / "work"
        self.work.mkdir()
        # Nothing of this checkout may be found in it.
        self.variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(self, program, *arguments):
        return subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=self.work,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def succeed(self, program, *arguments):
        done = self.run(program, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


def copy_package(target):
    """Copy what is packaged: a build in the checkout would leave files there."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        source = ROOT / line.removeprefix("!")
        if line.startswith("!") and source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / source.name, ignore=ignored)
        elif line.startswith("!") and source.parent == ROOT:
            shutil.copy(source, target)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The package without extras, on its pinned requirements."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    environment = Environment(folder)
    (folder / "source").mkdir()
    copy_package(folder / "source")
    pins = ("-c", ROOT / "constraints.txt")
    environment.succeed("pip", "install", "--quiet", *pins, folder / "source")
    yield environment
    shutil.rmtree(folder)


def test_no_optional_package_is_installed_but_what_others_bring(bare):
    code = (
        "from importlib.util import find_spec; from shapegan.pipeline.extras import OPTIONAL;"
        "print(*(name for name in OPTIONAL if find_spec(name)))"
    )
    # Dask and distributed bring PyYAML.
    assert bare.succeed("python", "-c", code).split() == ["yaml"]
    listed = bare.succeed("pip", "list", "--format=freeze").lower()
    assert "shapegan==" in listed
    assert "torch" not in listed
    assert "nvidia" not in listed


def test_the_data_side_works(bare):
    bare.succeed("shapegan", "samples", "chairs", "--count", 2, "--out", "meshes")
    sizes = ("--points", 4096, "--resolutions", "8,16")
    bare.succeed("shapegan", "preprocess", "meshes", "--out", "dataset", "--workers", 1, *sizes)
    bare.succeed("shapegan", "inspect", "dataset", "--verify", "--picture", "picture.png")
    assert (bare.work / "picture.png").stat().st_size > 10_000
    assert "complete" in bare.succeed("shapegan", "status", "dataset")
    assert bare.succeed("python", "-c", FIELD) == "(8, 8, 8) 2\n"


def test_the_other_side_names_its_extra(bare):
    done = bare.run("shapegan", "train", "--data", "dataset")
    assert done.returncode == 2
    advice = "pip install '.[train]' in the clone of shapegan"
    assert done.stderr == f"Error: train needs torch: {advice}\n"
    bare.succeed("shapegan", "train", "--help")
    done = bare.run("python", "-c", "from shapegan.model import open_source")
    assert done.returncode == 1
    line = f"shapegan.model.open_source needs torch: {advice}"
    assert done.stderr.splitlines()[-1].endswith(line)
