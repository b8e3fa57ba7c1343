"""Errors of signed distances: what counts as wrong, and the tables of it."""

import dataclasses

import numpy as np
import pytest
from support import shapes

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

pytestmark = pytest.mark.usefixtures("preprocessing_scripts")


@pytest.fixture
def case(monkeypatch):
    """A ball with a 16^3 grid."""
    import accuracy
    import solids
    import truth

    monkeypatch.setattr(truth, "GRID", 16)
    monkeypatch.setattr(accuracy, "GRID", 16)
    mesh = TriangleMesh(*shapes.box((2, 1.2, 0.6), subdivisions=2))
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
