"""The command `shapegan`: flags become dataclasses, and each command is one call.

Commands import what they need inside, so that `--help` is instant.
"""

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from shapegan import __version__
from shapegan.pipeline.samples.kinds import KINDS

if TYPE_CHECKING:
    from shapegan.pipeline.plan import RunSettings

_MOST_DRAWN = 200
"""Shapes on a sheet; more would be a picture that few programs open."""


class UserError(click.ClickException):
    """Something that the user can mend: one line, exit code 2."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM a line and the exit code that shells expect of them."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        click.echo("interrupted; the same command resumes", err=True)
        code = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        raise click.exceptions.Exit(128 + code) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Makes the pipeline's named errors a line and exit code 2."""
    from shapegan.pipeline.config import ConfigError
    from shapegan.pipeline.discover import DiscoverError
    from shapegan.pipeline.files import OutputError
    from shapegan.pipeline.manifest import DatasetError
    from shapegan.pipeline.pictures.choice import ChoiceError
    from shapegan.pipeline.run import RunError
    from shapegan.pipeline.scan import NoOpenGLError

    try:
        yield
    except (
        ChoiceError,
        ConfigError,
        DatasetError,
        DiscoverError,
        NoOpenGLError,
        OutputError,
        RunError,
    ) as error:
        raise UserError(str(error)) from error


