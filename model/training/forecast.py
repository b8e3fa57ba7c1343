"""Forecast of a run's weights, memory and steps, for --dry-run."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks, pick_device
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCritic
from shapegan.model.recipes.build import Recipe, build_recipe, stream_config
from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import Schedule
from shapegan.model.streaming.stream import Stream
from shapegan.model.training.data_settings import resolve_by_data
from shapegan.model.training.settings import TrainSettings

_ROWS = 512
"""Points on which the generator's memory is measured."""
_OPTIMISER_STATES = {"rmsprop": 1, "adam": 2, "muon": 2}
"""Numbers that an optimiser keeps per weight."""


@dataclass(frozen=True)
class StageForecast:
    """Needs of a stage."""

    stage: Stage
    parameters: dict[str, int]
    """Network -> number of its weights."""
    peak_bytes: int
    """Peak memory of weights, gradients, optimisers and activations; a coarse estimate."""
    steps: int | None
    """None if the budget is a time."""
    shape_count: int
    """Training shapes."""
    stored_bytes: int
    """Bytes of the shapes as stored; they are kept in memory if they fit."""


def forecast_training(config: TrainConfig, settings: TrainSettings) -> list[StageForecast]:
    """Forecast each stage, by running its networks on one shape.

    Raises:
        DeviceError, StreamError: as the run would.
    """
    device = pick_device(settings.device)
    config = resolve_by_data(config, settings.data)
    streams = [
        Stream(settings.data, stream_config(config, stage), pin="none") for stage in config.stages
    ]
    chunk = settings.execution(config, device).chunk
    execution = Execution(torch.device("cpu"), chunk=chunk)
    recipe = build_recipe(config, Ranks(), execution, streams[0].shape_count)
    schedule = Schedule(
        config.stages, [stream.steps_per_epoch for stream in streams], settings.budget
    )
    forecasts = []
    for number, (stage, stream) in enumerate(zip(config.stages, streams, strict=True)):
        recipe.begin(number)
        forecasts.append(
            StageForecast(
                stage,
                _weight_counts(recipe),
                _peak_bytes(recipe, config, stage, chunk),
                schedule.steps(number),
                stream.shape_count,
                stream.bytes,
            )
        )
    return forecasts


def _weight_counts(recipe: Recipe) -> dict[str, int]:
    return {
        name: sum(weights.numel() for weights in network.parameters())
        for name, network in recipe.networks.items()
    }


def _peak_bytes(recipe: Recipe, config: TrainConfig, stage: Stage, chunk: int) -> int:
    # Weights, gradients, the optimiser's state and the running average
    copies = 2 + _OPTIMISER_STATES[config.optimiser.name] + (config.ema_halflife > 0)
    fixed = 4 * sum(_weight_counts(recipe).values()) * copies
    networks = recipe.networks
    activations = _generator_bytes(networks["generator"], config, stage, chunk)
    if "critic" in networks and config.objective.reconstruction_weight:
        activations *= 2  # of drawn latents and of codes
    if "critic" in networks:
        # Real, generated and penalised shapes; the penalty is differentiated twice.
        activations = max(4 * _critic_bytes(networks["critic"], config, stage), activations)
    return fixed + activations


def _generator_bytes(generator: nn.Module, config: TrainConfig, stage: Stage, chunk: int) -> int:
    latents = torch.zeros(1, config.generator.latent)
    few, more = (
        _saved_bytes(lambda rows=rows: generator(torch.zeros(rows, 3), latents))  # type: ignore[misc]
        for rows in (_ROWS, 2 * _ROWS)
    )
    row = (more - few) / _ROWS
    shape = max(0.0, few - row * _ROWS)  # apart from points, such as a decoder's grid
    per_shape = stage.size**3 if config.recipe == "voxel" else stage.size
    if config.autoencoder is not None:
        per_shape = config.autoencoder.near_points + config.autoencoder.far_points
    rows = per_shape * stage.batch
    # Twice: activations kept for the backward pass, and those of the layer being computed.
    return int(2 * row * min(rows, chunk) + 64 * rows + 2 * shape * stage.batch)


def _critic_bytes(critic: nn.Module, config: TrainConfig, stage: Stage) -> int:
    if config.recipe == "voxel":
        assert isinstance(critic, VoxelCritic)
        grid = torch.zeros(1, *critic.input_shape)
        return _saved_bytes(lambda: critic(grid)) * stage.batch
    points, sdf = torch.zeros(1, stage.size, 3), torch.zeros(1, stage.size)
    # All points pass without gradients, through layers as wide as the pooled one.
    assert isinstance(config.critic, PointCriticConfig)
    features = 8 * stage.size * config.critic.features[-1]
    return (_saved_bytes(lambda: critic(points, sdf)) + features) * stage.batch


def _saved_bytes(run: Callable[[], Tensor]) -> int:
    """Bytes that autograd saves for the backward pass of a computation."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(sizes.values())
