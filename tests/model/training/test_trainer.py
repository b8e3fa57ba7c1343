import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import (
    AUTODECODER,
    CONFIGS,
    VOXEL,
    RecordingReporter,
    UndisturbedRuns,
    assert_same_run,
    assert_same_state,
    each_step,
    interrupt,
    last,
    quick,
    rows,
)

from shapegan.model.schedule import Budget
from shapegan.model.training import preview_budget, run_writer
from shapegan.model.training.checkpoint import checkpoint_path, load_checkpoint, load_generator
from shapegan.model.training.status import run_status
from shapegan.model.training.trainer import train

STEPS = 20
each_recipe = pytest.mark.parametrize("name", CONFIGS)

pytestmark = pytest.mark.usefixtures("_frequent_rows")


@each_recipe
@pytest.mark.parametrize("every", [7, 10])
def test_a_run_stopped_again_and_again_is_the_one_left_alone(
    data: Path,
    alone: UndisturbedRuns,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    every: int,
) -> None:
    """Ten steps are a stage: it is then stopped between two of them."""
    expected = alone[name]
    each_step(monkeypatch, lambda step: interrupt() if step % every == 0 else None)
    settings, starts = quick(data, tmp_path / "run"), 0
    while (position := train(CONFIGS[name], settings, RecordingReporter())).stage < 2:
        assert position.total == min(STEPS, (starts + 1) * every)
        starts += 1
    assert starts == STEPS // every - (STEPS % every == 0)
    assert_same_run(settings.run, expected)
    totals = [int(row["total"]) for row in rows(settings.run)]
    assert totals == [3, 6, 9, 10, 12, 15, 18, 20]  # the last step of each stage has a row


@pytest.mark.parametrize("steps", [2, 7, 30])
def test_the_budget_of_steps_is_kept(data: Path, tmp_path: Path, steps: int) -> None:
    reporter = RecordingReporter()
    position = train(AUTODECODER, quick(data, tmp_path / "run", steps), reporter)
    assert (position.stage, position.total) == (2, steps)
    lengths = [length or 0 for _, _, length in reporter.stages]
    assert sum(lengths) == steps
    assert abs(lengths[0] - lengths[1]) <= 1
    assert reporter.notes == [f"done: {steps} steps, in {tmp_path / 'run'}"]


def test_folders_may_be_strings(data: Path, tmp_path: Path) -> None:
    folders: list[Any] = [str(data), str(tmp_path / "run")]
    settings = quick(folders[0], folders[1], 2)
    assert settings == quick(data, tmp_path / "run", 2)
    assert train(AUTODECODER, settings, RecordingReporter()).total == 2


def test_a_finished_run_says_so_until_it_is_made_longer(data: Path, tmp_path: Path) -> None:
    said = []
    for steps in (2, 2, 4):
        reporter = RecordingReporter()
        train(AUTODECODER, quick(data, tmp_path, steps), reporter)
        said.append(reporter.notes[-1])
    assert said == [
        f"done: 2 steps, in {tmp_path}",
        f"already finished: 2 steps, in {tmp_path}; a larger --steps or --time continues it",
        f"done: 3 steps, in {tmp_path}",  # the last stage goes on
    ]


