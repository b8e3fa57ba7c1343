"""Steps as graphs. Here a "graph" is the function itself, called again on the same buffers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import CONFIGS, make_solids, quick, rows, run
from torch import Tensor

from shapegan.model.recipes import base
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.step_graphs import GraphRunner, PlainRunner, build_runner
from shapegan.model.recipes.step_random import LATENTS, StepRandom
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.model.training import trainer

CPU = torch.device("cpu")


class Recorder:
    """Captures by keeping the function and the tensor that it writes its results to."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.captured += 1
        kept: list[Tensor] = []

        def replay() -> Tensor:
            self.replayed += 1
            result = function()
            if not kept:
                kept.append(result)
            # A graph always writes to the same memory.
            return kept[0].copy_(result)

        return replay


def graphed(recorder: Callable[..., Any], notes: list[str] | None = None) -> GraphRunner:
    return GraphRunner(
        recorder, lambda function: function(), [].append if notes is None else notes.append
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.mark.parametrize("name", CONFIGS)
def test_replayed_steps_have_the_losses_of_plain_ones(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 1)
    run(CONFIGS[name], quick(data, tmp_path / "plain"))
    recorder, notes = Recorder(), list[str]()
    monkeypatch.setattr(base, "build_runner", lambda *_: graphed(recorder, notes))
    run(CONFIGS[name], quick(data, tmp_path / "graphs"))
    assert recorder.captured >= 2
    assert recorder.replayed >= 6
    assert not notes
    expected = rows(tmp_path / "plain")
    assert rows(tmp_path / "graphs") == expected
    assert len(expected) == 20


def voxels(value: float, shapes: int = 2) -> StepData[VoxelBatch]:
    grid = torch.full((shapes, 2, 2, 2), value)
    return StepData(VoxelBatch(torch.arange(shapes), grid), StepRandom(0, int(value)))


def half(data: StepData[VoxelBatch]) -> dict[str, Tensor]:
    return {
        "sum": data.batch.voxels.sum(),
        "drawn": data.random.normal(LATENTS, 3, 2).sum(),
        "shared": data.random.shared_integers(LATENTS, 100, 3).sum(),
        "uniform": data.random.uniform(LATENTS, 2).sum(),
    }


def test_results_outlive_the_next_replay() -> None:
    recorder = Recorder()
    runner = graphed(recorder)
    found = [runner.run("half", half, voxels(float(step))) for step in range(9)]
    for step, values in enumerate(found):
        expected = half(voxels(float(step)))
        assert {name: float(one) for name, one in values.items()} == {
            name: pytest.approx(float(one)) for name, one in expected.items()
        }


def test_each_kind_and_each_shape_of_batches_has_a_graph() -> None:
    recorder = Recorder()
    runner = graphed(recorder)
    for step in range(6):
        for kind, shapes in (("a", 2), ("b", 2), ("a", 3)):
            values = runner.run(kind, half, voxels(1.0, shapes))
            assert float(values["sum"]) == 8 * shapes
            assert step >= 3 or recorder.captured == 0
    assert recorder.captured == 3
    runner.reset()
    runner.run("a", half, voxels(1.0))
    assert recorder.captured == 3


def test_batches_of_many_shapes_are_run_plainly() -> None:
    recorder = Recorder()
    runner = graphed(recorder)
    for _ in range(5):
        for shapes in range(1, 13):
            assert float(runner.run("a", half, voxels(1.0, shapes))["sum"]) == 8 * shapes
    assert recorder.captured == 8


def test_what_cannot_be_captured_is_run_plainly_and_reported_once() -> None:
    def refuse(_function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        raise RuntimeError("CUDA error: operation not permitted\nmore of it")

    notes: list[str] = []
    runner = graphed(refuse, notes)
    values = [runner.run("critic", half, voxels(1.0)) for _ in range(8)]
    assert notes == [
        "the critic step is run without a CUDA graph: CUDA error: operation not permitted"
    ]
    assert {float(one["sum"]) for one in values} == {16.0}


def test_a_defect_is_not_taken_for_a_graph_that_cannot_be_captured() -> None:
    def broken(data: StepData[VoxelBatch]) -> dict[str, Tensor]:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        graphed(Recorder()).run("half", broken, voxels(1.0))


def test_only_a_gpu_has_graphs() -> None:
    assert isinstance(build_runner(CPU, graphs=True), PlainRunner)
    assert isinstance(build_runner(torch.device("cuda"), graphs=False), PlainRunner)


def test_numbers_are_copied_before_a_batch_changes() -> None:
    """The stream may reuse a batch's memory while a graph still holds the copy."""
    runner = graphed(Recorder())
    data = voxels(1.0)
    for _ in range(5):
        runner.run("half", half, data)
    changed = dataclasses.replace(data, batch=data.batch.mapped(lambda one: one + 1))
    assert float(runner.run("half", half, changed)["sum"]) == 32
    assert float(data.batch.voxels.sum()) == 16
