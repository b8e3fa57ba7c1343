"""Exported files, read by doubles of the readers that they are for."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.exchanged import make_odd_dataset
from support.readers import (
    DeepSdfReader,
    OccNetReader,
    OriginalPointReader,
    OriginalVoxelReader,
    read_webdataset,
)
from support.training import make_solids, solid

from shapegan.cli import main
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.editing.split import split_dataset
from shapegan.pipeline.exchange.export import export_dataset
from shapegan.pipeline.exchange.occnet import points_in_box


def run(*words: object):
    return CliRunner().invoke(main, ["export", *map(str, words)])


def test_deepsdf_reads_both_sides_of_each_split(path: Path, tmp_path: Path) -> None:
    export_dataset(path, "deepsdf", tmp_path, "ShapeNetV2")
    dataset = Dataset(path)
    seen = 0
    for split, indices in dataset.splits.items():
        reader = DeepSdfReader(tmp_path, tmp_path / "splits" / f"{split}.json")
        assert len(reader) == len(indices)
        for place, index in enumerate(indices):
            seen += 1
            positive, negative = reader.sides(place)
            assert (positive[:, 3] > 0).all()
            assert (negative[:, 3] <= 0).all()
            rows = np.concatenate([positive, negative])
            positions, sdf = dataset.points(index, "cloud")
            expected = np.column_stack([positions, sdf]) / 1.03
            order, mine = np.lexsort(expected.T), np.lexsort(rows.T)
            np.testing.assert_allclose(rows[mine], expected[order], rtol=1e-6, atol=1e-7)
            frame = dataset.frame(index)
            in_mesh = frame.center + frame.scale_sphere * positions[:3]
            np.testing.assert_allclose(
                reader.to_mesh(place, positions[:3] / 1.03), in_mesh, rtol=1e-5, atol=1e-5
            )
            assert reader.sample(place, 64).shape == (64, 4)
    assert seen == len(dataset) == 6
    classes = json.loads((tmp_path / "splits/train.json").read_text())["ShapeNetV2"]
    assert classes == {"chairs": ["a", "c.obj"], "planes": ["a"], "all": ["sofa"]}


def test_deepsdf_gets_all_sets_where_its_own_mix_is_not_stored(solids: Path, tmp_path: Path):
    result = run(solids, "--to", "deepsdf", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "`preprocess --mix deepsdf` also stores DeepSDF's own mix" in result.stderr
    reader = DeepSdfReader(tmp_path, tmp_path / "splits/train.json")
    assert sum(map(len, reader.sides(0))) == 2 * 8192
    assert reader.files[0].parts[-3:-1] == ("solids", "solids")


def test_occupancies_are_those_of_the_solid(solids: Path, tmp_path: Path) -> None:
    export_dataset(solids, "occnet", tmp_path)
    counts = set()
    for split, first in (("train", 0), ("val", 4)):
        reader = OccNetReader(tmp_path, split)
        for place in range(len(reader)):
            assert reader.models[place] == ("solids", f"solid{first + place:03d}")
            loaded = reader.load(place)
            counts.add(len(loaded["points"]))
            in_cube = loaded["points"] * loaded["scale"] + loaded["loc"]
            distance = solid(first + place)(in_cube.astype(np.float64))
            clear = np.abs(distance) > 1e-3
            np.testing.assert_array_equal(loaded["occ"][clear], distance[clear] < 0)
            assert 0.5 < np.abs(loaded["points"]).max() <= 0.55
    assert counts == {int(0.4 * 8192)}


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with all sets of the cube frame, and no others."""
    config = PreprocessConfig(
        resolutions=(4,),
        points=0,
        shard_size=3,
        mixes=("occnet", "vecset"),
        mix_points=1001,
        on_surface_points=500,
        salient_points=200,
    )
    return make_odd_dataset(tmp_path_factory.mktemp("further"), config)


