"""The share of preprocessing that is in kernels, on two tiny meshes."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.shapes import boxes, torus, write_obj

pytestmark = pytest.mark.usefixtures("preprocessing_scripts")
BOX = [((-1, -1, -1), (1, 0.5, 0.2))]


def run(folder: Path, flags: str):
    from kernel_share import main

    try:
        return CliRunner().invoke(main, [str(folder), "--flags", flags])
    finally:
        sys.modules.pop("kernel_share", None)


def test_kernels_take_a_part_of_the_time(tmp_path: Path) -> None:
    write_obj(tmp_path / "torus.obj", *torus())
    write_obj(tmp_path / "box.obj", *boxes(BOX))
    done = run(tmp_path, "--resolutions 8 --points 64")
    assert done.exit_code == 0, done.output
    name, number, seconds, share, gain = done.output.splitlines()[-1].strip("| ").split(" | ")
    assert (name, number) == (tmp_path.name, "2")
    assert float(seconds) > 0
    assert 0 < float(share) < 100
    assert float(gain) == pytest.approx(100 / (100 - float(share)), rel=0.02)


def test_a_failure_is_that_of_preprocess(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert done.exit_code == 1
    assert "no meshes" in done.output
