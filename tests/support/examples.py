"""Numbers of examples of property tests: a quarter in `make test`, all in `make test-slow`.

The profiles are registered in tests/conftest.py; `pytest --hypothesis-profile full` takes all.
"""

from typing import Any

from hypothesis import settings

PROFILES = {"quick": 25, "full": 100}
"""Profile -> examples of a test that names no number, and percent of a number that one names."""
FEWEST = 5
"""Examples that no profile goes below, unless a test names fewer."""


def register_profiles() -> None:
    """Register the profiles and load `quick`, which an option of pytest may replace."""
    for name, share in PROFILES.items():
        settings.register_profile(name, max_examples=share, deadline=None)
    settings.load_profile("quick")


def examples(count: int, **others: Any) -> settings:
    """Decorate a property test that takes `count` examples in profile `full`."""
    share = settings().max_examples / PROFILES["full"]
    most = max(round(count * share), min(count, FEWEST))
    return settings(max_examples=most, deadline=None, **others)
