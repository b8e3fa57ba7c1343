"""Steps as graphs. Here a "graph" is the function itself, called again on the same buffers."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import CONFIGS, VOXEL, each_step, make_solids, quick, rows, run
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from shapegan.model.networks.point_critic import PointCritic
from shapegan.model.recipes import base, loose_parts
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.step_graphs import (
    CudaRecorder,
    GraphRunner,
    PlainRunner,
    build_runner,
)
from shapegan.model.recipes.step_random import LATENTS, StepRandom
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.model.training import trainer

CPU = torch.device("cpu")


class HostCalls(TorchDispatchMode):
    """Refuses what a CUDA graph refuses: numbers from the host, and numbers to the host."""

    def __torch_dispatch__(
        self, function: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        aten = torch.ops.aten
        if function._overloadpacket in (aten.lift_fresh, aten._local_scalar_dense, aten.nonzero):
            raise RuntimeError(f"a graph cannot hold {function}")
        return function(*args, **(kwargs or {}))


class FakeRecorder:
    """Records by keeping the function and the tensor that it writes its results to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.recorded = self.replayed = self.resets = 0
        self._refuses = refuses

    def record(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        if self._refuses:
            raise RuntimeError("CUDA error: operation not permitted\nmore of it")
        self.recorded += 1
        kept: list[Tensor] = []

        def replay() -> Tensor:
            self.replayed += 1
            with HostCalls():
                result = function()
            if not kept:
                kept.append(result)
            # A graph always writes to the same memory.
            return kept[0].copy_(result)

        return replay

    def warm_up(self, function: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        return function()

    def reset(self) -> None:
        self.resets += 1


def graphed(recorder: FakeRecorder, notes: list[str] | None = None) -> GraphRunner:
    return GraphRunner(recorder, [].append if notes is None else notes.append)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


def take_the_ways_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the functions that CPUs have others for, because those wait for numbers."""

    def critical_indices(
        critic: PointCritic, points: Tensor, sdf: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        with torch.no_grad():
            return critic._pooled(points, sdf, mask).argmax(1)

    monkeypatch.setattr(PointCritic, "critical_indices", critical_indices)
    monkeypatch.setattr(
        loose_parts, "joining_levels", lambda sdf: loose_parts.pooled_levels(sdf, 3 * sdf.shape[-1])
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_replayed_steps_have_the_losses_of_plain_ones(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 1)
    take_the_ways_of_a_gpu(monkeypatch)
    run(CONFIGS[name], quick(data, tmp_path / "plain"))
    recorder, notes = FakeRecorder(), list[str]()
    monkeypatch.setattr(base, "build_runner", lambda *_: graphed(recorder, notes))
    run(CONFIGS[name], quick(data, tmp_path / "graphs"))
    assert recorder.recorded >= 2
    assert recorder.replayed >= 6
    assert not [note for note in notes if "refinement" not in note]
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
    recorder = FakeRecorder()
    runner = graphed(recorder)
    found = [runner.run("half", half, voxels(float(step))) for step in range(9)]
    for step, values in enumerate(found):
        expected = half(voxels(float(step)))
        assert {name: float(one) for name, one in values.items()} == {
            name: pytest.approx(float(one)) for name, one in expected.items()
        }


def test_each_kind_and_each_shape_of_batches_has_a_graph() -> None:
    recorder = FakeRecorder()
    runner = graphed(recorder)
    for step in range(6):
        for kind, shapes in (("a", 2), ("b", 2), ("a", 3)):
            values = runner.run(kind, half, voxels(1.0, shapes))
            assert float(values["sum"]) == 8 * shapes
            assert step >= 3 or recorder.recorded == 0
    assert recorder.recorded == 3
    runner.reset()
    runner.run("a", half, voxels(1.0))
    assert recorder.recorded == 3


def test_batches_of_many_shapes_are_run_plainly() -> None:
    recorder = FakeRecorder()
    runner = graphed(recorder)
    for _ in range(5):
        for shapes in range(1, 13):
            assert float(runner.run("a", half, voxels(1.0, shapes))["sum"]) == 8 * shapes
    assert recorder.recorded == 8


def test_what_cannot_be_captured_is_run_plainly_and_reported_once() -> None:
    notes: list[str] = []
    runner = graphed(FakeRecorder(refuses=True), notes)
    values = [runner.run("critic", half, voxels(1.0)) for _ in range(8)]
    assert notes == [
        "the critic step is run without a CUDA graph: CUDA error: operation not permitted"
    ]
    assert {float(one["sum"]) for one in values} == {16.0}


def test_nothing_is_recorded_where_that_is_known_to_fail() -> None:
    recorder, notes = FakeRecorder(), list[str]()
    runner = graphed(recorder, notes)
    runner.reset("it rains")
    values = [runner.run("critic", half, voxels(1.0)) for _ in range(8)]
    assert notes == ["steps are run without CUDA graphs: it rains"]
    assert recorder.recorded == 0
    assert {float(one["sum"]) for one in values} == {16.0}
    runner.reset()
    for _ in range(4):
        runner.run("critic", half, voxels(1.0))
    assert recorder.recorded == 1
    assert len(notes) == 1


def test_graphs_are_forgotten_at_the_end_of_a_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL waits at its end for graphs that hold its calls."""
    runner = graphed(FakeRecorder())
    monkeypatch.setattr(base, "build_runner", lambda *_: runner)
    run(VOXEL, quick(data, tmp_path / "run"))
    assert not runner._graphs

    def fail(step: int) -> None:
        if step == 8:
            assert runner._graphs
            raise ValueError("a defect")

    each_step(monkeypatch, fail)
    with pytest.raises(ValueError, match="a defect"):
        run(VOXEL, quick(data, tmp_path / "other"))
    assert not runner._graphs


def test_a_defect_is_not_taken_for_a_graph_that_cannot_be_captured() -> None:
    def broken(data: StepData[VoxelBatch]) -> dict[str, Tensor]:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        graphed(FakeRecorder()).run("half", broken, voxels(1.0))


def test_only_a_gpu_has_graphs() -> None:
    assert isinstance(build_runner(CPU, graphs=True), PlainRunner)
    assert isinstance(build_runner(torch.device("cuda"), graphs=False), PlainRunner)


def test_numbers_are_copied_before_a_batch_changes() -> None:
    """The stream may reuse a batch's memory while a graph still holds the copy."""
    runner = graphed(FakeRecorder())
    data = voxels(1.0)
    for _ in range(5):
        runner.run("half", half, data)
    changed = dataclasses.replace(data, batch=data.batch.mapped(lambda one: one + 1))
    assert float(runner.run("half", half, changed)["sum"]) == 32
    assert float(data.batch.voxels.sum()) == 16


class FakeCuda:
    """torch.cuda, as far as `CudaRecorder` uses it; the end of a failed capture raises as well."""

    def __init__(self) -> None:
        self.pools = 0
        self.present = "main"

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    @contextlib.contextmanager
    def stream(self, stream: str) -> Iterator[None]:
        before, self.present = self.present, stream
        try:
            yield
        finally:
            self.present = before

    @contextlib.contextmanager
    def graph(self, _graph: Any, pool: int, stream: str, **_: Any) -> Iterator[None]:
        self.present, self.pool = stream, pool
        try:
            yield
        except RuntimeError:
            raise RuntimeError("operation failed due to a previous error during capture") from None


def test_a_failed_capture_leaves_stream_and_pool_as_if_it_had_not_been(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda()
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: "side")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    for name in ("graph_pool_handle", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    recorder = CudaRecorder(torch.device("cuda"))

    def copy() -> Tensor:
        assert cuda.present == "side"
        raise RuntimeError("cannot copy between CPU and CUDA tensors")

    with pytest.raises(RuntimeError, match="cannot copy between"):
        recorder.record(copy)
    assert cuda.present == "main"
    recorder.record(lambda: torch.zeros(1))
    assert cuda.present == "main"
    used = cuda.pool
    assert used == 2
    recorder.record(lambda: torch.zeros(1))
    assert cuda.pool == used
    recorder.reset()
    recorder.record(lambda: torch.zeros(1))
    assert cuda.pool == 3
