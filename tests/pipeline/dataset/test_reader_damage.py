"""Datasets of other versions, torn ones, and ones that are not there."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.fakes import make_dataset
from support.read_dataset import CONFIG

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import OutputError, sha256


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not a dataset: cannot read dataset\.json"):
        Dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="is not a manifest"):
        Dataset(tmp_path)


def change_manifest(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_format_version_is_refused(copied: Path) -> None:
    change_manifest(copied, format_version=7)
    with pytest.raises(DatasetError, match="format version 7, this shapegan reads 1, 2, 3"):
        Dataset(copied)


def test_a_shard_of_another_format_version_is_refused(copied: Path) -> None:
    with h5py.File(copied / "shards/00000.h5", "r+") as file:
        file.attrs["format_version"] = 7
    shards = json.loads((copied / "dataset.json").read_text())["shards"]
    shards[0]["bytes"] = (copied / "shards/00000.h5").stat().st_size
    change_manifest(copied, shards=shards)
    with pytest.raises(DatasetError, match=r"00000\.h5 has format version 7"):
        Dataset(copied).voxels(0, 4)


def as_format_1(folder: Path) -> None:
    """Rewrite a dataset as version 1 had it: with center and scales in float32."""
    shards = json.loads((folder / "dataset.json").read_text())["shards"]
    for shard in filter(lambda shard: shard["file"], shards):
        path = folder / shard["file"]
        with h5py.File(path, "r+") as file:
            file.attrs["format_version"] = 1
            for name in ("center", "scale_cube", "scale_sphere"):
                values = file[name][:]
                del file[name]
                file.create_dataset(name, data=values.astype("<f4"))
        shard |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
        record = path.with_suffix(".json")
        record.write_text(json.dumps(json.loads(record.read_text()) | shard))
    change_manifest(folder, format_version=1, shards=shards)


def test_a_dataset_of_format_1_is_read(made: Path, copied: Path) -> None:
    as_format_1(copied)
    old, new = Dataset(copied), Dataset(made)
    assert (old.manifest.format_version, new.manifest.format_version) == (1, 2)
    old.verify()
    for index in range(len(new)):
        np.testing.assert_array_equal(old.voxels(index, 8), new.voxels(index, 8))
        np.testing.assert_array_equal(
            old.points(index, "surface")[0], new.points(index, "surface")[0]
        )
        frame, exact = old.frame(index), new.frame(index)
        np.testing.assert_array_equal(frame.center, exact.center.astype(np.float32))
        assert frame.scale_cube == np.float32(exact.scale_cube)
        assert old.shape(index).center.dtype == np.float64


def test_a_dataset_of_format_1_is_not_continued_in_format_2(tmp_path: Path) -> None:
    out = make_dataset(tmp_path, ["ok", "ok"], CONFIG)
    as_format_1(out)
    with pytest.raises(OutputError, match="format version: 1 -> 2"):
        make_dataset(tmp_path, ["ok", "ok"], CONFIG)
    assert Dataset(out).manifest.format_version == 1


def test_a_dataset_without_shapes_points_to_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no shapes: every mesh was rejected or failed, meshes.csv"
    ):
        Dataset(make_dataset(tmp_path, ["reject", "reject"], CONFIG))


def test_a_manifest_without_shards_is_refused(copied: Path) -> None:
    change_manifest(copied, shards=[])
    with pytest.raises(DatasetError, match="has no shards yet"):
        Dataset(copied)


def test_a_torn_shard_is_refused(copied: Path) -> None:
    path = copied / "shards/00002.h5"
    size = path.stat().st_size
    os.truncate(path, size // 2)
    dataset = Dataset(copied)
    dataset.voxels(0, 4)
    with pytest.raises(DatasetError, match=f"torn: {size // 2} bytes of {size}"):
        dataset.voxels(3, 4)
    path.unlink()
    with pytest.raises(DatasetError, match="No such file"):
        dataset.voxels(3, 4)


@pytest.mark.parametrize(("keep", "message"), [(0.5, "torn"), (None, "No such file")])
@pytest.mark.parametrize("name", ["uniform/position", "voxels/8"])
def test_a_shard_that_is_torn_while_it_is_open_is_refused(
    copied: Path, keep: float | None, message: str, name: str
) -> None:
    dataset = Dataset(copied)
    path = copied / "shards/00002.h5"
    dataset.stored(3, name)
    if keep is None:
        path.unlink()
    else:
        os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(DatasetError, match=rf"00002\.h5.* {message}.* again$"):
        dataset.stored(3, name)


def test_a_shard_with_a_broken_chunk_is_refused(copied: Path) -> None:
    path = copied / "shards/00002.h5"
    with h5py.File(path) as file:
        offset, length = (
            getattr(file["voxels/8"].id.get_chunk_info(1), part) for part in ("byte_offset", "size")
        )
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = bytes(length)
    path.write_bytes(content)
    dataset = Dataset(copied)
    dataset.voxels(2, 8)
    with pytest.raises(DatasetError, match=r"00002\.h5: cannot read voxels/8 of shape 1, run"):
        dataset.voxels(3, 8)
    with pytest.raises(DatasetError, match="cannot read voxels/99 of shape 0"):
        dataset.stored(2, "voxels/99")


def test_verify_finds_a_single_changed_byte(copied: Path) -> None:
    Dataset(copied).verify()
    path = copied / "shards/00002.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"00002\.h5 has changed"):
        Dataset(copied).verify()


def test_reports_that_do_not_fit_the_manifest_are_refused(copied: Path) -> None:
    path = copied / "meshes.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DatasetError, match="has 3 accepted meshes"):
        _ = Dataset(copied).ids
    path.unlink()
    with pytest.raises(DatasetError, match=r"cannot read .*meshes\.csv"):
        _ = Dataset(copied).ids
