import dataclasses
from pathlib import Path

import pytest
import torch
from support.training import AUTODECODER, CONFIGS, LATENT, POINT, SHAPES, VOXEL, quick

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import DeviceError
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.objective_config import OPTIMISERS
from shapegan.model.schedule import Budget
from shapegan.model.streaming.stream import StreamError
from shapegan.model.training.forecast import forecast_training


@pytest.mark.parametrize("name", [name for name in CONFIGS if not name.startswith("latent")])
def test_the_forecast_has_steps_parameters_and_memory_of_each_stage(
    data: Path, tmp_path: Path, name: str
) -> None:
    config = CONFIGS[name]
    before = torch.get_rng_state()
    found = forecast_training(config, quick(data, tmp_path / "run"))
    assert torch.equal(torch.get_rng_state(), before)
    assert [one.stage for one in found] == list(config.stages)
    assert [(one.steps, one.shape_count) for one in found] == [(10, SHAPES)] * 2
    for one in found:
        assert one.parameters["generator"] == 4 * 16 + 17 * 16 * 2 + 17 + 3 * 16 + 2 * 4 * 16
        assert 1000 < one.peak_bytes < 1e9
    assert found[1].peak_bytes > found[0].peak_bytes
    assert not (tmp_path / "run").exists()


def test_the_forecast_of_a_latent_prior_counts_its_grid(data: Path, tmp_path: Path) -> None:
    found = forecast_training(LATENT, quick(data, tmp_path / "run"))
    assert [(one.steps, one.shape_count) for one in found] == [(10, SHAPES)] * 2
    network = LatentGenerator(LATENT.generator)
    count = sum(weights.numel() for weights in network.parameters())
    for one in found:
        assert one.parameters == {"generator": count, "encoder": 0}
        # At least the finest grid of each shape
        assert one.peak_bytes > 4 * 4 * count + 4 * one.stage.batch * 2 * 32**3
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_can_be_forecast(data: Path, tmp_path: Path, name: str) -> None:
    optimiser = dataclasses.replace(VOXEL.optimiser, name=name)
    config = dataclasses.replace(VOXEL, optimiser=optimiser)
    found = forecast_training(config, quick(data, tmp_path))
    plain = forecast_training(VOXEL, quick(data, tmp_path))
    assert found[0].peak_bytes >= plain[0].peak_bytes  # RMSprop keeps the least


def test_a_reconstruction_keeps_the_generators_activations_twice(
    data: Path, tmp_path: Path
) -> None:
    critic = PointCriticConfig(features=(1, 1), head=(1,))
    plain = dataclasses.replace(POINT, critic=critic)
    objective = dataclasses.replace(plain.objective, reconstruction_weight=1.0)
    both = dataclasses.replace(plain, objective=objective)
    before, after = (
        forecast_training(one, quick(data, tmp_path))[0].peak_bytes for one in (plain, both)
    )
    assert 1.5 * before < after < 2 * before


def test_the_critic_grows(data: Path, tmp_path: Path) -> None:
    counts = [one.parameters["critic"] for one in forecast_training(VOXEL, quick(data, tmp_path))]
    assert counts[1] > counts[0]
    found = forecast_training(AUTODECODER, quick(data, tmp_path))
    assert found[0].parameters.keys() == {"generator", "latents"}
    assert found[0].parameters["latents"] == SHAPES * 4


def test_the_forecast_has_the_bytes_of_stored_grids(data: Path, tmp_path: Path) -> None:
    assert [one.stored_bytes for one in forecast_training(VOXEL, quick(data, tmp_path))] == [
        SHAPES * size**3 * 2 for size in (8, 16)
    ]


def test_time_gives_no_steps(data: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(quick(data, tmp_path), budget=Budget(seconds=60))
    assert [one.steps for one in forecast_training(POINT, settings)] == [None, None]


def sized(config: TrainConfig, stage: Stage) -> TrainConfig:
    return dataclasses.replace(config, stages=(stage,))


def test_memory_grows_with_the_batch_and_is_bounded_by_the_chunk(
    data: Path, tmp_path: Path
) -> None:
    wide = dataclasses.replace(VOXEL.generator, width=128)
    config = dataclasses.replace(VOXEL, generator=wide)

    def found(batch: int, chunk: int) -> int:
        stage = Stage(16, batch, 1)
        forecasts = forecast_training(sized(config, stage), quick(data, tmp_path, chunk=chunk))
        return forecasts[0].peak_bytes

    assert found(8, 10**7) > 1.5 * found(4, 10**7)
    assert found(8, 10**7) > 3 * found(8, 2000)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"stages": (Stage(32, 4, 1),)}, StreamError),
        ({"stages": (Stage(8, 40, 1),)}, StreamError),
    ],
)
def test_the_forecast_refuses_what_the_run_would_refuse(
    data: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        forecast_training(dataclasses.replace(VOXEL, **changes), quick(data, tmp_path))
    settings = dataclasses.replace(quick(data, tmp_path), device="cuda:99")
    with pytest.raises(DeviceError):
        forecast_training(VOXEL, settings)
