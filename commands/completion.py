"""Completion in the shell: runs and datasets, wherever they lie below the typed folder."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from shapegan.commands.recognise import own_kind

_DEPTH = 3
"""Folders below the typed one that are searched."""
_MAX_FOLDERS = 500
"""Folders that are searched, so that a key press never takes long."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completer(*kinds: str) -> Completer:
    """Make a `shell_complete` that lists the folders of some kinds: `run`, `dataset`, or both.

    If there are none, the shell completes names of files.
    """

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(path, help=kind)
            for path, kind in itertools.islice(_folders(incomplete), _MAX_FOLDERS)
            if kind in kinds
        ]
        return found or [CompletionItem(incomplete, type="file")]

    return complete


complete_runs = completer("run")
complete_datasets = completer("dataset")
complete_runs_and_datasets = completer("run", "dataset")


def _folders(incomplete: str) -> Iterator[tuple[str, str]]:
    """Folders whose paths begin as typed, with their kinds; none inside those of a kind."""
    typed = os.path.dirname(incomplete)  # noqa: PTH120 - "runs/" is "runs", not its parent
    start = Path(typed or ".").expanduser()
    for folder, below, _ in os.walk(start):
        below[:] = sorted(name for name in below if not name.startswith("."))
        relative = Path(folder).relative_to(start)
        path = os.path.join(typed, *relative.parts)  # noqa: PTH118 - keeps "./" and "~" as typed
        if not relative.parts:
            below[:] = [one for one in below if os.path.join(typed, one).startswith(incomplete)]  # noqa: PTH118
            continue
        kind = own_kind(Path(folder))
        if kind or len(relative.parts) >= _DEPTH:
            below.clear()
        yield path, kind
