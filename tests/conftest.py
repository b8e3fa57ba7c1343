"""Set-up of all tests: Ctrl-C that works, one thread, and skips that have to be expected."""

import os
import re
import signal

import pytest
from support.examples import register_profiles

register_profiles()

THREAD_LIBRARIES = ("OMP", "OPENBLAS", "MKL")
"""Prefixes of the environment variables that limit native threads."""

SKIPS_ANYWHERE = (
    "needs a GPU that CUDA can use",
    "../shared/data is not there",
    "root may write anywhere",
    "this user may read everything",
    "needs the extra `wandb`",
)
"""Reasons to skip a test that continuous integration accepts, too."""

SKIPS_AT_HOME = (
    "there is no chromium: apt-get install chromium",
    "the method `scan` needs OpenGL",
    "needs the extra `(cluster|docs)`",
    "needs root, for namespaces",
    "needs [a-z, -]*: apt-get install",
    "only Linux ends a busy child",
    "cannot mount a small disk here",
)
"""Reasons that a developer's machine may have besides; .ci/run installs what they name."""


def pytest_configure():
    """Restore Ctrl-C, which a shell may switch off in its background; limit native threads to one.

    Each core has a test process, and threads of several processes that wait for each other on one
    core take 20 times the CPU seconds of one thread. Processes that tests start inherit it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for library in THREAD_LIBRARIES:
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def unexpected_skips(reasons, *, strict):
    """Reasons among `reasons` that neither list names; `strict` leaves out the second list."""
    allowed = SKIPS_ANYWHERE if strict else SKIPS_ANYWHERE + SKIPS_AT_HOME
    return sorted(
        {reason for reason in reasons if not any(re.search(one, reason) for one in allowed)}
    )


def _reason(report):
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fail a run that skips a test for a reason nobody listed."""
    if hasattr(session.config, "workerinput"):
        return  # a worker of pytest-xdist: the process that started it has all reports
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reasons = [_reason(report) for report in reporter.stats.get("skipped", [])]
    found = unexpected_skips(reasons, strict="CI" in os.environ)
    if found:
        reporter.write_line("")
        for reason in found:
            reporter.write_line(
                f"unexpected skip, not listed in tests/conftest.py: {reason}", red=True
            )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
