"""Users' errors and signals: one line, and the exit code that a shell expects."""

import contextlib
import signal
from collections.abc import Iterator
from typing import NoReturn

import click

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.extras import naming_extras


class UserError(click.ClickException):
    """An error that the user can fix: one line, exit code 2."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C."""


@contextlib.contextmanager
def interruptible(after: str = "the same command resumes") -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into one line, and exit code 128 plus the signal's number.

    Args:
        after: End of that line: how to go on.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        click.echo(f"interrupted; {after}", err=True)
        code = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        raise click.exceptions.Exit(128 + code) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turn a `PlainError`, or a missing optional package, into one line and exit code 2."""
    try:
        with naming_extras(_command_name()):
            yield
    except PlainError as error:
        raise UserError(str(error)) from error


def _command_name() -> str:
    """Name of the running command without the program's, such as `figure map`."""
    context, names = click.get_current_context(), []
    while context.parent is not None:
        names.append(str(context.info_name))
        context = context.parent
    return " ".join(reversed(names))
