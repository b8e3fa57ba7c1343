"""What a run has measured: metrics.csv and TensorBoard's events, a row each so many steps."""

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

EVERY = 20
"""Steps to a row."""
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
"""`total`, `step`: of the run and of the stage. `waiting`: share of the time in which the trainer
waited for data. `distance`: the critic's score of real shapes less that of generated ones.
`penalty`: unweighted. `loss`: of recipe `autodecoder`.
`overall`: progress of the run, 0 to 1."""


class MetricsLogger:
    """Sums up what steps give, without waiting for the device, and writes a row now and then.

    Args:
        path: Of metrics.csv.
        events: Folder for TensorBoard's events.
        position: Where the run goes on: later rows, of a run that was killed, are dropped.
        state: What an earlier logger's `state` gave.
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
            # What it says first, to forget later steps, would wait in a thread: a run that is
            # killed, or whose folder goes away, must have said it.
            self._events.flush()

    def add(self, values: dict[str, Tensor], seconds: float, waited: float, shapes: int) -> None:
        """Takes in a step: scalars on any device, its time, the part of it spent waiting."""
        for name, value in values.items():
            known = self._sums.get(name)
            self._sums[name] = value if known is None else known + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._times = [
            total + one for total, one in zip(self._times, (seconds, waited, shapes), strict=True)
        ]

    def row(self, position: Position, fade: float, overall: float = 0.0) -> dict[str, float]:
        """Means since the last row, written down; this waits for the device."""
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
        """Puts a picture (H, W, 3) uint8 among TensorBoard's events."""
        self._events.add_image(name, picture, position.total, dataformats="HWC")

    def mesh(self, name: str, vertices: Any, faces: Any, position: Position) -> None:
        """Puts a mesh, (V, 3) and (F, 3), among TensorBoard's events."""
        self._events.add_mesh(
            name,
            torch.as_tensor(vertices, dtype=torch.float32)[None],
            faces=torch.as_tensor(faces, dtype=torch.int32)[None],
            global_step=position.total,
        )

    def state(self) -> dict[str, Any]:
        """What was measured since the last row."""
        sums = {name: value.detach().cpu() for name, value in self._sums.items()}
        return {"sums": sums, "counts": dict(self._counts), "times": list(self._times)}

    def close(self) -> None:
        """Writes what is still held back."""
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
        # A killed run may leave half a line; its first number may then be cut too.
        lines = read_text(self._path).splitlines()
        whole = [line for line in lines[1:] if line.count(",") == header.count(",")]
        kept = [row for row in whole if int(row.split(",")[0]) <= total]
        write_text(self._path, "\n".join([header, *kept]) + "\n")
