"""The check of a single setting of a training."""

from shapegan.pipeline.errors import PlainError


class TrainConfigError(PlainError, ValueError):
    """An unusable setting; the message is one line that says what to do."""


def check(holds: bool, name: str, value: object, takes: str) -> None:
    """Check a setting.

    Args:
        holds: True if the value can be used.
        name: The setting.
        value: Its value.
        takes: The values that it takes, in words.

    Raises:
        TrainConfigError: the value cannot be used.
    """
    if not holds:
        raise TrainConfigError(f"{name}: got {value}, takes {takes}")
