"""Shares of real meshes that are accepted, and of their surface that the voxels keep.

Unpacks Sweet Home 3D's archives of furniture, and preprocesses them and a folder of meshes, both
without point sets. Prints a table by folder, the lowest recalls, and the meshes that were rejected
or failed.
"""

import zipfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.run.progress import RunProgress
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.sdf.quality import lipschitz_excess

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MESHES = ROOT.parent / "shared" / "data" / "meshes"
DEFAULT_FURNITURE = Path("/usr/share/sweethome3d/furniture")


def unpack(archives: Iterable[Path], folder: Path) -> None:
    """Write each archive's .obj files to a folder of its own; existing files stay."""
    for archive in archives:
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                path = folder / archive.stem / Path(name).name
                if path.suffix.lower() == ".obj" and not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.read(name))


def reports_of(folder: Path, out: Path, workers: int, every: int) -> list[MeshReport]:
    """Preprocess every n-th mesh of a folder, n being `every`; an earlier run is resumed."""
    from rich.console import Console

    jobs = discover(folder).jobs[::every]
    config = PreprocessConfig(resolutions=(32, 64), points=0)
    with RunProgress(len(jobs), Console(stderr=True)) as meter:
        preprocess(folder, jobs, config, out, RunSettings(workers=workers), meter)
    return Dataset(out).reports


def largest_excess(dataset: Dataset) -> tuple[float, str, int]:
    """Largest excess of the change between neighbouring voxels over their distance.

    Returns:
        The excess beyond what rounding to float16 explains, cube frame, with the mesh's id and the
        grid's resolution.
    """
    worst = (0.0, "", 0)
    for index, name in enumerate(dataset.ids):
        for resolution in dataset.resolutions:
            voxels = dataset.voxels(index, resolution)
            rounding = np.spacing(np.abs(voxels).max().astype(np.float16))
            excess = lipschitz_excess(voxels) - float(rounding)
            worst = max(worst, (excess, name, resolution))
    return worst


HEADER = [
    "meshes", "n", "accepted", "rejected", "failed", "accepted %",
    "recall, median", "5th percentile", "lowest", "CPU s, median", "most",
]  # fmt: skip


def line(name: str, reports: list[MeshReport]) -> list[object]:
    """One row of the table, for a group of meshes."""
    counts = [sum(r.status == status for r in reports) for status in ("ok", "rejected", "failed")]
    recall = [r.surface_recall for r in reports if r.status == "ok" and r.surface_recall]
    seconds = [r.seconds for r in reports if r.seconds]
    low = np.percentile(recall, 5)
    return [
        name, len(reports), *counts, f"{100 * counts[0] / len(reports):.1f}",
        f"{np.median(recall):.4f}", f"{low:.3f}", f"{min(recall):.3f}",
        float(np.median(seconds)), max(seconds),
    ]  # fmt: skip


@click.command(help=__doc__)
@click.option("--meshes", type=click.Path(path_type=Path), default=DEFAULT_MESHES,
              help="Folder of meshes.")  # fmt: skip
@click.option("--furniture", type=click.Path(path_type=Path), default=DEFAULT_FURNITURE,
              help="Folder of .sh3f archives.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path), required=True,
              help="Folder for meshes and datasets; the same one again resumes.")  # fmt: skip
@click.option("--every", default=1, help="Take only every n-th mesh of the furniture.")
@click.option("--workers", default=1)
@click.option("--worst", default=10, help="Number of lowest recalls to list.")
def main(meshes: Path, furniture: Path, work: Path, every: int, workers: int, worst: int) -> None:
    """Preprocess the folders and print the tables."""
    archives = sorted(furniture.glob("*.sh3f"))
    unpack(archives, work / "furniture")
    folders = {"furniture": work / "furniture"} if archives else {}
    folders |= {"meshes": meshes} if meshes.is_dir() else {}
    grouped: dict[str, list[MeshReport]] = defaultdict(list)
    for name, folder in folders.items():
        share = every if name == "furniture" else 1
        for report in reports_of(folder, (work / f"{name}-dataset").resolve(), workers, share):
            grouped[f"{name}: {report.category}"].append(report)
            grouped[f"{name}: all"].append(report)
    everything = [r for name, reports in grouped.items() if name.endswith("all") for r in reports]
    click.echo(markdown(HEADER, (line(name, reports) for name, reports in grouped.items())))
    accepted = sorted(
        (r for r in everything if r.status == "ok"), key=lambda r: r.surface_recall or 0
    )
    rows = ([r.id, r.faces, r.method, f"{r.surface_recall:.3f}"] for r in accepted[:worst])
    click.echo("\n" + markdown(["lowest recall", "faces", "method", "recall"], rows))
    lost = ([r.id, r.status, r.reason] for r in everything if r.status != "ok")
    for name in folders:
        excess, mesh, resolution = largest_excess(Dataset(work / f"{name}-dataset"))
        where = f" ({mesh}, {resolution}^3)" if mesh else ""
        click.echo(f"\n{name}: neighbouring voxels exceed their distance by {excess:.1e}{where}")
    click.echo("\n" + markdown(["rejected or failed", "status", "reason"], lost))


if __name__ == "__main__":
    main()
