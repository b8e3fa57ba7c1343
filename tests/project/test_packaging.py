import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_PACKAGES = {"tests", "benchmarks", "docs", "docker", "datasets", "build", "dist"}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def imported(code: str) -> set[str]:
    """Top-level names of what a fresh interpreter has imported after running `code`."""
    tail = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT / "tests",
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def package_folders() -> set[str]:
    found = set()
    for path in ROOT.rglob("*.py"):
        folders = path.relative_to(ROOT).parts[:-1]
        hidden = any(name.startswith((".", "_")) or name.endswith(".egg-info") for name in folders)
        if folders and not hidden and folders[0] not in NOT_PACKAGES:
            found.add(".".join(("shapegan", *folders)))
    return found


def test_every_folder_with_code_is_packaged():
    packages = set(SETTINGS["tool"]["setuptools"]["packages"])
    assert packages == package_folders() | {"shapegan"}
    assert SETTINGS["tool"]["setuptools"]["package-dir"] == {"shapegan": "."}


def test_every_package_has_an_init_file():
    for package in SETTINGS["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert (folder / "__init__.py").is_file(), package


def test_packaged_data_exist():
    for name in SETTINGS["tool"]["setuptools"]["package-data"]["shapegan"]:
        assert (ROOT / name).is_file(), name


def test_no_other_code_at_the_root():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


def test_tests_and_data_are_no_packages():
    assert not (ROOT / "tests" / "__init__.py").exists()
    assert not (ROOT / "datasets" / "__init__.py").exists()


def test_the_package_imports_nothing():
    loaded = imported("import shapegan; print(shapegan.__version__)")
    heavy = {"numpy", "torch", "warp", "dask", "distributed", "h5py", "click", "scipy", "trimesh"}
    assert not loaded & heavy


def test_help_imports_nothing_heavy():
    code = (
        "import click.testing\n"
        "from shapegan.cli import main\n"
        "result = click.testing.CliRunner().invoke(main, ['--help'])\n"
        "assert result.exit_code == 0 and 'preprocess' in result.output, result.output"
    )
    loaded = imported(code)
    assert not loaded & {"torch", "warp", "dask", "distributed", "h5py", "scipy", "trimesh"}


def test_help_is_quick():
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'shapegan.cli', '--help'], check=True,"
        " stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "assert used.ru_utime + used.ru_stime < 2.0, used"
    )
    imported(code)


@pytest.mark.slow
def test_the_pipeline_never_imports_torch():
    names = sorted(
        path.stem for path in (ROOT / "pipeline").glob("*.py") if path.stem != "__init__"
    )
    assert len(names) > 10
    # The paper's way needs OpenGL, which may not be there.
    lines = [f"import shapegan.pipeline.{name}" for name in names if name != "scan"]
    assert "torch" not in imported("\n".join(lines))


def test_the_package_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "shapegan", "--version"], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.startswith("shapegan, version "), done.stderr
