"""SIGTERM and Ctrl-C as a flag, so that a run finishes its step before it ends."""

import signal
from types import TracebackType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Context in which the first signal sets `requested`, and a second Ctrl-C acts as usual.

    SIGTERM may come any number of times: SLURM sends it to all processes of a job, srun and
    torchrun pass it on to their children, and a preemption repeats it. SIGKILL ends a run at once.
    """

    requested: bool

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        self._previous = {number: signal.signal(number, self._request) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _request(self, *_: object) -> None:
        self.requested = True
        if interrupt := self._previous.pop(signal.SIGINT, None):
            signal.signal(signal.SIGINT, interrupt)
