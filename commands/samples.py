"""`shapegan samples`: procedural meshes with a known solid."""

from pathlib import Path

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.pipeline.samples.kinds import KINDS
from shapegan.pipeline.wording import counted


@click.command()
@click.argument(
    "kinds", metavar="KIND...", nargs=-1, required=True, type=click.Choice([*KINDS, "all"])
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write the meshes to."
)
@click.option(
    "--count", type=click.IntRange(min=1), default=64, show_default=True, help="Meshes per kind."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."
)
@click.option("--intact", is_flag=True, help="Write closed meshes without defects.")
def samples(kinds: tuple[str, ...], out: Path, count: int, seed: int, intact: bool) -> None:
    """Write procedural meshes with known solids.

    KIND is chairs, tables, sofas, planes or all; several may be given. The layout of the files is
    that of ShapeNet. The meshes have the usual
    defects of real ones: flipped, doubled, torn and missing faces. Beside each mesh, solid.json
    describes its exact solid. Existing files are kept.
    """
    with interruptible(), plain_errors():
        from shapegan.pipeline.samples.sample import write_samples

        chosen = tuple(kind for kind in KINDS if kind in kinds or "all" in kinds)
        written = sum(1 for _ in write_samples(chosen, count, seed, out, intact=intact))
    click.echo(f"{counted(written, 'mesh')} in {out}", err=True)
