"""How long do chamfer distances of many clouds take, and what do few points do to the EMD?

Prints Markdown tables. Clouds are those of boxes, tori and cylinders of all proportions.
"""

import time

import click
import numpy as np
import trimesh
from markdown_table import markdown

from shapegan.model.metrics.point_clouds import (
    Cloud,
    chamfer_matrix,
    earth_movers_matrix,
    normalise,
    sample_surface,
)


@click.command(help=__doc__)
@click.option("--clouds", default=1000, show_default=True, help="In each of two sets.")
@click.option("--threads", default=2, show_default=True, help="For the chamfer distances.")
@click.option("--pairs", default=6, show_default=True, help="Clouds for the EMD's table.")
@click.option("--emd-points", default="128,256,512,1024", show_default=True)
def main(clouds: int, threads: int, pairs: int, emd_points: str) -> None:
    """Measures and prints."""
    first, second = made(clouds, 0), made(clouds, 1)
    chamfer_matrix(first[:1], second[:1])  # compiles the kernels
    wall, cpu = time.perf_counter(), time.process_time()
    chamfer_matrix(first, second, workers=threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    heads = ("clouds", "points", "CPU s", "wall s", "CPU ms a pair")
    size = f"{clouds:,} x {clouds:,}"
    click.echo(markdown(heads, [(size, "2,048", cpu, wall, 1000 * cpu / clouds**2)]))
    rows, exact = [], None
    for points in sorted((int(word) for word in emd_points.split(",")), reverse=True):
        cpu = time.process_time()
        found = earth_movers_matrix(first[:pairs], second[:pairs], points)
        cpu = time.process_time() - cpu
        exact = found if exact is None else exact
        alike = (found.argmin(axis=1) == exact.argmin(axis=1)).mean()
        rows.append((points, 1000 * cpu / pairs**2, found.mean() / exact.mean(), 100.0 * alike))
    click.echo(
        "\n" + markdown(("points", "CPU ms a pair", "mean, of the most's", "same nearest %"), rows)
    )


def made(count: int, seed: int) -> Cloud:
    """Clouds (count, 2048, 3) of solids."""
    rng = np.random.default_rng(seed)
    solids = [
        trimesh.creation.box(),
        trimesh.creation.torus(0.4, 0.12),
        trimesh.creation.cylinder(0.5, 1.0),
    ]
    clouds = []
    for number in range(count):
        solid = solids[number % len(solids)]
        vertices = solid.vertices * rng.uniform(0.2, 1, 3)
        clouds.append(normalise(sample_surface(vertices, solid.faces, seed=2 * number + seed)))
    return np.stack(clouds)


if __name__ == "__main__":
    main()
