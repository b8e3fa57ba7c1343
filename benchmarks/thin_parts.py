"""Connectedness of coarse grids, true and with thin parts kept, and the cost of keeping them.

Prints a Markdown table with a row for each folder of meshes. See the README.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray
from scipy.ndimage import label

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError
from shapegan.pipeline.sdf.mesh_field import MeshField, make_field
from shapegan.pipeline.sdf.quality import lipschitz_excess
from shapegan.pipeline.sdf.sampling import random_generator, sample_points

COARSE = (8, 16, 32)
HEADS = ("folder", "meshes", "64^3 whole", *(f"{r}^3 true / kept" for r in COARSE))
HEADS += ("jump", "CPU s", "of it kept")
NEIGHBOURS = np.ones((3, 3, 3))


@dataclass(frozen=True)
class Measured:
    """Measurements of one mesh."""

    fine: bool
    """True if the 64^3 grid is in one piece."""
    true: tuple[bool, ...]
    kept: tuple[bool, ...]
    """The same of the coarse grids."""
    jump: float
    """Largest excess of a difference between neighbours over their distance, cube frame."""
    seconds: float
    """CPU time of the shape with all its voxels and points."""
    extra: float
    """The part of it that keeping thin parts added."""


def is_whole(grid: NDArray[np.float32]) -> bool:
    """True if the inside of a grid is one component of 26 neighbours."""
    return bool(label(grid < 0, NEIGHBOURS)[1] == 1)


def measure(path: Path, config: PreprocessConfig) -> Measured | None:
    """Measure a mesh; None if it is rejected."""
    start = time.process_time()
    try:
        made = make_field(load(path), config.sheet_thickness)
    except BadMeshError:
        return None
    if made.quality.rejection_reason():
        return None
    sample_points(made.ball_field, made.frame, config.points, 0, random_generator(0, path.name))
    middle = time.process_time()
    true = [made.voxels(r) for r in COARSE]
    between = time.process_time()
    kept = _kept(made)
    end = time.process_time()
    return Measured(
        is_whole(made.grid),
        tuple(is_whole(grid) for grid in true),
        tuple(is_whole(grid) for grid in kept),
        max(lipschitz_excess(grid) for grid in kept),
        end - start - (between - middle),
        end - between - (between - middle),
    )


def _kept(made: MeshField) -> list[NDArray[np.float32]]:
    fields = made.coarse_fields()
    return [made.voxels(r, fields) for r in COARSE]


def row(folder: Path, every: int) -> tuple[str, ...]:
    """Cells of a folder of meshes, of which every n-th is measured."""
    config = PreprocessConfig()
    jobs = discover(folder).jobs[::every]
    found = [one for job in jobs if (one := measure(job.path, config)) is not None]
    share = {
        name: 100 * np.mean([getattr(one, name) for one in found], axis=0)
        for name in ("fine", "true", "kept")
    }
    seconds, extra = (sum(getattr(one, name) for one in found) for name in ("seconds", "extra"))
    return (
        folder.name,
        str(len(found)),
        f"{share['fine']:.0f} %",
        *(f"{a:.0f} / {b:.0f} %" for a, b in zip(share["true"], share["kept"], strict=True)),
        f"{max(one.jump for one in found):.0e}",
        f"{seconds / len(found):.2f}",
        f"{100 * extra / (seconds - extra):.0f} %",
    )


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--every", default=1, show_default=True, help="Measure every n-th mesh.")
def main(folders: tuple[Path, ...], every: int) -> None:
    """Measure the folders and print the table."""
    click.echo(markdown(HEADS, [row(folder, every) for folder in folders]))


if __name__ == "__main__":
    main()
