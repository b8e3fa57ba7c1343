"""Settings of the execution of a run. But for the length, they affect results by rounding only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from shapegan.model.config import TrainConfig
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.recipes.execution import Execution, default_chunk, default_precision
from shapegan.model.schedule import Budget

_FEATURES_OF_DECODER = 512


@dataclass(frozen=True)
class TrainSettings:
    """Place, length, device and schedule of outputs of a run."""

    data: Path
    """Folder of the dataset."""
    run: Path
    """Folder of the run."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1` and so on, or `auto`."""
    precision: str = "auto"
    """`fp32`, `tf32`, `bf16`, or `auto`: bf16 on GPUs that compute with it, otherwise fp32."""
    compiled: bool = False
    """Use torch.compile."""
    chunk: int | None = None
    """Points of all shapes whose activations the generator holds at once; None: by the free memory
    of a GPU, or 131,072."""
    graphs: bool = True
    """Run steps as CUDA graphs on a GPU."""
    threads: int | str = "keep"
    """Threads of the CPU; `auto` keeps the run's, or chooses by measuring a step, and `keep` leaves
    torch's number."""
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

    def __post_init__(self) -> None:
        for name in ("data", "run"):  # callers without a type checker often give a str
            object.__setattr__(self, name, Path(getattr(self, name)))

    def execution(
        self,
        config: TrainConfig,
        device: torch.device,
        note: Callable[[str], None] = lambda _: None,
    ) -> Execution:
        """Build the execution on a device; `note` receives what runs otherwise than wanted."""
        generator = config.generator
        # A decoder of grids has few features at a point; those of its grids are not in chunks.
        features = _FEATURES_OF_DECODER
        if isinstance(generator, GeneratorConfig):
            features = generator.depth * generator.width
        return Execution(
            device,
            default_precision(device) if self.precision == "auto" else self.precision,
            self.compiled,
            default_chunk(device, features) if self.chunk is None else self.chunk,
            self.graphs and device.type == "cuda",
            note,
        )


def process_start() -> float:
    """Reading of `time.perf_counter` at the start of this process, before all imports."""
    age: float = time.time() - psutil.Process().create_time()
    return time.perf_counter() - age
