import numpy as np
import pytest
from support.gltf_builder import TRIANGLE, Builder, instanced, moved, rejection_reason, skin

QUAD = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 2, 0)], "<f4")


@pytest.mark.parametrize("dtype", ["<u1", "<u2", "<u4", None])
@pytest.mark.parametrize(
    ("mode", "order", "faces"),
    [
        (None, [0, 1, 2, 2, 1, 3], [[0, 1, 2], [2, 1, 3]]),
        (4, [0, 1, 2, 2, 1, 3, 0, 1], [[0, 1, 2], [2, 1, 3]]),
        (5, [0, 1, 2, 3, 4], [[0, 1, 2], [1, 3, 2], [2, 3, 4]]),
        (6, [0, 1, 3, 2], [[1, 3, 0], [3, 2, 0]]),
    ],
)
def test_triangles_strips_and_fans_with_indices_of_any_type(dtype, mode, order, faces):
    builder = Builder(QUAD, np.array(order, dtype)) if dtype else Builder(QUAD[order])
    if mode is not None:
        builder.primitive["mode"] = mode
    triangles = builder.read()
    np.testing.assert_array_equal(triangles, QUAD[faces])
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert np.all(normals[:, 2] > 0)


def test_points_lines_and_primitives_without_positions_are_left_out():
    builder = Builder()
    builder.mesh["primitives"] += [
        {"attributes": {"POSITION": 0}, "mode": mode} for mode in range(4)
    ]
    notes = []
    assert len(builder.read(notes)) == 1
    assert notes == []
    builder.mesh["primitives"].insert(0, {"attributes": {"NORMAL": 0}})
    assert len(builder.read(notes)) == 1
    assert notes == ["left out a primitive without positions"]
    del builder.mesh["primitives"][1]
    assert rejection_reason(builder).startswith("no triangles")
    builder.primitive["mode"] = 7
    assert "mode 7" in rejection_reason(builder)


def test_corners_that_complete_no_triangle_are_left_out_with_a_note():
    notes = []
    assert len(Builder(indices=np.array([0, 1, 2, 2, 1], "<u2")).read(notes)) == 1
    assert notes == ["left out 2 corners that complete no triangle"]


def test_indices_out_of_range():
    builder = Builder(indices=np.array([0, 1, 3], "<u1"))
    assert rejection_reason(builder) == "face 0 uses vertex 3; there are vertices 0 to 2"
    builder = Builder(indices=np.array([0, 1, 2], "<f4"))
    assert "expected unsigned integers" in rejection_reason(builder)


def test_instances_are_placed_relative_to_their_node():
    places = np.array([(0, 0, 0), (3, 0, 0), (0, 3, 0)], "<f4")
    builder = instanced(TRANSLATION=[places])
    builder.node["scale"] = [2, 2, 2]
    np.testing.assert_array_equal(builder.read(), [2 * (TRIANGLE + place) for place in places])


@pytest.mark.parametrize(("dtype", "one"), [("<f4", 1), ("<i1", 127), ("<i2", 32767)])
def test_instances_turn_and_scale(dtype, one):
    turn = np.array([(0, 0, one, 0), (0, 0, 0, one)], dtype)  # half a turn about z, and none
    scale = np.array([(2, 3, 4), (1, 1, -1)], "<f4")
    builder = instanced(ROTATION=[turn], SCALE=[scale])
    builder.tree["accessors"][1]["normalized"] = dtype != "<f4"
    first, second = builder.read()
    np.testing.assert_allclose(first, TRIANGLE * (-2, -3, 1), atol=1e-12)
    np.testing.assert_allclose(second, TRIANGLE[::-1], atol=1e-12)


def test_instances_of_different_numbers_are_refused():
    builder = instanced(TRANSLATION=[np.zeros((2, 3), "<f4")], SCALE=[np.ones((3, 3), "<f4")])
    assert rejection_reason(builder).startswith("EXT_mesh_gpu_instancing: ")
    builder = instanced(TRANSLATION=[np.zeros((2, 3), "<f4")])
    skin(builder, [{}], [np.eye(4)])
    assert "both a skin and instances" in rejection_reason(builder)


def test_morph_targets_have_their_default_weights():
    builder = Builder()
    up = builder.accessor(np.array([(0, 0, 1)] * 3, "<f4"))
    side = builder.accessor(np.array([(127, 0, 0)] * 3, "<i1"), normalized=True)
    builder.primitive["targets"] = [{"POSITION": up}, {"NORMAL": up}, {"POSITION": side}]
    np.testing.assert_array_equal(builder.read(), [TRIANGLE])
    builder.mesh["weights"] = [2, 5, -1]
    np.testing.assert_array_equal(builder.read(), [moved(-1, 0, 2)])
    builder.nodes({"mesh": 0, "weights": [0.5, 0, 0]}, {"mesh": 0}, roots=[0, 1])
    np.testing.assert_array_equal(builder.read(), [moved(0, 0, 0.5), moved(-1, 0, 2)])
    short = builder.accessor(np.zeros((2, 3), "<f4"))
    builder.primitive["targets"][0]["POSITION"] = short
    assert "moves 2 vertices of a primitive of 3" in rejection_reason(builder)


def test_skins_are_in_their_bind_pose_and_ignore_the_node():
    builder = Builder()
    builder.node.update({"translation": [9, 9, 9], "scale": [100, 100, 100]})
    shrink = np.diag([0.01, 0.01, 0.01, 1])
    skin(builder, [{"translation": [5, 0, 0]}], [shrink])
    np.testing.assert_allclose(builder.read(), [TRIANGLE * 0.01 + (5, 0, 0)], atol=1e-6)
    del builder.tree["skins"][0]["inverseBindMatrices"]
    np.testing.assert_array_equal(builder.read(), [moved(5)])


def test_vertices_between_joints_are_blended():
    builder = Builder()
    rows = [(0, 1, 0, 0)] * 3
    weights = [(1, 0, 0, 0), (0.25, 0.75, 0, 0), (0, 0, 0, 0)]
    lift = [{"translation": [0, 0, 4]}, {"translation": [0, 0, 8]}]
    skin(builder, lift, [np.eye(4)] * 2, rows, weights)
    assert builder.read()[0, :, 2].tolist() == [4, 7, 4]
    builder.attributes["JOINTS_1"] = builder.accessor(np.array([(1, 0, 0, 0)] * 3, "<u2"))
    builder.attributes["WEIGHTS_1"] = builder.accessor(
        np.array([(255, 0, 0, 0)] * 3, "<u1"), normalized=True
    )
    assert builder.read()[0, :, 2].tolist() == [6, 7.5, 8]  # weights are scaled to a sum of 1
    builder.tree["skins"][0]["joints"].pop()
    assert "moved by joint 1 of 1" in rejection_reason(builder)


def test_joints_have_parents_outside_the_scene_list():
    builder = Builder()
    skin(builder, [{"translation": [1, 0, 0]}], [np.eye(4)])
    builder.tree["nodes"] += [{"children": [1], "scale": [3, 3, 3]}]
    builder.tree["scenes"][0]["nodes"] = [0, 2]
    np.testing.assert_array_equal(builder.read(), [TRIANGLE * 3 + (3, 0, 0)])
