"""Time, memory and disk of preprocessing, measured in processes of their own."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("preprocessing_scripts")


def test_table_aligns_numbers_and_keeps_three_digits():
    import markdown_table

    table = markdown_table.markdown(
        ["what", "n"], [["a", 1.23456], ["b", 2e-5], ["c", float("nan")]]
    )
    assert table.splitlines()[:2] == ["| what | n |", "| --- | ---: |"]
    assert table.splitlines()[2:] == ["| a | 1.23 |", "| b | 2.0e-05 |", "| c | - |"]


SCRIPT = """
import json, sys, time
from pathlib import Path
method, path, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if method == "dies":
    raise SystemExit(3)
if method == "hangs":
    time.sleep(60)
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
cost = dict(status="ok", faces=7, cpu=0.3, wall=0.3, bytes=2_000_000, peak=5_000_000)
(out / "cost.json").write_text(json.dumps(cost))
"""


@pytest.fixture
def preprocessing_cost(monkeypatch, tmp_path):
    """The module, with a stand-in for the script that does one mesh."""
    import preprocessing_cost as script

    (tmp_path / "single.py").write_text(SCRIPT)
    monkeypatch.setattr(script, "__file__", str(tmp_path / "preprocessing_cost.py"))
    return script


def test_a_run_measures_the_whole_process_and_leaves_nothing(
    preprocessing_cost, monkeypatch, tmp_path
):
    monkeypatch.setattr(preprocessing_cost.tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    run = preprocessing_cost.run("ours", Path("/x/chair.obj"), 30, with_truth=False)
    assert run.mesh == "chair"
    assert run.cost.faces == 7
    assert 0.3 <= run.cpu < 10
    assert run.wall >= 0.3
    assert not any((tmp_path / "t").iterdir())


@pytest.mark.parametrize(("method", "timeout"), [("dies", 30), ("hangs", 0.3)])
def test_a_process_that_dies_or_hangs_is_a_line_of_its_own(preprocessing_cost, method, timeout):
    run = preprocessing_cost.run(method, Path("/x/chair.obj"), timeout, with_truth=False)
    assert run.cost is None
    assert run.wall < 20
    assert "| died |" in preprocessing_cost.by_mesh([run])


def test_medians_give_ratios_mesh_by_mesh(preprocessing_cost):
    from single import Cost

    def made(mesh, method, cpu):
        cost = Cost("ok", 10, cpu / 2, cpu, 1_000_000, 2_000_000)
        return preprocessing_cost.Run(mesh, method, cost, cpu, cpu, float("nan"), float("nan"))

    ours = [made("a", "ours", 1.0), made("b", "ours", 2.0), made("c", "ours", 1.0)]
    theirs = [made("a", "peer", 30.0), made("b", "peer", 80.0), made("c", "peer", 90.0)]
    line = preprocessing_cost.medians(ours + theirs).splitlines()[3]
    assert line.startswith("| peer | 3 | 3 | 80 | 40 |")
    assert line.endswith("| 40 | 40 | 30 |")


def test_limit_spreads_evenly_and_only_takes_names(preprocessing_cost, tmp_path):
    for name in "abcdef":
        folder = tmp_path / "03001627" / name / "models"
        folder.mkdir(parents=True)
        (folder / "model_normalized.obj").touch()
    found = preprocessing_cost.find(tmp_path / "03001627", 3, [])
    assert [path.parent.parent.name for path in found] == ["a", "c", "e"]
    found = preprocessing_cost.find(tmp_path, 0, ["b", "f"])
    assert [path.parent.parent.name for path in found] == ["b", "f"]


def test_polygons_count_as_the_triangles_they_make(preprocessing_cost, tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nvn 0 0 1\nf 1 2 3\n  # f 1\nf 1/1/1 2/2/1 3/3/1 4/4/1\nf 1 2 3 4 5\n")
    assert preprocessing_cost.triangles(path) == 1 + 2 + 3


def test_cost_counts_what_is_on_disk_and_what_was_resident(monkeypatch, tmp_path):
    import single

    def make(path, out):
        (out / "a.npy").write_bytes(b"x" * 1000)
        ballast = np.ones(4_000_000)
        return "ok", 3, ballast[:8].reshape(2, 2, 2)

    monkeypatch.setitem(single.METHODS, "fake", (lambda: None, make))
    cost = single.measure("fake", Path("mesh.obj"), tmp_path)
    assert cost.bytes == 1000  # the copy of the voxels comes later
    assert cost.peak > 32_000_000
    assert np.load(tmp_path / single.VOXELS).shape == (2, 2, 2)
    assert json.dumps(dataclasses.asdict(cost))
