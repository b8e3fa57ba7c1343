"""One mesh of a run: its shape, its report, and what it fails for."""

import dataclasses
import math

import h5py
import numpy as np
import pytest
import trimesh
from support import formulas, shapes
from support.processed import BAD, BOX, CENTER, CLOUD, SIZE, SMALL, job_of, made

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import join_shards, read_shape, write_shard
from shapegan.pipeline.run.process_mesh import process
from shapegan.pipeline.schema import decode_positions, grid_points


def test_report_of_an_accepted_mesh(outcome):
    report = outcome.report
    assert (report.id, report.category, report.path) == ("box", "03001627", "03001627/box.obj")
    assert (report.status, report.reason, report.split) == ("ok", "", "train")
    assert report.method == "winding"
    assert report.faces == 48
    assert report.shard is None
    assert report.row is None
    # 64 * 32 * 16 voxels of 64^3 lie within 4 x 2 x 1, but for those on the cube's border.
    assert report.inside_fraction == pytest.approx(62 * 32 * 16 / 64**3, rel=0.03)
    assert report.surface_recall > 0.95
    assert 0 < report.seconds < 60


def test_notes_of_the_reader_are_reported(tmp_path, outcome):
    assert outcome.report.notes == ""
    path = tmp_path / "box.stl"
    trimesh.creation.box((2, 1, 0.5)).subdivide().export(path)
    path.write_bytes(path.read_bytes() + b"rest")
    report = process(job_of(path, "box"), SMALL).report
    assert report.status == "ok"
    assert report.notes == "left out 4 bytes after the 48 triangles that are declared"


def test_the_shape_is_complete(outcome):
    shape = outcome.shape
    assert (shape.id, shape.category) == ("box", "03001627")
    assert list(shape.voxels) == [8, 16]
    assert list(shape.points) == ["uniform", "surface", "cloud"]
    for resolution, grid in shape.voxels.items():
        assert grid.shape == (resolution,) * 3
        assert grid.dtype == np.float16
    for points in shape.points.values():
        assert points.position.shape == (2000, 3)
        assert points.sdf.shape == (2000,)


def test_frames_lead_back_to_the_mesh(outcome):
    shape = outcome.shape
    np.testing.assert_allclose(shape.center, CENTER, rtol=1e-6)
    assert shape.scale_cube == pytest.approx(2.0)
    assert shape.scale_sphere == pytest.approx(math.sqrt(4 + 1 + 0.25))


def test_voxels_are_distances_in_the_cube_frame(outcome):
    shape = outcome.shape
    for resolution, grid in shape.voxels.items():
        at = shape.center + shape.scale_cube * grid_points(resolution).astype(np.float64)
        expected = formulas.box_distance(at - np.array(CENTER), SIZE) / shape.scale_cube
        np.testing.assert_allclose(grid.ravel(), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["uniform", "surface", "cloud"])
def test_points_are_distances_in_the_sphere_frame(outcome, name):
    shape = outcome.shape
    points = shape.points[name]
    at = shape.center + shape.scale_sphere * decode_positions(points.position).astype(np.float64)
    expected = formulas.box_distance(at - np.array(CENTER), SIZE) / shape.scale_sphere
    np.testing.assert_allclose(points.sdf, expected, rtol=1e-3, atol=2e-6)
    near = (np.abs(points.sdf) < 0.02).mean()
    assert near > 0.9 if name != "uniform" else near < 0.3


def arrays_of(shape):
    stored = [*shape.voxels.values(), shape.center, shape.scale_cube, shape.scale_sphere]
    for points in shape.points.values():
        stored += [points.position, points.sdf]
    return [np.asarray(values).tobytes() for values in stored]


