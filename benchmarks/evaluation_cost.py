"""Time of chamfer distances of many clouds, and the effect of fewer points on the EMD.

Prints Markdown tables. The clouds are boxes, tori and cylinders of random proportions.
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
@click.option("--clouds", default=1000, show_default=True, help="Clouds in each of two sets.")
@click.option("--threads", default=2, show_default=True, help="Threads of the chamfer distances.")
@click.option("--pairs", default=6, show_default=True, help="Clouds in each set for the EMD table.")
@click.option("--emd-points", default="128,256,512,1024", show_default=True)
def main(clouds: int, threads: int, pairs: int, emd_points: str) -> None:
    """Measure the times and print the tables."""
    first, second = make_clouds(clouds, 0), make_clouds(clouds, 1)
    chamfer_matrix(first[:1], second[:1])  # compiles the kernels
    wall, cpu = time.perf_counter(), time.process_time()
    chamfer_matrix(first, second, workers=threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    heads = ("clouds", "points", "CPU s", "wall s", "CPU ms per pair")
    size = f"{clouds:,} x {clouds:,}"
    click.echo(markdown(heads, [(size, "2,048", cpu, wall, 1000 * cpu / clouds**2)]))
    rows, exact = [], None
    for points in sorted((int(word) for word in emd_points.split(",")), reverse=True):
        cpu = time.process_time()
        found = earth_movers_matrix(first[:pairs], second[:pairs], points)
        cpu = time.process_time() - cpu
        exact = found if exact is None else exact
        agreeing = (found.argmin(axis=1) == exact.argmin(axis=1)).mean()
        rows.append((points, 1000 * cpu / pairs**2, found.mean() / exact.mean(), 100.0 * agreeing))
    click.echo(
        "\n"
        + markdown(
            ("points", "CPU ms per pair", "mean, relative to the most points", "same nearest %"),
            rows,
        )
    )


def make_clouds(count: int, seed: int) -> Cloud:
    """Clouds (count, 2048, 3) of random solids."""
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
