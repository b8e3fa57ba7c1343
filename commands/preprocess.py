"""`shapegan preprocess`: meshes -> dataset."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import decorate, numbers, refuse_typed, words
from shapegan.commands.recognise import takes
from shapegan.commands.run_options import (
    cavities_option,
    check_machine,
    check_made,
    check_output,
    input_options,
    run_settings,
    splits_option,
    worker_options,
)


def config_options(function: Any) -> Any:
    """Options that decide the contents of the dataset."""
    from shapegan.pipeline.config import METHODS, SCAN_SIGNS, THIN_PARTS, PreprocessConfig

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
                help="Points of each voxel grid along an axis.",
            ),
            click.option(
                "--points",
                default=default.points,
                show_default=True,
                help="Points in each of the sets `uniform` and `surface`; 0 stores none.",
            ),
            click.option(
                "--mix",
                "mixes",
                multiple=True,
                callback=words,
                metavar="NAMES",
                help="Also store the points of `deepsdf` (set `cloud`), `occnet` or `vecset`;"
                " separate several with commas.",
            ),
            click.option(
                "--mix-points",
                default=default.mix_points,
                help="Points in each set of the mixes.  [default: those of the paper]",
            ),
            click.option(
                "--on-surface",
                "on_surface_points",
                default=default.on_surface_points,
                show_default=True,
                help="Points on the surface, with normals.",
            ),
            click.option(
                "--salient",
                "salient_points",
                default=default.salient_points,
                show_default=True,
                help="Points on sharp edges, with normals.",
            ),
            click.option(
                "--sharp-angle",
                default=default.sharp_angle,
                show_default=True,
                help="Angle between the normals at an edge from which it is sharp, degrees.",
            ),
            click.option(
                "--truncation",
                default=PreprocessConfig(resolutions=(128,)).truncation,
                show_default=True,
                help="Largest distance in voxels of 128^3 and finer; the longest side of a mesh is"
                " 2. 0 stores all distances.",
            ),
            click.option(
                "--method",
                type=click.Choice(METHODS),
                default=default.method,
                show_default=True,
                help="Method to find the sign; `scan` is the paper's and needs OpenGL.",
            ),
            click.option(
                "--signs",
                type=click.Choice(SCAN_SIGNS),
                default=default.signs,
                show_default=True,
                help="Signs of `scan`: `depth` takes points that a camera sees for outside;"
                " `normals` takes the majority of the 11 nearest scanned points.",
            ),
            click.option(
                "--sheet-thickness",
                default=default.sheet_thickness,
                show_default=True,
                help="Half the thickness given to open surfaces; the longest side of a mesh is 2.",
            ),
            cavities_option(default.cavities),
            click.option(
                "--thin-parts",
                type=click.Choice(THIN_PARTS),
                default=default.thin_parts,
                show_default=True,
                help="`keep` thickens parts that grids of up to 32^3 would miss, for these grids;"
                " `true` stores the true field; `points` thickens them for points, too.",
            ),
            click.option(
                "--shard-size",
                default=default.shard_size,
                show_default=True,
                help="Meshes per shard.",
            ),
            click.option(
                "--seed", default=default.seed, show_default=True, help="Seed of the random points."
            ),
        ],
    )


@click.command()
@click.argument(
    "root",
    metavar="INPUT",
    type=click.Path(exists=True, path_type=Path),
    callback=takes("a folder of meshes", "meshes", "datasets", "runs"),
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the dataset."
)
@input_options
@splits_option
@config_options
@worker_options
@click.option("--dry-run", is_flag=True, help="Print what the run would do, and stop.")
def preprocess(root: Path, out: Path, dry_run: bool, **options: Any) -> None:
    """Turn the meshes in INPUT into shards of signed distances.

    INPUT is a ShapeNetCore tree (version 1 or 2, whole or in part) or any folder with .obj, .ply,
    .stl, .off, .glb or .gltf files, which may be compressed (.gz, .bz2, .xz). If a run was
    interrupted, the same command resumes it.
    """
    if options["method"] != "scan":
        refuse_typed(click.get_current_context(), "takes --method scan", "signs")
    with interruptible(), plain_errors():
        from rich.console import Console

        from shapegan.pipeline.config import PreprocessConfig
        from shapegan.pipeline.inputs.discover import discover
        from shapegan.pipeline.run.forecast import print_forecast
        from shapegan.pipeline.run.preprocess import preprocess as run
        from shapegan.pipeline.run.progress import RunProgress, print_summary

        config = PreprocessConfig(
            **{field.name: options[field.name] for field in dataclasses.fields(PreprocessConfig)}
        )
        check_output(root, out)
        check_machine(options, config.method)
        names = ("categories", "limit", "splits", "prefer")
        found = discover(root, *(options[name] for name in names))
        jobs = found.jobs
        for note in filter(None, [*found.notes, found.unread]):
            click.echo(note, err=True)
        console = Console(stderr=True)
        if dry_run:
            print_forecast(out, jobs, config, console)
            return
        with RunProgress(len(jobs), console) as progress:
            settings = run_settings(options)
            manifest, rejections = run(
                root.resolve(), jobs, config, out.resolve(), settings, progress
            )
        print_summary(out, manifest, rejections, console)
        if found.unread:
            click.echo(found.unread, err=True)
        check_made(manifest.counts.get("ok", 0), out)
