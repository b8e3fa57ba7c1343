import numpy as np
import pytest
import trimesh
from support.gltf_builder import BOX, Builder, moved, rejection_reason, write

from shapegan.pipeline.meshes.formats import gltf as gltf_module
from shapegan.pipeline.meshes.load import load


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_scenes_are_read_as_trimesh_reads_them(suffix, tmp_path):
    scene = trimesh.Scene()
    shifted = trimesh.transformations.translation_matrix((10, 0, 0))
    turned = trimesh.transformations.rotation_matrix(0.5, (1, 2, 3)) @ shifted
    places = [np.eye(4), shifted, turned, np.diag([2.0, 3, 4, 1]) @ turned]
    for number, place in enumerate(places):
        scene.add_geometry(BOX, geom_name="box", node_name=f"box {number}", transform=place)
    data = scene.export(file_type=suffix.removeprefix("."))
    if isinstance(data, dict):
        for name, content in data.items():
            write(tmp_path, content, name)
        data = data["model.gltf"]
    mesh = load(write(tmp_path, data, f"model{suffix}"))
    expected = [trimesh.transform_points(BOX.vertices, place)[BOX.faces] for place in places]
    np.testing.assert_allclose(
        np.sort(mesh.vertices[mesh.faces].reshape(-1, 9), axis=0),
        np.sort(np.concatenate(expected).reshape(-1, 9), axis=0),
        atol=1e-5,
    )


def test_nodes_have_a_matrix_or_translation_rotation_and_scale():
    half = np.sqrt(0.5)
    parts = {"translation": [5, 6, 7], "rotation": [0, 0, half, half], "scale": [2, 3, 4]}
    builder = Builder().nodes({"children": [1], "translation": [1, 0, 0]}, {"mesh": 0, **parts})
    expected = [[[6, 6, 7], [6, 8, 7], [3, 6, 7]]]
    np.testing.assert_allclose(builder.read(), expected, atol=1e-12)
    matrix = [0, 2, 0, 0, -3, 0, 0, 0, 0, 0, 4, 0, 5, 6, 7, 1]
    builder.nodes({"children": [1], "translation": [1, 0, 0]}, {"mesh": 0, "matrix": matrix})
    np.testing.assert_allclose(builder.read(), expected, atol=1e-12)


def test_faces_of_mirrored_nodes_keep_their_front():
    builder = Builder().nodes({"mesh": 0, "scale": [1, 1, -1]}, {"mesh": 0}, roots=[0, 1])
    first, second = np.cross(*np.diff(builder.read(), axis=1).transpose(1, 0, 2))
    assert (first @ second) < 0  # both would face +z without the flip, but the mirror faces -z
    box = Builder(BOX.vertices.astype("<f4"), BOX.faces.astype("<u2").ravel())
    box.node["scale"] = [-1, 2, 1]
    assert trimesh.triangles.mass_properties(box.read())["volume"] == pytest.approx(12)


def test_the_scene_is_the_default_one_then_the_first_then_all_roots():
    builder = Builder().nodes(
        *({"mesh": 0, "translation": [x, 0, 0]} for x in range(3)), {"children": [0]}
    )
    builder.tree |= {"scenes": [{"nodes": [1]}, {"nodes": [2]}], "scene": 1}
    np.testing.assert_array_equal(builder.read(), [moved(2)])
    del builder.tree["scene"]
    np.testing.assert_array_equal(builder.read(), [moved(1)])
    del builder.tree["scenes"]
    np.testing.assert_array_equal(builder.read(), [moved(1), moved(2), moved(0)])
    del builder.tree["nodes"]
    np.testing.assert_array_equal(builder.read(), [moved(0)])


def test_hidden_nodes_and_their_children_are_left_out():
    hidden = {"extensions": {"KHR_node_visibility": {"visible": False}}}
    shown = {"extensions": {"KHR_node_visibility": {"visible": True}}}
    builder = Builder().nodes(
        {"mesh": 0, "children": [1, 2]},
        {"mesh": 0, "children": [3], **hidden},
        {"mesh": 0, "translation": [1, 0, 0], **shown},
        {"mesh": 0},
    )
    builder.tree["extensionsRequired"] = ["KHR_node_visibility"]
    np.testing.assert_array_equal(builder.read(), [moved(0), moved(1)])


@pytest.mark.parametrize(
    "nodes",
    [
        [{"mesh": 0, "children": [0]}],
        [{"mesh": 0, "children": [1]}, {"mesh": 0, "children": [0, 1]}],
        [{"children": [1, 2]}, {"children": [3]}, {"children": [3]}, {"mesh": 0}],
        [{"children": [1, 1]}, {"mesh": 0}],
    ],
)
def test_nodes_that_are_no_tree_are_refused(nodes):
    builder = Builder().nodes(*nodes)
    assert "has two parents or is its own ancestor" in rejection_reason(builder)
    builder.tree["skins"] = [{"joints": [0]}]
    del builder.tree["scenes"]
    assert "ancestor" in rejection_reason(builder)


def test_too_many_copies_are_refused(monkeypatch):
    builder = Builder().nodes(*[{"mesh": 0}] * 9, roots=range(9))
    assert len(builder.read()) == 9
    monkeypatch.setattr(gltf_module, "MAX_FACES", 8)
    assert "more than 8 faces" in rejection_reason(builder)
