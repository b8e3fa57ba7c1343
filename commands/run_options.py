"""Options of the commands that process many meshes, and the settings that they give."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import UserError
from shapegan.commands.options import decorate, words

if TYPE_CHECKING:
    from shapegan.pipeline.run.plan import RunSettings


splits_option = click.option(
    "--splits",
    multiple=True,
    help="Splits of the meshes, such as `train`, `val` and `test`: a .csv (such as"
    " ShapeNet's all.csv), .json (such as DeepSDF's) or .txt file; repeat the option if"
    " there is one file per split. Meshes in no file are left out. Or fractions, such"
    " as 0.8,0.1,0.1 or train=0.9,test=0.1: a hash of the mesh's id decides.",
)


def cavities_option(default: str) -> Any:
    """Option for closed cavities."""
    from shapegan.pipeline.config import CAVITIES

    return click.option(
        "--cavities",
        type=click.Choice(CAVITIES),
        default=default,
        show_default=True,
        help="Closed cavities: `keep` keeps those of watertight meshes with consistent windings"
        " and fills all others; `fill` fills all.",
    )


def input_options(function: Any) -> Any:
    """Options that select the meshes of a folder."""
    return decorate(
        function,
        [
            click.option(
                "--category",
                "categories",
                multiple=True,
                callback=words,
                help="Synset id, its name, or a folder's name; separate several with commas."
                "  [default: all]",
            ),
            click.option(
                "--prefer",
                multiple=True,
                callback=words,
                metavar="FORMATS",
                help="Of files that differ in their suffix alone, take the first of these formats,"
                " such as obj,glb,stl.  [default: take all, and keep the suffix in their ids]",
            ),
            click.option(
                "--limit",
                type=click.IntRange(min=1),
                help="Process only the first meshes by id, of those that other options select.",
            ),
        ],
    )


def _device(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Check the form of a device's name."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"got {value!r}, takes cpu, cuda or a GPU such as cuda:1")
    return value


def worker_options(function: Any) -> Any:
    """Options of the workers; none of them changes the output."""
    return decorate(
        function,
        [
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                help="Processes, or jobs of a cluster; 0 runs everything in this process."
                "  [default: as many as the cores and the memory allow]",
            ),
            click.option(
                "--scheduler", help="Address of a running Dask scheduler, such as tcp://host:8786."
            ),
            click.option(
                "--cluster",
                type=click.Choice(["slurm"]),
                help="Start the workers as jobs of a cluster, through dask-jobqueue.",
            ),
            click.option(
                "--device",
                default="cpu",
                show_default=True,
                callback=_device,
                help="Device that computes the distances: cpu, cuda or cuda:1. With cuda, the"
                " workers share all GPUs of their machine in turn.",
            ),
            click.option(
                "--mesh-timeout",
                type=click.FloatRange(min=0, min_open=True),
                default=300.0,
                show_default=True,
                help="Seconds after which a mesh fails.",
            ),
            click.option(
                "--mesh-memory",
                type=click.FloatRange(min=0, min_open=True),
                default=8.0,
                show_default=True,
                help="Gigabytes of memory beyond which a mesh fails.",
            ),
        ],
    )


def check_output(root: Path, out: Path) -> None:
    """Refuse an --out that is INPUT itself: the folder would no longer be one of meshes.

    Raises:
        UserError: both are the same folder or file, also through a link.
    """
    if out.exists() and out.samefile(root):
        raise UserError(f"--out {out} is INPUT itself: choose another folder")


def check_made(accepted: int, out: Path) -> None:
    """Refuse to end a run of which nothing came as if it had made something.

    Args:
        accepted: Meshes with a result.
        out: Folder of the results.

    Raises:
        UserError: there is none; the message names the file with the reasons.
    """
    from shapegan.pipeline.schema import REPORT_NAME

    if not accepted:
        raise UserError(f"no mesh was accepted: {out / REPORT_NAME} has the reasons")


def check_machine(options: dict[str, Any], method: str = "winding") -> None:
    """Refuse what this machine lacks: OpenGL to scan, a GPU, or the package that starts jobs.

    On a cluster, the workers check their own machines.

    Raises:
        PlainError: this machine lacks OpenGL, the device or a package.
    """
    from shapegan.pipeline.extras import naming_extras, require
    from shapegan.pipeline.sdf.scan import check_opengl
    from shapegan.pipeline.warp_runtime import check_device

    if options["cluster"] == "slurm":
        with naming_extras("--cluster slurm"):
            require("dask_jobqueue")
    if options["scheduler"] or options["cluster"]:
        return
    check_device(options["device"])
    if method == "scan":
        check_opengl()


def run_settings(options: dict[str, Any]) -> "RunSettings":
    """Settings of a run from the options of `worker_options`, with a note if memory is short."""
    from shapegan.pipeline.run.child_process import Limits
    from shapegan.pipeline.run.dask_pool import default_workers
    from shapegan.pipeline.run.plan import RunSettings

    workers, note = options["workers"], ""
    if workers is None:
        workers, note = default_workers()
    if note:
        click.echo(note, err=True)
    limits = Limits(options["mesh_timeout"], options["mesh_memory"] * 1e9)
    same = {name: options[name] for name in ("scheduler", "cluster", "device")}
    return RunSettings(workers=workers, limits=limits, **same)
