"""A worker thread that skips all waiting requests but the latest."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Request = TypeVar("Request")


class LatestOnly(Generic[Request]):
    """A worker thread; a new request replaces the one that waits.

    A slider that is dragged makes a hundred requests in the time of one mesh.

    Args:
        work: Called in the thread with each request that is not replaced in time.
    """

    def __init__(self, work: Callable[[Request], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._busy = self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Submit a request; it replaces an earlier one that has not started yet."""
        with self._changed:
            self._waiting = [request]
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the thread is idle; False if that takes longer than `timeout` seconds.

        Raises:
            Exception: the error that ended the work; no request is processed after it.
        """
        with self._changed:
            done = self._changed.wait_for(self._is_idle, timeout)
        self.check()
        return done

    @property
    def idle(self) -> bool:
        """True if no request is in progress or waits."""
        with self._changed:
            return self._is_idle()

    def check(self) -> None:
        """Raise the error that ended the work, if any."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread after the request in progress."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _is_idle(self) -> bool:
        return self._error is not None or not (self._busy or self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                request, self._busy = self._waiting.pop(), True
            try:
                self._work(request)
            except Exception as error:  # `check` raises it in the main thread
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
