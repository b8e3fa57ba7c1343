"""`MeshSDF` in other processes, and copies of it."""

import copy
import multiprocessing
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from support import shapes

from shapegan.pipeline import MeshSDF
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.warp_runtime import NoDeviceError

POINTS = shapes.points_around(5000, reach=1.2)

MESHES = {
    "solid": shapes.torus(),
    "sheet": shapes.plane((2.0, 1.0)),
    "thin parts": shapes.thin_plate(),
    "split faces": shapes.overlapping_boxes(),
    "open": shapes.open_box(),
    "faces wound at random": shapes.flip_half(shapes.icosphere()),
}


def make(mesh) -> MeshSDF:
    return MeshSDF(SimpleNamespace(vertices=mesh[0], faces=mesh[1]))


def answers(field: MeshSDF):
    sdf, gradients = field.signed_distances_and_gradients(POINTS)
    return [sdf, gradients, field.voxels(16), *field.near_surface(500, "mesh", seed=4)]


def assert_same(given, expected):
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("copied", [lambda field: pickle.loads(pickle.dumps(field)), copy.deepcopy])
def test_a_copy_gives_the_same_answers(name, copied):
    field = make(MESHES[name])
    twin = copied(field)
    assert_same(answers(twin), answers(field))
    assert (twin.method, twin.quality) == (field.method, field.quality)
    assert_same(answers(copied(twin)), answers(field))


def test_another_process_gives_the_same_answers():
    field = make(MESHES["split faces"])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        here = field.voxels(16)
        np.testing.assert_array_equal(pool.submit(field.voxels, 16).result(), here)
        returned = pool.submit(copy.copy, field).result()
    assert_same(answers(returned), answers(field))


def test_a_flooded_field_is_pickled_too():
    field = FloodedDistance(*shapes.icosphere(), 0.02)
    twin = pickle.loads(pickle.dumps(field))
    assert_same(twin.signed_distances(POINTS), field.signed_distances(POINTS))


def test_restoring_is_far_quicker_than_building():
    mesh = shapes.icosphere(subdivisions=4)
    make(mesh)  # compiles the kernels
    started = time.process_time()
    field = make(mesh)
    built = time.process_time() - started
    content = pickle.dumps(field)
    started = time.process_time()
    pickle.loads(content)
    assert time.process_time() - started < built / 4
    assert len(content) < 5e6


def test_the_queries_share_one_search_tree_after_pickling():
    field = make_field(SimpleNamespace(vertices=MESHES["solid"][0], faces=MESHES["solid"][1]), 0.01)
    queries = pickle.loads(pickle.dumps(field)).field.queries
    assert queries.exterior is queries.pieces


def test_a_machine_without_the_device_is_named(monkeypatch):
    content = pickle.dumps(make(MESHES["solid"]))
    monkeypatch.setattr("shapegan.pipeline.warp_runtime.has_device", lambda device: False)
    with pytest.raises(NoDeviceError, match="found no GPU"):
        pickle.loads(content)
