"""Outputs that a run leaves alone."""

from pathlib import Path

import pytest
from support.fake_runs import run
from support.fakes import SMALL, make_jobs

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.output import open_output
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.schema import Job

pytestmark = pytest.mark.usefixtures("children_find_the_fakes")


def test_another_configuration_is_refused_line_by_line(tmp_path: Path) -> None:
    run(tmp_path, ["ok"], workers=0)
    other = PreprocessConfig(resolutions=(4,), points=100, shard_size=3, seed=2)
    with pytest.raises(OutputError) as caught:
        run(tmp_path, ["ok"], config=other, workers=0)
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  resolutions: [4, 8] -> [4]", "  seed: 0 -> 2"]
    assert "choose another --out" in lines[3]


def test_another_version_is_refused(tmp_path: Path) -> None:
    run(tmp_path, ["ok"], workers=0)
    path = tmp_path / "out/dataset.json"
    path.write_text(path.read_text().replace('"code_version": "', '"code_version": "7.'))
    with pytest.raises(OutputError, match=r"shapegan's version: 7\."):
        run(tmp_path, ["ok"], workers=0)


@pytest.mark.parametrize(
    ("meshes", "change"), [(5, "1 new or moved, 0 gone"), (3, "0 new .* 1 gone")]
)
def test_other_meshes_are_refused(tmp_path: Path, meshes: int, change: str) -> None:
    run(tmp_path, ["ok"] * 4, workers=0)
    with pytest.raises(OutputError, match=rf"other meshes \({change}\)"):
        run(tmp_path, ["ok"] * meshes, workers=0)


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path) -> None:
    jobs: list[Job] = make_jobs(tmp_path / "meshes", ["ok"])
    with (
        open_output(tmp_path / "out", tmp_path / "meshes", jobs, SMALL),
        pytest.raises(OutputError, match="another run is writing to"),
    ):
        run(tmp_path, ["ok"], workers=0)
    run(tmp_path, ["ok"], workers=0)


def test_shards_without_a_manifest_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out/shards").mkdir(parents=True)
    (tmp_path / "out/shards/00000.h5").write_text("precious")
    with pytest.raises(OutputError, match=r"has no dataset\.json, but shards/00000\.h5: move"):
        run(tmp_path, ["ok"], workers=0)


def test_an_output_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot make the folder .*out: File exists"):
        run(tmp_path, ["ok"], workers=0)


def test_a_file_that_is_not_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dataset.json").write_text("hello")
    with pytest.raises(DatasetError, match="is not a manifest of a dataset"):
        run(tmp_path, ["ok"], workers=0)
