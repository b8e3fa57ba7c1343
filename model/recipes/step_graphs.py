"""Steps as CUDA graphs: the kernels of a step are launched at once instead of one by one.

A step of a small network is hundreds of short kernels, and launching them takes longer than running
them. A graph holds them with fixed addresses. So all that changes from step to step, the batch and
the random numbers, is copied to fixed buffers before the graph is replayed. Scalars of the schedule
(learning rates, fade-in, progress) are tensors that the recipe fills; a graph reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.step_random import RandomNumbers
from shapegan.model.streaming.stream import PointBatch, VoxelBatch

Half = Callable[[StepData[Any]], dict[str, Tensor]]
"""A half of a step: data -> losses and other scalars. It trains networks on the way. All that it
reads is in its data or at fixed addresses, and it draws the same kinds of random numbers each time.
"""
Function = Callable[[], Tensor]

_WARM_UP = 3
"""Steps that are run plainly before a graph is captured: libraries choose their kernels then, and
optimisers make their state."""
_MOST_GRAPHS = 8
"""Graphs of a stage; batches of further shapes are run plainly."""


class StepRunner(Protocol):
    """The way that halves of steps are run."""

    def run(self, kind: str, half: Half, data: StepData[Any]) -> dict[str, Tensor]:
        """Run a half of a step; `kind` names it, and what else decides its kernels."""

    def reset(self, obstacle: str = "") -> None:
        """Forget all graphs, because networks or optimisers have changed.

        Args:
            obstacle: Why no half can be recorded from now on; empty if that can be tried.
        """


class PlainRunner:
    """Runs every half as it is written."""

    def run(self, kind: str, half: Half, data: StepData[Any]) -> dict[str, Tensor]:
        """Run a half of a step."""
        del kind
        return half(data)

    def reset(self, obstacle: str = "") -> None:
        """Nothing is kept."""


class Recorder(Protocol):
    """The way that functions are recorded as graphs."""

    def record(self, function: Function) -> Function:
        """Record a function without running it; the result runs what was recorded.

        Raises:
            RuntimeError: it does what a graph cannot hold, such as waiting for the device.
        """

    def warm_up(self, function: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Run a function plainly where it will be recorded."""

    def reset(self) -> None:
        """Begin anew, because all graphs have been forgotten."""


class GraphRunner:
    """Runs every half as it is written at first, and then as a CUDA graph.

    Results are those of `PlainRunner`: the graph holds the same kernels. A half that cannot be
    recorded is run plainly for the rest of the stage.

    Args:
        recorder: Records halves as graphs.
        note: Receiver of one line if a half cannot be recorded.
    """

    def __init__(self, recorder: Recorder, note: Callable[[str], None]) -> None:
        self._recorder, self._note = recorder, note
        self._graphs: dict[tuple[Any, ...], _Graph] = {}
        self._plain: set[str] = set()
        self._obstacle = ""

    def run(self, kind: str, half: Half, data: StepData[Any]) -> dict[str, Tensor]:
        """Run a half of a step."""
        key = kind, *((values.shape, values.dtype) for values in data.batch.tensors)
        known = key in self._graphs or len(self._graphs) < _MOST_GRAPHS
        if self._obstacle or kind in self._plain or not known:
            return half(data)
        if key not in self._graphs:
            self._graphs[key] = _Graph(data)
        graph = self._graphs[key]
        graph.fill(data)
        if graph.runs < _WARM_UP:
            graph.runs += 1
            return self._recorder.warm_up(lambda: half(graph.data))
        if graph.replay is None:
            try:
                graph.record(half, self._recorder)
            except RuntimeError as error:
                self._plain.add(kind)
                reason = str(error).strip().splitlines()[0]
                self._note(f"the {kind} step is run without a CUDA graph: {reason}")
                return half(data)
        return graph.results()

    def reset(self, obstacle: str = "") -> None:
        """Forget all graphs."""
        self._graphs.clear()
        self._plain.clear()
        self._recorder.reset()
        self._obstacle = obstacle
        if obstacle:
            self._note(f"steps are run without CUDA graphs: {obstacle}")