def test_occnet_gets_its_own_mix_and_surface(further: Path, tmp_path: Path) -> None:
    assert export_dataset(further, "occnet", tmp_path) == [
        "points.npz and pointcloud.npz are written; images and voxels, which some configurations of"
        " Occupancy Networks read as well, are not"
    ]
    dataset = Dataset(further)
    reader = OccNetReader(tmp_path, "train")
    assert reader.models[1] == ("chairs", "a")
    index = dataset.ids.index("chairs/a")
    frame = dataset.frame(index)
    points, inside = dataset.occupancies(index, "occnet")
    loaded = reader.load(1)
    np.testing.assert_array_equal(loaded["points"], points / 2)
    np.testing.assert_array_equal(loaded["occ"], inside)
    place, normals = dataset.oriented_points(index, "on_surface")
    surface = reader.load_surface(1)
    np.testing.assert_array_equal(surface["normals"], normals)
    for found, stored in ((loaded, points), (surface, place)):
        in_mesh = found["points"] * found["scale"] + found["loc"]
        np.testing.assert_allclose(in_mesh, frame.center + frame.scale_cube * stored, rtol=1e-5)


def test_occnet_without_surface_points_has_a_note(path: Path, tmp_path: Path) -> None:
    notes = export_dataset(path, "occnet", tmp_path)
    assert notes[0].startswith("points.npz is written; pointcloud.npz, images and voxels")
    assert notes[1] == "preprocess with --on-surface 100000 to get pointcloud.npz"
    assert not list(tmp_path.rglob("pointcloud.npz"))


@pytest.mark.parametrize("kind", ["npz", "npy", "webdataset"])
def test_plain_arrays_hold_the_points_with_normals(further: Path, tmp_path: Path, kind: str):
    export_dataset(further, kind, tmp_path)
    dataset = Dataset(further)
    index = dataset.ids.index("planes/a")
    if kind == "npz":
        found = dict(np.load(tmp_path / "planes/a.npz"))
    elif kind == "npy":
        found = {file.stem: np.load(file) for file in (tmp_path / "planes/a").iterdir()}
    else:
        samples = (one for file in tmp_path.glob("*.tar") for one in read_webdataset(file))
        sample = next(one for one in samples if one["json"]["id"] == "planes/a")
        found = {name.removesuffix(".npy"): array for name, array in sample.items()}
    for name in ("on_surface", "salient"):
        points, normals = dataset.oriented_points(index, name)
        np.testing.assert_array_equal(found[f"{name}_points"], points)
        np.testing.assert_array_equal(found[f"{name}_normals"], normals)
    points, sdf = dataset.points(index, "vecset_near")
    np.testing.assert_array_equal(found["vecset_near_points"], points)
    np.testing.assert_array_equal(found["vecset_near_sdf"], sdf)


def test_points_fill_the_box_evenly() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(200_000, 3))
    ball = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    ball *= 0.7 * rng.uniform(size=(len(ball), 1)) ** (1 / 3)
    sdf = np.ones(len(ball), np.float32)
    points, distances = points_in_box(ball.astype(np.float32), sdf, 0.7, 80_000, rng)
    counts, _ = np.histogramdd(points, bins=4, range=[(-0.55, 0.55)] * 3)
    assert counts.sum() == 80_000
    assert abs(counts / 1250 - 1).max() < 0.15
    beyond = np.linalg.norm(points, axis=1) > 0.7
    np.testing.assert_array_equal(np.isnan(distances), beyond)


def test_lists_of_occnet_name_no_empty_model(path: Path, tmp_path: Path) -> None:
    export_dataset(path, "occnet", tmp_path)
    train = OccNetReader(tmp_path, "train").models
    assert train == [("all", "sofa"), ("chairs", "a"), ("chairs", "c.obj"), ("planes", "a")]
    named = [model for model in OccNetReader(tmp_path, "test").models if model[1]]
    assert named == [("chairs", "old/b"), ("planes", "b")]


