"""Progress of commands that go through a dataset piece by piece."""

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_of(noun: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on the error stream: a bar in a terminal, a line every half minute elsewhere.

    Args:
        noun: Plural of what is counted, such as `shards`.

    Yields:
        A callback that takes the pieces that are done and their total number.
    """
    from rich.console import Console

    from shapegan.pipeline.progress_display import ProgressDisplay

    with ProgressDisplay(Console(stderr=True), 1.0) as display:

        def update(done: int, total: int) -> None:
            display.update(done / max(total, 1), f"{done:,} of {total:,} {noun}")

        yield update
