"""Files that shapegan did not write become datasets."""

import numpy as np
import pytest
from click.testing import CliRunner
from support.foreign import ball_rows, in_order, write_deepsdf, write_occnet
from support.training import solid

from shapegan.cli import main
from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.exchange.importing import ImportSettings, import_dataset
from shapegan.pipeline.exchange.sources import extent, reach


def run(*words: object):
    return CliRunner().invoke(main, ["import", *map(str, words)])


def test_deepsdfs_own_files_are_read(tmp_path):
    """Balls as large as its normalisation makes them, NaN, points beyond the frame."""
    source = tmp_path / "data"
    for number in range(5):
        rows = ball_rows(1 / 1.03, 1000, number)
        rows[5, 3] = np.nan
        write_deepsdf(source, f"ShapeNetV2/03001627/{number:032x}", rows)
    torn = write_deepsdf(source, "ShapeNetV2/03001627/torn", rows)
    torn.write_bytes(torn.read_bytes()[:1000])
    offset, scale = np.array([1.0, 2.0, 3.0]), np.array([1 / (1.03 * 7)])
    normalization = source / "NormalizationParameters/ShapeNetV2/03001627"
    normalization.mkdir(parents=True)
    np.savez(normalization / f"{0:032x}.npz", offset=offset, scale=scale)
    split = tmp_path / "sv2_chairs_train.json"
    names = [f'"{number:032x}"' for number in range(3)] + ['"torn"']
    split.write_text(f'{{"ShapeNetV2": {{"03001627": [{", ".join(names)}]}}}}')
    words = (source, "--from", "deepsdf", "--splits", split, "--out", tmp_path / "out")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "meshes left out because no split lists them: 2" in result.stderr
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == [f"03001627/{number:032x}" for number in range(3)]
    assert dataset.splits == {"train": [0, 1, 2]}
    assert dataset.config.points == 1050
    positions, sdf = dataset.points(0, "cloud")
    assert np.abs(np.linalg.norm(positions, axis=1) - 1 - sdf).max() < 1e-3
    frame = dataset.frame(0)
    np.testing.assert_allclose(frame.center, [-1, -2, -3])
    assert frame.scale_sphere == pytest.approx(7)
    assert frame.scale_cube == pytest.approx(7, rel=0.02)
    assert dataset.frame(1).scale_sphere == 1
    assert "scale_cube is estimated from the points; " in dataset.accepted[0].notes
    assert "of 1,050 points repeat" in dataset.accepted[0].notes
    failed = dataset.reports[-1]
    assert (failed.id, failed.status) == ("03001627/torn", "failed")
    assert "cannot be read" in failed.reason
    assert "\n" not in failed.reason
    other = (*words[:-1], tmp_path / "unit", "--radius", "1", "--points", "500")
    assert run(*other).exit_code == 0
    positions, _ = Dataset(tmp_path / "unit").points(0, "cloud")
    assert len(positions) == 500
    assert np.median(np.linalg.norm(positions, axis=1)) == pytest.approx(1 / 1.03, rel=0.01)


def test_the_folder_of_samples_may_be_named_itself(tmp_path):
    write_deepsdf(tmp_path, "Shapes/chairs/a", ball_rows(0.9, 100, 0))
    import_dataset(tmp_path / "SdfSamples", tmp_path / "out", ImportSettings("deepsdf"))
    assert Dataset(tmp_path / "out").ids == ["chairs/a"]


