"""Measurements of a run: metrics.csv and TensorBoard events, a row every few steps."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from shapegan.model.schedule import Position
from shapegan.pipeline.files import read_text, write_text, writing

STEPS_PER_ROW = 20
"""Steps that a row of metrics.csv covers."""
COLUMNS = (
    "total",
    "stage",
    "step",
    "seconds",
    "shapes_per_second",
    "waiting",
    "fade",
    "distance",
    "penalty",
    "critic_loss",
    "generator_loss",
    "loss",
    "overall",
)
"""Meaning of the less obvious columns.

- `total`, `step`: steps done in the run and in the stage.
- `waiting`: share of the time in which the trainer waited for data.
- `distance`: the critic's mean score of real shapes minus that of generated ones.
- `penalty`: without its weight.
- `loss`: that of recipe `autodecoder`, or of the stage's part of recipe `latent`.
- `overall`: progress of the run, 0 to 1.
"""


class MetricsLogger:
    """Logger that sums up measurements without waiting for the device, and writes rows of means.

    Args:
        path: Path of metrics.csv.
        events: Folder of the TensorBoard events.
        position: Position from which the run resumes: later rows, of a killed run, are deleted.
        state: Measurements since the last row, from `state`.
    """

    def __init__(
        self, path: Path, events: Path, position: Position, state: dict[str, Any] | None = None
    ) -> None:
        self._path = path
        self._sums: dict[str, Tensor] = dict(state["sums"]) if state else {}
        self._counts: dict[str, int] = dict(state["counts"]) if state else {}
        self._times = list(state["times"]) if state else [0.0, 0.0, 0.0]
        self._drop_rows_after(position.total)
        with writing(events):
            self._events = SummaryWriter(str(events), purge_step=position.total + 1)
            # The first event deletes later steps. Flushed at once, because the run may be killed
            # before the writer's thread does so.
            self._events.flush()

    def add(self, values: dict[str, Tensor], seconds: float, waited: float, shapes: int) -> None:
        """Add a step: scalars on any device, seconds, those spent waiting for data, and shapes."""
        for name, value in values.items():
            known = self._sums.get(name)
            self._sums[name] = value if known is None else known + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._times = [
            total + one for total, one in zip(self._times, (seconds, waited, shapes), strict=True)
        ]

    @property
    def has_unwritten_steps(self) -> bool:
        """True if there were steps since the last row."""
        return bool(self._counts)

    def row(self, position: Position, fade: float, overall: float = 0.0) -> dict[str, float]:
        """Write a row of means since the last one, and return it; this waits for the device."""
        seconds, waited, shapes = self._times
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        row: dict[str, float] = {
            "total": position.total,
            "stage": position.stage,
            "step": position.step,
            "seconds": round(position.seconds, 3),
            "shapes_per_second": round(shapes / seconds, 3) if seconds else 0.0,
            "waiting": round(waited / seconds, 5) if seconds else 0.0,
            "fade": fade,
            **means,
            "overall": round(overall, 6),
        }
        self._sums, self._counts, self._times = {}, {}, [0.0, 0.0, 0.0]
        with writing(self._path):
            self._write(row)
            for name, value in row.items():
                if name not in ("total", "step") and math.isfinite(value):
                    self._events.add_scalar(name, value, position.total)
        return row

    def picture(self, name: str, picture: Any, position: Position) -> None:
        """Add a picture (H, W, 3) uint8 to the TensorBoard events."""
        self._events.add_image(name, picture, position.total, dataformats="HWC")

    def mesh(self, name: str, vertices: Any, faces: Any, position: Position) -> None:
        """Add a mesh, (V, 3) and (F, 3), to the TensorBoard events."""
        self._events.add_mesh(
            name,
            torch.as_tensor(vertices, dtype=torch.float32)[None],
            faces=torch.as_tensor(faces, dtype=torch.int32)[None],
            global_step=position.total,
        )

    def state(self) -> dict[str, Any]:
        """Measurements since the last row, for a checkpoint."""
        sums = {name: value.detach().cpu() for name, value in self._sums.items()}
        return {"sums": sums, "counts": dict(self._counts), "times": list(self._times)}

    def close(self) -> None:
        """Write what is still buffered."""
        with writing(self._path):
            self._events.close()

    def _write(self, row: dict[str, float]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        if not self._path.exists():
            writer.writeheader()
        writer.writerow(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text.getvalue())

    def _drop_rows_after(self, total: int) -> None:
        if not self._path.exists():
            return
        header = ",".join(COLUMNS)
        # A killed run may leave part of a line, whose first number may be cut as well.
        lines = read_text(self._path).splitlines()
        whole = [line for line in lines[1:] if line.count(",") == header.count(",")]
        kept = [row for row in whole if int(row.split(",")[0]) <= total]
        write_text(self._path, "\n".join([header, *kept]) + "\n")
