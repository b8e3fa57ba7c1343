"""Summary of a dataset: counts, sizes, quality of its shapes, and why meshes are missing.

summary = summarise(Path("datasets/chairs"))
print_inspection(summary, Console())
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shapegan.pipeline import schema
from shapegan.pipeline.config import TRUNCATED_FROM, ImportConfig
from shapegan.pipeline.dataset.manifest import DatasetError, Manifest, require_manifest
from shapegan.pipeline.dataset.open_shards import check_size
from shapegan.pipeline.dataset.reports import find_rejections, read_reports
from shapegan.pipeline.dataset.shards import point_counts
from shapegan.pipeline.progress_display import print_line
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.taxonomy import describe
from shapegan.pipeline.wording import counted, duration, readable_size

INSIDE_EDGES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
RECALL_EDGES = (0.0, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
"""Bin edges, finer near 1, where most shapes lie. All datasets have the same edges, so that their
histograms can be compared."""

_BAR = 40
"""Characters of the longest bar of a histogram."""
_REASONS = 20
"""Reasons that are listed."""


@dataclass(frozen=True)
class Summary:
    """Facts about a dataset that need no shard to be opened; the shards have their sizes."""

    path: Path
    manifest: Manifest
    reports: list[MeshReport]
    """The rows of `meshes.csv`."""

    @property
    def accepted(self) -> list[MeshReport]:
        """The reports of the shapes that are in the dataset."""
        return [report for report in self.reports if report.status == "ok"]

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(shard.bytes for shard in self.manifest.shards)

    def counts(self) -> dict[str, Counter[str]]:
        """Category -> status -> number of meshes; categories in alphabetical order."""
        found: dict[str, Counter[str]] = {}
        for report in sorted(self.reports, key=lambda report: report.category):
            found.setdefault(report.category, Counter())[report.status] += 1
        return found

    def methods(self) -> Counter[str]:
        """Method that found the sign -> number of shapes."""
        return Counter(report.method for report in self.accepted)


def summarise(path: Path) -> Summary:
    """Read the manifest and reports of a dataset, which may be unfinished.

    Raises:
        DatasetError: there is no dataset of this format, it has no whole shard yet, or the file of
            a shard is missing or has another size than in the manifest.
    """
    manifest = require_manifest(path)
    if not manifest.shards:
        raise DatasetError(
            f"{path} is unfinished and has no whole shard yet: the same `shapegan preprocess`"
            " resumes it"
        )
    reports = read_reports(path / schema.REPORT_NAME)
    for shard in manifest.shards:
        if shard.file:
            check_size(path / shard.file, shard.bytes)
    return Summary(path, manifest, reports)


def histogram(values: Iterable[float], edges: Sequence[float]) -> NDArray[np.intp]:
    """Count values per bin: each bin includes its lower edge, the last bin both.

    Returns:
        (len(edges) - 1,) integers.
    """
    counts, _ = np.histogram(np.fromiter(values, dtype=np.float64), edges)
    return counts


# --- printing ------------------------------------------------------------------------------------


def print_inspection(summary: Summary, console: Console) -> None:
    """Print the whole summary: tables in a terminal, plain columns elsewhere."""
    for line in _headline(summary):
        print_line(console, line)
    _print_counts(summary, console)
    _print_reasons(summary, console)
    if not summary.accepted:
        return
    _print_methods(summary, console)
    _print_histogram(
        summary,
        console,
        "Inside fraction (share of the cube's voxels)",
        INSIDE_EDGES,
        lambda report: report.inside_fraction,
    )
    _print_histogram(
        summary,
        console,
        "Surface recall (share of the visible surface that the voxels keep)",
        RECALL_EDGES,
        lambda report: report.surface_recall,
    )
    _print_seconds(summary, console)


def _headline(summary: Summary) -> list[str]:
    manifest, shapes = summary.manifest, len(summary.accepted)
    config = manifest.config
    files = sum(1 for shard in manifest.shards if shard.file)
    each = f", {readable_size(summary.bytes / shapes)} a shape" if shapes else ""
    voxels = ", ".join(f"{r}^3" for r in config.resolutions)
    sets = [f"{name} {count:,}" for name, count in point_counts(config).items()]
    points = f"points: {', '.join(sets)}" if sets else "no points"
    if config.truncation:
        voxels += f" (to a distance of {config.truncation:g} from {TRUNCATED_FROM}^3 on)"
    made = f"voxels {voxels or 'none'}; {points};"
    if isinstance(config, ImportConfig):
        made = f"imported from {config.imported}; {made}"
    else:
        made += f" method {config.method}; seed {config.seed};"
    lines = [
        f"{summary.path}: {shapes:,} shapes of {manifest.meshes:,} meshes below {manifest.input}",
        f"{readable_size(summary.bytes)} in {counted(files, 'shard')}{each}",
        f"{made} shapegan {manifest.code_version}",
    ]
    if manifest.splits:
        sizes = ", ".join(f"{name} {len(ids):,}" for name, ids in manifest.splits.items())
        lines.append(f"splits: {sizes}")
    if not manifest.complete:
        lines.append(
            f"NOT COMPLETE: {len(manifest.shards):,} of {manifest.shard_count:,} shards are whole;"
            " the same `shapegan preprocess` makes the rest"
        )
    return lines


def _print_counts(summary: Summary, console: Console) -> None:
    table = _table(console, "Meshes", "category", *schema.STATUSES, "all")
    counts = summary.counts()
    rows = [(describe(category) or "no category", counts[category]) for category in counts]
    if len(rows) > 1:
        rows.append(("all", sum(counts.values(), Counter())))
    for name, found in rows:
        numbers = [found[status] for status in schema.STATUSES] + [found.total()]
        table.add_row(escape(name), *(f"{number:,}" for number in numbers))
    console.print(table)


def _print_reasons(summary: Summary, console: Console) -> None:
    groups = find_rejections(summary.reports)
    if not groups:
        return
    table = _table(console, "Rejected or failed", "reason", "meshes", "status", "such as")
    for group in groups[:_REASONS]:
        table.add_row(escape(group.reason), f"{group.count:,}", group.status, escape(group.example))
    console.print(table)
    if len(groups) > _REASONS:
        console.print(f"... and {len(groups) - _REASONS} more reasons, see {schema.REPORT_NAME}")


def _print_methods(summary: Summary, console: Console) -> None:
    table = _table(console, "Methods", "method", "shapes", "share")
    for method, count in summary.methods().most_common():
        table.add_row(
            method or "not recorded", f"{count:,}", f"{count / len(summary.accepted):.1%}"
        )
    console.print(table)


def _print_histogram(
    summary: Summary,
    console: Console,
    title: str,
    edges: Sequence[float],
    value_of: Callable[[MeshReport], float | None],
) -> None:
    values = [value for report in summary.accepted if (value := value_of(report)) is not None]
    if not values:
        return
    counts = histogram(values, edges)
    table = _table(console, title, "from", "to", "shapes", "")
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        bar = "#" * int(np.ceil(_BAR * count / counts.max()))
        table.add_row(f"{low:g}", f"{high:g}", f"{count:,}", bar)
    table.columns[0].justify = "right"
    console.print(table)
    low, middle = np.quantile(values, [0.05, 0.5])
    text = f"lowest {min(values):.4f}, 5th percentile {low:.4f}, median {middle:.4f}"
    console.print(f"{text}, highest {max(values):.4f}", highlight=False)


def _print_seconds(summary: Summary, console: Console) -> None:
    seconds = [report.seconds for report in summary.reports if report.seconds is not None]
    if not seconds:
        return
    slowest = max(summary.reports, key=lambda report: report.seconds or 0.0)
    print_line(
        console,
        f"\nCPU seconds per mesh: median {np.median(seconds):.2f},"
        f" mean {np.mean(seconds):.2f}, most {max(seconds):.2f} ({slowest.id});"
        f" {duration(sum(seconds))} in all",
    )


def _table(console: Console, title: str, *columns: str) -> Table:
    """Print a title; return an empty table: text in the first column, numbers or words after it."""
    console.print(f"\n[bold]{title}[/bold]", highlight=False)
    style = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=style, pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        words = name in ("status", "such as", "")
        table.add_column(name, justify="left" if words else "right", overflow="fold")
    return table
