"""The public names: listed, typed, documented, and cheap to import."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import shapegan.model
import shapegan.pipeline

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PACKAGES = {"pipeline": shapegan.pipeline, "model": shapegan.model}
NAMES = [(package, name) for package, module in PACKAGES.items() for name in module.__all__]


def listed(package: str) -> list[str]:
    """The names that the overview of the API lists below a package."""
    text = (REFERENCE / "index.md").read_text(encoding="utf-8")
    parts = re.split(r"^From `shapegan\.(\w+)`.*$", text, flags=re.MULTILINE)
    tables = dict(zip(parts[1::2], parts[2::2], strict=True))
    rows = re.findall(r"^\| (`.*?) \|", tables[package], re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_overview_lists_the_public_names_and_no_other(package):
    names = listed(package)
    assert sorted(names) == sorted(PACKAGES[package].__all__)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_same_names(package):
    """The lazy table, `__all__` and the imports for type checkers agree."""
    module = PACKAGES[package]
    lazy = {name: path for path, names in module._MODULES.items() for name in names}
    assert list(module.__all__) == sorted(lazy)
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"shapegan.{package}.{path}" for name, path in lazy.items()}


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_each_name_has_a_docstring_and_types(package, name):
    found = getattr(PACKAGES[package], name)
    assert found.__doc__
    assert not found.__doc__.startswith(f"{name}(")  # of a dataclass without its own
    if inspect.isclass(found) and (issubclass(found, Exception) or issubclass(found, tuple)):
        return
    signature = inspect.signature(found.__init__ if inspect.isclass(found) else found)
    for parameter in signature.parameters.values():
        if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
            assert parameter.annotation is not parameter.empty, parameter


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_each_name_is_on_a_page_of_the_reference(package, name):
    text = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    lazy = PACKAGES[package]._MODULES
    (path,) = [f"shapegan.{package}.{path}" for path, names in lazy.items() if name in names]
    assert shown & {f"shapegan.{package}.{name}", path, f"{path}.{name}"}
    assert getattr(import_module(path), name) is getattr(PACKAGES[package], name)


def test_the_names_of_the_pipeline_load_no_torch():
    code = (
        "import sys, shapegan.pipeline as p\n"
        "assert not {'numpy', 'h5py', 'warp', 'torch'} & set(sys.modules)\n"
        "[getattr(p, name) for name in p.__all__]\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_import_public_names(package):
    """The pages for users import from the two packages, not from the modules below them."""
    pages = (
        "README.md",
        "docs/other-projects.md",
        "docs/python.md",
        "docs/training-from-python.md",
    )
    for page in (*pages, "docs/streaming.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            assert not re.findall(rf"^from shapegan\.{package}\.\S+ import", code, re.MULTILINE)
