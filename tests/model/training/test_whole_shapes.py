"""Runs with thin parts kept, on shifted lattices or at points: several stages of one size."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.training import (
    POINT_VOXEL,
    STORED,
    VOXEL,
    RecordingReporter,
    assert_same_run,
    each_step,
    interrupt,
    last,
    make_solids,
    quick,
    run,
)

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.streaming import sources
from shapegan.model.streaming.batches import StreamError
from shapegan.model.training import trainer
from shapegan.model.training.trainer import train

CONFIG: TrainConfig = dataclasses.replace(
    VOXEL,
    stages=(
        Stage(8, 4, 2, lattice=64, thin_offset=0.1),
        Stage(16, 4, 2, fade_in=1, lattice=64, thin_offset=0.1),
        Stage(16, 4, 2, fade_in=1, lattice=64, thin_offset=0.1, thin_offset_end=0.0),
    ),
    generator=dataclasses.replace(VOXEL.generator, symmetry="auto"),
)
AT_POINTS: TrainConfig = dataclasses.replace(
    POINT_VOXEL,
    stages=(
        Stage(256, 4, 2, thin_offset=0.1),
        Stage(256, 4, 2, thin_offset=0.1, thin_offset_end=0.0),
        Stage(256, 4, 2),
    ),
    generator=dataclasses.replace(POINT_VOXEL.generator, symmetry="auto"),
)
each_config = pytest.mark.parametrize("config", [CONFIG, AT_POINTS], ids=["voxel", "point"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = dataclasses.replace(STORED, resolutions=(16, 64))
    return make_solids(tmp_path_factory.mktemp("fine"), config=config)


@pytest.fixture(autouse=True)
def frequent_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, for the same sums."""
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@each_config
def test_a_run_stopped_again_and_again_is_the_one_left_alone(
    config: TrainConfig, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config, quick(data, tmp_path / "alone"))
    each_step(monkeypatch, lambda step: interrupt() if step % 3 == 0 else None)
    settings = quick(data, tmp_path / "run")
    while train(config, settings, RecordingReporter()).stage < 3:
        pass
    assert last(settings.run).position.total == 12
    assert_same_run(settings.run, tmp_path / "alone")
    saved = json.loads((settings.run / "config.json").read_text())
    assert saved["generator"]["symmetry"] == "x"


@each_config
def test_thin_parts_are_computed_once_for_all_stages(
    config: TrainConfig, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, shapes = sources.thin_part_distances, []
    monkeypatch.setattr(
        sources, "thin_part_distances", lambda sdf: shapes.append(1) or compute(sdf)
    )
    train(config, quick(data, tmp_path / "run", pin="ram"), RecordingReporter())
    assert len(shapes) == 8


@each_config
def test_shapes_read_from_the_shards_have_the_same_thin_parts(
    config: TrainConfig, data: Path, tmp_path: Path
) -> None:
    for pin in ("ram", "none"):
        run(config, quick(data, tmp_path / pin, pin=pin))
    assert_same_run(tmp_path / "ram", tmp_path / "none")


@each_config
def test_a_dataset_without_the_fine_grid_is_one_clear_line(
    config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(StreamError, match=r"has no voxels of resolution 64") as caught:
        train(config, quick(make_solids(tmp_path), tmp_path / "run"), RecordingReporter())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
