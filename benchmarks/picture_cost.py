"""Time to draw an image grid of shapes.

shapegan generate WEIGHTS --count 16 --resolution 64 --format ply --out shapes/
python benchmarks/picture_cost.py shapes/

The first grid includes loading the kernels, from their cache if there is one. Of the next `--again`
grids, the fastest counts.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import click
from markdown_table import markdown

from shapegan.model.shapes.image_grid import draw_shapes
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--suffix", default="ply", show_default=True, help="Suffix of the mesh files.")
@click.option("--panel", default=256, show_default=True, help="Height and width of each picture.")
@click.option("--again", default=3, show_default=True)
def main(folder: Path, suffix: str, panel: int, again: int) -> None:
    """Print the table."""
    meshes = [load(path) for path in sorted(folder.glob(f"*.{suffix}"))]
    faces = sum(len(mesh.faces) for mesh in meshes) // len(meshes)
    times = [seconds(meshes, panel) for _ in range(1 + again)]
    rows = [
        (name, f"{wall:.2f}", f"{cpu:.2f}")
        for name, (wall, cpu) in (("first", times[0]), ("fastest", min(times[1:])))
    ]
    click.echo(f"{len(meshes)} shapes of {faces:,} faces on average, at {panel}^2:\n")
    click.echo(markdown(("image grid", "wall s", "CPU s"), rows))


def seconds(meshes: Sequence[TriangleMesh], panel: int) -> tuple[float, float]:
    """Wall and CPU seconds of one image grid."""
    wall, cpu = time.perf_counter(), time.process_time()
    draw_shapes(meshes, panel=panel)
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
