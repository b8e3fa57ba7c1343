from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


@pytest.mark.parametrize("recipe", [pytest.param("voxel", marks=pytest.mark.slow), "point"])
def test_the_published_step_and_ours_have_the_same_losses(recipe):
    from train_step import BASE, Case, Way, prepare

    case = Case(recipe, 8 if recipe == "voxel" else 48, 2)
    published, ours = prepare(case, BASE), prepare(case, Way(ours=True))
    for number in range(6):
        # The loss is nearly all penalty at first, 10 of it.
        expected = published(number) - 10
        assert expected != 0
        assert ours(number) - 10 == pytest.approx(expected, rel=1e-2, abs=1e-5)


def test_other_losses_are_noticed():
    import click
    from train_step import Way, check

    check([9.8, 9.7], [9.8, 9.7001], Way(ours=True))
    with pytest.raises(click.ClickException, match=r"step 1 has loss 9\.6, published 9\.7"):
        check([9.8, 9.7], [9.8, 9.6], Way(ours=True))
    with pytest.raises(click.ClickException, match="step 0 has loss nan"):
        check([9.8], [float("nan")], Way(ours=True, precision="bf16"))


def test_prints_a_row_for_each_way():
    from train_step import BASE, Times, Way, table

    ours = Way(ours=True)
    times = {BASE: Times([4.0, 5.0, 9.0], [2.0, 2.0, 2.0]), ours: Times([2.0, 1.0, 3.0], [1.0] * 3)}
    rows = [line.split("|")[1:-1] for line in table({"16^3 x 16": times}).splitlines()]
    assert [cell.strip() for cell in rows[2]] == [
        "16^3 x 16",
        "published",
        "fp32",
        "1",
        "0.4",
        "1",
        "1",
    ]
    assert [cell.strip() for cell in rows[3]] == [
        "16^3 x 16",
        "ours",
        "fp32",
        "2.5",
        "0.2",
        "3",
        "2",
    ]
