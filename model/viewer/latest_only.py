"""Work asked for faster than it is done: only what was asked for last is."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Wish = TypeVar("Wish")


class Latest(Generic[Wish]):
    """A thread that does one thing at a time; a newer wish takes the place of one that waits.

    A slider that is dragged gives a hundred wishes in the time of one mesh.

    Args:
        work: Is called with each wish that is taken up.
    """

    def __init__(self, work: Callable[[Wish], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._wishes: list[Wish] = []
        self._busy = self._closed = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def ask(self, wish: Wish) -> None:
        """Wishes something, instead of what was wished before and is not begun."""
        with self._changed:
            self._wishes = [wish]
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether all was done within so many seconds.

        Raises:
            Exception: what the work ended with; nothing is done after that.
        """
        with self._changed:
            done = self._changed.wait_for(self._idle, timeout)
        self.check()
        return done

    @property
    def ready(self) -> bool:
        """Whether nothing is being done, nor waits."""
        with self._changed:
            return self._idle()

    def check(self) -> None:
        """Raises what the work ended with, if it did."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Ends after what is being done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _idle(self) -> bool:
        return self._error is not None or not (self._busy or self._wishes)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._wishes or self._closed)
                if self._closed:
                    return
                wish, self._busy = self._wishes.pop(), True
            try:
                self._work(wish)
            except Exception as error:  # for the main thread, which is to end with it
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
