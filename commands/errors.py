"""Errors of the user and signals, as a shell wants them: a line, and an exit code."""

import contextlib
import signal
from collections.abc import Iterator
from typing import NoReturn

import click

from shapegan.pipeline.errors import PlainError


class UserError(click.ClickException):
    """Something that the user can mend: one line, exit code 2."""

    exit_code = 2


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


@contextlib.contextmanager
def interruptible(after: str = "the same command resumes") -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM a line and the exit code that shells expect of them.

    Args:
        after: What that line says of the work.
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
    """Makes what the user can mend a line and exit code 2."""
    try:
        yield
    except PlainError as error:
        raise UserError(str(error)) from error
