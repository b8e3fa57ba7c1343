"""A page whose shapes follow its controls."""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from shapegan.model.viewer.latest_only import LatestOnly
from shapegan.model.viewer.page import Page

State = TypeVar("State")


class LivePage(ABC, Generic[State]):
    """A page that is drawn again, in a thread of its own, when a control changes.

    A subclass adds its controls, has `follow` watch them, and then calls `redraw` once.

    Args:
        page: An empty page.
        columns: Number of columns on it.
    """

    def __init__(self, page: Page, columns: int) -> None:
        self._page = page
        page.show_columns(columns)
        self._drawing = threading.Lock()
        self._latest = LatestOnly(self._draw_alone)

    @abstractmethod
    def _read_controls(self) -> State:
        """Positions of the controls."""

    @abstractmethod
    def _draw(self, state: State) -> None:
        """Draw the page for positions of the controls."""

    def _draw_alone(self, state: State) -> None:
        with self._drawing:
            self._draw(state)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the page as it is in the block; changed controls are drawn after it."""
        with self._drawing:
            yield
        self.redraw()

    def follow(self, controls: Iterable[Any]) -> None:
        """Redraw when one of these controls changes."""
        for control in controls:
            control.on_update(lambda _: self.redraw())

    def redraw(self) -> None:
        """Draw the page for the current positions of the controls, in the page's thread."""
        self._latest.submit(self._read_controls())

    def wait_until_drawn(self, timeout: float | None = None) -> bool:
        """Wait until the page shows the controls' positions; False after `timeout` seconds.

        Raises:
            Exception: the error that ended the drawing.
        """
        return self._latest.wait(timeout)

    def check(self) -> None:
        """Raise the error that ended the drawing, if any."""
        self._latest.check()

    def close(self) -> None:
        """End the drawing."""
        self._latest.close()
