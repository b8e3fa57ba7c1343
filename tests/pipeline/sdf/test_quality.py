import numpy as np
import pytest
import trimesh
from support import formulas, shapes

from shapegan.pipeline.arrays import neighbours
from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.quality import (
    MAX_LEAK,
    MIN_RECALL,
    Quality,
    is_jump,
    measure,
    unbacked,
    voxels_beside,
)

RESOLUTION = 32
TOP, LEG = ((1.6, 1.6, 0.3), (0, 0, 0.8)), ((0.3, 0.3, 1.7), (0.6, 0.6, -0.1))
OTHER_LEG = ((0.3, 0.3, 1.7), (-0.6, -0.6, -0.1))


def field_of(*boxes, resolution=RESOLUTION):
    points = grid_points(resolution)
    parts = [formulas.box_distance(points - np.array(center), size) for size, center in boxes]
    return np.min(parts, axis=0).reshape((resolution,) * 3).astype(np.float32)


def surface_of(*boxes, count=4000):
    """Points on the surfaces, those within other boxes left out."""
    random, kept = np.random.default_rng(0), []
    for size, center in boxes:
        vertices, faces = shapes.box(size, center)
        weights = shapes.triangle_areas(vertices, faces)
        face = random.choice(len(faces), count, p=weights / weights.sum())
        mix = random.dirichlet((1, 1, 1), count)
        kept.append(np.einsum("nk,nkd->nd", mix, vertices[faces[face]]))
    points = np.concatenate(kept)
    depth = np.min([formulas.box_distance(points - np.array(c), s) for s, c in boxes], axis=0)
    return points[depth > -1e-9].astype(np.float32)


def test_a_perfect_field_loses_nothing():
    table = (TOP, LEG, OTHER_LEG)
    quality = measure(field_of(*table), surface_of(*table))
    assert quality.surface_recall == 1.0
    assert quality.leak == 0.0
    assert quality.rejection_reason() == ""


def test_inside_fraction_is_the_share_of_voxels():
    quality = measure(field_of(((1.0, 1.0, 1.0), (0, 0, 0)), resolution=16), surface_of(TOP))
    # 8 of 16 voxels lie between -0.5 and 0.5.
    assert quality.inside_fraction == 0.5**3


def test_a_lost_leg_lowers_recall_by_its_share():
    table = (TOP, LEG, OTHER_LEG)
    visible = surface_of(*table)
    quality = measure(field_of(TOP, LEG), visible)
    near = formulas.box_distance(visible - np.array(OTHER_LEG[1]), OTHER_LEG[0]) < 1e-6
    # A voxel's breadth of it lies near the top.
    assert near.mean() > 0.2
    assert quality.surface_recall == pytest.approx(1 - near.mean(), abs=0.03)
    assert quality.surface_recall < 0.8
    assert "lost surface: only" in quality.rejection_reason()
    assert f"{quality.surface_recall:.1%}" in quality.rejection_reason()


@pytest.mark.parametrize(("off", "recall"), [(0.0, 1), (0.5, 1), (0.97, 1), (1.03, 0), (3.0, 0)])
def test_recall_counts_points_within_a_voxel(off, recall):
    spacing = voxel_spacing(RESOLUTION)
    above = np.random.default_rng(0).uniform(-0.4, 0.4, (500, 3))
    above[:, 2] = 0.5 + off * spacing
    # Above voxels, where the zero set is known.
    above[:, :2] = np.rint((above[:, :2] + 1) / spacing) * spacing - 1
    quality = measure(field_of(((1.0, 1.0, 1.0), (0, 0, 0))), above.astype(np.float32))
    assert quality.surface_recall == recall


def tilted(points):
    """Turned about two axes, off every plane of voxels."""
    return trimesh.transform_points(points, trimesh.transformations.euler_matrix(0.3, 0.2, 0))


def test_a_wall_in_crumbs_is_near_its_zero_set_but_not_backed():
    spacing = voxel_spacing(RESOLUTION)
    size = (1.4, 1.4, 0.5 * spacing)
    surface = tilted(surface_of((size, (0, 0, 0)))).astype(np.float32)
    turned_back = grid_points(RESOLUTION) @ tilted(np.eye(3)).T
    crumbs = formulas.box_distance(turned_back, size).reshape((RESOLUTION,) * 3)
    quality = measure(crumbs.astype(np.float32), surface)
    assert quality.surface_recall > 0.97
    assert quality.backed < 0.9
    whole = measure((crumbs - 0.25 * spacing).astype(np.float32), surface, 0.25 * spacing)
    assert whole.backed > 0.99


