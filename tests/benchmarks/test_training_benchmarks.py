"""The scripts that measure training: what they choose and change, not what they measure."""

import dataclasses
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from shapegan.pipeline.schema import grid_points

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = (
    *("ablation", "catalogue", "step_cases", "step_memory"),
    *("markdown_table", "thickness_scores", "train_step", "training_quality"),
)
CATALOGUE = """
id=Some models
name=All furniture
id#1=oak
name#1=Oak Armchair
model#1=/shop/oak/oak.obj
id#12=sofa
name#12 = Sofa
model#12=/shop/sofa/chair.obj
name#2=Office chair
icon#2=/shop/office.png
model#2 = /shop/office/office.obj
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def test_models_are_taken_by_their_names_in_the_catalogue(tmp_path):
    from catalogue import CATALOGUE as NAME
    from catalogue import pieces

    archive = tmp_path / "shop.sh3f"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(NAME, CATALOGUE)
    assert [(piece.name, piece.path) for piece in pieces(archive, "chair")] == [
        ("Oak Armchair", "shop/oak/oak.obj"),
        ("Office chair", "shop/office/office.obj"),
    ]


def test_each_variant_changes_one_thing_of_the_preset():
    from ablation import VARIANTS

    from shapegan.model.presets import preset

    parts_of = {"fast": 0, "WGAN-GP, RMSprop at 1e-4": 2, "the same, another seed": 2}
    parts_of |= {"clip at 0.1 throughout": 2, "nothing is reconstructed": 2}
    fast = preset("voxel", "fast")
    for name, change in VARIANTS.items():
        parts = {line.split(":")[0].split(".")[0] for line in fast.difference(change(fast))}
        assert len(parts) == parts_of.get(name, 1), name


@pytest.mark.parametrize(("offset", "radius"), [(0.0, 0.04), (0.1, 0.13)])
def test_thin_parts_are_thickened_before_they_are_scored(monkeypatch, offset, radius):
    """A rod of radius 0.04 grows from the centres of its thin voxels, at most 0.03 off its axis."""
    import thickness_scores as script

    points = grid_points(64).reshape(64, 64, 64, 3)
    rod = np.maximum(np.linalg.norm(points[..., :2], axis=-1) - 0.04, abs(points[..., 2]) - 0.5)
    dataset = SimpleNamespace(splits={"train": [5]}, voxels=lambda *asked: {(5, 64): rod}[asked])
    monkeypatch.setattr(script, "Dataset", lambda _: dataset)
    monkeypatch.setattr(script, "row", lambda name, surfaces, _: (name, surfaces))
    name, (surface,) = script.score_thickened(Path("data"), offset, None)
    assert name == f"thickened by {offset:g}"
    radii = np.linalg.norm(surface.vertices[abs(surface.vertices[:, 2]) < 0.4, :2], axis=1)
    assert radii.max() == pytest.approx(radius, abs=0.012)


def test_memory_is_measured_in_a_process_of_its_own():
    from step_memory import measure_in_subprocess

    words = measure_in_subprocess("8^3 x 4", "256", "cpu", "fp32")
    peak, seconds = (float(word) for word in words)
    assert 0.05 < peak < 4
    assert seconds > 0


def test_another_clock_is_another_budget(tmp_path, monkeypatch):
    """CPU minutes are those of this process, the others those of the wall."""
    import time

    import training_quality as script

    from shapegan.model.training.trainer import TrainSettings

    seen = {}

    def train(_config, settings, _reporter):
        seen.update(dataclasses.asdict(settings))
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "train", train)
    settings = TrainSettings(tmp_path, tmp_path / "run")
    for length, clock, seconds in (
        (script.Length(cpu_minutes=2), time.process_time, 120),
        (script.Length(minutes=2), time.perf_counter, 120),
        (script.Length(steps=7), time.perf_counter, None),
    ):
        with pytest.raises(KeyboardInterrupt):
            script.trained_for(length, None, settings)
        assert seen["clock"] is clock
        assert seen["budget"] == {"steps": length.steps, "seconds": seconds}
