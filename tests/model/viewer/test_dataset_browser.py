import numpy as np
import pytest
from scipy.spatial import cKDTree
from support.gallery import RECALLS, REJECTED, make_gallery
from support.training import make_solids

from shapegan.model.metrics.point_clouds import sample_surface
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.dataset_browser import (
    DatasetBrowser,
    richest_slice_position,
    slice_at,
    summary,
)
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.samples.sample import write_samples


class Nothing:
    """A progress reporter that does nothing."""

    def resume(self, reports):
        pass

    def advance(self, report):
        pass


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def solids(tmp_path_factory):
    return Dataset(make_solids(tmp_path_factory.mktemp("solids")))


def test_every_mesh_has_an_entry_rejected_ones_too(gallery):
    browser = DatasetBrowser(Dataset(gallery))
    assert len(browser.entries) == len(RECALLS) + len(REJECTED)
    assert [entry.index for entry in browser.entries] == [
        *range(len(RECALLS)),
        *[None] * len(REJECTED),
    ]
    assert browser.categories == ["03001627", "lamps"]
    assert browser.statuses == ["ok", "rejected", "failed"]


def test_entries_are_filtered_by_category_and_status(gallery):
    browser = DatasetBrowser(Dataset(gallery))
    lamps = browser.filtered("lamps")
    assert [entry.report.id for entry in lamps] == ["ball0", "ball2", "ball4", "ball6", "ball8"]
    rejected = browser.filtered("lamps", "rejected")
    assert [entry.report.id for entry in rejected] == ["ball6", "ball8"]
    assert browser.filtered("03001627", "rejected") == []


def test_the_summary_of_a_mesh(gallery):
    browser = DatasetBrowser(Dataset(gallery))
    text = summary(browser.entries[1], browser.entries)
    assert "| mesh | 2 of 9 |" in text
    assert "| recall | 0.8500 |" in text
    rejected = summary(browser.entries[6], browser.entries)
    assert "rejected" in rejected
    assert "jumps: 3.1%" in rejected
    assert "recall" not in rejected


def test_ids_and_reasons_are_escaped(gallery):
    entry = DatasetBrowser(Dataset(gallery)).entries[0]
    entry.report.__dict__["id"] = "<img src=x> | ![a](http://b)"
    text = summary(entry, [entry])
    assert "<img" not in text.replace("\\<", "")
    assert "](" not in text.replace("\\]\\(", "")


def test_meshes_lie_on_their_reconstruction(gallery):
    browser = DatasetBrowser(Dataset(gallery))
    for entry in (browser.entries[0], browser.entries[6]):
        mesh, reason = browser.original(entry)
        assert reason == ""
        # Accepted ones by the stored frame, others by their own: the ball fills the cube then.
        radius = 0.9 if entry.index is not None else 1.0
        np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), radius, atol=1e-3)
    surface = Surface.of_voxels(browser.voxels(0, 16))
    np.testing.assert_allclose(np.linalg.norm(surface.vertices, axis=1), 0.9, atol=0.02)


def test_a_missing_mesh_has_a_reason(gallery, tmp_path):
    browser = DatasetBrowser(Dataset(gallery), tmp_path)
    mesh, reason = browser.original(browser.entries[0])
    assert mesh is None
    assert reason == f"no mesh below {tmp_path}: ball0.obj"


def test_points_lie_where_the_mesh_is_in_the_cube_frame(tmp_path):
    list(write_samples(("chairs",), 1, 0, tmp_path / "meshes", intact=True))
    jobs = discover(tmp_path / "meshes").jobs
    config = PreprocessConfig(points=2048, resolutions=(16,))
    preprocess(tmp_path / "meshes", jobs, config, tmp_path / "data", RunSettings(0), Nothing())
    browser = DatasetBrowser(Dataset(tmp_path / "data"))
    found = browser.points(0, "surface", 10_000)
    mesh, _ = browser.original(browser.entries[0])
    dense = sample_surface(mesh.vertices, mesh.faces, 100_000)
    distance = cKDTree(dense).query(found.positions)[0]
    assert len(found.positions) == 2048
    # Noise of 0.0025 in the sphere frame, which is at most sqrt(3) times as large.
    assert np.quantile(distance, 0.99) < 0.03


def test_points_are_coloured_by_their_sign(solids):
    browser = DatasetBrowser(solids)
    found = browser.points(0, "uniform", 500)
    inside = solids.points(0, "uniform", 0, 500)[1] < 0
    assert 0 < inside.sum() < 500
    assert (found.colors[inside, 2] > found.colors[inside, 0]).all()
    assert (found.colors[~inside, 2] < found.colors[~inside, 0]).all()


@pytest.mark.parametrize(
    ("x", "shown"), [(-1.0, -1.0), (-5.0, -1.0), (0.04, 1 / 15), (0.99, 1.0), (1.0, 1.0)]
)
def test_a_slice_is_the_stored_one_nearest_to_the_plane(gallery, x, shown):
    picture, at = slice_at(DatasetBrowser(Dataset(gallery)).voxels(0, 16), x, 32)
    assert at == pytest.approx(shown)
    assert picture.shape == (32, 32, 3)
    assert abs(richest_slice_position(DatasetBrowser(Dataset(gallery)).voxels(0, 16))) < 0.2
