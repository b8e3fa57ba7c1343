"""SIGTERM and Ctrl-C as a flag, so that a step is finished before a run ends."""

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """While it is entered, the first signal sets `asked`; a second Ctrl-C acts as it did before.

    SIGTERM may come any number of times: SLURM sends it to all processes of a job, srun and
    torchrun hand it on to their own, and a preemption repeats it. Who wants to end a run at once
    sends SIGKILL.
    """

    asked: bool

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if interrupt := self._before.pop(signal.SIGINT, None):
            signal.signal(signal.SIGINT, interrupt)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
