"""`shapegan preprocess` in this process."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.fakes import TARGET
from support.preprocess_with import with_target

from shapegan.cli import main
from shapegan.pipeline.dataset.manifest import Manifest

QUICK = ["--workers", "0", "--resolutions", "4", "--points", "10"]


def preprocess(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["preprocess", *map(str, arguments)])


def make_meshes(folder: Path) -> Path:
    """A folder of four fake meshes, two of which become shapes."""
    folder.mkdir()
    for number, behaviour in enumerate(["ok", "reject", "ok", "raise"]):
        (folder / f"mesh{number}.obj").write_text(behaviour)
    return folder


def process_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have meshes processed by `support.fakes.process`."""
    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", with_target(TARGET))


def record_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments that the command passes to the pipeline, which pretends to accept all meshes."""
    found: dict[str, Any] = {}

    def run(root: Path, jobs: Any, config: Any, out: Path, settings: Any, progress: Any) -> Any:
        found.update(root=root, jobs=jobs, config=config, out=out, settings=settings)
        return Manifest(config, str(root), len(jobs), "", counts={"ok": len(jobs)}), []

    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", run)
    return found
