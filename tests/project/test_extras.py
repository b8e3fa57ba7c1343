"""The data side installs no torch, and a package that is missing is named with its extra."""

import ast
import functools
import importlib
import json
import pickle
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from support.fakes import make_dataset
from support.toys import toy_run

from shapegan.cli import main
from shapegan.pipeline.extras import OPTIONAL, MissingPackageError, naming_extras, require

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PARTS = ("train", "view", "scan", "cluster", "gltf")
"""Extras that users combine; `all` has all of them."""
APART = ("wandb",)
"""Extras that `all` leaves out, so their packages may be missing here."""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normalised(re.match(r"[\w.-]+", each)[0]) for each in requirements}


BASE = names(PROJECT["dependencies"])
packages_distributions = functools.cache(metadata.packages_distributions)


def runtime_nodes(tree: ast.AST):
    """All nodes of a tree but those below `if TYPE_CHECKING:`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from runtime_nodes(child)


def third_party_imports(*folders: str) -> dict[str, set[str]]:
    """Top-level name -> files that import it, in functions too."""
    files = [ROOT / "cli.py", *(path for each in folders for path in (ROOT / each).rglob("*.py"))]
    found: dict[str, set[str]] = {}
    for path in files:
        for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {module.split(".")[0] for module in modules}:
                if name not in {*sys.stdlib_module_names, "shapegan"}:
                    found.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    return found


# --- what pyproject.toml declares ----------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_extra_that_a_message_names_has_the_package(name):
    package, *extras = OPTIONAL[name]
    assert extras
    for extra in extras:
        assert extra in (*PARTS, *APART)
        assert normalised(package) in names(EXTRAS[extra])
    assert normalised(package) not in BASE
    installed = packages_distributions()
    if name in installed or extras[0] not in APART:
        assert normalised(package) in map(normalised, installed[name])


def test_every_package_of_an_extra_has_a_message():
    declared = {(name, extra) for extra in (*PARTS, *APART) for name in names(EXTRAS[extra])}
    assert declared == {
        (normalised(package), extra) for package, *extras in OPTIONAL.values() for extra in extras
    }


def test_all_is_every_part():
    (requirement,) = EXTRAS["all"]
    assert requirement == f"shapegan[{','.join(PARTS)}]"


def test_the_data_side_imports_what_the_base_declares():
    declared, distributions = set(), packages_distributions()
    for name, files in third_party_imports("commands", "pipeline").items():
        if name in OPTIONAL:
            assert {"scan", "cluster", "gltf"} & {*OPTIONAL[name][1:]}, (name, files)
        else:
            found = names(distributions[name]) & BASE
            assert found, (name, files)
            declared |= found
    assert declared == BASE


def test_the_model_imports_what_base_and_extras_declare():
    distributions = packages_distributions()
    for name, files in third_party_imports("model").items():
        if name in OPTIONAL:
            assert {"train", "view", *APART} & {*OPTIONAL[name][1:]}, (name, files)
        else:
            assert names(distributions[name]) & BASE, (name, files)


def test_the_image_has_every_extra():
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    (code,) = re.findall(r'python3 -c "(.*?)"', text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code.replace("\\\n", "").replace("\\\\n", "\\n")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = [*PROJECT["dependencies"], *(each for part in PARTS for each in EXTRAS[part])]
    assert done.stdout.splitlines() == wanted
    assert re.search(r"bin/pip install .* '\.\[all\]'$", text, re.MULTILINE)


# --- one line for what is missing ----------------------------------------------------------------

SOURCE = ("generator.pt", "--out", "out")
COMMANDS: dict[str, dict[tuple[str, ...], tuple[str, str]]] = {
    "torch": {
        ("train", "--data", "dataset"): ("train", "train"),
        ("generate", *SOURCE): ("generate", "train"),
        ("interpolate", *SOURCE): ("interpolate", "train"),
        ("figure", "upscale", *SOURCE): ("figure upscale", "train"),
        ("figure", "levels", *SOURCE): ("figure levels", "train"),
        ("figure", "map", *SOURCE): ("figure map", "train"),
        ("evaluate", "generator.pt", "--data", "dataset"): ("evaluate", "train"),
        ("reconstruct", "mesh.obj", "--run", "run", "--out", "out"): ("reconstruct", "train"),
        ("status", "run"): ("status of a run", "train"),
        ("view", "run"): ("view of a generator", "train,view"),
    },
    "tensorboard": {("train", "--data", "dataset", "--dry-run"): ("train", "train")},
    "wandb": {("train", "--data", "dataset", "--log", "wandb"): ("--log wandb", "wandb")},
    "yaml": {("train", "--data", "dataset"): ("train", "train")},
    "sklearn": {("figure", "map", *SOURCE): ("figure map", "train")},
    "imageio_ffmpeg": {("interpolate", *SOURCE): ("interpolate", "train")},
    "viser": {
        ("view", "run"): ("view of a generator", "train,view"),
        ("view", "dataset"): ("view", "view"),
    },
    "mesh_to_sdf": {},
    "pyrender": {},
    "OpenGL": {},
    "DracoPy": {},  # these two make a mesh fail, not a command
    "meshopt": {},
    "dask_jobqueue": {
        ("preprocess", "meshes", "--out", "out", "--cluster", "slurm"): (
            "--cluster slurm",
            "cluster",
        )
    },
}
"""Missing module -> commands -> the subject of the line, and the extras to install."""
for _name in ("mesh_to_sdf", "pyrender", "OpenGL"):
    COMMANDS[_name] = {
        ("preprocess", "meshes", "--out", "out", "--method", "scan"): ("--method scan", "scan")
    }

RUN = """
import json, sys
missing, *lines = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(missing))
from click.testing import CliRunner
from shapegan.cli import main
results = [CliRunner().invoke(main, line) for line in lines]
print(json.dumps([[each.exit_code, each.stdout, each.stderr] for each in results]))
"""


def run_without(missing, lines, folder):
    """Exit codes, outputs and errors of commands in an interpreter that cannot import packages."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([list(missing), *lines])],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extras")
    make_dataset(folder, ["ok", "ok"])
    toy_run(folder / "run")
    (folder / "run" / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_package_is_one_line_that_names_the_extra(name, workplace):
    results = run_without([name], COMMANDS[name], workplace)
    for (subject, extras), (code, out, error) in zip(COMMANDS[name].values(), results, strict=True):
        advice = f"pip install '.[{extras}]' in the clone of shapegan"
        assert error == f"Error: {subject} needs {OPTIONAL[name][0]}: {advice}\n"
        assert (code, out) == (2, "")
        assert OPTIONAL[name][1] in extras.split(",")


def test_every_optional_package_is_in_the_table():
    assert set(COMMANDS) == set(OPTIONAL)


def test_every_help_and_the_data_side_need_no_optional_package(workplace):
    needed = [line for lines in COMMANDS.values() for line in lines]
    helps = [[*line[: 2 if line[0] == "figure" else 1], "--help"] for line in needed]
    lines = [
        ["--help"],
        ["figure", "--help"],
        *helps,
        ["status", "dataset"],
        ["inspect", "dataset"],
    ]
    for line, (code, _, error) in zip(lines, run_without(OPTIONAL, lines, workplace), strict=True):
        assert (code, error) == (0, ""), line


def test_the_page_on_installing_lists_the_commands_without_torch():
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `pip install \.` \|(.*)$", text, re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", row)) - {"MeshSDF", "Dataset"}
    assert listed == main.commands.keys() - {line[0] for line in COMMANDS["torch"]} | {"status"}


