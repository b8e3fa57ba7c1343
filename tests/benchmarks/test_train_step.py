from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


@pytest.mark.parametrize("recipe", [pytest.param("voxel", marks=pytest.mark.slow), "point"])
def test_the_published_step_and_ours_have_the_same_losses(recipe):
    from train_step import BASE, Case, StepVariant, prepare

    case = Case(recipe, 8 if recipe == "voxel" else 48, 2)
    published, ours = prepare(case, BASE), prepare(case, StepVariant(ours=True))
    for number in range(6):
        # The loss is nearly all penalty at first, 10 of it.
        expected = published(number) - 10
        assert expected != 0
        assert ours(number) - 10 == pytest.approx(expected, rel=1e-2, abs=1e-5)


def test_different_losses_raise():
    import click
    from train_step import check_same

    check_same([9.8, 9.7], [9.8, 9.7001], 1e-3, "ours")
    with pytest.raises(click.ClickException, match=r"ours: step 1 has loss 9\.6, .* one 9\.7"):
        check_same([9.8, 9.7], [9.8, 9.6], 1e-3, "ours")
    with pytest.raises(click.ClickException, match="step 0 has loss nan"):
        check_same([9.8], [float("nan")], 1e-3, "ours")


def test_steps_are_compared_in_double_precision(monkeypatch):
    import click
    import published_step
    from train_step import Case, check

    case = Case("point", 48, 2)
    check(case)
    monkeypatch.setattr(published_step, "PENALTY_WEIGHT", 10.01)
    with pytest.raises(click.ClickException, match="in double precision: step 0"):
        check(case)


@pytest.mark.parametrize(
    ("device", "columns"), [("cpu", ["1", "1", "0.4", "1"]), ("cuda", ["1", "1"])]
)
def test_prints_a_row_for_each_variant(device, columns):
    from train_step import BASE, RoundTimes, StepVariant, table

    ours = StepVariant(ours=True)
    times = {
        BASE: RoundTimes([4.0, 5.0, 9.0], [2.0, 2.0, 2.0]),
        ours: RoundTimes([2.0, 1.0, 3.0], [1.0] * 3),
    }
    lines = table({"16^3 x 16": times}, device).splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert rows[0] == ["16^3 x 16", "published", "fp32", *columns]
    assert rows[1][:5] == ["16^3 x 16", "ours", "fp32", "2.5", "3"]
    assert rows[1][5:] == (["0.2", "2"] if device == "cpu" else [])
