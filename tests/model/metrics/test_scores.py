import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.stats import spearmanr

from shapegan.model.metrics.point_clouds import chamfer_matrix, earth_movers_matrix
from shapegan.model.metrics.scores import (
    Reference,
    component_volumes,
    count_solids,
    distance_scores,
    is_watertight,
    largest_component_share,
    mesh_validity,
    sample_clouds,
)
from shapegan.model.metrics.set_metrics import one_nearest_neighbour_accuracy


@dataclass
class Triangles:
    vertices: NDArray[np.floating]
    faces: NDArray[np.integer]


EMPTY = Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int32))


def triangles(mesh):
    return Triangles(np.asarray(mesh.vertices), np.asarray(mesh.faces))


def boxes(count, seed):
    sides = np.random.default_rng(seed).uniform(0.2, 1, (count, 3))
    return [triangles(trimesh.creation.box(three)) for three in sides]


def plain_scores(generated, real, empty, distance):
    """All by loops over shapes, an empty one farther from all than anything else."""
    covered, matching = set(), []
    for cloud in generated:
        covered.add(min(range(len(real)), key=lambda r: distance(cloud, real[r])))
    for cloud in real:
        matching.append(min(distance(other, cloud) for other in generated))
    return (
        len(covered) / len(real),
        np.mean(matching),
        plain_one_nna(generated, real, empty, distance),
    )


def plain_one_nna(generated, real, empty, distance):
    """Mean over all subsets of both sets that are as large as the smaller set."""
    shapes = [*generated, *real]
    table = [[distance(one, other) for other in shapes] for one in shapes]
    sets = range(-empty, len(generated)), range(len(generated), len(shapes))
    size, found = min(map(len, sets)), []
    for some, others in itertools.product(*(itertools.combinations(each, size) for each in sets)):
        filled = [shape for shape in some + others if shape >= 0]
        right = 2 * size - len(filled)
        for shape in filled:
            rest = [other for other in filled if other != shape]
            nearest = min(rest, key=lambda other, shape=shape: table[shape][other])
            right += (nearest in sets[0]) == (shape in sets[0])
        found.append(right / (2 * size))
    return np.mean(found)


@pytest.mark.parametrize(("matrix", "emd_points"), [(chamfer_matrix, 0), (earth_movers_matrix, 40)])
@pytest.mark.parametrize("empty", [0, 3])
def test_scores_are_those_of_plain_loops(matrix, emd_points, empty):
    clouds, real = sample_clouds(boxes(5, 0), 0, 60), sample_clouds(boxes(4, 1), 1, 60)
    found = Reference(real, emd_points).scores(clouds, empty)
    scores = found.emd if emd_points else found.chamfer

    def distance(one, other):
        points = {"points": emd_points} if emd_points else {}
        return matrix(one[None], other[None], **points)[0, 0]

    expected = plain_scores(clouds, real, empty, distance)
    assert_allclose((scores.coverage, scores.mmd, scores.one_nna), expected, rtol=1e-6)


def test_copied_clouds_have_an_accuracy_of_0():
    clouds = sample_clouds(boxes(12, 0), 0, 200)
    scores = Reference(clouds, 50).scores(clouds.copy())
    for one in (scores.chamfer, scores.emd):
        assert (one.coverage, one.mmd, one.one_nna) == (1, 0, 0)
    assert scores.jsd == 0


def test_two_halves_of_one_set_cannot_be_told_apart():
    clouds = sample_clouds(boxes(120, 4), 0, 200)
    scores = Reference(clouds[60:]).scores(clouds[:60])
    assert scores.chamfer.one_nna == pytest.approx(0.5, abs=0.1)
    assert scores.emd is None


def test_swapped_sets_change_all_but_accuracy():
    first, second = sample_clouds(boxes(20, 5), 0, 100), sample_clouds(boxes(30, 6), 1, 100)
    there, back = Reference(second).scores(first).chamfer, Reference(first).scores(second).chamfer
    assert there.coverage != back.coverage
    assert there.mmd != back.mmd
    assert there.one_nna == pytest.approx(back.one_nna)


