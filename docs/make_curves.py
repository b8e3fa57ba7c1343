"""Draw the loss curves of results/training-quality.md again; needs matplotlib.

python docs/make_curves.py RUN...

One panel per run: the losses in its metrics.csv by step. Lines mark the start of a stage.
"""

import csv
import itertools
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parent / "images"
SHOWN = {"loss": "loss", "distance": "critic's distance", "penalty": "penalty"}


def main() -> None:
    """Draw the runs side by side."""
    mpl.use("Agg")
    runs = [Path(name) for name in sys.argv[1:]]
    figure, axes = plt.subplots(1, len(runs), figsize=(3.6 * len(runs), 2.6), squeeze=False)
    for axis, run in zip(axes[0], runs, strict=True):
        draw(axis, run)
    figure.tight_layout()
    figure.savefig(IMAGES / "curves.png", dpi=90)


def draw(axis: plt.Axes, run: Path) -> None:
    """Plot the losses that a run has."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["total"]) for row in rows]
    for name, label in SHOWN.items():
        if rows[0].get(name):
            axis.plot(steps, [float(row[name]) for row in rows], linewidth=0.8, label=label)
    for before, row in itertools.pairwise(rows):
        if row["stage"] != before["stage"]:
            axis.axvline(int(row["total"]), color="0.8", linewidth=0.8)
    axis.set_title(run.name, fontsize=10)
    axis.set_xlabel("step", fontsize=8)
    axis.set_yscale("log")
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=7, frameon=False)


if __name__ == "__main__":
    main()
