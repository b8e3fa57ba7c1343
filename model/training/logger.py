"""Measurements of a run: metrics.csv and TensorBoard events, a row every few steps."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from shapegan.model.config import TrainConfig
from shapegan.model.config_file import config_text
from shapegan.model.schedule import Position
from shapegan.model.training.quality import COLUMNS as QUALITY_COLUMNS
from shapegan.model.training.row_file import append_row, drop_rows_after
from shapegan.model.training.wandb_run import WandbRun
from shapegan.pipeline.files import writing

STEPS_PER_ROW = 20
"""Steps that a row of metrics.csv covers."""
_GROUPS = {
    "total": "",
    "stage": "schedule",
    "step": "",
    "seconds": "speed",
    "shapes_per_second": "speed",
    "waiting": "speed",
    "fade": "schedule",
    "distance": "loss",
    "penalty": "loss",
    "critic_loss": "loss",
    "generator_loss": "loss",
    "reconstruction": "loss",
    "torn": "loss",
    "loss": "loss",
    "overall": "schedule",
    "generator_rate": "schedule",
    "critic_rate": "schedule",
    "generator_gradient": "norm",
    "critic_gradient": "norm",
    "latent_norm": "norm",
}
"""Column of metrics.csv -> group of its tag; empty: it has none."""
COLUMNS = tuple(_GROUPS)
"""Meaning of the less obvious columns.

- `total`, `step`: steps done in the run and in the stage.
- `waiting`: share of the time in which the trainer waited for data.
- `distance`: the critic's mean score of real shapes minus that of generated ones.
- `penalty`: without its weight.
- `reconstruction`: mean absolute error of clipped distances, of training shapes and of
  those that the generator makes of their codes, without its weight.
- `torn`: share of generated shapes with loose parts, on the stage's grid.
- `loss`: that of recipe `autodecoder`, or of the stage's part of recipe `latent`.
- `overall`: progress of the run, 0 to 1.
- `generator_rate`, `critic_rate`: learning rates, the second one of the critic, of the learned
  latents or of the prior. `generator_gradient` and `critic_gradient` are norms of the gradients of
  the same.
- `latent_norm`: mean norm of the learned latents of recipe `autodecoder`.
"""
_TAGS = {name: f"{group}/{name}" for name, group in _GROUPS.items() if group}


class MetricsLogger:
    """Logger that sums up measurements without waiting for the device, and writes rows of means.

    Args:
        path: Path of metrics.csv.
        events: Folder of the TensorBoard events.
        position: Position from which the run resumes: later rows, of a killed run, are deleted.
        state: Measurements since the last row, from `state`.
        config: Config of the run, which the events hold as text and as hyper-parameters.
        wandb: Run of Weights & Biases that receives the same.
    """

    def __init__(
        self,
        path: Path,
        events: Path,
        position: Position,
        state: dict[str, Any] | None = None,
        config: TrainConfig | None = None,
        wandb: WandbRun | None = None,
    ) -> None:
        self._path, self._wandb = path, wandb
        self._sums: dict[str, Tensor] = dict(state["sums"]) if state else {}
        self._counts: dict[str, int] = dict(state["counts"]) if state else {}
        self._times = list(state["times"]) if state else [0.0, 0.0, 0.0]
        drop_rows_after(path, COLUMNS, position.total)
        with writing(events):
            self._events = SummaryWriter(str(events), purge_step=position.total + 1)
            if config is not None:
                self._add_config(config)
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

    def row(
        self,
        position: Position,
        fade: float,
        overall: float = 0.0,
        present: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Write a row of means since the last one, and return it; this waits for the device.

        Args:
            position: Position of the run.
            fade: Share of the critic's newest block.
            overall: Progress of the run.
            present: Measurements of the last step alone.
        """
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
            **(present or {}),
        }
        self._sums, self._counts, self._times = {}, {}, [0.0, 0.0, 0.0]
        with writing(self._path):
            append_row(self._path, COLUMNS, row)
            self.scalars({_TAGS[name]: row[name] for name in row if name in _TAGS}, position)
        return row

    def scalars(self, values: Mapping[str, float], position: Position) -> None:
        """Add finite numbers, by tag, to the TensorBoard events and to Weights & Biases."""
        finite = {tag: value for tag, value in values.items() if math.isfinite(value)}
        for tag, value in finite.items():
            self._events.add_scalar(tag, value, position.total)
        if self._wandb:
            self._wandb.scalars(finite, position.total)

    def quality(self, path: Path, row: Mapping[str, float], position: Position) -> None:
        """Write a row of quality.csv, and log its scores."""
        with writing(path):
            append_row(path, QUALITY_COLUMNS, row)
            places = ("total", "stage", "step", "seconds")
            scores = {f"quality/{name}": row[name] for name in row if name not in places}
            self.scalars(scores, position)

    def picture(self, name: str, picture: Any, position: Position) -> None:
        """Add a picture (H, W, 3) uint8 to the TensorBoard events."""
        self._events.add_image(name, picture, position.total, dataformats="HWC")
        if self._wandb:
            self._wandb.picture(name, picture, position.total)

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
            if self._wandb:
                self._wandb.close()

    def _add_config(self, config: TrainConfig) -> None:
        """Add the config as text, and as hyper-parameters to compare runs by."""
        block = "".join(f"    {line}\n" for line in config_text(config).splitlines())
        self._events.add_text("config", block)
        metrics = dict.fromkeys(("quality/one_nna", "quality/coverage", "quality/mmd"))
        # Not add_hparams: it makes a second run, in a folder of its own.
        for summary in hparams(_flat(config.to_dict()), metrics):  # type: ignore[no-untyped-call]
            self._events._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Dotted name -> number or text of nested settings."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value if isinstance(value, bool | int | float) else str(value)
    return found
