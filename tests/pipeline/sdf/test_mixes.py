import numpy as np
import pytest
from scipy.stats import chisquare
from support import shapes

from shapegan.pipeline import schema
from shapegan.pipeline.config import MIXES
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.mixes import cube_sets, oriented_sets
from shapegan.pipeline.sdf.truncated_voxels import truncated_voxels

COUNTS = {"occnet": 8000, "vecset_volume": 8000, "vecset_near": 8000, "cloud": 5, "salient": 300}


@pytest.fixture(scope="module")
def made():
    return make_field(TriangleMesh(*shapes.box((2.0, 1.2, 0.7))), 0.016)


@pytest.fixture(scope="module")
def sets(made):
    return cube_sets(made.field, COUNTS, 0, "a")


def test_counts_are_those_of_the_papers():
    assert MIXES == {
        "deepsdf": {"cloud": 500_000},
        "occnet": {"occnet": 100_000},
        "vecset": {"vecset_volume": 500_000, "vecset_near": 500_000},
    }
    assert {name for mix in MIXES.values() for name in mix} <= set(schema.POINT_LAYOUTS)


def test_distances_are_those_of_the_rounded_positions(made, sets):
    assert list(sets) == ["occnet", "vecset_volume", "vecset_near"]
    for points in sets.values():
        positions = schema.decode_positions(points.position, schema.WIDE_BOUND)
        sdf, _ = made.field.signed_distances(positions)
        np.testing.assert_array_equal(points.sdf, sdf.astype(np.float16))
        np.testing.assert_array_equal(np.signbit(points.sdf), sdf < 0)


@pytest.mark.parametrize(("name", "half"), [("occnet", 1.1), ("vecset_volume", 1.0)])
def test_volume_points_are_uniform_in_their_cube(sets, name, half):
    positions = schema.decode_positions(sets[name].position, schema.WIDE_BOUND)
    assert half - 0.01 < np.abs(positions).max() <= half + 1e-4
    cell = np.floor((positions / half + 1) / 2 * 3).clip(0, 2).astype(int)
    found = np.bincount(cell @ [9, 3, 1], minlength=27)
    assert chisquare(found).pvalue > 0.01


def test_near_points_have_two_distances_to_the_surface(sets):
    sdf = np.abs(sets["vecset_near"].sdf.astype(np.float64))
    # Half at each deviation: along the normal, 68 % of each lie within it.
    near = 0.5 * 0.683 + 0.5 * 0.0797
    assert (sdf < 0.005).mean() == pytest.approx(near, abs=0.025)
    assert (sdf < 0.1).mean() == pytest.approx(0.977, abs=0.02)
    shares = (sdf < 0.005).reshape(10, -1).mean(axis=1)
    np.testing.assert_allclose(shares, near, atol=0.07)


def test_sets_depend_on_seed_and_id_and_not_on_each_other(made, sets):
    alone = cube_sets(made.field, {"vecset_near": 8000}, 0, "a")
    np.testing.assert_array_equal(alone["vecset_near"].position, sets["vecset_near"].position)
    for seed, mesh_id in ((1, "a"), (0, "b")):
        other = cube_sets(made.field, {"occnet": 8000}, seed, mesh_id)
        assert (other["occnet"].position != sets["occnet"].position).any()
    assert (sets["occnet"].position[:50] != sets["vecset_volume"].position[:50]).any()


def test_points_with_normals_are_stored_up_to_their_count(made):
    found = oriented_sets(made.oriented, {"on_surface": 500, "salient": 300}, 15, 0, "a")
    assert [found[name].count for name in ("on_surface", "salient")] == [500, 300]
    for points in found.values():
        normals = schema.decode_positions(points.normal)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
        positions = schema.decode_positions(points.position, schema.WIDE_BOUND)
        sdf, _ = made.field.signed_distances(positions)
        assert np.abs(sdf).max() < 1e-4


def test_rows_without_a_salient_point_are_zero():
    ball = make_field(TriangleMesh(*shapes.icosphere(subdivisions=3)), 0.016)
    found = oriented_sets(ball.oriented, {"salient": 40}, 25, 0, "a")["salient"]
    assert found.count == 0
    assert found.position.shape == found.normal.shape == (40, 3)
    assert not found.position.any()
    assert not found.normal.any()


def test_a_shape_without_a_surface_is_rejected(made, monkeypatch):
    monkeypatch.setattr(
        type(made.field), "signed_distances", lambda self, p: (np.ones(len(p), np.float32), p)
    )
    with pytest.raises(BadMeshError, match="lost surface: found 0 points on it of 20"):
        oriented_sets(made.oriented, {"on_surface": 20}, 15, 0, "a")


# --- truncated voxels ----------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [33, 64])
@pytest.mark.parametrize("limit", [0.07, 0.3])
def test_truncated_voxels_are_clipped_ones(made, resolution, limit):
    found = truncated_voxels(made.field, resolution, limit)
    expected = made.field.voxels(resolution).clip(-limit, limit)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_only_fine_voxels_are_truncated(made):
    assert np.abs(made.voxels(32, truncation=0.1)).max() > 0.5
    fine = made.voxels(128, truncation=0.1)
    assert fine.shape == (128, 128, 128)
    assert np.abs(fine).max() == np.float32(0.1)
    np.testing.assert_allclose(
        fine[::3, 5, 7], made.voxels(128)[::3, 5, 7].clip(-0.1, 0.1), atol=1e-6
    )


def test_few_voxels_are_evaluated(made):
    class Counting:
        evaluated = 0

        def signed_distances(self, points):
            self.evaluated += len(points)
            return made.field.signed_distances(points)

    counting = Counting()
    truncated_voxels(counting, 128, 0.1)
    assert counting.evaluated < 0.4 * 128**3
