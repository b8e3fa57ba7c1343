"""Runs of `preprocess` over fake meshes."""

from collections.abc import Sequence
from pathlib import Path

from support.fakes import SMALL, TARGET, make_jobs

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.schema import MeshReport

LIMITS = Limits(seconds=1.5)


class Count:
    """A progress that counts, and may do something at each mesh."""

    def __init__(self) -> None:
        self.resumed: list[MeshReport] = []
        self.done: list[MeshReport] = []
        self.notes: list[str] = []

    def resume(self, reports: Sequence[MeshReport]) -> None:
        self.resumed += reports

    def advance(self, report: MeshReport) -> None:
        self.done.append(report)

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(
    folder: Path,
    behaviours: list[str],
    name: str = "out",
    config: PreprocessConfig = SMALL,
    progress: Count | None = None,
    **settings: object,
) -> tuple[Manifest, list[Rejections]]:
    jobs = make_jobs(folder / "meshes", behaviours)
    chosen = RunSettings(**{"target": TARGET, "limits": LIMITS, **settings})
    return preprocess(folder / "meshes", jobs, config, folder / name, chosen, progress or Count())


class StopAfter(Count):
    def __init__(self, meshes: int) -> None:
        super().__init__()
        self.meshes = meshes

    def advance(self, report: MeshReport) -> None:
        super().advance(report)
        if len(self.done) == self.meshes:
            raise KeyboardInterrupt