def test_the_page_of_a_dataset_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import shapegan.model.viewer.dataset_browser, shapegan.model.viewer.dataset_page"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- from Python ---------------------------------------------------------------------------------

ENTRIES = {
    "shapegan.model:open_source": "shapegan.model.open_source needs torch: ",
    "shapegan.model:extract": "shapegan.model.extract needs torch: ",
    "shapegan.model.generation.source:open_source": "No module named 'torch': ",
    "shapegan.model.presets:preset": "No module named 'torch': ",
    "shapegan.model.training.trainer:train": "No module named 'torch': ",
    "shapegan.model.streaming.stream:Stream": "No module named 'torch': ",
}
"""Names that the pages import, and the start of the ImportError without torch."""


def test_python_without_torch_gets_an_import_error_that_names_the_extra():
    code = (
        "import importlib, json, sys; sys.modules['torch'] = None\n"
        "found = []\n"
        "for entry in sys.argv[1:]:\n"
        "    module, name = entry.split(':')\n"
        "    try: getattr(importlib.import_module(module), name)\n"
        "    except ImportError as error: found.append(str(error))\n"
        "print(json.dumps(found))"
    )
    words = [sys.executable, "-c", code, *ENTRIES]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    expected = [f"{on}pip install '.[train]' in the clone of shapegan" for on in ENTRIES.values()]
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("name", ["nowhere", "torch.nowhere"])
def test_other_imports_that_fail_stay_bugs(name):
    with pytest.raises(ModuleNotFoundError) as caught, naming_extras("train"):
        importlib.import_module(name)
    assert type(caught.value) is ModuleNotFoundError


def test_an_inner_line_is_kept(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    line = re.escape("--flag needs viser: pip install '.[view]' in the clone of shapegan")
    with pytest.raises(MissingPackageError, match=f"^{line}$") as caught:  # noqa: SIM117
        with naming_extras("command"), naming_extras("--flag"):
            importlib.import_module("viser")
    assert caught.value.name == "viser"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_installed_packages_are_not_imported_to_check_them():
    code = (
        "import sys; from shapegan.pipeline.extras import require; require('torch');"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    require("torch")
