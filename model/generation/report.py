"""An `Evaluation` as JSON, as a Markdown table, and as a picture."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from shapegan.model.generation.evaluation import Evaluation, ScoreRow
from shapegan.model.generation.real_shapes import read_real_shapes
from shapegan.model.metrics.point_clouds import CLOUD_POINTS
from shapegan.model.metrics.scores import DistanceScores
from shapegan.model.shapes.image_grid import GENERATED_COLOR, arrange, camera_of, draw_shapes
from shapegan.model.shapes.mesh import Mesh, fit_to_ball
from shapegan.model.shapes.surface import Surface
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.shading import CLAY

HEADS = (
    "shapes", "level", "n", "filled %", "watertight %", "1 part %", "largest part %", "COV CD %",
    "MMD CD x 1000",
    "1-NNA CD %", "COV EMD %", "MMD EMD x 100", "1-NNA EMD %", "JSD x 100",
)  # fmt: skip

NORMALISATION = (
    "each cloud by itself: its bounding box's centre at 0, its farthest point at radius 0.5"
)

_PAIRS_IN_ROW = 4
_PANEL = 192


def as_json(evaluation: Evaluation) -> str:
    """All results and settings as JSON; scores without a value are null."""
    settings = dataclasses.asdict(evaluation.settings)
    content = {
        "source": evaluation.source,
        "data": evaluation.data,
        "split": evaluation.settings.split,
        "real_shapes": len(evaluation.real.ids),
        "yield": {"accepted": evaluation.accepted, "meshes": evaluation.meshes},
        "settings": settings | {"points": CLOUD_POINTS, "normalisation": NORMALISATION},
        "rows": [dataclasses.asdict(row) for row in evaluation.rows],
        "nearest_training_shapes": [dataclasses.asdict(pair) for pair in evaluation.nearest],
    }
    return json.dumps(content, indent=2) + "\n"


def as_markdown(evaluation: Evaluation) -> str:
    """The table in Markdown, and below it the conditions of the comparison."""
    accepted, meshes, settings = evaluation.accepted, evaluation.meshes, evaluation.settings
    emd = f"; EMD of {settings.emd_points:,} of them" if settings.emd_points else ""
    lines = [
        table([cells(row) for row in evaluation.rows]),
        "",
        f"{evaluation.source} against {_reference(evaluation)}, which holds {accepted:,} of"
        f" {meshes:,} meshes"
        f" ({100 * accepted / meshes:.1f} %). Clouds of {CLOUD_POINTS:,} points, normalised"
        f" {NORMALISATION}{emd}. Surfaces at {settings.resolution}^3.",
    ]
    if not evaluation.nearest:
        lines.append("No other split `train`, so no row of training shapes and no nearest.png.")
    return "\n".join(lines) + "\n"


def _reference(evaluation: Evaluation) -> str:
    """The real shapes, in words."""
    shapes, split = len(evaluation.real.ids), evaluation.settings.split
    if split:
        return f"{shapes} shapes of split `{split}` of {evaluation.data}"
    return f"all {shapes} shapes of {evaluation.data}"


def cells(row: ScoreRow) -> list[str]:
    """Cells of a row of the table, in the order of `HEADS`."""
    validity, scores = row.validity, row.scores
    shares = (
        validity.filled,
        validity.watertight,
        validity.single_component,
        validity.largest_component,
    )
    return [
        row.name,
        "-" if row.level is None else f"{row.level:g}",
        str(validity.shapes),
        *(f"{100 * share:.0f}" for share in shares),
        *_distance_cells(scores.chamfer, 1000),
        *_distance_cells(scores.emd, 100),
        "-" if scores.jsd is None else f"{100 * scores.jsd:.2f}",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown table of rows of cells below `HEADS`; all columns but the first align right."""
    rule = ["---", *["---:"] * (len(HEADS) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (HEADS, rule, *rows))


def _distance_cells(scores: DistanceScores | None, scale: float) -> list[str]:
    if scores is None:
        return ["-", "-", "-"]
    mmd = "-" if scores.mmd is None else f"{scale * scores.mmd:.2f}"
    return [f"{100 * scores.coverage:.1f}", mmd, f"{100 * scores.one_nna:.1f}"]


def draw_nearest(evaluation: Evaluation, dataset: Dataset, count: int = 16) -> Picture:
    """Draw generated shapes (blue), each with its nearest training shape to the right.

    Args:
        evaluation: With at least one nearest shape.
        dataset: Of the evaluation.
        count: Maximum number of pairs.

    Returns:
        (H, W, 3) uint8.
    """
    pairs = evaluation.nearest[:count]
    indices = {shape: index for index, shape in enumerate(dataset.ids)}
    real = read_real_shapes(dataset, [indices[pair.id] for pair in pairs]).surfaces
    first = evaluation.settings.seed
    generated = [evaluation.generated[pair.seed - first] for pair in pairs]
    shown = [[_normalised(mesh) for mesh in pair] for pair in zip(generated, real, strict=True)]
    camera = camera_of([mesh for pair in shown for mesh in pair])
    pictures = [
        draw_shapes([mesh], 1, _PANEL, camera, color=color)
        for pair in shown
        for mesh, color in zip(pair, (GENERATED_COLOR, CLAY), strict=True)
    ]
    return arrange(pictures, 2 * _PAIRS_IN_ROW)


def _normalised(mesh: Mesh) -> Surface:
    vertices = fit_to_ball(mesh.vertices, 0.5)
    return Surface(vertices.astype(np.float32), np.asarray(mesh.faces, np.int32))
