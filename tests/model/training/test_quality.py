import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toys import toy_run
from support.training import AUTODECODER, VOXEL, RecordingReporter, each_step, make_solids, quick

from shapegan.model.schedule import Budget
from shapegan.model.training import preview_budget, run_writer
from shapegan.model.training.checkpoint import load_checkpoint, load_generator
from shapegan.model.training.quality import Quality, QualityWatch, best_error
from shapegan.model.training.status import run_status
from shapegan.model.training.trainer import train
from shapegan.pipeline.editing.split import split_dataset


def test_shapes_are_compared_with_the_validation_split(data: Path, tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "run")
    generator = load_generator(folder / "checkpoints/step-00000001.pt")
    watch = QualityWatch(data)
    assert watch.shapes == 2
    found = watch.measure(generator, torch.randn(2, generator.config.latent))
    assert found.shapes == 2
    assert 0 < found.coverage <= 1
    assert 0 <= found.one_nna <= 1
    assert found.mmd is not None
    assert (found.single_component, found.empty) == (1.0, 0.0)


def test_empty_shapes_count(data: Path) -> None:
    class Empty:
        config = dataclasses.replace(VOXEL.generator)

        def __call__(self, points: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(latents), len(points))

    generator: Any = Empty()
    found = QualityWatch(data).measure(generator, torch.zeros(2, 4))
    assert (found.empty, found.coverage, found.one_nna, found.mmd) == (1.0, 0.0, 1.0, None)
    assert "mmd" not in found.values()


def test_scores_are_written_by_the_clock_and_the_best_checkpoint_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three scores is the best one; a run that is resumed knows it."""
    now = [0.0]
    accuracies = iter([0.9, 0.6, 1.0, 0.7])

    def measure(self: QualityWatch, generator: Any, latents: Any) -> Quality:
        return Quality(len(latents), 0.5, 0.01, next(accuracies), 0.75, 0.25)

    monkeypatch.setattr(run_writer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(run_writer, "draw_previews", lambda *_: Path())
    monkeypatch.setattr(QualityWatch, "measure", measure)
    each_step(monkeypatch, lambda step: now.__setitem__(0, now[0] + 1))
    settings = dataclasses.replace(
        quick(data, tmp_path, 20), preview_shapes=4, preview_seconds=3.0, quality_seconds=8.0
    )
    train(AUTODECODER, settings, RecordingReporter())
    with (tmp_path / "quality.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["total"], row["one_nna"]) for row in rows] == [
        ("8", "0.9"),
        ("16", "0.6"),
        ("20", "1.0"),
    ]
    assert best_error(tmp_path / "quality.csv") == pytest.approx(0.1)
    assert load_checkpoint(tmp_path / "checkpoints/best.pt").position.total == 16
    assert run_status(tmp_path).quality["one_nna"] == 1.0
    train(AUTODECODER, dataclasses.replace(settings, budget=Budget(24)), RecordingReporter())
    assert load_checkpoint(tmp_path / "checkpoints/best.pt").position.total == 16


@pytest.mark.parametrize(
    ("splits", "free_seconds", "says"),
    [
        (["train=0.7,val=0.3"], 1e6, None),
        (["train=0.7,val=0.3"], 0.0, "they would have taken more than their share of the time"),
        (["train=1"], 1e6, "solids has fewer than 2 shapes with voxels in split val"),
    ],
)
def test_a_run_without_scores_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    splits: list[str],
    free_seconds: float,
    says: str | None,
) -> None:
    monkeypatch.setattr(preview_budget, "_FREE_SECONDS", free_seconds)
    monkeypatch.setattr(run_writer, "draw_previews", lambda *_: Path())
    data = make_solids(tmp_path / "data")
    split_dataset(data, splits)
    settings = dataclasses.replace(quick(data, tmp_path / "run", 4), preview_shapes=1)
    reporter = RecordingReporter()
    train(AUTODECODER, settings, reporter)
    about_scores = [note for note in reporter.notes if note.startswith("no scores")]
    assert len(about_scores) == (says is not None)
    assert says is None or about_scores[0].endswith(says)
    assert (tmp_path / "run/quality.csv").exists() == (says is None)
    assert reporter.notes[-1].startswith("done: ")


def test_rows_have_learning_rates_gradients_and_the_norm_of_latents(
    data: Path, tmp_path: Path
) -> None:
    reporter = RecordingReporter()
    train(AUTODECODER, quick(data, tmp_path, 2), reporter)
    row = reporter.rows[0]  # before the rates are halved
    assert row["generator_rate"] == AUTODECODER.optimiser.rate
    assert row["critic_rate"] == AUTODECODER.optimiser.critic_rate
    assert row["generator_gradient"] > 0
    assert row["critic_gradient"] > 0
    latents = load_checkpoint(tmp_path / "checkpoints/step-00000002.pt").recipe["networks"]
    norms = np.linalg.norm(latents["latents"]["weight"].numpy(), axis=1)
    assert reporter.rows[-1]["latent_norm"] == pytest.approx(norms.mean(), rel=1e-5)
