import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples
from support.fakes import SMALL, make_shape, python_path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import join_shards, read_shape, write_shard
from shapegan.pipeline.files import OutputError, sha256
from shapegan.pipeline.schema import MeshReport, Shape


def assert_same(got: Shape, expected: Shape) -> None:
    assert (got.id, got.category) == (expected.id, expected.category)
    assert (got.scale_cube, got.scale_sphere) == (expected.scale_cube, expected.scale_sphere)
    np.testing.assert_array_equal(got.center, expected.center)
    assert list(got.voxels) == list(expected.voxels)
    for resolution, grid in expected.voxels.items():
        np.testing.assert_array_equal(got.voxels[resolution], grid)
        assert got.voxels[resolution].dtype == np.float16
    assert list(got.points) == list(expected.points)
    for name, points in expected.points.items():
        np.testing.assert_array_equal(got.points[name].position, points.position)
        np.testing.assert_array_equal(got.points[name].sdf, points.sdf)
        assert got.points[name].position.dtype == np.int16
        assert got.points[name].sdf.dtype == np.float16


def join(path: Path, shapes: list[Shape], config: PreprocessConfig) -> None:
    """Writes the shapes as parts, then joins them."""
    parts = [path.with_name(f"part{row}.h5") for row in range(len(shapes))]
    for part, shape in zip(parts, shapes, strict=True):
        write_shard(part, [shape], config)
    reports = [MeshReport(s.id, s.category, "a.obj", "ok") for s in shapes]
    join_shards(path, parts, reports, config)


configs = st.builds(
    PreprocessConfig,
    resolutions=st.sets(st.sampled_from([2, 3, 8, 65]), min_size=1, max_size=2).map(tuple),
    points=st.sampled_from([1, 100, 4096, 5000, 8192]),
    mixes=st.sampled_from([("deepsdf",), ("occnet", "vecset")]),
    mix_points=st.sampled_from([1, 5000]),
    on_surface_points=st.sampled_from([0, 1, 5000]),
    salient_points=st.sampled_from([0, 7]),
) | st.builds(PreprocessConfig, resolutions=st.just((4,)), points=st.just(0))


@examples(25, suppress_health_check=list(HealthCheck))
@given(
    config=configs,
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        min_size=1,
        max_size=3,
    ),
    category=st.sampled_from(["", "03001627", "Stühle"]),
)
def test_a_written_shard_reads_back(
    tmp_path: Path, config: PreprocessConfig, names: list[str], category: str
) -> None:
    shapes = [make_shape(name, config, category) for name in names]
    write_shard(tmp_path / "whole.h5", shapes, config)
    join(tmp_path / "joined.h5", shapes, config)
    for path in ("whole.h5", "joined.h5"):
        with h5py.File(tmp_path / path) as file:
            for row, shape in enumerate(shapes):
                assert_same(read_shape(file, row), shape)


def test_layout_is_the_documented_one(tmp_path: Path) -> None:
    config = PreprocessConfig(
        resolutions=(8, 128), points=5000, mixes=("deepsdf",), mix_points=5000
    )
    join(tmp_path / "a.h5", [make_shape(name, config) for name in "ab"], config)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format_version"] == schema.FORMAT_VERSION
        assert list(file["id"].asstr()) == ["a", "b"]
        assert file["voxels/8"].shape == (2, 8, 8, 8)
        assert file["voxels/8"].chunks == (1, 8, 8, 8)
        assert file["voxels/8"].compression == "gzip"
        assert file["voxels/128"].chunks == (1, 64, 64, 64)
        for name in schema.POINT_SETS:
            assert file[f"{name}/position"].dtype == np.dtype("<i2")
            assert file[f"{name}/position"].chunks == (1, 4096, 3)
            assert file[f"{name}/position"].compression is None
            assert file[f"{name}/sdf"].dtype == np.dtype("<f2")
            assert file[f"{name}/sdf"].chunks == (1, 4096)
        assert file["center"].shape == (2, 3)
        assert file["scale_cube"].dtype == file["scale_sphere"].dtype == np.dtype("<f8")
        assert file["center"].dtype == np.dtype("<f8")


WRITE_ONE = """
import sys
from pathlib import Path
from support.fakes import SMALL, make_shape
from shapegan.pipeline.dataset.shards import write_shard
write_shard(Path(sys.argv[1]), [make_shape(name, SMALL) for name in "abc"], SMALL)
"""


def test_bytes_are_the_same_in_another_process_a_second_later(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": python_path()}
    for name in ("one.h5", "two.h5"):
        command = [sys.executable, "-c", WRITE_ONE, str(tmp_path / name)]
        subprocess.run(command, check=True, env=environment)
        time.sleep(1.1)  # HDF5's own times have seconds
    assert sha256(tmp_path / "one.h5") == sha256(tmp_path / "two.h5")


def test_joined_bytes_do_not_depend_on_the_sources_folder(tmp_path: Path) -> None:
    shapes = [make_shape(name, SMALL) for name in "abc"]
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        join(tmp_path / folder / "a.h5", shapes, SMALL)
    assert sha256(tmp_path / "x/a.h5") == sha256(tmp_path / "y/a.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voxels": {}}, "expected .*voxels/4"),
        ({"points": {}}, "expected .*uniform/position"),
        ({"voxels": {4: np.zeros((4, 4, 4), np.float32), 8: None}}, "got .* float32"),
        ({"voxels": {4: np.zeros((4, 4, 5), np.float16), 8: None}}, r"got \(4, 4, 5\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_and_leaves_nothing(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    shape = dataclasses.replace(make_shape("a", SMALL), **change)
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path / "a.h5", [shape], SMALL)
    assert not list(tmp_path.iterdir())


def test_a_shard_replaces_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"torn")
    write_shard(path, [make_shape("a", SMALL)], SMALL)
    with h5py.File(path) as file:
        assert_same(read_shape(file, 0), make_shape("a", SMALL))


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*a\.h5: No such file") as caught:
        write_shard(tmp_path / "no" / "a.h5", [make_shape("a", SMALL)], SMALL)
    assert "\n" not in str(caught.value)