@pytest.mark.parametrize("off", [0.0, 0.25, 0.5])
def test_a_rod_that_the_grid_shows_is_backed(off):
    spacing = voxel_spacing(RESOLUTION)
    rod = (1.5 * spacing, 1.5 * spacing, 1.5), (off * spacing, off * spacing, 0)
    assert measure(field_of(rod), surface_of(rod)).backed > 0.95


def test_shapes_that_fill_the_cube_have_a_surface_at_its_border():
    whole = ((2.0, 2.0, 2.0), (0, 0, 0))
    quality = measure(field_of(whole), surface_of(whole))
    # All but the very corners.
    assert quality.surface_recall > 0.99
    assert quality.backed == 1.0
    assert quality.leak == 0.0


def test_a_field_without_inside_is_rejected():
    empty = np.full((16, 16, 16), 0.3, np.float32)
    quality = measure(empty, surface_of(TOP))
    assert quality.inside_fraction == quality.surface_recall == quality.leak == 0.0
    assert quality.backed == 0.0
    assert quality.rejection_reason().startswith("nothing inside: ")


def test_recall_is_0_without_visible_points():
    quality = measure(field_of(TOP), np.zeros((0, 3), np.float32))
    assert quality.surface_recall == quality.backed == 0.0


def test_signs_that_flip_in_mid_air_are_jumps():
    field = field_of(TOP, LEG)
    spoilt = field.copy()
    spoilt[4:9, 4:9, 4:9] *= -1
    quality = measure(spoilt, surface_of(TOP, LEG))
    assert quality.leak > MAX_LEAK
    # Six sides of 25 edges, over all edges that cross zero.
    crossings = sum(
        ((near < 0) != (far < 0)).sum()
        for near, far in (neighbours(field, axis) for axis in range(3))
    )
    border = sum((np.take(field, end, axis) < 0).sum() for axis in range(3) for end in (0, -1))
    assert quality.leak == pytest.approx(150 / (150 + crossings + border), rel=0.02)
    assert quality.rejection_reason().startswith("jumps: the sign flips away from the surface on ")


@pytest.mark.parametrize(
    ("quality", "word"),
    [
        (Quality(0.1, 1.0, 1.0, 0.0), ""),
        (Quality(0.1, MIN_RECALL, 1.0, MAX_LEAK), ""),
        (Quality(0.1, MIN_RECALL - 0.001, 1.0, 0.0), "lost surface"),
        (Quality(0.1, 1.0, 1.0, MAX_LEAK + 0.001), "jumps"),
        (Quality(0.0, 1.0, 1.0, 0.0), "nothing inside"),
        (Quality(0.0, 0.0, 1.0, 1.0), "nothing inside"),
    ],
)
def test_the_rejection_reason_names_the_measure(quality, word):
    reason = quality.rejection_reason()
    assert reason.startswith(word)
    assert bool(reason) == bool(word)
    assert "\n" not in reason


def test_jumps_are_steeper_than_a_distance():
    near = np.array([0.0, 0.1, 0.1, 0.1], np.float32)
    far = np.array([0.0, -0.04, -0.06, 0.26], np.float32)
    assert is_jump(near, far, 0.1).tolist() == [False, False, True, True]


def test_points_near_some_inside_are_backed_by_a_margin():
    field, surface = field_of(TOP), surface_of(TOP)
    assert len(unbacked(field, surface)) < 0.02 * len(surface)
    assert len(unbacked(field, surface, 0.2)) == len(surface)
    # Nothing is inside below this height.
    upper = np.where(grid_points(RESOLUTION)[:, 2].reshape(field.shape) > 0.8, field, 1)
    lost = unbacked(upper.astype(np.float32), surface)
    below = surface[surface[:, 2] < 0.7]
    assert len(below) <= len(lost) < 0.8 * len(surface)


def test_only_voxels_beside_points_decide_whether_they_are_backed():
    random = np.random.default_rng(0)
    for _ in range(20):
        field = random.uniform(-0.2, 1, (RESOLUTION,) * 3).astype(np.float32)
        points = random.uniform(-1, 1, (40, 3)).astype(np.float32)
        points[:3] = [[-1, -1, -1], [1, 1, 1], [0, 1, -1]]
        beside = voxels_beside(points, RESOLUTION)
        assert beside.mean() < 0.2
        lost = unbacked(field, points)
        assert 0 < len(lost) < len(points)
        other = random.uniform(-1, 1, field.shape).astype(np.float32)
        got = unbacked(np.where(beside, field, other), points)
        np.testing.assert_array_equal(got, lost)
