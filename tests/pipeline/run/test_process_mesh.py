import dataclasses
import math
from functools import partial

import h5py
import numpy as np
import pytest
import trimesh
from support import shapes
from support.scanners import ball_scanner

from shapegan.pipeline.config import SCAN_SIGNS, PreprocessConfig
from shapegan.pipeline.dataset.shards import join_shards, read_shape, write_shard
from shapegan.pipeline.run.process_mesh import process
from shapegan.pipeline.schema import Job, decode_positions, grid_points
from shapegan.pipeline.sdf.quality import Quality
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, NoOpenGLError, ScannedSurface, check_opengl

SMALL = PreprocessConfig(resolutions=(8, 16), points=2000, thin_parts="true")
SIZE, CENTER = (4.0, 2.0, 1.0), (10.0, -3.0, 5.0)
BOX = shapes.box(SIZE, CENTER, subdivisions=1)


def job_of(path, name="box"):
    return Job(name, "03001627", path, f"03001627/{path.name}", "train")


CLOUD = {"mixes": ("deepsdf",), "mix_points": 2000}


def made(tmp_path, mesh, config=SMALL, name="box"):
    return process(job_of(shapes.write_obj(tmp_path / f"{name}.obj", *mesh), name), config)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return made(tmp_path_factory.mktemp("box"), BOX, dataclasses.replace(SMALL, **CLOUD))


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
        expected = shapes.box_distance(at - np.array(CENTER), SIZE) / shape.scale_cube
        np.testing.assert_allclose(grid.ravel(), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["uniform", "surface", "cloud"])
def test_points_are_distances_in_the_sphere_frame(outcome, name):
    shape = outcome.shape
    points = shape.points[name]
    at = shape.center + shape.scale_sphere * decode_positions(points.position).astype(np.float64)
    expected = shapes.box_distance(at - np.array(CENTER), SIZE) / shape.scale_sphere
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


BAD = {
    "empty": "",
    "no mesh": "Dear Sir,\nno mesh is enclosed.\n",
    "no faces": "v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "lines": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
    "repeated corner": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 2\n",
    "one place": "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
    "nan": "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "huge": "v 1e30 0 0\nv 0 1e30 0\nv 0 0 1e30\nf 1 2 3\n",
    "beyond": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
    "too small to tell": "v 0 0 0\nv 1 0 0\nv 1 1e-7 0\nf 1 2 3\n",
}


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


# --- the paper's way -----------------------------------------------------------------------------

SCAN = dataclasses.replace(SMALL, method="scan")


@pytest.fixture
def scans(monkeypatch):
    """Lets a stand-in scan; without one, a few small scans are made."""

    def use(scanner=partial(ScannedSurface, scans=16, pixels=160)):  # noqa: B008
        monkeypatch.setattr("shapegan.pipeline.sdf.mesh_field.ScannedSurface", scanner)

    return use


@pytest.mark.parametrize("signs", SCAN_SIGNS)
def test_scanned_shapes_come_from_the_scans(tmp_path, scans, signs):
    def scanner(vertices, faces, radius, signs):
        """The scans for voxels and those for points see balls of different size."""
        asked.append(signs)
        return ball_scanner(0.6 if radius == CUBE_RADIUS else 0.5)(vertices, faces, radius)

    asked = []
    scans(scanner)
    outcome = made(tmp_path, BOX, dataclasses.replace(SCAN, signs=signs, **CLOUD))
    assert asked == [signs, signs]
    report, shape = outcome.report, outcome.shape
    assert (report.status, report.reason, report.method) == ("ok", "", "scan")
    assert (report.faces, report.split) == (48, "train")
    assert report.inside_fraction == pytest.approx(math.pi / 6 * 0.6**3, rel=0.1)
    assert report.surface_recall == 1.0
    for resolution, grid in shape.voxels.items():
        expected = np.linalg.norm(grid_points(resolution), axis=1) - 0.6
        np.testing.assert_allclose(grid.ravel(), expected, rtol=1e-3, atol=1e-4)
    scale = shape.scale_sphere / shape.scale_cube
    assert list(shape.points) == ["uniform", "surface", "cloud"]
    for points in shape.points.values():
        expected = np.linalg.norm(decode_positions(points.position), axis=1) - 0.5 / scale
        np.testing.assert_allclose(points.sdf, expected, rtol=1e-3, atol=1e-4)