def test_occupancies_get_their_distances_from_the_surface_points(tmp_path):
    source = tmp_path / "ShapeNet"
    for number in (0, 2):
        write_occnet(source / f"02691156/ball{number}", number)
    write_occnet(source / "02691156/bare", 4, surface=False)
    (source / "02691156/train.lst").write_text("ball0\nbare")
    (source / "02691156/val.lst").write_text("ball2\n")
    (source / "metadata.yaml").touch()
    import_dataset(source, tmp_path / "out", ImportSettings("occnet"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["02691156/ball0", "02691156/ball2"]
    assert {split: len(found) for split, found in dataset.splits.items()} == {"train": 1, "val": 1}
    assert dataset.reports[-1].reason.startswith("has no pointcloud.npz, and occupancies alone")
    for index, number in enumerate((0, 2)):
        radius = -float(solid(number)(np.zeros((1, 3)))[0])
        frame = dataset.frame(index)
        np.testing.assert_array_equal(frame.center, [4, 5, 6])
        assert frame.scale_cube == 1.5
        assert frame.scale_sphere == pytest.approx(1.5 * radius, rel=0.01)
        positions, sdf = dataset.points(index, "cloud")
        expected = np.linalg.norm(positions, axis=1) - 1
        assert np.abs(sdf - expected).max() < 0.02
        assert "approximated from pointcloud.npz" in dataset.accepted[index].notes


def test_occupancies_need_not_be_packed(tmp_path):
    write_occnet(tmp_path / "a/0/0", 0)
    write_occnet(tmp_path / "b/0/0", 0)
    with np.load(tmp_path / "b/0/0/points.npz") as arrays:
        values = dict(arrays)
    values["occupancies"] = np.unpackbits(values["occupancies"]).astype(bool)
    np.savez(tmp_path / "b/0/0/points.npz", **values)
    for name in "ab":
        import_dataset(tmp_path / name, tmp_path / f"{name}-out", ImportSettings("occnet"))
    same = [in_order(Dataset(tmp_path / f"{name}-out"), 0, "cloud") for name in "ab"]
    np.testing.assert_array_equal(*same)


def test_folders_of_the_paper_have_estimated_frames(tmp_path):
    source = tmp_path / "chairs"
    for name in ("voxels_8", "uniform", "surface"):
        (source / name).mkdir(parents=True)
    rows = ball_rows(0.7, 500, 0)
    for number in range(3):
        np.save(source / f"voxels_8/{number}.npy", np.full((8, 8, 8), -0.1))
        np.save(source / f"uniform/{number}.npy", rows.astype(np.float64))
        np.save(source / f"surface/{number}.npy", rows)
    (source / "surface/2.npy").unlink()
    np.save(source / "voxels_8/3.npy", np.zeros((8, 8)))
    (source / "bad_meshes").mkdir()
    (source / "train.txt").write_text("0\n1\n")
    import_dataset(source, tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["chairs/0", "chairs/1"]
    assert dataset.categories == ["chairs", "chairs"]
    assert dataset.splits == {"train": [0, 1]}
    assert dataset.frame(0).scale_cube == pytest.approx(0.7, rel=0.02)
    assert dataset.frame(0).scale_sphere == 1
    reasons = {report.id: report.reason for report in dataset.reports}
    assert reasons["chairs/2"] == "has no file of surface, which other shapes have"
    assert reasons["chairs/3"].startswith("3.npy: expected numbers (8, 8, 8), got float64 (8, 8)")


def test_files_beside_one_another_share_one_frame(tmp_path):
    (tmp_path / "sdf/birds").mkdir(parents=True)
    for name in ("crow", "gull"):
        np.save(tmp_path / f"sdf/birds/{name}-sdf.npy", ball_rows(0.9, 300, 1))
        np.save(tmp_path / f"sdf/birds/{name}-voxels-4.npy", np.ones((4, 4, 4)))
    import_dataset(tmp_path / "sdf", tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["birds/crow", "birds/gull"]
    assert (dataset.resolutions, dataset.point_sets) == ((4,), ("cloud",))
    assert dataset.frame(0).scale_cube == dataset.frame(0).scale_sphere == 1
    assert dataset.accepted[0].notes == ""


def test_voxels_alone_are_enough(tmp_path):
    (tmp_path / "chairs/voxels_16").mkdir(parents=True)
    grid = schema.grid_points(16).reshape(16, 16, 16, 3)
    np.save(tmp_path / "chairs/voxels_16/a.npy", np.linalg.norm(grid, axis=-1) - 1)
    np.save(tmp_path / "chairs/voxels_16/b.npy", np.full((16, 16, 16), np.nan))
    import_dataset(tmp_path / "chairs", tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert (dataset.ids, dataset.point_sets) == (["chairs/a"], ())
    assert dataset.frame(0).scale_sphere == pytest.approx(1, rel=1e-3)
    assert dataset.reports[1].reason == "nothing inside: no point has a negative distance"


def test_sizes_are_estimated_from_distances():
    rows = ball_rows(0.5, 2000, 3)
    rows[:, :3] += [0.2, 0, 0]
    assert extent(rows) == pytest.approx(0.5, rel=0.01)
    assert reach(rows) == pytest.approx(0.7, rel=0.01)
