"""The processes that train together: one for each device, started by torchrun."""

import gc
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from shapegan.pipeline.errors import PlainError


class DeviceError(PlainError):
    """A device that is not there; the message is one line with what to do."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that share the run."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def wrap_ddp(self, module: nn.Module) -> nn.Module:
        """The module, averaging its gradients over all processes if there are several."""
        if self.world == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids)

    def any_rank(self, *flags: bool) -> list[bool]:
        """Each flag, whether it is set in any process."""
        if self.world == 1:
            return list(flags)
        joined = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(joined, distributed.ReduceOp.MAX)
        return [bool(flag) for flag in joined]

    def broadcast(self, value: float) -> float:
        """The number that the leading process has."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, of the same shape."""
        if self.world == 1:
            return values
        total = values.cpu()
        distributed.all_reduce(total)
        return (total / self.world).to(values.device)


@contextmanager
def join(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Ranks]:
    """Joins the other processes, if torchrun has started this one.

    Args:
        device: `cpu`, `cuda`, `cuda:1` and so on, or `auto`.
        environment: Where torchrun puts RANK, WORLD_SIZE and LOCAL_RANK.

    Raises:
        DeviceError: where there is no such device.
    """
    world, rank = int(environment.get("WORLD_SIZE", 1)), int(environment.get("RANK", 0))
    chosen = pick_device(device, int(environment.get("LOCAL_RANK", 0)) if world > 1 else None)
    if world == 1:
        yield Ranks(device=chosen)
        return
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, rank=rank, world_size=world)
    try:
        yield Ranks(rank, world, chosen)
    except BaseException as error:
        _forget_frames(error)
        if not _is_loss(error):
            raise
        raise DeviceError(
            f"process {rank} of {world} stops: another one has ended, and says why"
        ) from error
    finally:
        # Modules that are shared hold the group. One that outlives it would end it later, where
        # threads may wait for each other for ever.
        gc.collect()
        distributed.destroy_process_group()


def _is_loss(error: BaseException) -> bool:
    """Whether an error comes from the end of another process."""
    said = str(error).lower()
    lost = ("connection closed", "connection reset", "remote process exited")
    return isinstance(error, RuntimeError) and any(words in said for words in lost)


def _forget_frames(error: BaseException | None) -> None:
    """Lets go of the variables of functions that an error has left."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def pick_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device of a name; `auto` is CUDA if there is any.

    Raises:
        DeviceError: where there is no such device.
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
        raise DeviceError(f"--device {name}: there is none here; --device cpu works anywhere")
    if device.index is None:
        device = torch.device("cuda", local_rank or 0)
    if int(device.index) >= torch.cuda.device_count():
        raise DeviceError(f"--device {device}: there are {torch.cuda.device_count()}")
    torch.cuda.set_device(device)
    return device
