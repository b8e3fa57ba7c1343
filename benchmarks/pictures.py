"""How long does a sheet of shapes take to draw?

python benchmarks/pictures.py WEIGHTS [--shapes 16] [--panel 256]

Meshes of seeds 0 and up are made first, which is not timed. The first sheet is what a fresh process
draws, and loads the kernels, from their cache if they are there; then the best of five is taken.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import click
from tables import markdown

from shapegan.model.generation.source import open_source
from shapegan.model.shapes.sheets import draw_shapes
from shapegan.model.shapes.surface import Surface, extract


@click.command(help=__doc__)
@click.argument("weights", type=click.Path(exists=True, path_type=Path))
@click.option("--shapes", default=16, show_default=True)
@click.option("--resolution", default=64, show_default=True, help="Of the meshes.")
@click.option("--panel", default=256, show_default=True, help="Pixels of a picture's side.")
def main(weights: Path, shapes: int, resolution: int, panel: int) -> None:
    """Prints the table."""
    source = open_source(weights)
    latents = source.latents(range(shapes))
    meshes = [extract(source.generator, one, resolution, source.level) for one in latents]
    faces = sum(len(mesh.faces) for mesh in meshes) // shapes
    first = seconds(meshes, panel)
    best = min(seconds(meshes, panel) for _ in range(5))
    rows = [
        [name, f"{wall:.2f}", f"{cpu:.2f}"]
        for name, (wall, cpu) in zip(("first", "best"), (first, best), strict=True)
    ]
    click.echo(f"{shapes} shapes of {faces:,} faces in the mean, at {panel}^2:\n")
    click.echo(markdown(("sheet", "wall s", "CPU s"), rows))


def seconds(meshes: Sequence[Surface], panel: int) -> tuple[float, float]:
    """Of the clock and of the processor, for a sheet."""
    wall, cpu = time.perf_counter(), time.process_time()
    draw_shapes(meshes, panel=panel)
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