def _words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Splits what may be given several times or with commas."""
    words = (word.strip() for value in values for word in value.split(","))
    return tuple(word for word in words if word)


def _numbers(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"takes whole numbers with commas, got {value!r}") from error


def _some_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    return None if value is None else _numbers(context, parameter, value)


def _decorate(function: Any, options: list[Callable[[Any], Any]]) -> Any:
    for option in reversed(options):
        function = option(function)
    return function


def config_options(function: Any) -> Any:
    """Options that decide what is in the dataset."""
    from shapegan.pipeline.config import METHODS, PreprocessConfig

    default = PreprocessConfig()
    resolutions = ",".join(str(resolution) for resolution in default.resolutions)
    return _decorate(
        function,
        [
            click.option(
                "--resolutions",
                default=resolutions,
                show_default=True,
                callback=_numbers,
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
    return _decorate(
        function,
        [
            click.option(
                "--category",
                "categories",
                multiple=True,
                callback=_words,
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
    return _decorate(
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
                "--process", "target", hidden=True, default="shapegan.pipeline.process:process"
            ),
        ],
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shapegan")
def main() -> None:
    """Meshes to signed distance shards, shards to generators of 3D shapes."""


@main.command()
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
    with _interruptible(), _plain_errors():
        from rich.console import Console

        from shapegan.pipeline.config import PreprocessConfig
        from shapegan.pipeline.discover import discover
        from shapegan.pipeline.progress import Meter, forecast, summarise
        from shapegan.pipeline.run import preprocess as run

        config = PreprocessConfig(
            **{field.name: options[field.name] for field in dataclasses.fields(PreprocessConfig)}
        )
        _check_method(config.method, options)
        found = discover(root, options["categories"], options["limit"], options["splits"])
        jobs = found.jobs
        for note in found.notes:
            click.echo(note, err=True)
        console = Console(stderr=True)
        if dry_run:
            forecast(out, jobs, config, console)
            return
        with Meter(len(jobs), console) as meter:
            result = run(root.resolve(), jobs, config, out.resolve(), _run_settings(options), meter)
        summarise(out, *result, console)


@main.command()
@click.argument(
    "kinds", metavar="KIND...", nargs=-1, required=True, type=click.Choice([*KINDS, "all"])
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the meshes."
)
@click.option(
    "--count", type=click.IntRange(min=1), default=64, show_default=True, help="Of each kind."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the shapes."
)
@click.option("--intact", is_flag=True, help="Leave the meshes whole and wound outwards.")
def samples(kinds: tuple[str, ...], out: Path, count: int, seed: int, intact: bool) -> None:
    """Write procedural shapes in ShapeNet's layout, spoilt as real meshes are.

    KIND is chairs, tables, sofas, planes or all; several may be given. Beside each mesh, solid.json
    holds its exact solid. What is in the folder already stays.
    """
    with _interruptible(), _plain_errors():
        from shapegan.pipeline.samples.sample import write_samples

        chosen = tuple(kind for kind in KINDS if kind in kinds or "all" in kinds)
        written = sum(1 for _ in write_samples(chosen, count, seed, out, intact=intact))
    click.echo(f"{written} meshes in {out}", err=True)


def _check_method(method: str, options: dict[str, Any]) -> None:
    """Refuses to scan without OpenGL; machines of a cluster have to see to theirs."""
    from shapegan.pipeline.scan import check_opengl

    if method == "scan" and not (options["scheduler"] or options["cluster"]):
        check_opengl()


def _run_settings(options: dict[str, Any]) -> "RunSettings":
    from shapegan.pipeline.plan import RunSettings
    from shapegan.pipeline.run import default_workers
    from shapegan.pipeline.worker import Limits

    workers, note = options["workers"], ""
    if workers is None:
        workers, note = default_workers()
    if note:
        click.echo(note, err=True)
    limits = Limits(options["mesh_timeout"], options["mesh_memory"] * 1e9)
    taken = {name: options[name] for name in ("scheduler", "cluster", "device", "target")}
    return RunSettings(workers=workers, limits=limits, **taken)


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Reads `90`, `90s`, `30m`, `2h` or `1.5d`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if value is None:
        return None
    number, unit = (value[:-1], value[-1]) if value[-1:] in units else (value, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"takes a time such as 90s, 30m or 2h, got {value!r}")
    return seconds


def recipe_options(function: Any) -> Any:
    """Options that decide what is trained."""
    return _decorate(
        function,
        [
            click.option(
                "--recipe",
                type=click.Choice(["voxel", "point", "autodecoder"]),
                default="voxel",
                show_default=True,
                help="A GAN on voxels, a GAN on points with refinement, or DeepSDF's own training.",
            ),
            click.option(
                "--preset",
                type=click.Choice(["paper", "fast", "demo"]),
                default="fast",
                show_default=True,
                help="What was published, what gets there sooner, or a toy.",
            ),
            click.option(
                "--stages",
                callback=_some_numbers,
                metavar="SIZES",
                help="Only these: resolutions, or points to a shape.  [default: the preset's]",
            ),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                help="Shapes to a step, over all devices.  [default: the preset's]",
            ),
            click.option("--split", default="train", show_default=True, help="Shapes to train on."),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Of weights, latents and the order of shapes.",
            ),
        ],
    )


def training_options(function: Any) -> Any:
    """Options that decide how a run is done; what is learned does not depend on them."""
    return _decorate(
        function,
        [
            click.option(
                "--steps",
                type=click.IntRange(min=1),
                help="Of the whole run, divided among its stages.  [default: the preset's epochs]",
            ),
            click.option(
                "--time",
                "seconds",
                callback=_seconds,
                metavar="TIME",
                help="Of the whole run, such as 30m or 2h, divided among its stages.",
            ),
            click.option(
                "--device",
                default="auto",
                show_default=True,
                help="cpu, cuda, cuda:1; auto takes CUDA if it is there.",
            ),
            click.option(
                "--precision",
                type=click.Choice(["fp32", "bf16", "tf32"]),
                default="fp32",
                show_default=True,
            ),
            click.option("--compile", "compiled", is_flag=True, help="Use torch.compile."),
            click.option(
                "--chunk",
                type=click.IntRange(min=1),
                default=2**17,
                show_default=True,
                help="Points that the generator works on at once: less takes less memory.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Processes that read ahead, where shapes are not kept in memory.",
            ),
            click.option(
                "--pin",
                type=click.Choice(["auto", "none", "ram", "device"]),
                default="auto",
                show_default=True,
                help="Where all shapes are kept, if they fit.",
            ),
            click.option(
                "--save-every",
                default="5m",
                show_default=True,
                callback=_seconds,
                metavar="TIME",
                help="Between checkpoints.",
            ),
            click.option(
                "--sample-every",
                default="3m",
                show_default=True,
                callback=_seconds,
                metavar="TIME",
                help="Between sheets of samples.",
            ),
            click.option(
                "--samples",
                "previews",
                type=click.IntRange(0, _MOST_DRAWN),
                default=16,
                show_default=True,
                help="Shapes on such a sheet; 0: no sheets.",
            ),
        ],
    )


@main.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Dataset that `preprocess` made.  [default: datasets, or the one in it]",
)
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what the run makes.  [default: runs/RECIPE-PRESET]",
)
@recipe_options
@training_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def train(data: Path | None, run: Path | None, dry_run: bool, **options: Any) -> None:
    """Train a generator of shapes on a dataset.

    Checkpoints, sheets of samples, metrics.csv and TensorBoard's events go to the run's folder. The
    same command again goes on with it; Ctrl-C and SIGTERM finish the step, save, and leave. Several
    GPUs: torchrun --nproc-per-node N -m -- shapegan.cli train ...
    """
    with _plain_errors(), _plain_training_errors():
        from rich.console import Console

        from shapegan.model.choices import Overrides, choose_config, choose_data
        from shapegan.model.forecast import forecast
        from shapegan.model.schedule import Budget
        from shapegan.model.trainer import TrainSettings
        from shapegan.model.trainer import train as run_training
        from shapegan.model.watching import Meter, tell_forecast

        if options["steps"] and options["seconds"]:
            raise click.UsageError("--steps and --time exclude each other")
        overrides = Overrides(
            options["stages"], options["batch_size"], options["split"], options["seed"]
        )
        config = choose_config(options["recipe"], options["preset"], overrides)
        names = ("device", "precision", "compiled", "chunk", "workers", "pin", "previews")
        settings = TrainSettings(
            data=choose_data(data),
            run=run or Path("runs") / f"{options['recipe']}-{options['preset']}",
            budget=Budget(options["steps"], options["seconds"]),
            save_seconds=options["save_every"],
            preview_seconds=options["sample_every"],
            **{name: options[name] for name in names},
        )
        console = Console(stderr=True)
        if dry_run:
            tell_forecast(config, forecast(config, settings), console)
            return
        with Meter(config, console) as meter:
            run_training(config, settings, meter)


@contextlib.contextmanager
def _plain_training_errors() -> Iterator[None]:
    """Makes the named errors of training a line and exit code 2."""
    from shapegan.model.checkpoint import CheckpointError
    from shapegan.model.config import TrainConfigError
    from shapegan.model.ranks import DeviceError
    from shapegan.model.run_folder import RunFolderError
    from shapegan.model.trainer import TrainingError

    try:
        yield
    except (
        CheckpointError,
        DeviceError,
        RunFolderError,
        TrainConfigError,
        TrainingError,
    ) as error:
        raise UserError(str(error)) from error


def _png(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """A file that can be made: better said before the work than after."""
    if path is not None and path.suffix.lower() != ".png":
        raise click.BadParameter(f"takes a name that ends in .png, got {path}")
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


def sheet_options(function: Any) -> Any:
    """Options of the contact sheet."""
    return _decorate(
        function,
        [
            click.option(
                "--sheet",
                type=click.Path(dir_okay=False, path_type=Path),
                callback=_png,
                metavar="FILE.png",
                help="Draw shapes, one to a row: the mesh as it came, what the two finest voxel"
                " grids make of it, and a slice of the signed distances.",
            ),
            click.option(
                "--id", "ids", metavar="ID", multiple=True, help="Draw this shape; several times."
            ),
            click.option(
                "--worst",
                type=click.IntRange(1, _MOST_DRAWN),
                help="Draw so many with the lowest surface recall.",
            ),
            click.option(
                "--count",
                type=click.IntRange(1, _MOST_DRAWN),
                default=12,
                show_default=True,
                help="Draw so many at random.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Of the random choice.",
            ),
            click.option(
                "--mesh-root",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                help="Where the meshes lie now.  [default: where `preprocess` found them]",
            ),
            click.option(
                "--azimuth",
                type=click.FloatRange(-360, 360),
                default=215.0,
                show_default=True,
                help="Degrees that the camera stands round the y axis: 215 sees the front of what"
                " faces -z, as in ShapeNet, and 35 of what faces +z.",
            ),
            click.option(
                "--panel",
                type=click.IntRange(128, 512),
                default=208,
                show_default=True,
                help="Height and width of each picture, pixels.",
            ),
        ],
    )


@main.command()
@click.argument(
    "path", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--verify", is_flag=True, help="Compare every shard with its SHA-256.")
@sheet_options
@click.pass_context
def inspect(context: click.Context, /, path: Path, verify: bool, **options: Any) -> None:
    """Say what the dataset DIR holds, and draw some of it.

    Prints counts by category and status, sizes, why meshes were turned away, and how good the
    shapes are. With --sheet it also draws shapes: 12 at random, or those that --id, --worst or
    --count name.
    """
    _check_sheet_options(context)
    with _plain_errors():
        from rich.console import Console

        from shapegan.pipeline.dataset import Dataset
        from shapegan.pipeline.inspection import show, summarise

        show(summarise(path), Console())
        if verify:
            Dataset(path).verify()
            click.echo("\nverified: every shard is as it was written, by its SHA-256")
        if options["sheet"]:
            _draw_sheet(path, options)


def _check_sheet_options(context: click.Context) -> None:
    """Refuses what would have no effect."""
    typed = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    ways = [typed[name] for name in ("ids", "worst", "count") if name in typed]
    if len(ways) > 1:
        raise click.UsageError(f"{' and '.join(ways)} exclude each other")
    alone = [option for name, option in typed.items() if name not in ("path", "verify", "sheet")]
    if "sheet" not in typed and alone:
        raise click.UsageError(f"{', '.join(alone)}: only together with --sheet")
    if "seed" in typed and {"ids", "worst"} & typed.keys():
        raise click.UsageError(f"--seed has no effect together with {ways[0]}")


def _draw_sheet(path: Path, options: dict[str, Any]) -> None:
    from rich.console import Console

    from shapegan.pipeline.dataset import Dataset
    from shapegan.pipeline.pictures.choice import Choice
    from shapegan.pipeline.pictures.contact_sheet import SheetSettings, write_sheet
    from shapegan.pipeline.pictures.render import Camera

    choice = Choice(**{field.name: options[field.name] for field in dataclasses.fields(Choice)})
    settings = SheetSettings(options["panel"], Camera(azimuth=options["azimuth"]))
    file = options["sheet"]
    with Console(stderr=True).status("drawing"):
        count = write_sheet(file, Dataset(path), choice, options["mesh_root"], settings)
    click.echo(f"\n{count:,} shapes, {choice}, are drawn in {file}")


if __name__ == "__main__":
    main()
