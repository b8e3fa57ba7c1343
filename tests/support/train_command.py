"""`shapegan train` in this process."""

from click.testing import CliRunner, Result
from support import one_line

from shapegan.cli import main


def check_one_line(result: Result, *expected: str) -> None:
    one_line.check_one_line(result, *expected)
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])
