"""Ways to execute a run that leave its losses as they are."""

from pathlib import Path

import pytest
from support.training import CONFIGS, POINT, UndisturbedRuns, assert_same_run, quick, rows, run

each_recipe = pytest.mark.parametrize("name", CONFIGS)

pytestmark = pytest.mark.usefixtures("_frequent_rows")


@pytest.mark.parametrize("name", ["voxel", "refined"])
def test_a_run_in_chunks_is_the_same(
    data: Path, alone: UndisturbedRuns, tmp_path: Path, name: str
) -> None:
    run(CONFIGS[name], quick(data, tmp_path / "run", chunk=1000))
    compare_losses(rows(tmp_path / "run"), rows(alone[name]), 1e-3)


@each_recipe
def test_bf16_trains_to_about_the_same_losses(
    data: Path, alone: UndisturbedRuns, tmp_path: Path, name: str
) -> None:
    run(CONFIGS[name], quick(data, tmp_path / "run", precision="bf16"))
    compare_losses(rows(tmp_path / "run"), rows(alone[name]), 0.05)


def compare_losses(
    found: list[dict[str, str]], expected: list[dict[str, str]], tolerance: float
) -> None:
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        for name, value in theirs.items():
            if value and not name.endswith("_gradient"):  # of single steps, which amplify rounding
                assert float(mine[name]) == pytest.approx(
                    float(value), rel=tolerance, abs=tolerance
                ), name


def test_loader_workers_change_nothing(data: Path, alone: UndisturbedRuns, tmp_path: Path) -> None:
    settings = quick(data, tmp_path / "run", pin="none", workers=1)
    run(POINT, settings)
    assert_same_run(settings.run, alone["point"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's own, while it compiles
@each_recipe
def test_a_compiled_run_has_the_same_losses(
    data: Path, alone: UndisturbedRuns, tmp_path: Path, name: str
) -> None:
    run(CONFIGS[name], quick(data, tmp_path / "run", compiled=True))
    for mine, theirs in zip(rows(tmp_path / "run"), rows(alone[name]), strict=True):
        for column, value in theirs.items():
            expected = pytest.approx(float(value), rel=1e-2, abs=1e-3) if value else None
            assert (float(mine[column]) if mine[column] else None) == expected, column
