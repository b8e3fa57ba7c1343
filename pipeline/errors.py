"""What the user can mend."""


class PlainError(Exception):
    """A user's error: its message is one line that says what to do, and all that is shown.

    Commands end with that line and exit code 2. Every error that input, flags or the machine may
    bring about is a subclass; any other exception is a defect.
    """
