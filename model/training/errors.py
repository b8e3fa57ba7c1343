"""Errors that end a training."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from shapegan.model.config import Stage
from shapegan.pipeline.errors import PlainError


class TrainingError(PlainError):
    """A training that cannot continue; the message is one line that says what to do."""


@contextmanager
def memory_errors(stage: Stage) -> Iterator[None]:
    """Turn a lack of memory into a line that names the options that help.

    Raises:
        TrainingError: the CPU's or the GPU's memory is full.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        out_of_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not out_of_memory and "allocate memory" not in str(error):
            raise
        raise TrainingError(
            f"out of memory at size {stage.size} with {stage.batch} shapes per step: lower --chunk"
            " (results stay the same) or --batch-size"
        ) from error
