"""Folders of files for tests to look at."""

from pathlib import Path

import pytest

MESHES = Path(__file__).resolve().parents[1] / "data" / "meshes"
"""Six real meshes in ShapeNet's layout; tests/data/README.md names their artists."""

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Files that the repository does not hold: the authors' published weights, ShapeNet's taxonomy."""

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")


def make(root: Path, *files: str) -> Path:
    """Makes empty files, and the folders that they lie in."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
