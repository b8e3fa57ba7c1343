"""Hidden walls of the original are no false inner skins, doubled walls are."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import trimesh

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("igl")
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("watertight_measures")


def box(sides: tuple[float, ...], center: tuple[float, ...] = (0, 0, 0)) -> trimesh.Trimesh:
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix(center))


def arrays(*meshes: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    whole = trimesh.util.concatenate(meshes)
    return np.asarray(whole.vertices), np.asarray(whole.faces, np.int32)


def test_a_cavity_behind_a_slit_is_dark_but_true(measures: ModuleType) -> None:
    ring = trimesh.creation.annulus(0.8, 1, 1)
    covers = [trimesh.creation.cylinder(1, 0.2).apply_translation((0, 0, z)) for z in (-0.61, 0.61)]
    original = arrays(ring, *covers)
    found = measures.measure(*original, measures.original(*original, 0.01))
    assert found.hidden > 0.3
    assert found.false_skin < 0.01


def test_a_skin_inside_a_closed_mesh_is_false(measures: ModuleType) -> None:
    outer, inner = box((2, 2, 2)), box((1.98, 1.98, 1.98))
    inner.invert()
    found = measures.measure(*arrays(outer, inner), measures.original(*arrays(outer), 0.01))
    assert found.closed
    assert found.hidden == pytest.approx(0.5, abs=0.05)
    assert found.false_skin == found.hidden


def test_a_plain_solid_has_no_dark_area(measures: ModuleType) -> None:
    ball = arrays(trimesh.creation.icosphere(3))
    found = measures.measure(*ball, measures.original(*ball, 0.01))
    assert found.closed
    assert found.manifold
    assert (found.hidden, found.false_skin) == (0, 0)
