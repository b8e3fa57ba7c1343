"""Fields change no faster than points move, whatever is thickened, capped or flooded."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.schema import voxel_spacing
from shapegan.pipeline.sdf import mesh_field
from shapegan.pipeline.sdf.caps import NO_CAPS, limit_jumps, square_caps
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.quality import MAX_EXCESS, Quality, lipschitz_excess
from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import build_shell
from shapegan.pipeline.shell.wall_thickness import ThinParts, local_thickness, thicken_thin_parts

MESHES = sorted((Path(__file__).parents[2] / "data" / "meshes").rglob("*.obj"))
T = 0.016
ROUNDING = 3e-6


def excess_of_pairs(field, points, seed=0, across=True):
    """Largest excess over the distances of close pairs, around points (N, 3).

    Pairs of which one point is inside by its winding number count only with `across`.
    """
    sides = SignedDistance(field.queries, 0.0)
    random = np.random.default_rng(seed)
    worst = 0.0
    for length in (0.001, 0.01, 0.05):
        step = random.standard_normal(points.shape)
        others = points + (length * step / np.linalg.norm(step, axis=1)[:, None]).astype(np.float32)
        near, far = (field.signed_distances(some)[0] for some in (points, others))
        gap = np.linalg.norm(points.astype(float) - others, axis=1)
        excess = np.abs(near - far) - gap
        if not across:
            inside = [sides.signed_distances(some)[0] < 0 for some in (points, others)]
            excess = excess[inside[0] == inside[1]]
        worst = max(worst, float(excess.max()))
    return worst


def around(mesh, count=1500, seed=0):
    """Points near a mesh and in the cube."""
    near = shapes.points_near(mesh, count, 0.02, seed)
    return np.concatenate([near, shapes.points_around(count // 2, seed, 1.1)])


@st.composite
def furniture(draw):
    """Boards, rods and sheets of random thickness that meet and pass through each other; sheets."""
    thickness = st.sampled_from([0.004, 0.01, 0.02, 0.03, 0.2])
    place = st.floats(-0.5, 0.5)
    parts, sheets = [], 0
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["board", "rod", "sheet"]))
        sheets += kind == "sheet"
        center = draw(st.tuples(place, place, place))
        if kind == "sheet":
            part = shapes.moved(shapes.plane((0.8, 0.6), cells=2), center)
        else:
            thin = [draw(thickness) for _ in range(1 if kind == "board" else 2)]
            sizes = np.roll([*thin, *[0.9, 0.7][: 3 - len(thin)]], draw(st.integers(0, 2)))
            part = shapes.box(sizes, center, draw(st.integers(0, 2)))
        parts.append(shapes.turned(part, draw(st.sampled_from([0.0, 0.3]))))
    return shapes.join(*parts), sheets


@examples(25)
@given(drawn=furniture(), seed=st.integers(0, 1000))
def test_thickened_parts_of_any_thickness_make_a_distance_field(drawn, seed):
    mesh, sheets = drawn
    shell = build_shell(*mesh)
    thin = thicken_thin_parts(shell, local_thickness(shell), T)
    field = SignedDistance(ShellQueries.of(shell), T, thin)
    # Sheets that face each other enclose what is between them, and at their open sides single
    # points are inside. Grids limit the jumps there: see `OPEN`.
    points = around(mesh, 800, seed)
    assert excess_of_pairs(field, points, seed, across=sheets < 2) < ROUNDING


@examples(15)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.01, 0.05, 0.3]))
def test_offsets_of_any_kind_make_a_distance_field(seed, spread):
    """Steps and steep slopes of the offset, too."""
    mesh = shapes.join(shapes.icosphere(0.6, 1), shapes.box((0.2, 1.6, 0.3), subdivisions=1))
    shell = build_shell(*mesh)
    random = np.random.default_rng(seed)
    offset = (
        spread * random.random(len(shell.vertices)) * (random.random(len(shell.vertices)) < 0.5)
    )
    offset = offset.astype(np.float32)
    faces = shell.pieces[shell.exterior & (offset[shell.pieces].max(axis=1) > 0)]
    field = SignedDistance(ShellQueries.of(shell), T, ThinParts(faces, offset))
    points = around(mesh, 800, seed % 1000)
    assert excess_of_pairs(field, points) < ROUNDING
    sdf, closest = field.signed_distances(points)
    np.testing.assert_allclose(np.linalg.norm(points - closest, axis=1), np.abs(sdf), atol=2e-6)


def test_a_thin_board_that_ends_in_a_thick_one():
    """Nearest faces change from one that grows by 0.011 to one that does not."""
    board = shapes.box((1.0, 1.0, 0.01), subdivisions=2)
    block = shapes.box((0.3, 1.0, 0.6), (0.6, 0, 0), subdivisions=2)
    shell = build_shell(*shapes.join(board, block))
    thin = thicken_thin_parts(shell, local_thickness(shell), T)
    field = SignedDistance(ShellQueries.of(shell), T, thin)
    along = np.linspace(-0.2, 0.44, 400)
    points = np.stack([along, 0.11 + 0 * along, 0.1 + 0 * along], axis=1).astype(np.float32)
    sdf = field.signed_distances(points)[0]
    assert np.abs(np.diff(sdf)).max() <= 0.64 / 399 + ROUNDING
    # Over the middle of the board its own thickness counts, beside the block the block.
    np.testing.assert_allclose(sdf[0], 0.1 - T, atol=2e-4)
    np.testing.assert_allclose(sdf[-1], 0.45 - along[-1], atol=1e-6)


@pytest.mark.parametrize("path", MESHES, ids=lambda path: path.parts[-3])
def test_grids_of_real_meshes_are_distance_fields(path):
    made = make_field(load(path), T)
    assert made.quality.lipschitz <= MAX_EXCESS
    for resolution in (8, 16, 32, 64):
        assert lipschitz_excess(made.voxels(resolution)) <= MAX_EXCESS
    random = np.random.default_rng(0)
    noise = 0.02 * random.standard_normal((3000, 3))
    points = made.field.surface_points(3000, random) + noise.astype(np.float32)
    assert excess_of_pairs(made.field, points) < ROUNDING


OPEN = [
    pytest.param(
        shapes.join(
            shapes.plane((0.8, 0.6), cells=2),
            shapes.moved(shapes.plane((0.8, 0.6), cells=2), (0, 0, 0.125)),
        ),
        id="sheets that face each other",
    ),
    pytest.param(shapes.loose_box(), id="gaps"),
    pytest.param(shapes.soup(shapes.open_box((1.4, 1.2, 1.0), 3)), id="open box"),
    pytest.param(shapes.apart(shapes.box(subdivisions=2), 0.15), id="loose faces"),
]


@pytest.mark.parametrize("mesh", OPEN)
@pytest.mark.parametrize("flood", [False, True])
def test_grids_of_open_bodies_are_distance_fields(mesh, flood, monkeypatch):
    if flood:
        monkeypatch.setattr(mesh_field, "measure", _rejected_once(mesh_field.measure))
    made = make_field(TriangleMesh(*mesh), T)
    assert (made.method == "flood") == flood
    for resolution in (8, 16, 32, 48, 64, 80):
        assert lipschitz_excess(made.voxels(resolution)) <= MAX_EXCESS
    assert made.quality.lipschitz <= MAX_EXCESS


def _rejected_once(measure):
    """`measure` with a field without inside first, so that the mesh is flooded."""
    qualities = [Quality(0.0, 1.0, 1.0, 0.0)]
    return lambda *args: qualities.pop() if qualities else measure(*args)


def spoilt_ball(resolution=24):
    """A ball's grid with the wrong sign on a block of voxels."""
    axis = np.linspace(-1, 1, resolution)
    grid = np.sqrt(sum(np.square(np.meshgrid(axis, axis, axis)))) - 0.5
    grid = grid.astype(np.float32)
    grid[2:6, 2:6, 2:6] *= -1
    return grid


