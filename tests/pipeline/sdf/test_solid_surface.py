"""Surfaces of meshes' solids; `tests/pipeline/contouring` has those of analytic fields."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from support import shapes
from support.manifolds import check_manifold

from shapegan.pipeline import MeshSDF
from shapegan.pipeline.config import ConfigError, least_half_thickness
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh, usable
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.solid_surface import solid_surface
from shapegan.pipeline.sdf.voids import fill_voids

CUBES_AND_DUAL = pytest.mark.parametrize("contouring", ["cubes", "dual"])


def given_as(mesh):
    return SimpleNamespace(vertices=mesh[0], faces=mesh[1])


def surface(mesh, resolution=64, contouring="cubes", **options):
    made = MeshSDF(given_as(mesh)).surface(resolution, contouring=contouring, **options)
    return check_manifold(made.vertices, made.faces)


def by_command(mesh, resolution=64, contouring="cubes", method="winding"):
    """The surface with the thickness that `shapegan watertight` takes by default."""
    triangles = usable(np.asarray(mesh[0], float), np.asarray(mesh[1], np.int64))
    made = make_field(triangles, 0.016, method)
    thickness = least_half_thickness(resolution)
    return solid_surface(made, resolution, contouring, thickness)


@CUBES_AND_DUAL
def test_a_closed_box_keeps_its_size(contouring):
    got = surface(shapes.box((4.0, 2.0, 1.0), (10, -3, 5)), contouring=contouring)
    assert got.euler_number == 2
    np.testing.assert_allclose(got.bounds, [[8, -4, 4.5], [12, -2, 5.5]], atol=0.01)
    assert got.volume == pytest.approx(8, rel=5e-3)


@CUBES_AND_DUAL
def test_overlapping_solids_become_one_without_inner_faces(contouring):
    got = surface(shapes.overlapping_boxes(), contouring=contouring)
    assert got.body_count == 1
    assert got.euler_number == 2


def test_a_solid_within_a_solid_leaves_no_skin():
    """Both spheres look outwards, so what is between them is full."""
    got = surface(shapes.nested_spheres())
    assert got.body_count == 1
    assert got.euler_number == 2


def test_a_torn_soup_wound_at_random_is_closed():
    mesh = shapes.flip_half(shapes.soup(shapes.icosphere(0.8, 3)), 1)
    torn = mesh[0], mesh[1][np.random.default_rng(0).random(len(mesh[1])) > 0.02]
    got = surface(torn)
    assert got.euler_number == 2
    assert got.volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.03)


@CUBES_AND_DUAL
def test_a_bare_sheet_gets_the_given_thickness(contouring):
    got = surface(shapes.plane((2.0, 1.0)), 64, contouring, sheet_thickness=0.05)
    # Dual contouring oversteps the round rim by a little.
    assert np.ptp(got.vertices[:, 2]) == pytest.approx(0.1, abs=0.15 * 2 / 64)
    field = MeshSDF(given_as(shapes.plane((2.0, 1.0))), sheet_thickness=0.1)
    again = check_manifold(*_parts(field.surface(64)))
    assert np.ptp(again.vertices[:, 2]) == pytest.approx(0.2, abs=2e-3)


def _parts(mesh: TriangleMesh):
    return mesh.vertices, mesh.faces


def test_a_sheet_gets_a_little_more_than_a_cell_by_default():
    found = by_command(shapes.plane((2.0, 1.0)), 100)
    got = check_manifold(*_parts(found.mesh))
    assert np.ptp(got.vertices[:, 2]) == pytest.approx(2.2 / 100, abs=1e-3)
    assert got.euler_number == 2
    assert found.recall == 1
    assert found.rejection_reason() == ""


def test_without_thickness_sheets_are_left_out():
    sheet = shapes.moved(shapes.plane((1.0, 1.0)), (0, 0, 2.0))
    both = shapes.join(shapes.box((1, 1, 1)), sheet)
    got = surface(both, sheet_thickness=0)
    assert got.bounds[1, 2] == pytest.approx(0.5, abs=0.01)
    none = MeshSDF(given_as(shapes.plane())).surface(32, sheet_thickness=0)
    assert len(none.faces) == len(none.vertices) == 0


def test_closed_walls_of_more_than_a_cells_diagonal_do_not_grow():
    found = by_command(shapes.box((2.0, 1.0, 2.4 * 2 / 100)), 100)
    got = check_manifold(*_parts(found.mesh))
    assert np.ptp(got.vertices[:, 2]) == pytest.approx(2.4 * 2 / 100, abs=1e-3)


def test_thinner_walls_and_rods_are_whole():
    rod = shapes.turned(shapes.box((2.0, 0.004, 0.004)), 0.4)
    got = check_manifold(*_parts(by_command(rod, 64).mesh))
    assert got.body_count == 1
    assert got.euler_number == 2


@pytest.mark.parametrize("away", [1e3, 1e7])
def test_meshes_far_from_the_origin_keep_their_precision(away):
    near, place = shapes.icosphere(0.8, 3), np.array([away, -away, 2 * away])
    far = MeshSDF(given_as((near[0] + place, near[1]))).surface(48)
    assert far.vertices.dtype == np.float64
    check_manifold(far.vertices - place, far.faces)
    radius = np.linalg.norm(far.vertices - place, axis=1)
    assert np.abs(radius - 0.8).max() < 0.01


def test_dual_contouring_follows_sharp_edges():
    mesh = shapes.turned(shapes.box((1.6, 1.2, 0.8)), 0.4)
    volume = 1.6 * 1.2 * 0.8
    cut = volume - surface(mesh, 48).volume
    kept = volume - surface(mesh, 48, "dual").volume
    assert abs(kept) < 0.1 * cut


def test_a_surface_that_lost_much_is_rejected():
    big = shapes.join(shapes.plane((2.0, 2.0)), shapes.box((0.2, 0.2, 0.2), (0, 0, 0.5)))
    triangles = usable(np.asarray(big[0], float), np.asarray(big[1], np.int64))
    found = solid_surface(make_field(triangles, 0.016), 64, "cubes", 0.0)
    assert found.rejection_reason().startswith("lost surface: only ")
    sheet = shapes.plane()
    triangles = usable(np.asarray(sheet[0], float), np.asarray(sheet[1], np.int64))
    found = solid_surface(make_field(triangles, 0.016), 64, "cubes", 0.0)
    assert found.rejection_reason().startswith("nothing inside")


def test_voids_are_filled_with_all_that_is_in_them():
    def ball(radius):
        return shapes.icosphere(radius, 2)

    nested = shapes.join(ball(0.9), shapes.inside_out(ball(0.7)), ball(0.3))
    apart = shapes.join(nested, shapes.moved(ball(0.2), (1.5, 0, 0)))
    vertices, faces = fill_voids(np.asarray(apart[0], np.float64), apart[1])
    got = check_manifold(vertices, faces)
    expected = sum(shapes.volume(*ball(radius)) for radius in (0.9, 0.2))
    assert got.body_count == 2
    assert got.volume == pytest.approx(expected, rel=1e-6)


def test_surfaces_without_voids_stay_as_they_are():
    mesh = shapes.icosphere(0.9, 2)
    vertices, faces = fill_voids(np.asarray(mesh[0], np.float64), mesh[1])
    np.testing.assert_array_equal(faces, mesh[1])
    assert len(vertices) == len(mesh[0])


def test_cavities_of_closed_meshes_are_kept():
    hollow = shapes.join(shapes.icosphere(0.9, 3), shapes.inside_out(shapes.icosphere(0.6, 3)))
    assert surface(hollow).body_count == 2


def test_arguments_are_checked():
    field = MeshSDF(trimesh.creation.icosphere(1))
    with pytest.raises(ConfigError, match="resolution: got 4, takes 8 to 2048"):
        field.surface(4)
    with pytest.raises(ConfigError, match="contouring: got squares"):
        field.surface(32, contouring="squares")
    with pytest.raises(ConfigError, match="sheet_thickness: got"):
        field.surface(32, sheet_thickness=0.5)


@pytest.mark.slow
def test_a_grid_of_512_fits_in_two_gigabytes():
    program = """
from pathlib import Path
import trimesh
from shapegan.pipeline import MeshSDF
mesh = trimesh.util.concatenate(
    [trimesh.creation.box((2, 2, 0.03), trimesh.transformations.translation_matrix((0, 0, z)))
     for z in (-0.8, -0.3, 0.2, 0.7)]
)
got = MeshSDF(mesh).surface(512)
# Not getrusage: its maximum includes that of the process that started this one.
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(len(got.faces), int(status["VmHWM"].split()[0]) * 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    faces, peak = map(int, done.stdout.split())
    assert faces > 4_000_000
    assert peak < 2e9