def test_the_same_mesh_gives_the_same_bytes(tmp_path, outcome):
    config = dataclasses.replace(SMALL, **CLOUD)
    made(tmp_path, shapes.icosphere(), config, "between")
    again = made(tmp_path, BOX, config)
    assert arrays_of(again.shape) == arrays_of(outcome.shape)
    assert dataclasses.replace(again.report, seconds=0) == dataclasses.replace(
        outcome.report, seconds=0
    )


def test_seed_and_id_move_the_points_and_nothing_else(tmp_path, outcome):
    config = dataclasses.replace(SMALL, **CLOUD)
    other_seed = made(tmp_path, BOX, dataclasses.replace(config, seed=1)).shape
    other_name = made(tmp_path, BOX, config, "other").shape
    for other in (other_seed, other_name):
        assert arrays_of(other)[:5] == arrays_of(outcome.shape)[:5]
        for name, points in other.points.items():
            assert (points.position != outcome.shape.points[name].position).any()


def test_windings_seams_and_double_faces_do_not_matter(tmp_path, outcome):
    again = shapes.flip_half(shapes.soup(BOX), 3)
    spoilt = made(tmp_path, shapes.join(shapes.flip_half(shapes.soup(BOX)), again))
    assert spoilt.report.status == "ok"
    assert spoilt.report.faces == 96
    for resolution, grid in spoilt.shape.voxels.items():
        np.testing.assert_array_equal(grid, outcome.shape.voxels[resolution])


def test_a_config_without_points_stores_none(tmp_path):
    shape = made(tmp_path, BOX, dataclasses.replace(SMALL, points=0)).shape
    assert shape.points == {}
    assert list(shape.voxels) == [8, 16]


BESIDE = shapes.turned(shapes.box((1.0, 1.0, 0.4), (0, 0, -0.7)), 0.3)
"""A solid below a sheet."""


@pytest.mark.parametrize(
    ("mesh", "method"),
    [
        (shapes.plane(), "winding+sheets"),
        (shapes.join(BESIDE, shapes.plane()), "winding+sheets"),
        (shapes.thin_plate(0.01), "winding+thin"),
        (shapes.loose_box(), "winding+caps"),
        (shapes.join(shapes.loose_box(), shapes.plane((0.5, 0.5))), "winding+caps"),
        (
            shapes.join(shapes.loose_box(), shapes.moved(shapes.plane(), (1.5, 0, 0))),
            "winding+sheets+caps",
        ),
    ],
    ids=["sheet", "sheet and solid", "wall", "gaps", "gaps and hidden sheet", "gaps and sheet"],
)
def test_the_method_names_what_was_added(tmp_path, mesh, method):
    config = PreprocessConfig(resolutions=(24,), points=0, sheet_thickness=0.05)
    report = made(tmp_path, mesh, config).report
    assert (report.status, report.method) == ("ok", method)


def test_a_box_beside_a_sheet_needs_no_cap(tmp_path):
    mesh = shapes.join(shapes.box((1.0, 1.0, 0.4), (0, 0, -0.7)), shapes.plane())
    config = PreprocessConfig(resolutions=(24,), points=0, sheet_thickness=0.05)
    assert made(tmp_path, mesh, config).report.method == "winding+sheets"


def test_a_sheet_gets_the_thickness_of_the_config(tmp_path):
    config = dataclasses.replace(SMALL, resolutions=(17,), points=500, sheet_thickness=0.06)
    shape = made(tmp_path, shapes.plane((3.0, 3.0)), config).shape
    grid = shape.voxels[17].astype(np.float64)
    np.testing.assert_allclose(grid[8, 8], np.abs(np.linspace(-1, 1, 17)) - 0.06, atol=1e-3)


def test_a_carpet_on_the_border_of_the_cube_is_not_a_jump(tmp_path):
    carpet = shapes.moved(shapes.plane((2.0, 2.0)), (0, 0, -1))
    pillar = shapes.turned(shapes.box((0.5, 0.6, 1.8), (0, 0, 0.1)), 0.3)
    report = made(tmp_path, shapes.join(carpet, pillar), PreprocessConfig(points=0)).report
    assert (report.status, report.reason) == ("ok", "")


