import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from support import shapes

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.schema import grid_points

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = (
    *("accuracy", "exact_geometry", "markdown_table", "peers", "preprocessing_cost"),
    *("single", "solids", "truth"),
)


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """The benchmarks are scripts in one folder, which find each other there."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def inside_out(mesh):
    """The mesh with every face reversed."""
    return TriangleMesh(mesh.vertices, mesh.faces[:, ::-1])


def fine_box():
    """A box with enough faces to count as a real mesh."""
    mesh = trimesh.creation.box((2, 1.2, 0.6)).subdivide().subdivide()
    return TriangleMesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))


def test_table_aligns_numbers_and_keeps_three_digits():
    import markdown_table

    table = markdown_table.markdown(
        ["what", "n"], [["a", 1.23456], ["b", 2e-5], ["c", float("nan")]]
    )
    assert table.splitlines()[:2] == ["| what | n |", "| --- | ---: |"]
    assert table.splitlines()[2:] == ["| a | 1.23 |", "| b | 2.0e-05 |", "| c | - |"]


def test_winding_numbers_are_whole_inside_and_outside():
    import exact_geometry
    import solids

    mesh = next(mesh for name, mesh, _ in solids.solids() if name == "box")
    points = np.array([[0, 0, 0], [0.99, 0.59, 0.29], [1.01, 0, 0], [0, 5, 0]])
    triangles = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(
        exact_geometry.winding_numbers(points, triangles), [1, 1, 0, 0], atol=1e-12
    )
    inverse = exact_geometry.winding_numbers(points, triangles[:, ::-1])
    np.testing.assert_allclose(inverse, [-1, -1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("name", ["sphere", "box", "torus", "cylinder", "capsule", "table"])
def test_formulas_agree_with_their_meshes(name):
    import exact_geometry
    import solids

    mesh, parts = next((mesh, parts) for n, mesh, parts in solids.solids() if n == name)
    distances = np.min([part(mesh.vertices) for part in parts], axis=0)
    assert np.abs(distances).max() < 1e-9 or len(parts) > 1
    assert np.isclose(np.abs(mesh.vertices).max(), 1, atol=1e-4)
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    inside = np.min([part(points) for part in parts], axis=0) < 0
    winding = exact_geometry.winding_numbers(points, mesh.vertices[mesh.faces])
    np.testing.assert_array_equal(winding > 0.5, inside)


def test_regions_give_every_point_the_winding_number_of_its_own_sum():
    import exact_geometry
    import solids

    _, mesh, (ball, bar) = next(s for s in solids.solids() if s[0] == "ball and bar")
    coarse = solids.merged(np.round(mesh.vertices, 1), mesh.faces)  # closed still, and quick
    triangles = coarse.vertices[coarse.faces]
    points = grid_points(9) * 0.97
    near = np.minimum(np.abs(ball(points)), np.abs(bar(points)))
    certain = np.maximum(near - 0.2, 0)  # never more than the true distance
    found = exact_geometry.winding_by_region(points, certain, triangles)
    direct = exact_geometry.winding_numbers(points.astype(float), triangles)
    np.testing.assert_allclose(found, direct, atol=1e-6)


def test_closed_case_knows_a_box(monkeypatch):
    pytest.importorskip("igl", reason="libigl is not installed")
    import solids
    import truth

    monkeypatch.setattr(truth, "GRID", 24)
    case = truth.closed_case("box", fine_box())
    exact = solids.box((2, 1.2, 0.6))(case.points.astype(float))
    assert case.known.all()
    assert not case.cavity
    assert (np.abs(exact) < truth.ON_SURFACE).any()  # the grid's points at x = 1, and so on
    np.testing.assert_allclose(case.sdf, exact, atol=3e-6)  # on it, no sign


def closed_boxes(monkeypatch, boxes):
    """The truth of overlapping boxes, whose own cube is the cube frame."""
    pytest.importorskip("igl", reason="libigl is not installed")
    import truth

    for name, value in (("GRID", 24), ("NEAR_POINTS", 3000), ("FACES", (12, 1000))):
        monkeypatch.setattr(truth, name, value)
    return truth.closed_case("boxes", TriangleMesh(*shapes.boxes(boxes)))


TOP = ((-1, -1, 0.6), (1, 1, 1))


def test_closed_case_knows_a_union_on_both_sides(monkeypatch):
    boxes = [TOP, ((-0.7, -0.7, -1), (-0.3, -0.3, 0.85))]
    case = closed_boxes(monkeypatch, boxes)
    np.testing.assert_allclose(case.sdf, shapes.boxes_distance(case.points, boxes), atol=3e-6)
    assert case.known[case.sdf < 0].all()
    assert case.known.mean() > 0.999  # but in corners
    assert not case.cavity


@pytest.mark.parametrize("gap", [0, 3e-7, 3e-5])
def test_distances_that_depend_on_a_crack_are_not_known(monkeypatch, gap):
    boxes = [TOP, ((-0.7, -0.7, -1), (0.3, 0.3, 0.6 - gap))]
    case = closed_boxes(monkeypatch, boxes)
    touching = shapes.boxes_distance(case.points, [TOP, ((-0.7, -0.7, -1), (0.3, 0.3, 0.6))])
    np.testing.assert_allclose(case.sdf[case.known], touching[case.known], atol=1e-4)
    near = np.abs(case.points - [-0.2, -0.2, 0.6]).max(axis=1) < 0.3
    assert near.any()
    assert case.known[near].all() == (gap == 0)
    assert case.known.mean() > 0.9


def test_a_room_that_cannot_be_entered_is_a_hidden_cavity(monkeypatch):
    walls = [
        tuple(np.array(([-1.0] * 3, [1.0] * 3)) + side * np.outer(place, 1.6 * np.eye(3)[axis]))
        for axis in range(3)
        for side, place in ((1, (1, 0)), (-1, (0, 1)))
    ]
    assert closed_boxes(monkeypatch, walls).cavity
    case = closed_boxes(monkeypatch, walls[1:])
    assert not case.cavity


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda m: TriangleMesh(m.vertices, m.faces[1:]), "not closed"),
        (lambda m: TriangleMesh(m.vertices, np.concatenate([m.faces, m.faces])), "repeated"),
        (inside_out, "inwards"),
        (lambda m: TriangleMesh(m.vertices, m.faces[:9]), "9 faces"),
    ],
)
def test_meshes_that_enclose_no_solid_have_no_truth(damage, reason):
    import truth

    mesh = fine_box()
    truth._solid(mesh)
    with pytest.raises(truth.NotSolidError, match=reason):
        truth._solid(damage(mesh))


def test_obj_polygons_become_fans_and_negative_indices_count_back():
    import truth

    text = b"# c\nv 0 0 0\nv 1 0 0 1\nv 1 1 0\nv 0 1 0\nvn 0 0 1\nf 1/1/1 2//1 3 4\nf -4 -3 -1\n"
    mesh = truth.parse_obj(text)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 1, 3]])
    assert mesh.vertices.shape == (4, 3)


@pytest.fixture
def case(monkeypatch):
    """A ball with a 16^3 grid."""
    import accuracy
    import solids
    import truth

    monkeypatch.setattr(truth, "GRID", 16)
    monkeypatch.setattr(accuracy, "GRID", 16)
    mesh = fine_box()
    points = truth.sample_around(mesh, 16, 500)
    known = np.ones(len(points), bool)
    return truth.Case("ball", mesh, points, solids.sphere(0.8)(points.astype(float)), known)


def test_errors_of_the_truth_are_zero(case):
    import accuracy

    assert dataclasses.astuple(accuracy.errors_of(case, case.sdf)) == (0,) * 6


def test_wrong_signs_are_counted_inside_and_outside_on_the_grid_alone(case):
    import accuracy

    sdf = case.sdf.copy()
    inside = np.flatnonzero(sdf[: 16**3] < 0)
    outside = np.flatnonzero(sdf[: 16**3] > 0)
    sdf[inside[:3]] *= -1
    sdf[outside[:2]] *= -1
    sdf[16**3 :] *= -1
    errors = accuracy.errors_of(case, sdf)
    assert errors.wrong == pytest.approx(500 / len(inside))
    assert errors.wrong_clear == errors.wrong


def test_signs_near_the_surface_are_counted_apart_and_on_it_never(case):
    import accuracy

    truth = case.sdf.copy()
    truth[:2] = [5e-5, 5e-7]
    sdf = truth.copy()
    sdf[:2] *= -1
    errors = accuracy.errors_of(dataclasses.replace(case, sdf=truth), sdf)
    assert errors.wrong == pytest.approx(100 / (truth[: 16**3] < 0).sum())
    assert errors.wrong_clear == 0


def test_distances_count_only_where_they_are_known(case):
    import accuracy

    sdf = np.where(case.sdf < 0, case.sdf - 0.01, case.sdf)
    assert accuracy.errors_of(case, sdf).band_mean > 0
    case = dataclasses.replace(case, known=case.sdf >= 0)
    assert accuracy.errors_of(case, sdf).band_mean == 0


def test_hidden_cavities_are_a_group_of_their_own(case):
    import accuracy

    cases = [case, dataclasses.replace(case, cavity=True)]
    assert [accuracy._group("soup", one) for one in cases] == ["soup", "soup, hidden cavity"]


def test_summary_gives_median_worst_and_failures(case):
    import accuracy

    scores = [accuracy.Errors(w, 0, 0, 0, 0, 0) for w in (1.0, 2.0, 9.0)]
    rows = [accuracy.Row("soup", "ball", "ours", s) for s in [*scores, None]]
    cells = accuracy.summary(rows).splitlines()[2].split(" | ")
    assert cells[:6] == ["| soup", "ours", "4", "1", "2", "9"]
    assert "| ball | soup | 9 |" in accuracy.worst_meshes(rows, "ours", 1)


def fail(mesh, points):
    raise ValueError("bad mesh")


def halve(mesh, points):
    return {"half": points[:, 0] / 2}


def test_a_failing_peer_is_counted_and_a_result_is_cached(case, monkeypatch, tmp_path, capsys):
    import accuracy

    def run_peer(method, mesh, case, path):
        np.savez(path, **peers[method](mesh, case.points))

    peers = {"good": halve, "bad": fail}
    monkeypatch.setattr(accuracy, "CACHE", tmp_path)
    monkeypatch.setattr(accuracy, "_run_peer", run_peer)
    rows = list(accuracy.evaluate("closed", case.mesh, case, ["good", "bad"]))
    assert [(row.method, row.errors is None) for row in rows] == [("half", False), ("bad", True)]
    assert "bad failed on ball: ValueError bad mesh" in capsys.readouterr().err
    peers["good"] = fail
    assert list(accuracy.distances("good", case.mesh, case)) == ["half"]


SCRIPT = """
import json, sys, time
from pathlib import Path
method, path, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if method == "dies":
    raise SystemExit(3)
