"""Processes that train together: one per device, started by torchrun."""

import importlib
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed

from shapegan.pipeline.errors import PlainError


class DeviceError(PlainError):
    """A device that does not exist; the message is one line that says what to do."""


@dataclass(frozen=True)
class Ranks:
    """This process, and the number of processes that share the run."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    local_world: int = 1
    """Processes of the run on this machine, which share its cores."""

    @property
    def is_main(self) -> bool:
        """True in the main process, which writes the run's files."""
        return self.rank == 0

    def average_gradients(self, gradients: list[Tensor]) -> None:
        """Replace gradients by their means over all processes, as one message.

        The networks are small: splitting the message to send parts of it early would gain nothing.
        On GPUs it can be captured in a CUDA graph.
        """
        if self.world == 1:
            return
        message = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(message)
        message /= self.world
        means = torch.split(message, [one.numel() for one in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any_rank(self, *flags: bool) -> list[bool]:
        """For each flag: test whether it is set in any process."""
        if self.world == 1:
            return list(flags)
        joined = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(joined, distributed.ReduceOp.MAX)
        return [bool(flag) for flag in joined]

    def broadcast_tensor(self, values: Tensor) -> None:
        """Overwrite a tensor by the main process's, in all processes."""
        if self.world > 1:
            shared = values.cpu()
            distributed.broadcast(shared, 0)
            values.copy_(shared)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over all processes, of the same shape; may be captured in a CUDA graph."""
        if self.world == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total / self.world


@contextmanager
def join(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Join the other processes, if torchrun has started this one.

    Args:
        device: `cpu`, `cuda`, `cuda:1` and so on, or `auto`.
        environment: Variables RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE of torchrun.

    Raises:
        DeviceError: there is no such device, or another process has ended.
    """
    world, rank = int(environment.get("WORLD_SIZE", 1)), int(environment.get("RANK", 0))
    chosen = pick_device(device, int(environment.get("LOCAL_RANK", 0)) if world > 1 else None)
    if world == 1:
        yield Ranks(device=chosen)
        return
    # torch would import this module later by itself. Its default arguments would then keep the
    # group, and with it threads that abort a process at its end, now and then.
    importlib.import_module("torch.distributed.nn.functional")
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, rank=rank, world_size=world)
    try:
        yield Ranks(rank, world, chosen, int(environment.get("LOCAL_WORLD_SIZE", 1)))
    except BaseException as error:
        _forget_frames(error)
        if not _is_lost_peer(error):
            raise
        raise DeviceError(
            f"process {rank} of {world} stops, because another one has ended; its message says why"
        ) from error
    finally:
        distributed.destroy_process_group()


def _is_lost_peer(error: BaseException) -> bool:
    """Test whether an error comes from the end of another process."""
    message = str(error).lower()
    lost = ("connection closed", "connection reset", "remote process exited")
    return isinstance(error, RuntimeError) and any(words in message for words in lost)


def _forget_frames(error: BaseException | None) -> None:
    """Release the local variables that an error's traceback keeps alive."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def pick_device(name: str, local_rank: int | None = None) -> torch.device:
    """Device of a name; `auto` is CUDA if there is a GPU.

    Raises:
        DeviceError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: takes auto, cpu, cuda or cuda:N") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda" or not torch.cuda.is_available():
        raise DeviceError(
            f"--device {name}: this machine has no such device; --device cpu works anywhere"
        )
    if device.index is None:
        device = torch.device("cuda", local_rank or 0)
    if int(device.index) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {device}: this machine has no such device; it has"
            f" {torch.cuda.device_count()} GPUs"
        )
    torch.cuda.set_device(device)
    return device
