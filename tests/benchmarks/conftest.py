"""The scripts of benchmarks/, importable."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = (
    *("accuracy", "exact_geometry", "markdown_table", "peers", "preprocessing_cost"),
    *("single", "solids", "truth"),
)


@pytest.fixture
def preprocessing_scripts(monkeypatch):
    """The benchmarks are scripts in one folder, which find each other there."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)
