"""Scores of training shapes whose thin parts are thickened, as `thin_offset` does it in training.

A generator whose last stage ends at an offset can hardly score better than these shapes, because
they are what it is shown. Prints a Markdown table; the columns are those of `training_quality.py`.
"""

from pathlib import Path

import click
import numpy as np
from training_quality import SHAPES, RealShapes, ScoredShapes, real_shapes, row, table

from shapegan.model.shapes.surface import Surface
from shapegan.model.streaming.thin_parts import THIN_RESOLUTION, thin_part_distances
from shapegan.pipeline.dataset.reader import Dataset


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--offsets", default="0,0.03,0.04,0.045,0.05,0.06", show_default=True)
def main(data: Path, offsets: str) -> None:
    """Score the shapes at each offset, and print the table."""
    real = real_shapes(data)
    rows = [score_thickened(data, float(offset), real) for offset in offsets.split(",")]
    click.echo(table(rows))


def score_thickened(data: Path, offset: float, real: RealShapes) -> ScoredShapes:
    """Scores of training shapes at an offset, cube frame."""
    dataset, surfaces = Dataset(data), []
    for number in dataset.splits["train"][:SHAPES]:
        sdf = dataset.voxels(number, THIN_RESOLUTION)
        if offset > 0:
            sdf = np.minimum(sdf, thin_part_distances(sdf).astype(np.float32) - offset)
        surfaces.append(Surface.of_voxels(sdf))
    return row(f"thickened by {offset:g}", surfaces, real)


if __name__ == "__main__":
    main()