def test_the_original_reads_voxels_and_pairs(path: Path, tmp_path: Path) -> None:
    export_dataset(path, "shapegan", tmp_path)
    dataset = Dataset(path)
    for split, indices in dataset.splits.items():
        pattern = f"{tmp_path}/voxels_8/{{:s}}.npy"
        voxels = OriginalVoxelReader(pattern, tmp_path / f"{split}.txt")
        points = OriginalPointReader(tmp_path, split, 50)
        assert len(voxels) == len(points) == len(indices)
        for place, index in enumerate(indices):
            expected = np.clip(dataset.voxels(index, 8), -0.1, 0.1) / np.float32(0.1)
            np.testing.assert_array_equal(voxels[place], expected)
            stored = [
                np.column_stack(dataset.points(index, name)) for name in ("uniform", "surface")
            ]
            uniform, surface = points[place]
            for mine, other in zip(uniform, surface, strict=True):
                (row,) = np.flatnonzero((stored[0] == mine).all(axis=1))
                np.testing.assert_array_equal(stored[1][row], other)


def test_folders_of_categories_hide_shapes_from_scripts_that_read_one_folder(
    path: Path, tmp_path: Path
) -> None:
    (note,) = export_dataset(path, "shapegan", tmp_path)
    assert "voxels_32/**.npy" in note
    assert "shapegan subset --category" in note


def test_one_category_needs_no_folder(solids: Path, tmp_path: Path) -> None:
    assert export_dataset(solids, "shapegan", tmp_path) == []
    assert (tmp_path / "voxels_16/solid000.npy").is_file()
    assert (tmp_path / "val.txt").read_text() == "solid004\n"


def test_plain_arrays_are_those_of_the_dataset(path: Path, tmp_path: Path) -> None:
    for kind in ("npz", "npy", "webdataset"):
        export_dataset(path, kind, tmp_path / kind)
    dataset = Dataset(path)
    samples = {
        sample["json"]["id"]: sample
        for tar in sorted((tmp_path / "webdataset").glob("*.tar"))
        for sample in read_webdataset(tar)
    }
    assert set(samples) == set(dataset.ids)
    for index, id_ in enumerate(dataset.ids):
        name = id_ if "/" in id_ else f"all/{id_}"
        expected = {"voxels_4": dataset.voxels(index, 4), "voxels_8": dataset.voxels(index, 8)}
        for one in dataset.point_sets:
            expected[f"{one}_points"], expected[f"{one}_sdf"] = dataset.points(index, one)
        with np.load(tmp_path / f"npz/{name}.npz") as arrays:
            assert float(arrays["scale_cube"]) == dataset.frame(index).scale_cube
            np.testing.assert_array_equal(arrays["center"], dataset.frame(index).center)
            assert set(arrays) == {*expected, "center", "scale_cube", "scale_sphere"}
            for key, array in expected.items():
                np.testing.assert_array_equal(arrays[key], array)
                mapped = np.load(tmp_path / f"npy/{name}/{key}.npy", mmap_mode="r")
                np.testing.assert_array_equal(mapped, array)
                np.testing.assert_array_equal(samples[id_][f"{key}.npy"], array)
        assert samples[id_]["json"]["split"] == dataset.accepted[index].split
        assert samples[id_]["json"]["scale_sphere"] == dataset.frame(index).scale_sphere


def test_a_tar_file_holds_shapes_of_one_split(path: Path, tmp_path: Path) -> None:
    export_dataset(path, "webdataset", tmp_path)
    found = {
        tar.name: {sample["json"]["split"] for sample in read_webdataset(tar)}
        for tar in tmp_path.glob("*.tar")
    }
    assert found == {
        "train-000000.tar": {"train"}, "train-000001.tar": {"train"}, "test-000000.tar": {"test"}
    }  # fmt: skip


def test_without_splits_all_are_listed_as_train(tmp_path: Path) -> None:
    path = make_solids(tmp_path, shapes=4)
    split_dataset(path)
    export_dataset(path, "shapegan", tmp_path / "a")
    assert len(OriginalPointReader(tmp_path / "a", "train", 5)) == 5
    export_dataset(path, "webdataset", tmp_path / "b")
    assert [one.name for one in sorted((tmp_path / "b").glob("*.tar"))] == [
        "shapes-000000.tar", "shapes-000001.tar"
    ]  # fmt: skip
