import pytest

from shapegan.pipeline.wording import counted


@pytest.mark.parametrize(
    ("count", "noun", "expected"),
    [
        (0, "shape", "0 shapes"),
        (1, "shape", "1 shape"),
        (1200, "step", "1,200 steps"),
        (1, "mesh", "1 mesh"),
        (2, "mesh", "2 meshes"),
    ],
)
def test_a_noun_is_in_the_plural_unless_there_is_one(count: int, noun: str, expected: str) -> None:
    assert counted(count, noun) == expected