def test_empty_shapes_cover_nothing_and_are_always_known():
    real = sample_clouds(boxes(6, 0), 1, 50)
    nothing = Reference(real, 20).scores(sample_clouds([EMPTY] * 6, 0, 50), empty=6)
    assert nothing.chamfer == nothing.emd
    assert (nothing.chamfer.coverage, nothing.chamfer.mmd) == (0, None)
    assert nothing.chamfer.one_nna == 1
    assert nothing.jsd is None
    generated = sample_clouds([*boxes(3, 1), EMPTY], 0, 50)
    assert len(generated) == 3
    matrices = [chamfer_matrix(*two) for two in itertools.product((generated, real), repeat=2)]
    with_empty = distance_scores(matrices[0], matrices[1], matrices[3], empty=1).one_nna
    plain = one_nearest_neighbour_accuracy(matrices[0], matrices[1], matrices[3], 1)
    assert with_empty == plain > distance_scores(matrices[0], matrices[1], matrices[3]).one_nna


def test_two_sets_of_the_same_meshes_have_other_points():
    meshes = boxes(2, 0)
    one, again, other = (sample_clouds(meshes, seed, 30) for seed in (0, 0, 1))
    assert_array_equal(one, again)
    assert not np.isclose(one, other).all(axis=2).any()


def test_validity_of_known_meshes():
    box = trimesh.creation.box()
    pair = trimesh.util.concatenate([box, box.copy().apply_translation([3, 0, 0])])
    torn = Triangles(box.vertices, box.faces[:-1])
    found = mesh_validity([triangles(box), triangles(pair), torn, EMPTY])
    assert (found.shapes, found.filled, found.watertight, found.single_component) == (
        4,
        0.75,
        0.5,
        0.5,
    )
    assert found.largest_component == pytest.approx((1 + 0.5 + 1 + 0) / 4)


def test_the_largest_component_is_weighed_by_volume():
    small, large = trimesh.creation.box([1, 1, 1]), trimesh.creation.box([3, 1, 1])
    # Fewer faces, but more volume
    small = small.subdivide()
    pair = trimesh.util.concatenate([small, large.apply_translation([9, 9, 9])])
    share = largest_component_share(component_volumes(pair.vertices, pair.faces))
    assert share == pytest.approx(0.75)


@pytest.mark.parametrize("filled", [False, True])
def test_a_cavity_is_no_part_and_what_floats_in_it_is_one(filled):
    outer, inner = trimesh.creation.box([3, 3, 3]), trimesh.creation.box([2, 2, 2])
    inner.invert()
    core = [trimesh.creation.box([1, 1, 1])] * filled
    hollow = triangles(trimesh.util.concatenate([outer, inner, *core]))
    volumes = component_volumes(hollow.vertices, hollow.faces)
    assert sorted(volumes) == pytest.approx([-8, *[1] * filled, 27])
    assert count_solids(volumes) == 1 + filled
    assert mesh_validity([hollow]).single_component == 1 - filled
    share = largest_component_share(volumes)
    assert share == pytest.approx(27 / 28 if filled else 1)


def test_nothing_has_no_largest_component():
    volumes = component_volumes(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    assert largest_component_share(volumes) == count_solids(volumes) == 0


@pytest.mark.parametrize("flip", [False, True])
def test_a_mesh_is_watertight_where_neighbours_are_wound_alike(flip):
    faces = np.array(trimesh.creation.icosphere(1).faces)
    faces[0] = faces[0, ::-1] if flip else faces[0]
    assert is_watertight(faces) is not flip


def test_components_do_not_count_vertices_that_no_face_uses():
    faces = np.array([[5, 6, 7], [7, 8, 9], [20, 21, 22]])
    assert len(component_volumes(np.zeros((23, 3)), faces)) == 2


@pytest.mark.slow
def test_few_points_order_pairs_as_all_of_them_do():
    """What the default of 256 rests on; docs/evaluation.md has more of it."""
    clouds = sample_clouds(boxes(8, 3), 0, 1024)
    few, every = earth_movers_matrix(clouds, clouds, 256), earth_movers_matrix(clouds, clouds, None)
    pairs = np.triu_indices(8, 1)
    assert spearmanr(few[pairs], every[pairs]).statistic > 0.9
    assert (few[pairs] > every[pairs]).mean() > 0.9
