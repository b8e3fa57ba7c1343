"""Tables of watertight meshes and of sampling: only meshes that all methods made are compared."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("igl")
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module(name)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def result(mesh: str, method: str, seconds: float) -> dict[str, object]:
    measures = {"closed": True, "manifold": mesh == "a", "recall": 0.001, "precision": 0.002}
    measures |= {"hidden": 0.0, "false_skin": 0.0, "degrees": 8.0, "faces": 1000}
    return {"mesh": mesh, "method": method, "seconds": seconds, "megabytes": 50.0} | measures


def test_means_are_over_meshes_that_all_methods_made(monkeypatch: pytest.MonkeyPatch) -> None:
    watertight = module("watertight", monkeypatch)
    results = [result("a", "ours", 1), result("b", "ours", 3), result("c", "ours", 50)]
    results += [result("a", "theirs", 2), result("b", "theirs", 6)]
    results += [{"mesh": "c", "method": "theirs", "error": "crashed"}]
    results += [{"mesh": one, "method": "none", "error": "crashed"} for one in "abc"]
    head, _, ours, theirs, _, count = watertight.table(results).splitlines()
    seconds = cells(head).index("CPU s")
    assert cells(ours)[:4] == ["ours", "3 of 3", "2", "1"]
    assert float(cells(ours)[seconds]) == 2
    assert cells(theirs)[:2] == ["theirs", "2 of 3"]
    assert float(cells(theirs)[seconds]) == 4
    assert count.endswith(": 2")


def test_rates_are_medians_over_meshes_that_all_programs_sampled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampling = module("sampling_speed", monkeypatch)
    name, job = next(iter(sampling.JOBS.items()))
    results = [
        {"mesh": mesh, "job": name, "program": program, "prepare": 1.0, "surface": seconds}
        | {"distances": 2 * seconds}
        for program in ("ours", "theirs")
        for mesh, seconds in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 100.0))
    ]
    del results[-1]
    results.append({"mesh": "d", "job": name, "program": "theirs", "error": "ValueError: no"})
    ours, theirs = sampling.table(results).splitlines()[2:]
    assert cells(ours)[2:] == cells(theirs)[2:]
    assert cells(ours)[:3] == [name, "ours", "3"]
    assert cells(ours)[5:] == [
        f"{(job.surface + job.sharp) / 2:,.0f}",
        f"{job.distances / 4:,.0f}",
        f"{job.points / 7:,.0f}",
    ]
