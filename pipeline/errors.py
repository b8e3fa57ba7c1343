"""Errors that the user can fix."""


class PlainError(Exception):
    """An error that the user can fix; the message is one line that says what to do.

    Commands print only that line and exit with code 2. Every error caused by input, flags or the
    machine is a subclass; any other exception is a bug.
    """
