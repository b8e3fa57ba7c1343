"""Checks of single settings of a training, and settings that are gone."""

from collections.abc import Mapping
from typing import Any

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


RETIRED: dict[str, dict[str, object]] = {"critic": {"spectral": False, "patches": []}}
"""Settings that older runs have in each group, and the values with which they did nothing."""


def without_retired(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that are gone, where they have the value with which they did nothing.

    So runs of older versions are read as before. Other values stay, and are unknown settings.
    """
    kept = dict(values)
    for group, gone in RETIRED.items():
        settings = kept.get(group)
        if isinstance(settings, Mapping):
            kept[group] = {
                name: value
                for name, value in settings.items()
                if name not in gone or value != gone[name]
            }
    return kept
