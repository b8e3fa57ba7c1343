"""`shapegan preprocess`: meshes -> a dataset."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import decorate, numbers, words

if TYPE_CHECKING:
    from shapegan.pipeline.run.plan import RunSettings


def config_options(function: Any) -> Any:
    """Options that decide what is in the dataset."""
    from shapegan.pipeline.config import METHODS, PreprocessConfig

    default = PreprocessConfig()
    resolutions = ",".join(str(resolution) for resolution in default.resolutions)
    return decorate(
        function,
        [
            click.option(
                "--resolutions",
                default=resolutions,
                show_default=True,
                callback=numbers,
                help="Voxel grids.",
            ),
            click.option(
                "--points",
                default=default.points,
                show_default=True,
                help="Points in each of the sets `uniform` and `surface`.",
            ),
            click.option("--cloud", is_flag=True, help="Also store DeepSDF's mix of points."),
            click.option(
                "--method",
                type=click.Choice(METHODS),
                default=default.method,
                show_default=True,
                help="How signs are found; `scan` is the paper's way.",
            ),
            click.option(
                "--sheet-thickness",
                default=default.sheet_thickness,
                show_default=True,
                help="Half the thickness that bare sheets get; the longest side is 2.",
            ),
            click.option(
                "--shard-size",
                default=default.shard_size,
                show_default=True,
                help="Meshes to a shard.",
            ),
            click.option(
                "--seed", default=default.seed, show_default=True, help="Of the random points."
            ),
        ],
    )


def input_options(function: Any) -> Any:
    """Options that decide which meshes are taken."""
    return decorate(
        function,
        [
            click.option(
                "--category",
                "categories",
                multiple=True,
                callback=words,
                help="Synset id, its name or a folder's; several with commas."
                "  [default: all there are]",
            ),
            click.option(
                "--limit",
                type=click.IntRange(min=1),
                help="Take the first so many in the order of their ids, of what --category and"
                " --splits leave.",
            ),
            click.option(
                "--splits",
                multiple=True,
                help="Which mesh is in `train`, `val` and `test`: a .csv (such as ShapeNet's"
                " all.csv), .json (such as DeepSDF's) or .txt, given several times if there is one"
                " for each; what they do not list is left out. Or fractions, 0.8,0.1,0.1 or"
                " train=0.9,test=0.1, by a hash of the mesh's id.",
            ),
        ],
    )


def worker_options(function: Any) -> Any:
    """Options that decide who does the work; none of them changes the dataset."""
    return decorate(
        function,
        [
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                help="Processes, or jobs of a cluster; 0 does all in this very process."
                "  [default: as many as there are cores and memory for]",
            ),
            click.option("--scheduler", help="Running Dask scheduler, such as tcp://host:8786."),
            click.option(
                "--cluster",
                type=click.Choice(["slurm"]),
                help="Start workers on this, through dask-jobqueue.",
            ),
            click.option(
                "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True
            ),
            click.option(
                "--mesh-timeout",
                type=click.FloatRange(min=0, min_open=True),
                default=300.0,
                show_default=True,
                help="Seconds that a mesh may take.",
            ),
            click.option(
                "--mesh-memory",
                type=click.FloatRange(min=0, min_open=True),
                default=8.0,
                show_default=True,
                help="Gigabytes that a mesh may take.",
            ),
            click.option(
                "--process",
                "target",
                hidden=True,
                default="shapegan.pipeline.run.process_mesh:process",
            ),
        ],
    )


@click.command()
@click.argument(
    "root", metavar="INPUT", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the dataset."
)
@input_options
@config_options
@worker_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def preprocess(root: Path, out: Path, dry_run: bool, **options: Any) -> None:
    """Turn the meshes below INPUT into shards of signed distances.

    INPUT is a ShapeNetCore tree (of version 1 or 2, whole or a part) or any folder with .obj, .ply,
    .stl, .off, .glb or .gltf files. The same command again resumes.
    """
    with interruptible(), plain_errors():
        from rich.console import Console

        from shapegan.pipeline.config import PreprocessConfig
        from shapegan.pipeline.inputs.discover import discover
        from shapegan.pipeline.run.forecast import forecast
        from shapegan.pipeline.run.preprocess import preprocess as run
        from shapegan.pipeline.run.progress import PreprocessProgress, summarise

        config = PreprocessConfig(
            **{field.name: options[field.name] for field in dataclasses.fields(PreprocessConfig)}
        )
        _check_machine(config.method, options)
        found = discover(root, options["categories"], options["limit"], options["splits"])
        jobs = found.jobs
        for note in found.notes:
            click.echo(note, err=True)
        console = Console(stderr=True)
        if dry_run:
            forecast(out, jobs, config, console)
            return
        with PreprocessProgress(len(jobs), console) as meter:
            result = run(root.resolve(), jobs, config, out.resolve(), _run_settings(options), meter)
        summarise(out, *result, console)


def _check_machine(method: str, options: dict[str, Any]) -> None:
    """Refuses to scan without OpenGL, and a GPU that is not there.

    On a cluster, other machines do the work: they are asked once they are there.
    """
    from shapegan.pipeline.sdf.scan import check_opengl
    from shapegan.pipeline.warp_runtime import check_device

    if options["scheduler"] or options["cluster"]:
        return
    check_device(options["device"])
    if method == "scan":
        check_opengl()


def _run_settings(options: dict[str, Any]) -> "RunSettings":
    from shapegan.pipeline.run.child_process import Limits
    from shapegan.pipeline.run.dask_pool import default_workers
    from shapegan.pipeline.run.plan import RunSettings

    workers, note = options["workers"], ""
    if workers is None:
        workers, note = default_workers()
    if note:
        click.echo(note, err=True)
    limits = Limits(options["mesh_timeout"], options["mesh_memory"] * 1e9)
    taken = {name: options[name] for name in ("scheduler", "cluster", "device", "target")}
    return RunSettings(workers=workers, limits=limits, **taken)