if method == "hangs":
    time.sleep(60)
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
cost = dict(status="ok", faces=7, cpu=0.3, wall=0.3, bytes=2_000_000, peak=5_000_000)
(out / "cost.json").write_text(json.dumps(cost))
"""


@pytest.fixture
def preprocessing_cost(monkeypatch, tmp_path):
    """The module, with a stand-in for the script that does one mesh."""
    import preprocessing_cost as script

    (tmp_path / "single.py").write_text(SCRIPT)
    monkeypatch.setattr(script, "__file__", str(tmp_path / "preprocessing_cost.py"))
    return script


def test_a_run_measures_the_whole_process_and_leaves_nothing(
    preprocessing_cost, monkeypatch, tmp_path
):
    monkeypatch.setattr(preprocessing_cost.tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    run = preprocessing_cost.run("ours", Path("/x/chair.obj"), 30, with_truth=False)
    assert run.mesh == "chair"
    assert run.cost.faces == 7
    assert 0.3 <= run.cpu < 10
    assert run.wall >= 0.3
    assert not any((tmp_path / "t").iterdir())


@pytest.mark.parametrize(("method", "timeout"), [("dies", 30), ("hangs", 0.3)])
def test_a_process_that_dies_or_hangs_is_a_line_of_its_own(preprocessing_cost, method, timeout):
    run = preprocessing_cost.run(method, Path("/x/chair.obj"), timeout, with_truth=False)
    assert run.cost is None
    assert run.wall < 20
    assert "| died |" in preprocessing_cost.by_mesh([run])


def test_medians_give_ratios_mesh_by_mesh(preprocessing_cost):
    from single import Cost

    def made(mesh, method, cpu):
        cost = Cost("ok", 10, cpu / 2, cpu, 1_000_000, 2_000_000)
        return preprocessing_cost.Run(mesh, method, cost, cpu, cpu, float("nan"), float("nan"))

    ours = [made("a", "ours", 1.0), made("b", "ours", 2.0), made("c", "ours", 1.0)]
    theirs = [made("a", "peer", 30.0), made("b", "peer", 80.0), made("c", "peer", 90.0)]
    line = preprocessing_cost.medians(ours + theirs).splitlines()[3]
    assert line.startswith("| peer | 3 | 3 | 80 | 40 |")
    assert line.endswith("| 40 | 40 | 30 |")


def test_limit_spreads_evenly_and_only_takes_names(preprocessing_cost, tmp_path):
    for name in "abcdef":
        folder = tmp_path / "03001627" / name / "models"
        folder.mkdir(parents=True)
        (folder / "model_normalized.obj").touch()
    found = preprocessing_cost.find(tmp_path / "03001627", 3, [])
    assert [path.parent.parent.name for path in found] == ["a", "c", "e"]
    found = preprocessing_cost.find(tmp_path, 0, ["b", "f"])
    assert [path.parent.parent.name for path in found] == ["b", "f"]


def test_polygons_count_as_the_triangles_they_make(preprocessing_cost, tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nvn 0 0 1\nf 1 2 3\n  # f 1\nf 1/1/1 2/2/1 3/3/1 4/4/1\nf 1 2 3 4 5\n")
    assert preprocessing_cost.triangles(path) == 1 + 2 + 3


def test_cost_counts_what_is_on_disk_and_what_was_resident(monkeypatch, tmp_path):
    import single

    def make(path, out):
        (out / "a.npy").write_bytes(b"x" * 1000)
        ballast = np.ones(4_000_000)
        return "ok", 3, ballast[:8].reshape(2, 2, 2)

    monkeypatch.setitem(single.METHODS, "fake", (lambda: None, make))
    cost = single.measure("fake", Path("mesh.obj"), tmp_path)
    assert cost.bytes == 1000  # the copy of the voxels comes later
    assert cost.peak > 32_000_000
    assert np.load(tmp_path / single.VOXELS).shape == (2, 2, 2)
    assert json.dumps(dataclasses.asdict(cost))
