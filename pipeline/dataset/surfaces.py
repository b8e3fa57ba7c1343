"""The output folder of `shapegan watertight`: a mesh file for each input mesh, and a report.

`meshes/<id>.obj` are the surfaces. `meshes.csv` has a row for each mesh that is done, and
`watertight.json` the settings. While a run goes on, the reports of the meshes that it has done are
in `staging/`; they enter `meshes.csv` when it ends.
"""

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapegan import __version__
from shapegan.pipeline import schema
from shapegan.pipeline.config import WatertightConfig
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reports import Rejections, find_rejections, read_rows, write_reports
from shapegan.pipeline.dataset.resumable import Layout, fingerprint, open_resumable
from shapegan.pipeline.dataset.staging import STAGING_FOLDER, staged_report_path
from shapegan.pipeline.files import read_text, replacing, write_text, writing
from shapegan.pipeline.schema import Job

MESH_FOLDER = "meshes"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class SurfaceReport:
    """One row of the `meshes.csv` of watertight meshes; the names of the fields are its header."""

    id: str
    category: str
    path: str
    """Relative to the input folder."""
    status: str
    """`ok`, `rejected` (the mesh has no plausible solid) or `failed` (unreadable, crashed, timed
    out, out of memory)."""
    reason: str = ""
    """One line; empty if `ok`."""
    file: str = ""
    """Path of the surface below the output folder; empty unless `ok`."""
    bytes: int | None = None
    """Size of the file."""
    vertices: int | None = None
    """Vertices of the surface."""
    triangles: int | None = None
    """Triangles of the surface."""
    faces: int | None = None
    """Triangles of the input as read."""
    method: str = ""
    """Method that found the signs, see `shapegan.pipeline.schema.MeshReport`."""
    surface_recall: float | None = None
    """Fraction of the visible surface of the input that lies within a cell of the result."""
    seconds: float | None = None
    """CPU seconds used for the mesh."""
    notes: str = ""
    """Notes of the reader on what it left out or doubts, separated by semicolons."""


@dataclass(frozen=True)
class SurfaceOutcome:
    """Result of processing one mesh: a report, and the content of the file if it is `ok`."""

    report: SurfaceReport
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SurfaceManifest:
    """The contents of `watertight.json`."""

    config: WatertightConfig
    input: str
    """The folder of meshes, or the mesh."""
    meshes: int
    """Number of meshes found there."""
    fingerprint: str
    """See `shapegan.pipeline.dataset.resumable.fingerprint`."""
    complete: bool = False
    """True if every mesh is done."""
    counts: dict[str, int] = field(default_factory=dict)
    """Status -> number of meshes in `meshes.csv`."""
    code_version: str = __version__
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """The text of `watertight.json`."""
        values = dataclasses.asdict(self) | {"config": self.config.to_dict()}
        head = {"format_version": values.pop("format_version")}
        return json.dumps(head | values, indent=1) + "\n"


def read_surface_manifest(folder: Path) -> SurfaceManifest:
    """Read the `watertight.json` of a folder.

    Raises:
        FileNotFoundError: the file does not exist.
        DatasetError: the file is not such a manifest.
    """
    path = folder / schema.WATERTIGHT_NAME
    try:
        values = json.loads(read_text(path))
        config = WatertightConfig.from_dict(values.pop("config"))
        return SurfaceManifest(config=config, **values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path} is not a manifest of watertight meshes: {error!r}") from error


@contextlib.contextmanager
def open_surfaces(
    out: Path, root: Path, jobs: Sequence[Job], config: WatertightConfig
) -> Iterator[SurfaceManifest]:
    """Make the output folder, or reopen an existing one, and lock it while the context lasts.

    Raises:
        OutputError: see `shapegan.pipeline.dataset.resumable.open_resumable`.
        DatasetError: the folder holds something else.
    """
    wanted = SurfaceManifest(config, str(root), len(jobs), fingerprint(jobs))
    folders = (MESH_FOLDER, STAGING_FOLDER)
    choices = "INPUT, --category, --prefer and --limit"
    layout = Layout(schema.WATERTIGHT_NAME, read_surface_manifest, folders, choices)
    with open_resumable(out, jobs, wanted, layout) as manifest:
        yield manifest


def surface_path(job: Job, config: WatertightConfig) -> str:
    """Path of a job's surface below the output folder."""
    return f"{MESH_FOLDER}/{job.id}.{config.format}"


def write_surface(out: Path, number: int, outcome: SurfaceOutcome) -> None:
    """Store the outcome of a mesh: first its file, if it has one, then its report.

    Raises:
        OutputError: a file cannot be written.
    """
    report = outcome.report
    if outcome.content is not None:
        path = out / report.file
        # A temporary name beside it could be longer than a file system allows.
        staged = staged_report_path(out, number).with_suffix(path.suffix)
        with replacing(staged) as temporary:
            temporary.write_bytes(outcome.content)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(path)
    write_text(staged_report_path(out, number), json.dumps(dataclasses.asdict(report)))


def read_done(out: Path, ids: Sequence[str]) -> dict[int, SurfaceReport]:
    """Reports of the meshes that are done, by their numbers.

    A mesh is done if it has a report and, if that is `ok`, a file of the size that it states.

    Args:
        out: The output folder.
        ids: The ids of all meshes, in order.

    Raises:
        DatasetError: `meshes.csv` cannot be read.
    """
    path = out / schema.REPORT_NAME
    published = {row.id: row for row in read_rows(path, SurfaceReport)} if path.exists() else {}
    found = {
        number: _read_staged(out, number) or published.get(one) for number, one in enumerate(ids)
    }
    return {number: report for number, report in found.items() if report and _is_whole(out, report)}


def publish_surfaces(
    out: Path, jobs: Sequence[Job], manifest: SurfaceManifest
) -> tuple[SurfaceManifest, list[SurfaceReport], list[Rejections]]:
    """Write `meshes.csv` and `watertight.json` for the meshes that are done.

    Returns:
        The manifest as written, the reports, and why meshes are missing, the most frequent reason
        first.

    Raises:
        OutputError: a file cannot be written.
    """
    done = read_done(out, [job.id for job in jobs])
    reports = list(done.values())
    write_reports(out / schema.REPORT_NAME, reports, SurfaceReport)
    manifest = dataclasses.replace(
        manifest,
        complete=len(reports) == len(jobs),
        counts=dict(Counter(report.status for report in reports)),
    )
    write_text(out / schema.WATERTIGHT_NAME, manifest.to_json())
    for number in done:
        staged_report_path(out, number).unlink(missing_ok=True)
    return manifest, reports, find_rejections(reports)


def _read_staged(out: Path, number: int) -> SurfaceReport | None:
    try:
        text = staged_report_path(out, number).read_text(encoding="utf-8")
        return SurfaceReport(**json.loads(text))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_whole(out: Path, report: SurfaceReport) -> bool:
    if report.status != "ok":
        return True
    try:
        return (out / report.file).stat().st_size == report.bytes
    except FileNotFoundError:
        return False
