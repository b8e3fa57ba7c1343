"""Inputs that `MeshSDF` takes or refuses, and the modules that importing it loads."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from support import formulas, shapes
from support.boxed import BOX, given_as

import shapegan.pipeline
from shapegan.pipeline import BadMeshError, MeshSDF
from shapegan.pipeline.config import ConfigError


@pytest.fixture(scope="module")
def box():
    return MeshSDF(BOX)


def test_scenes_are_put_together_in_their_places():
    scene = trimesh.Scene()
    for x in (0.0, 3.0):
        scene.add_geometry(
            trimesh.creation.box((1, 1, 1)),
            transform=trimesh.transformations.translation_matrix([x, 0, 0]),
        )
    made = MeshSDF(scene)
    points = np.random.default_rng(0).uniform((-1, -1, -1), (4, 1, 1), (500, 3))
    expected = np.minimum(*(formulas.box_distance(points - [x, 0, 0]) for x in (0, 3)))
    np.testing.assert_allclose(made.signed_distances(points), expected, atol=1e-6)


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.Trimesh(BOX.vertices, BOX.faces),
        SimpleNamespace(vertices=BOX.vertices.tolist(), faces=BOX.faces.tolist()),
        SimpleNamespace(
            vertices=BOX.vertices.astype(np.float32), faces=BOX.faces.astype(np.uint64)
        ),
        given_as(shapes.flip_half(shapes.soup((BOX.vertices, BOX.faces)))),
    ],
    ids=["trimesh", "lists", "other types", "soup"],
)
def test_meshes_of_any_kind(box, mesh):
    np.testing.assert_allclose(MeshSDF(mesh).voxels(16), box.voxels(16), atol=1e-6)


def test_meshes_are_left_as_they_were():
    vertices, faces = BOX.vertices.copy(), BOX.faces.copy()
    MeshSDF(BOX)
    np.testing.assert_array_equal(BOX.vertices, vertices)
    np.testing.assert_array_equal(BOX.faces, faces)


def test_a_vertex_that_is_not_finite_costs_its_faces_alone(box):
    vertices = np.concatenate([BOX.vertices, [[np.nan, 0, 0], [np.inf, 0, 0]]])
    faces = np.concatenate([BOX.faces, [[0, 1, len(vertices) - 2], [0, 1, len(vertices) - 1]]])
    made = MeshSDF(SimpleNamespace(vertices=vertices, faces=faces))
    np.testing.assert_array_equal(made.voxels(8), box.voxels(8))
    assert made.notes == ("left out 2 faces with NaN or infinite vertices",)
    assert box.notes == ()


NONE = np.zeros((0, 3))
BAD = {
    "nothing": (NONE, NONE, "no vertices"),
    "no faces": (BOX.vertices, NONE, "no faces"),
    "nan": (BOX.vertices * np.nan, BOX.faces, "NaN or infinite"),
    "beyond": (BOX.vertices, BOX.faces + 1, "outside 0 to 25"),
    "negative": (BOX.vertices, BOX.faces - 1, "outside 0 to 25"),
    "one place": (np.ones((3, 3)), [[0, 1, 2]], "zero size"),
    "a line": (np.outer([0, 1, 2], np.ones(3)), [[0, 1, 2]], "degenerate"),
    "huge": (BOX.vertices * 1e30, BOX.faces, "huge coordinates"),
    "quads": (BOX.vertices, np.arange(24).reshape(6, 4), r"faces: got shape \(6, 4\)"),
    "flat": (BOX.vertices[:24, :2], BOX.faces % 24, r"vertices: got shape \(24, 2\)"),
    "in a row": (BOX.vertices, BOX.faces.ravel(), r"faces: got shape \(144,\)"),
    "fractions": (BOX.vertices, BOX.faces / 2, "faces: got float64, takes whole numbers"),
}


@pytest.mark.parametrize(("vertices", "faces", "words"), BAD.values(), ids=BAD)
def test_bad_meshes_are_named(vertices, faces, words):
    mesh = SimpleNamespace(vertices=vertices, faces=faces)
    with pytest.raises(BadMeshError, match=words) as caught:
        MeshSDF(mesh)
    assert "\n" not in str(caught.value)


def test_an_empty_scene_is_a_bad_mesh():
    with pytest.raises(BadMeshError, match="no vertices"):
        MeshSDF(trimesh.Scene())


@pytest.mark.parametrize("mesh", [None, (BOX.vertices, BOX.faces), "chair.obj"])
def test_other_objects_than_meshes_raise_type_errors(mesh):
    with pytest.raises(TypeError, match=f"mesh: got {type(mesh).__name__}, takes"):
        MeshSDF(mesh)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 2, 3), (4, 1), ()])
def test_points_of_another_shape_are_refused(box, shape):
    for ask in (box.signed_distances, box.signed_distances_and_gradients):
        with pytest.raises(ValueError, match=r"points: got shape .*, takes \(N, 3\)"):
            ask(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_refused(box, value):
    points = np.zeros((5, 3))
    points[3, 1] = value
    for ask in (box.signed_distances, box.signed_distances_and_gradients):
        with pytest.raises(ValueError, match="points: got NaN or infinity"):
            ask(points)


def test_no_points_give_no_distances(box):
    sdf, gradients = box.signed_distances_and_gradients(np.zeros((0, 3)))
    assert (sdf.shape, gradients.shape) == ((0,), (0, 3))
    points, sdf = box.near_surface(0)
    assert (points.shape, sdf.shape) == ((0, 3), (0,))


# --- imports and memory --------------------------------------------------------------------------


def in_a_fresh_interpreter(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_every_exported_name_is_there():
    names = shapegan.pipeline.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(shapegan.pipeline, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'mesh_to_sdf'"):
        shapegan.pipeline.mesh_to_sdf  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    listed = "import json, sys, shapegan.pipeline; print(json.dumps(sorted(sys.modules)))"
    heavy = {"numpy", "warp", "trimesh", "scipy", "h5py", "torch", "dask"}
    assert not heavy & set(json.loads(in_a_fresh_interpreter(listed)))


def test_the_mesh_api_does_without_trimesh_and_opengl():
    code = (
        "import sys; from shapegan.pipeline import *;"
        "print({'trimesh', 'pyrender', 'OpenGL', 'dask', 'torch'} & set(sys.modules))"
    )
    assert in_a_fresh_interpreter(code) == "set()"


@pytest.mark.parametrize("thickness", [-1.0, float("nan"), float("inf"), 5.0])
def test_a_thickness_that_a_dataset_would_not_take_is_refused(thickness):
    with pytest.raises(ConfigError, match="sheet_thickness: got"):
        MeshSDF(BOX, sheet_thickness=thickness)


def test_unknown_treatment_of_cavities_is_refused():
    with pytest.raises(ConfigError, match="cavities: got none, takes keep or fill"):
        MeshSDF(BOX, cavities="none")


def test_distances_of_far_points_are_right_or_refused():
    field = MeshSDF(BOX)
    far, beyond = ([[distance, 0.0, 0.0], [0.0, 0.0, 0.0]] for distance in (1e9, 1e39))
    sdf = field.signed_distances(far, "cube")
    assert sdf[0] == pytest.approx(1e9, rel=1e-6)
    assert sdf[1] < 0
    for ask in (field.signed_distances, field.signed_distances_and_gradients):
        with pytest.raises(ValueError, match="points: got one more than"):
            ask(beyond)


@pytest.mark.parametrize("resolution", [-1, 0, 1])
def test_a_grid_needs_two_voxels_a_side(resolution):
    with pytest.raises(ValueError, match=f"resolution: got {resolution}, takes 2 or more"):
        MeshSDF(BOX).voxels(resolution)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="count: got -1"):
        MeshSDF(BOX).near_surface(-1)
