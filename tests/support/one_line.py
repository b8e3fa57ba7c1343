"""Errors of commands that a user can mend: one line, exit code 2."""

from click.testing import Result


def check_one_line(result: Result, *expected: str) -> None:
    """Check that a command ended with one line of error that holds these words."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    for words in expected:
        assert words in lines[0]