def test_scans_with_too_little_inside_are_refused(tmp_path, scans):
    scans(ball_scanner(0.2))
    outcome = made(tmp_path, BOX, SCAN)
    assert outcome.shape is None
    assert outcome.report.status == "rejected"
    assert outcome.report.reason.startswith("too little inside: 0.")
    assert outcome.report.method == "scan"
    assert outcome.report.inside_fraction is not None
    assert made(tmp_path, BOX, dataclasses.replace(SCAN, points=0)).report.status == "ok"


@pytest.mark.parametrize("resolution", [8, 16])
def test_scans_that_jump_at_any_resolution_are_refused(tmp_path, scans, resolution):
    def tear(sdf):
        torn = sdf.copy()
        if sdf.shape == (resolution,) * 3:
            torn[2, 2, 2] = -torn[2, 2, 2]
        return torn

    scans(ball_scanner(0.6, spoil=tear))
    outcome = made(tmp_path, BOX, SCAN)
    assert outcome.shape is None
    assert outcome.report.status == "rejected"
    assert outcome.report.reason.startswith(f"jumps: {resolution}^3 distances fall")


def test_only_the_papers_checks_apply_to_scans(tmp_path, scans, monkeypatch):
    scans(ball_scanner(0.6))
    poor = Quality(inside_fraction=0.0, surface_recall=0.1, backed=0.1, leak=0.9)
    monkeypatch.setattr("shapegan.pipeline.sdf.mesh_field.measure", lambda *_: poor)
    report = made(tmp_path, BOX, SCAN).report
    assert (report.status, report.reason) == ("ok", "")
    assert (report.inside_fraction, report.surface_recall) == (0.0, 0.1)


def test_bad_meshes_are_not_scanned(tmp_path, scans):
    scans(None)
    path = tmp_path / "bad.obj"
    path.write_text(BAD["nan"])
    report = process(job_of(path), SCAN).report
    assert (report.status, report.method) == ("failed", "")
    assert "NaN" in report.reason


def test_missing_opengl_raises_instead_of_failing_the_mesh(tmp_path, monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(NoOpenGLError, match="install libegl1"):
        made(tmp_path, BOX, SCAN)


@pytest.fixture
def opengl():
    """Skips where there is no OpenGL, and says why."""
    try:
        check_opengl()
    except NoOpenGLError as error:
        pytest.skip(str(error))


@pytest.mark.gl
def test_a_box_is_scanned(tmp_path, opengl, scans, outcome):
    scans()
    scanned = made(tmp_path, BOX, SCAN)
    assert (scanned.report.status, scanned.report.method) == ("ok", "scan")
    assert scanned.report.inside_fraction == pytest.approx(1 / 8, abs=0.02)
    for resolution, grid in scanned.shape.voxels.items():
        exact = outcome.shape.voxels[resolution].astype(float)
        clear = np.abs(exact) > 0.05
        np.testing.assert_allclose(grid[clear], exact[clear], atol=0.04)
    for points in scanned.shape.points.values():
        at = scanned.shape.scale_sphere * decode_positions(points.position).astype(float)
        exact = shapes.box_distance(at, SIZE) / scanned.shape.scale_sphere
        clear = np.abs(exact) > 0.05
        np.testing.assert_allclose(points.sdf[clear], exact[clear], atol=0.04)


@pytest.mark.gl
def test_a_scanned_sheet_has_no_inside(tmp_path, opengl, scans):
    scans()
    report = made(tmp_path, shapes.turned(shapes.plane(), 0.3), SCAN).report
    assert (report.status, report.method) == ("rejected", "scan")
    assert report.reason.startswith("too little inside")


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