@dataclass
class BufferedRandom:
    """Random numbers at fixed addresses: those of a source, in the order of the first draws."""

    source: RandomNumbers
    buffers: dict[tuple[Any, ...], Tensor] = field(default_factory=dict)
    """(method, arguments) -> numbers."""

    def normal(self, kind: int, rows: int, *shape: int) -> Tensor:
        """See `RandomNumbers`."""
        return self._drawn("normal", kind, rows, *shape)

    def uniform(self, kind: int, rows: int, *shape: int) -> Tensor:
        """See `RandomNumbers`."""
        return self._drawn("uniform", kind, rows, *shape)

    def shared_integers(self, kind: int, below: int, *shape: int) -> Tensor:
        """See `RandomNumbers`."""
        return self._drawn("shared_integers", kind, below, *shape)

    def refill(self, source: RandomNumbers) -> None:
        """Draw all numbers again, from another source."""
        self.source = source
        for key, buffer in self.buffers.items():
            buffer.copy_(self._fresh(key), non_blocking=True)

    def _drawn(self, *key: Any) -> Tensor:
        if key not in self.buffers:
            self.buffers[key] = self._fresh(key)
        return self.buffers[key]

    def _fresh(self, key: tuple[Any, ...]) -> Tensor:
        method, *arguments = key
        numbers: Tensor = getattr(self.source, method)(*arguments)
        return numbers


class _Graph:
    """A graph of a half of a step, with its buffers."""

    def __init__(self, data: StepData[Any]) -> None:
        self._batch: VoxelBatch | PointBatch = data.batch.mapped(torch.clone)
        self._random = BufferedRandom(data.random)
        self._names: list[str] = []
        self.data: StepData[Any] = StepData(self._batch, self._random, data.progress)
        self.runs = 0
        self.replay: Function | None = None

    def fill(self, data: StepData[Any]) -> None:
        """Copy a step's batch and random numbers to the buffers."""
        for buffer, values in zip(self._batch.tensors, data.batch.tensors, strict=True):
            buffer.copy_(values, non_blocking=True)
        self._random.refill(data.random)

    def record(self, half: Half, recorder: Recorder) -> None:
        """Record the half.

        Raises:
            RuntimeError: it does what a graph cannot hold, such as waiting for the device.
        """

        def packed() -> Tensor:
            values = half(self.data)
            self._names = list(values)
            return torch.stack([value.float() for value in values.values()])

        self.replay = recorder.record(packed)

    def results(self) -> dict[str, Tensor]:
        """Replay the graph; the scalars are copies, because the next replay overwrites its own."""
        assert self.replay is not None, "record a graph first"
        values = self.replay().clone()
        return dict(zip(self._names, values.unbind(), strict=True))


class CudaRecorder:
    """Records CUDA graphs on a stream of their own; all graphs share a pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._failed: list[torch.cuda.CUDAGraph] = []
        self.reset()

    def reset(self) -> None:
        """Take another pool: one whose graphs are gone, or failed, may refuse further ones."""
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, function: Function) -> Function:
        """Record a function; see `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        try:
            # The outer context gives the present stream back even if the capture fails to end.
            # Other threads, such as loaders that pin memory, may use CUDA meanwhile.
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(
                    graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
                ),
            ):
                output = function()
        except RuntimeError as error:
            self._failed.append(graph)  # torch's memory keeps a pointer to it
            self.reset()
            raise _first_of(error) from None

        def replay() -> Tensor:
            graph.replay()
            return output

        return replay

    def warm_up(self, function: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Run a function plainly on the stream of the graphs."""
        present = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            values = function()
        present.wait_stream(self._stream)
        return values


def _first_of(error: RuntimeError) -> RuntimeError:
    """The error that came first: the end of a failed capture raises another one."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error


def build_runner(
    device: torch.device, graphs: bool, note: Callable[[str], None] = lambda _: None
) -> StepRunner:
    """Build the runner of a device: CUDA graphs if they are wanted and there is a GPU."""
    if not graphs or device.type != "cuda":
        return PlainRunner()
    return GraphRunner(CudaRecorder(device), note)