def test_sheets_without_thickness_leave_nothing(tmp_path):
    config = dataclasses.replace(SMALL, sheet_thickness=0.0)
    outcome = made(tmp_path, shapes.plane(), config)
    assert outcome.shape is None
    assert outcome.report.status == "rejected"
    assert outcome.report.reason.startswith("nothing inside")
    assert outcome.report.inside_fraction == outcome.report.surface_recall == 0.0
    assert outcome.report.method == "winding"
    assert outcome.report.seconds > 0


def test_a_mesh_that_loses_most_of_its_surface_is_rejected(tmp_path):
    config = dataclasses.replace(SMALL, sheet_thickness=0.0)
    mesh = shapes.join(shapes.plane((2, 2)), shapes.box((0.5, 0.5, 0.5), (0, 0, 0.6)))
    outcome = made(tmp_path, mesh, config)
    assert outcome.shape is None
    assert outcome.report.status == "rejected"
    assert outcome.report.reason.startswith("lost surface: only ")
    assert outcome.report.surface_recall < 0.8


@pytest.mark.parametrize("name", list(BAD))
def test_bad_meshes_fail_with_one_line(tmp_path, name):
    path = tmp_path / "bad.obj"
    path.write_text(BAD[name])
    outcome = process(job_of(path, "bad"), SMALL)
    assert outcome.shape is None
    assert outcome.report.status == "failed"
    assert outcome.report.reason
    assert "\n" not in outcome.report.reason
    assert (outcome.report.id, outcome.report.split) == ("bad", "train")


def test_a_missing_file_fails_with_one_line(tmp_path):
    outcome = process(job_of(tmp_path / "none.obj"), SMALL)
    assert (outcome.report.status, outcome.shape) == ("failed", None)
    assert "\n" not in outcome.report.reason


def test_one_triangle_becomes_a_thin_shape(tmp_path):
    mesh = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32)
    config = PreprocessConfig(resolutions=(64,), points=100)
    outcome = made(tmp_path, mesh, config)
    assert (outcome.report.status, outcome.report.method) == ("ok", "winding+sheets")
    assert outcome.report.faces == 1


def test_the_centre_of_a_mesh_far_from_the_origin_is_exact(tmp_path):
    center = np.array([402_531.125, 5_654_321.375, 87.3])
    far = made(tmp_path, shapes.box(SIZE, center, subdivisions=1), name="far").shape
    np.testing.assert_allclose(far.center, center, atol=1e-8)
    write_shard(tmp_path / "far.h5", [far], SMALL)
    join_shards(tmp_path / "both.h5", [tmp_path / "far.h5"] * 2, [far, far], SMALL)
    for name in ("far.h5", "both.h5"):
        with h5py.File(tmp_path / name) as file:
            stored = read_shape(file, -1)
        np.testing.assert_array_equal(stored.center, far.center)
        assert (stored.scale_cube, stored.scale_sphere) == (far.scale_cube, far.scale_sphere)
        assert stored.scale_sphere == pytest.approx(math.sqrt(4 + 1 + 0.25), rel=1e-9)


@pytest.mark.parametrize("thin_parts", ["keep", "true", "points"])
def test_thin_parts_are_kept_where_the_config_says(tmp_path, thin_parts):
    """A plate 0.04 thick, in the frame of the cube."""
    config = PreprocessConfig(resolutions=(16, 64), points=2000, thin_parts=thin_parts)
    shape = made(tmp_path, shapes.box((2.0, 1.0, 0.04)), config).shape
    inside = {r: (grid < 0).any() for r, grid in shape.voxels.items()}
    assert inside == {16: thin_parts != "true", 64: True}
    depth = -shape.points["uniform"].sdf.min() * shape.scale_sphere / shape.scale_cube
    assert (depth > 0.03) == (thin_parts == "points")
