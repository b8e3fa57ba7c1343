"""An `Evaluation` as JSON, and as a table in Markdown."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from shapegan.model.generation.evaluation import NORMALISATION, Evaluation, Row
from shapegan.model.metrics.point_clouds import CLOUD
from shapegan.model.metrics.scores import Matched

HEADS = (
    "shapes", "level", "n", "filled %", "watertight %", "1 part %", "COV CD %", "MMD CD x 1000",
    "1-NNA CD %", "COV EMD %", "MMD EMD x 100", "1-NNA EMD %", "JSD x 100",
)  # fmt: skip


def as_json(evaluation: Evaluation) -> str:
    """All that was found, with how; numbers that there are none for are null."""
    settings = dataclasses.asdict(evaluation.settings)
    content = {
        "source": evaluation.source,
        "data": evaluation.data,
        "split": evaluation.split,
        "real_shapes": evaluation.real,
        "yield": {"accepted": evaluation.accepted, "meshes": evaluation.meshes},
        "settings": settings | {"points": CLOUD, "normalisation": NORMALISATION},
        "rows": [dataclasses.asdict(row) for row in evaluation.rows],
        "nearest_training_shapes": [dataclasses.asdict(one) for one in evaluation.nearest],
    }
    return json.dumps(content, indent=2) + "\n"


def as_markdown(evaluation: Evaluation) -> str:
    """The table, with what is to be known beside it."""
    made, all_of = evaluation.accepted, evaluation.meshes
    lines = [
        table([cells(row) for row in evaluation.rows]),
        "",
        f"{evaluation.source} against {evaluation.real} shapes of split `{evaluation.split}` of"
        f" {evaluation.data}, which holds {made:,} of {all_of:,} meshes"
        f" ({100 * made / all_of:.1f} %). Clouds of {CLOUD:,} points, normalised"
        f" {NORMALISATION}{_earth(evaluation)}. Surfaces at {evaluation.settings.resolution}^3.",
    ]
    if not evaluation.nearest:
        lines.append("No training shapes to compare with, so neither oracle nor nearest ones.")
    return "\n".join(lines) + "\n"


def _earth(evaluation: Evaluation) -> str:
    points = evaluation.settings.earth_points
    return f"; EMD of {points:,} of them" if points else ""


def cells(row: Row) -> list[str]:
    """A line of the table, for `HEADS`."""
    health, scores = row.health, row.scores
    shares = (health.filled, health.watertight, health.single)
    return [
        row.name,
        "-" if row.level is None else f"{row.level:g}",
        str(health.shapes),
        *(f"{100 * share:.0f}" for share in shares),
        *_matched(scores.chamfer, 1000),
        *_matched(scores.earth_movers, 100),
        "-" if scores.divergence is None else f"{100 * scores.divergence:.2f}",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lines of cells under `HEADS`, all but the first set right."""
    rule = ["---", *["---:"] * (len(HEADS) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (HEADS, rule, *rows))


def _matched(scores: Matched | None, scale: float) -> list[Any]:
    if scores is None:
        return ["-", "-", "-"]
    matching = "-" if scores.matching is None else f"{scale * scores.matching:.2f}"
    return [f"{100 * scores.coverage:.1f}", matching, f"{100 * scores.accuracy:.1f}"]
