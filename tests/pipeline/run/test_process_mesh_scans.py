"""One mesh by the paper's scans."""

import dataclasses
import math
from functools import partial

import numpy as np
import pytest
from support import formulas, shapes
from support.processed import BAD, BOX, CLOUD, SIZE, SMALL, job_of, made
from support.scanners import ball_scanner

from shapegan.pipeline.config import SCAN_SIGNS
from shapegan.pipeline.run.process_mesh import process
from shapegan.pipeline.schema import decode_positions, grid_points
from shapegan.pipeline.sdf.quality import Quality
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, NoOpenGLError, ScannedSurface, check_opengl

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
        exact = formulas.box_distance(at, SIZE) / scanned.shape.scale_sphere
        clear = np.abs(exact) > 0.05
        np.testing.assert_allclose(points.sdf[clear], exact[clear], atol=0.04)


@pytest.mark.gl
def test_a_scanned_sheet_has_no_inside(tmp_path, opengl, scans):
    scans()
    report = made(tmp_path, shapes.turned(shapes.plane(), 0.3), SCAN).report
    assert (report.status, report.method) == ("rejected", "scan")
    assert report.reason.startswith("too little inside")