def test_a_run_of_one_step_is_counted_in_the_singular(data: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    one_stage = dataclasses.replace(AUTODECODER, stages=AUTODECODER.stages[:1])
    train(one_stage, quick(data, tmp_path, 1), reporter)
    assert reporter.notes == [f"done: 1 step, in {tmp_path}"]


def test_a_run_that_is_done_stays_as_it_is(data: Path, alone: UndisturbedRuns) -> None:
    folder = alone["autodecoder"]
    before = {path: path.stat().st_mtime_ns for path in (folder / "checkpoints").iterdir()}
    reporter = RecordingReporter()
    position = train(AUTODECODER, quick(data, folder), reporter)
    assert position.stage == 2
    assert (reporter.stages, reporter.rows) == ([], [])
    assert before == {p: p.stat().st_mtime_ns for p in (folder / "checkpoints").iterdir()}
    assert len(rows(folder)) == 8


@each_recipe
def test_a_run_that_is_done_goes_on_when_it_is_made_longer(
    data: Path, tmp_path: Path, name: str
) -> None:
    """By steps or by epochs; its last stage is, and a shorter run changes nothing."""
    config, folder = CONFIGS[name], tmp_path / "run"
    assert train(config, quick(data, folder, 6), RecordingReporter()).total == 6
    reporter = RecordingReporter()
    position = train(config, quick(data, folder, 14), reporter)
    assert (position.stage, position.total) == (2, 10)  # 3 of the first stage, 7 of 14's second
    assert [step for _, step, _ in reporter.stages] == [3]
    assert run_status(folder).complete
    assert train(config, quick(data, folder, 12), RecordingReporter()).total == 10
    assert train(config, quick(data, folder), RecordingReporter()).total == 13


def test_a_run_made_longer_can_be_stopped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    train(VOXEL, quick(data, folder, 6), RecordingReporter())
    train(VOXEL, quick(data, tmp_path / "alone", 6), RecordingReporter())
    each_step(monkeypatch, lambda step: interrupt() if step == 2 else None)
    assert train(VOXEL, quick(data, folder), RecordingReporter()).total == 8
    assert not run_status(folder).complete
    assert train(VOXEL, quick(data, folder), RecordingReporter()).total == 13
    monkeypatch.undo()
    train(VOXEL, quick(data, tmp_path / "alone"), RecordingReporter())
    assert_same_state(last(folder).recipe, last(tmp_path / "alone").recipe)


def test_a_budget_of_time_is_kept_over_restarts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The starts count as well: of 40 seconds, each takes two, and the second one ends early."""
    now = [100.0]
    settings = dataclasses.replace(
        quick(data, tmp_path / "run"), budget=Budget(seconds=40), clock=lambda: now[0]
    )

    def step(count: int) -> None:
        now[0] += 2
        if count == 4:
            interrupt()

    each_step(monkeypatch, step)
    settings = dataclasses.replace(settings, began=98.0)
    position = train(AUTODECODER, settings, RecordingReporter())
    assert (position.stage, position.total, position.seconds) == (0, 4, 10.0)
    settings = dataclasses.replace(settings, began=now[0] - 2)
    position = train(AUTODECODER, settings, RecordingReporter())
    assert position.stage == 2
    assert position.total in (17, 18)  # one second is kept for the exit
    assert 36 <= position.seconds <= 40
    lengths = [int(row["step"]) for row in rows(tmp_path / "run") if row["stage"] == "0"]
    assert max(lengths) in (8, 9)  # half of the 36 seconds that both starts leave


def test_time_is_wall_time_and_the_stages_share_what_is_left_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow start, slow checkpoints and slow previews; nothing else takes time."""
    now = [1000.0]
    monkeypatch.setattr(run_writer.time, "monotonic", lambda: now[0])
    save = run_writer.save_checkpoint

    def slow_save(*its: Any) -> Path:
        now[0] += 4
        return save(*its)

    def slow_probe(*_: Any) -> None:
        now[0] += 3

    drawn: list[int] = []

    def slow_preview(_: Any, latents: Any, *__: Any) -> Path:
        now[0] += 3 * len(latents)
        drawn.append(len(latents))
        return Path()

    monkeypatch.setattr(run_writer, "save_checkpoint", slow_save)
    monkeypatch.setattr(run_writer, "draw_probe", slow_probe)
    monkeypatch.setattr(run_writer, "draw_previews", slow_preview)
    each_step(monkeypatch, lambda _: now.__setitem__(0, now[0] + 1))
    settings = dataclasses.replace(
        quick(data, tmp_path / "run", save_seconds=30.0, preview_seconds=20.0),
        preview_shapes=16,
        budget=Budget(seconds=200),
        clock=lambda: now[0],
        began=980.0,
    )
    position = train(AUTODECODER, settings, RecordingReporter())
    assert 190 <= now[0] - 980 <= 210
    assert position.stage == 2
    assert 3 * sum(drawn) + 6 <= 0.05 * 200
    first = max(int(row["step"]) for row in rows(tmp_path / "run") if row["stage"] == "0")
    assert first == pytest.approx(position.step, rel=0.25)


def test_time_that_is_over_at_the_start_of_a_stage_leaves_it_without_steps(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    each_step(monkeypatch, lambda _: now.__setitem__(0, now[0] + 50))
    settings = dataclasses.replace(
        quick(data, tmp_path / "run"), budget=Budget(seconds=60), clock=lambda: now[0]
    )
    reporter = RecordingReporter()
    position = train(AUTODECODER, settings, reporter)
    assert (position.stage, position.total) == (2, 1)
    assert any("no time is left" in note for note in reporter.notes)
    assert run_status(tmp_path / "run").complete
    # The same command again finds nothing to do.
    assert train(AUTODECODER, settings, RecordingReporter()).total == 1


def test_checkpoints_and_pictures_are_made_by_the_clock(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, int]] = []
    now = [0.0]

    def draw(generator: Any, latents: Any, *others: Any) -> Path:
        drawn.append((others[-2].total, len(latents)))
        return Path()

    monkeypatch.setattr(run_writer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(run_writer, "draw_previews", draw)
    saved: list[int] = []
    save = run_writer.save_checkpoint
    monkeypatch.setattr(
        run_writer,
        "save_checkpoint",
        lambda folder, checkpoint, keep: (
            saved.append(checkpoint.position.total) or save(folder, checkpoint, keep)
        ),
    )
    each_step(monkeypatch, lambda step: now.__setitem__(0, now[0] + 1))
    settings = dataclasses.replace(
        quick(data, tmp_path / "run", save_seconds=4.0, preview_seconds=3.0), preview_shapes=5
    )
    train(AUTODECODER, settings, RecordingReporter())
    assert saved == [4, 8, 10, 14, 18, 20]
    assert drawn == [(n, 5) for n in (3, 6, 9, 10, 13, 16, 19, 20)]


def test_pictures_are_of_the_average_and_of_the_same_latents(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def draw(generator: Any, latents: torch.Tensor, *_: Any) -> Path:
        seen.append(latents)
        assert not any(weights.requires_grad for weights in generator.parameters())
        return Path()

    monkeypatch.setattr(run_writer, "draw_previews", draw)
    monkeypatch.setattr(preview_budget, "_FREE_SECONDS", 1e6)  # for a busy machine
    train(
        VOXEL,
        dataclasses.replace(quick(data, tmp_path / "run"), preview_shapes=3),
        RecordingReporter(),
    )
    assert len(seen) == 2
    assert torch.equal(*seen)


@each_recipe
def test_the_generator_of_a_run_is_its_average(alone: UndisturbedRuns, name: str) -> None:
    path = checkpoint_path(alone[name] / "checkpoints", STEPS)
    networks = load_checkpoint(path).recipe["networks"]["generator"]
    average = load_checkpoint(path).recipe["average"]["weights"]
    found = load_generator(path).state_dict()
    assert all(torch.equal(found[key], average[key]) for key in found)
    assert not all(torch.equal(found[key], networks[key]) for key in found)
