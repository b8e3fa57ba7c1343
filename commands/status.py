"""`shapegan status`: progress of a preprocessing, of watertight meshes or of a training."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shapegan.commands.completion import complete_runs_and_datasets
from shapegan.commands.errors import plain_errors
from shapegan.commands.recognise import takes
from shapegan.pipeline.extras import naming_extras

if TYPE_CHECKING:
    from shapegan.model.training.status import RunStatus
    from shapegan.pipeline.dataset.status import DatasetStatus
    from shapegan.pipeline.dataset.surface_status import SurfaceStatus

_REASONS = 10
"""Reasons that are listed."""
_SCORES = ("one_nna", "coverage", "mmd", "single_component", "empty")
"""Scores of generated shapes that are listed."""
_TAKES = ("dataset", "watertight", "run")


@click.command()
@click.argument(
    "path",
    metavar="FOLDER",
    type=click.Path(exists=True, path_type=Path),
    callback=takes("the folder of a dataset, of watertight meshes or of a run", *_TAKES),
    shell_complete=complete_runs_and_datasets,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def status(path: Path, as_json: bool) -> None:
    """Show the progress of preprocess, watertight or train.

    FOLDER is the --out of `preprocess` or `watertight`, or the --run of `train`.

    Prints how much is done, the speed, the time left, why meshes failed, and whether a process is
    running. It reads the folder's files only, so it works on any machine that mounts the folder and
    does not disturb the process.
    """
    with plain_errors():
        import dataclasses
        import json

        from shapegan.pipeline.dataset.status import DatasetStatus, dataset_status
        from shapegan.pipeline.dataset.surface_status import SurfaceStatus, surface_status
        from shapegan.pipeline.errors import PlainError
        from shapegan.pipeline.schema import MANIFEST_NAME, WATERTIGHT_NAME

        found: DatasetStatus | SurfaceStatus | RunStatus
        if (path / WATERTIGHT_NAME).exists():
            found = surface_status(path)
        elif (path / MANIFEST_NAME).exists():
            found = dataset_status(path)
        elif (path / "config.json").exists():
            with naming_extras("status of a run"):
                from shapegan.model.training.status import run_status

            found = run_status(path)
        else:
            raise PlainError(
                f"{path} holds neither a dataset ({MANIFEST_NAME}), watertight meshes"
                f" ({WATERTIGHT_NAME}) nor a training (config.json): give the folder of --out or"
                " --run"
            )
        if as_json:
            kinds = {DatasetStatus: "dataset", SurfaceStatus: "watertight"}
            kind = kinds.get(type(found), "training")
            click.echo(json.dumps({"kind": kind, **dataclasses.asdict(found)}, indent=1))
        elif isinstance(found, DatasetStatus | SurfaceStatus):
            _print_meshes(found)
        else:
            _print_run(found)


def _print_meshes(found: "DatasetStatus | SurfaceStatus") -> None:
    """Print the progress of meshes that become a dataset or watertight."""
    from shapegan.pipeline import schema
    from shapegan.pipeline.dataset.status import DatasetStatus
    from shapegan.pipeline.wording import counted, readable_size

    counts = ", ".join(f"{found.counts.get(one, 0):,} {one}" for one in schema.STATUSES)
    share = found.done / found.meshes if found.meshes else 1.0
    kind, files = "watertight meshes in", f"files: {found.counts.get('ok', 0):,}"
    if isinstance(found, DatasetStatus):
        kind, files = "dataset", f"shards: {found.shards:,} of {found.shard_count:,}"
    click.echo(f"{kind} {found.path}: {_state(found)}")
    click.echo(f"meshes: {found.done:,} of {found.meshes:,} ({share:.1%}): {counts}")
    click.echo(f"{files}, {readable_size(found.bytes)}{_ago(', last change', found.last_change)}")
    if found.meshes_per_second:
        click.echo(f"speed: {found.meshes_per_second:.3g} meshes/s{_left(found.seconds_left)}")
    for group in found.rejections[:_REASONS]:
        times = counted(group.count, "time")
        click.echo(f"{group.status}: {times}: {group.reason} (such as {group.example})")
    if (more := len(found.rejections) - _REASONS) > 0:
        click.echo(f"and {counted(more, 'more reason')}")


def _print_run(found: "RunStatus") -> None:
    click.echo(f"training {found.path}, recipe {found.recipe}: {_state(found)}")
    if found.total_steps is None:
        click.echo("steps: no row of metrics.csv yet")
    else:
        share = "" if found.progress is None else f" ({found.progress:.1%} of the run)"
        click.echo(
            f"steps: {found.total_steps:,}{share}, stage {found.stage} of {found.stages},"
            f" its step {found.step:,}{_ago('; last row', found.last_change)}"
        )
    if found.steps_per_second:
        click.echo(
            f"speed: {found.steps_per_second:.3g} steps/s, {found.shapes_per_second:.3g} shapes/s"
            f"{_left(found.seconds_left)}"
        )
    if found.losses:
        click.echo("losses: " + ", ".join(f"{k} {v:.4g}" for k, v in found.losses.items()))
    if found.quality:
        shown = {name: found.quality.get(name) for name in _SCORES}
        scores = [f"{name} {value:.3g}" for name, value in shown.items() if value is not None]
        click.echo(f"quality after {found.quality['total']:,.0f} steps: {', '.join(scores)}")
    saved = found.checkpoint or "none yet"
    click.echo(f"checkpoint: {saved}{_ago(', written', found.checkpoint_age)}")


def _state(found: "DatasetStatus | SurfaceStatus | RunStatus") -> str:
    if found.running:
        return "running"
    if found.complete:
        return "complete"
    if found.running is None:
        return "not complete; without file locks, it is unknown whether it is running"
    return "not running, not complete; the same command resumes"


def _ago(event: str, seconds: float | None) -> str:
    from shapegan.pipeline.wording import duration

    return "" if seconds is None else f"{event} {duration(seconds)} ago"


def _left(seconds: float | None) -> str:
    from shapegan.pipeline.wording import duration

    return "" if seconds is None else f", about {duration(seconds)} left"
