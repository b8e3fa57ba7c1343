import numpy as np
import pytest
from scipy.spatial import cKDTree
from support.gallery import AWAY, RECALLS, make_gallery
from support.training import make_solids

from shapegan.model.metrics.point_clouds import chamfer_matrix, normalise, sample_surface
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.dataset_browser import Shelf, first_slice, reconstruction, slice_at, told
from shapegan.model.viewer.nearest import POINTS, Nearest
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.samples.sample import write_samples


class Nothing:
    """A progress that nobody watches."""

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


def test_every_mesh_is_on_the_shelf_also_what_was_turned_away(gallery):
    shelf = Shelf(Dataset(gallery))
    assert len(shelf.rows) == len(RECALLS) + len(AWAY)
    assert [row.index for row in shelf.rows] == [*range(len(RECALLS)), *[None] * len(AWAY)]
    assert shelf.categories == ["03001627", "lamps"]
    assert shelf.statuses == ["ok", "rejected", "failed"]


def test_rows_are_chosen_by_category_and_status(gallery):
    shelf = Shelf(Dataset(gallery))
    lamps = shelf.chosen("lamps")
    assert [row.report.id for row in lamps] == ["ball0", "ball2", "ball4", "ball6", "ball8"]
    assert [row.report.id for row in shelf.chosen("lamps", "rejected")] == ["ball6", "ball8"]
    assert shelf.chosen("03001627", "rejected") == []


def test_what_is_told_of_a_mesh(gallery):
    shelf = Shelf(Dataset(gallery))
    text = told(shelf.rows[1], shelf.rows)
    assert "| mesh | 2 of 9 |" in text
    assert "| recall | 0.8500 |" in text
    away = told(shelf.rows[6], shelf.rows)
    assert "rejected" in away
    assert "jumps: 3.1%" in away
    assert "recall" not in away


def test_ids_and_reasons_cannot_write_the_page(gallery):
    row = Shelf(Dataset(gallery)).rows[0]
    row.report.__dict__["id"] = "<img src=x> | ![a](http://b)"
    text = told(row, [row])
    assert "<img" not in text.replace("\\<", "")
    assert "](" not in text.replace("\\]\\(", "")


def test_meshes_lie_on_their_reconstruction(gallery):
    shelf = Shelf(Dataset(gallery))
    for row in (shelf.rows[0], shelf.rows[6]):
        mesh, reason = shelf.original(row)
        assert reason == ""
        # Accepted ones by the stored frame, others by their own: the ball fills the cube then.
        radius = 0.9 if row.index is not None else 1.0
        np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), radius, atol=1e-3)
    surface = reconstruction(shelf.voxels(0, 16))
    np.testing.assert_allclose(np.linalg.norm(surface.vertices, axis=1), 0.9, atol=0.02)


def test_a_mesh_that_is_gone_says_so(gallery, tmp_path):
    mesh, reason = Shelf(Dataset(gallery), tmp_path).original(Shelf(Dataset(gallery)).rows[0])
    assert mesh is None
    assert reason == f"no mesh below {tmp_path}: ball0.obj"


def test_points_lie_where_the_mesh_is_in_the_cube_frame(tmp_path):
    list(write_samples(("chairs",), 1, 0, tmp_path / "meshes", intact=True))
    jobs = discover(tmp_path / "meshes").jobs
    config = PreprocessConfig(points=2048, resolutions=(16,))
    preprocess(tmp_path / "meshes", jobs, config, tmp_path / "data", RunSettings(0), Nothing())
    shelf = Shelf(Dataset(tmp_path / "data"))
    found = shelf.points(0, "surface", 10_000)
    mesh, _ = shelf.original(shelf.rows[0])
    dense = sample_surface(mesh.vertices, mesh.faces, 100_000)
    distance = cKDTree(dense).query(found.positions)[0]
    assert len(found.positions) == 2048
    # Noise of 0.0025 in the sphere frame, which is at most sqrt(3) times as large.
    assert np.quantile(distance, 0.99) < 0.03


def test_points_are_coloured_by_their_sign(solids):
    shelf = Shelf(solids)
    found = shelf.points(0, "uniform", 500)
    inside = solids.points(0, "uniform", 0, 500)[1] < 0
    assert 0 < inside.sum() < 500
    assert (found.colors[inside, 2] > found.colors[inside, 0]).all()
    assert (found.colors[~inside, 2] < found.colors[~inside, 0]).all()


@pytest.mark.parametrize(
    ("x", "shown"), [(-1.0, -1.0), (-5.0, -1.0), (0.04, 1 / 15), (0.99, 1.0), (1.0, 1.0)]
)
def test_a_slice_is_the_stored_one_nearest_to_where_it_is_asked_for(gallery, x, shown):
    picture, at = slice_at(Shelf(Dataset(gallery)).voxels(0, 16), x, 32)
    assert at == pytest.approx(shown)
    assert picture.shape == (32, 32, 3)
    assert abs(first_slice(Shelf(Dataset(gallery)).voxels(0, 16))) < 0.2


# --- the nearest training shape ------------------------------------------------------------------


def test_a_training_shape_is_nearest_to_itself(solids):
    nearest = Nearest(solids)
    assert nearest.compared == nearest.all == 8
    surface = reconstruction(solids.voxels(3, 16))
    found = nearest.find(Surface(surface.vertices * 0.3 + 0.1, surface.faces))
    assert (found.index, found.id) == (3, "solid003")
    assert found.chamfer < 1e-6


def test_chamfer_distances_are_those_of_the_matrix(solids):
    nearest = Nearest(solids, "val")
    surfaces = [reconstruction(solids.voxels(index, 16)) for index in (0, *solids.splits["val"])]
    clouds = np.stack([normalise(sample_surface(s.vertices, s.faces, POINTS)) for s in surfaces])
    expected = chamfer_matrix(clouds[:1], clouds[1:])[0]
    np.testing.assert_allclose(nearest.chamfers(clouds[0]), expected, rtol=1e-4)


def test_a_split_that_is_not_there_is_said(solids):
    with pytest.raises(DatasetError, match="has no shape of the split test"):
        Nearest(solids, "test")
