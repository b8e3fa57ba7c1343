import numpy as np
import pytest
from support.training import make_solids

from shapegan.model.metrics.point_clouds import chamfer_matrix, normalise, sample_surface
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.training_shapes import POINTS, TrainingShapes
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset


@pytest.fixture(scope="module")
def solids(tmp_path_factory):
    return Dataset(make_solids(tmp_path_factory.mktemp("solids")))


def test_a_training_shape_is_nearest_to_itself(solids):
    training = TrainingShapes(solids)
    assert training.compared == training.total == 8
    surface = Surface.of_voxels(solids.voxels(3, 16))
    found = training.nearest(Surface(surface.vertices * 0.3 + 0.1, surface.faces))
    assert (found.index, found.id) == (3, "solid003")
    assert found.chamfer < 1e-6


def test_chamfer_distances_are_those_of_the_matrix(solids):
    training = TrainingShapes(solids, "val")
    surfaces = [Surface.of_voxels(solids.voxels(index, 16)) for index in (0, *solids.splits["val"])]
    clouds = np.stack([normalise(sample_surface(s.vertices, s.faces, POINTS)) for s in surfaces])
    expected = chamfer_matrix(clouds[:1], clouds[1:])[0]
    np.testing.assert_allclose(training.chamfers(clouds[0]), expected, rtol=1e-4)


def test_a_missing_split_is_named(solids):
    with pytest.raises(DatasetError, match="has no shapes in the split test"):
        TrainingShapes(solids, "test")
