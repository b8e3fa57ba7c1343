"""Settings of how a run is done; what is learned depends on them by rounding and length only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import Budget


@dataclass(frozen=True)
class TrainSettings:
    """Place, length, device and schedule of outputs of a run."""

    data: Path
    """Folder of the dataset."""
    run: Path
    """Folder of the run."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1` and so on, or `auto`."""
    precision: str = "fp32"
    """`fp32`, `tf32` or `bf16`."""
    compiled: bool = False
    """Use torch.compile."""
    chunk: int = Execution.chunk
    """Points of all shapes whose activations the generator holds at once."""
    workers: int = 0
    """Processes that read ahead; 0: the training process reads."""
    pin: str = "auto"
    """`auto`, `none`, `ram` or `device`: memory that keeps all training shapes."""
    budget: Budget = field(default_factory=Budget)
    clock: Callable[[], float] = time.perf_counter
    """Clock of the budget, in seconds; `time.process_time` makes it CPU seconds."""
    began: float | None = field(default=None, compare=False)
    """Reading of the clock at the start of the process, from which the wall time of the run counts;
    None: when the training is called."""
    save_seconds: float = 300.0
    """Time between checkpoints."""
    preview_seconds: float = 180.0
    """Time between previews."""
    preview_shapes: int = 16
    """Shapes in a preview; 0: no previews, and no scores."""
    quality_seconds: float = 600.0
    """Time between scores against the validation split."""
    log: str = ""
    """`wandb` logs to Weights & Biases as well."""


def process_start() -> float:
    """Reading of `time.perf_counter` at the start of this process, before all imports."""
    age: float = time.time() - psutil.Process().create_time()
    return time.perf_counter() - age