def test_jumps_of_a_grid_are_limited_at_both_ends():
    grid = spoilt_ball()
    assert lipschitz_excess(grid) > 0.5
    limited = limit_jumps(grid)
    assert lipschitz_excess(limited) <= MAX_EXCESS
    np.testing.assert_array_equal(np.sign(limited), np.sign(grid))
    assert (np.abs(limited) <= np.abs(grid)).all()
    np.testing.assert_array_equal(limited[20:, 20:, 20:], grid[20:, 20:, 20:])


def test_a_distance_field_keeps_its_grid():
    grid = spoilt_ball()
    grid[2:6, 2:6, 2:6] *= -1
    assert limit_jumps(grid) is grid
    assert square_caps(grid) is NO_CAPS
    assert lipschitz_excess(grid) == 0.0


def test_squares_lie_across_the_edges_that_jump():
    grid, spacing = spoilt_ball(), voxel_spacing(24)
    caps = square_caps(grid)
    assert len(caps.faces) == 2 * 6 * 16
    area = shapes.area(caps.vertices, caps.faces)
    assert area == pytest.approx(6 * 16 * spacing**2, rel=1e-3)
    middles = caps.vertices.reshape(-1, 4, 3).mean(axis=1)
    inside = ((middles + 1) / spacing > 1).all(axis=1) & ((middles + 1) / spacing < 6).all(axis=1)
    assert inside.all()


def test_a_grid_that_is_no_distance_is_rejected():
    assert Quality(0.1, 1.0, 1.0, 0.0, MAX_EXCESS).rejection_reason() == ""
    reason = Quality(0.1, 1.0, 1.0, 0.0, 0.012).rejection_reason()
    assert reason == "no distance: neighbouring voxels differ by 1.2e-02 too much"
