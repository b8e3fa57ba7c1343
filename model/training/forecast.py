"""What a run will need, before it starts: `--dry-run`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks, pick_device
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.recipes.objectives import Execution
from shapegan.model.schedule import Schedule
from shapegan.model.streaming.stream import Stream
from shapegan.model.training.trainer import TrainSettings, build_recipe
from shapegan.pipeline.schema import grid_points

_ROWS = 512
_OPTIMISER_STATES = {"rmsprop": 1, "adam": 2}


@dataclass(frozen=True)
class StageForecast:
    """What a stage takes."""

    stage: Stage
    parameters: dict[str, int]
    """Network -> its weights' count."""
    bytes: int
    """At the peak, for weights, gradients, optimisers and activations; a coarse estimate."""
    steps: int | None
    """None where time decides."""
    shapes: int
    """Training shapes."""
    stored: int
    """Bytes that these take as stored, which are kept in memory where they fit."""


def forecast(config: TrainConfig, settings: TrainSettings) -> list[StageForecast]:
    """What each stage takes, found by running its networks on one shape.

    Raises:
        DeviceError, StreamError: as the run would.
    """
    pick_device(settings.device)
    recipe = build_recipe(config, Ranks(), Execution(torch.device("cpu"), chunk=settings.chunk))
    streams = [Stream(settings.data, recipe.stream(stage), pin="none") for stage in config.stages]
    schedule = Schedule(
        config.stages, [stream.steps_per_epoch for stream in streams], settings.budget
    )
    found = []
    for number, (stage, stream) in enumerate(zip(config.stages, streams, strict=True)):
        recipe.begin(number, stream.shape_count)
        networks = recipe.networks
        counts = {
            name: sum(weights.numel() for weights in network.parameters())
            for name, network in networks.items()
        }
        states = 2 + _OPTIMISER_STATES[config.optimiser.name] + (config.ema_halflife > 0)
        fixed = 4 * sum(counts.values()) * states
        held = _generator_bytes(networks["generator"], config, stage, settings.chunk)
        if "critic" in networks:
            # Real, generated and penalised shapes; the penalty is differentiated twice.
            held = max(4 * _critic_bytes(networks["critic"], config, stage), held)
        steps, shapes = schedule.steps(number), stream.shape_count
        found.append(StageForecast(stage, counts, fixed + held, steps, shapes, stored=stream.bytes))
    return found


def _generator_bytes(generator: nn.Module, config: TrainConfig, stage: Stage, chunk: int) -> int:
    latents = torch.zeros(1, config.generator.latent)
    few, more = (
        _saved(lambda rows=rows: generator(torch.zeros(rows, 3), latents))  # type: ignore[misc]
        for rows in (_ROWS, 2 * _ROWS)
    )
    row = (more - few) / _ROWS
    per_shape = stage.size**3 if config.recipe == "voxel" else stage.size
    rows = per_shape * stage.batch
    # Twice: what is kept for the way back, and what the layer at hand works with.
    return int(2 * row * min(rows, chunk) + 64 * rows)


def _critic_bytes(critic: nn.Module, config: TrainConfig, stage: Stage) -> int:
    if config.recipe == "voxel":
        size = stage.size
        grid = torch.from_numpy(grid_points(size))[:, 0].view(1, size, size, size)
        return _saved(lambda: critic(grid)) * stage.batch
    points, sdf = torch.zeros(1, stage.size, 3), torch.zeros(1, stage.size)
    # All points are looked at without gradients, through layers as wide as the pooled one.
    assert isinstance(config.critic, PointCriticConfig)
    looked_at = 8 * stage.size * config.critic.features[-1]
    return (_saved(lambda: critic(points, sdf)) + looked_at) * stage.batch


def _saved(run: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps for the way back through a computation."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(sizes.values())
