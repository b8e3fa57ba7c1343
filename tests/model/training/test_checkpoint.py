import contextlib
import dataclasses
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples
from support.training import REFINED, VOXEL

from shapegan import __version__
from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    checkpoint_path,
    latest_checkpoint,
    load_checkpoint,
    load_generator,
    save_checkpoint,
)
from shapegan.pipeline.files import OutputError


def recipe_of(config: TrainConfig, stage: int = 0) -> Adversarial:
    recipe = Adversarial(config, Ranks(), Execution(torch.device("cpu")))
    recipe.begin(stage)
    return recipe


def made(total: int = 7, config: TrainConfig = VOXEL, **changes: Any) -> Checkpoint:
    position = Position(stage=0, step=total, total=total, stage_seconds=1.5, seconds=1.5)
    logger = {"sums": {"loss": torch.tensor(0.1)}, "counts": {"loss": 2}, "times": [1.0, 0.5, 8.0]}
    checkpoint = Checkpoint(config, position, recipe_of(config).state(), logger, shape_count=8)
    return dataclasses.replace(checkpoint, **changes)


@contextlib.contextmanager
def short_files() -> Iterator[None]:
    """No file may grow beyond 4 kB, as on a disk that is nearly full.

    Not a fixture: pytest itself may be writing to a file, before fixtures are torn down.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_checkpoint_is_restored_unchanged(tmp_path: Path) -> None:
    checkpoint = made()
    path = save_checkpoint(tmp_path / "checkpoints", checkpoint)
    assert path == tmp_path / "checkpoints/step-00000007.pt"
    again = load_checkpoint(path)
    assert again.config == checkpoint.config
    assert again.position == checkpoint.position
    assert again.shape_count == 8
    assert again.code_version == __version__
    assert again.logger == checkpoint.logger
    for name, network in checkpoint.recipe["networks"].items():
        for key, weights in network.items():
            assert torch.equal(again.recipe["networks"][name][key], weights)


def test_saving_removes_incomplete_files(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.pt.abc.tmp").write_text("left by a killed run")
    save_checkpoint(tmp_path, made())
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000007.pt"]


def test_the_last_three_are_kept_and_one_for_each_stage(tmp_path: Path) -> None:
    for total in range(1, 9):
        position = Position(stage=total // 4, total=total)
        save_checkpoint(tmp_path, made(position=position), keep=total in (4, 8))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "stage-1.pt",
        "stage-2.pt",
        *(f"step-{total:08d}.pt" for total in (6, 7, 8)),
    ]
    assert load_checkpoint(tmp_path / "stage-1.pt").position.total == 4
    save_checkpoint(tmp_path, made(position=Position(stage=1, total=9)), keep=True)
    assert load_checkpoint(tmp_path / "stage-1.pt").position.total == 9


def test_the_latest_is_the_one_after_the_most_steps(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "nowhere") is None
    for total in (100, 99):
        save_checkpoint(tmp_path, made(total))
    assert latest_checkpoint(tmp_path) == checkpoint_path(tmp_path, 100)


def test_a_full_disk_leaves_the_checkpoints_that_are_there(tmp_path: Path) -> None:
    before = b"the last checkpoint"
    (tmp_path / "step-00000003.pt").write_bytes(before)
    with short_files(), pytest.raises(OutputError) as caught:
        save_checkpoint(tmp_path, made())
    assert "step-00000007.pt: File too large; make space, and run the same" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003.pt"]
    assert (tmp_path / "step-00000003.pt").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(OutputError, match="checkpoints: File exists"):
        save_checkpoint(tmp_path / "checkpoints", made())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("saved"), made())


def refused(path: Path) -> str:
    for load in (load_checkpoint, load_generator):
        with pytest.raises(CheckpointError) as caught:
            load(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_checkpoint_is_refused(saved: Path, tmp_path: Path, share: float) -> None:
    whole = saved.read_bytes()
    torn = tmp_path / "torn.pt"
    torn.write_bytes(whole[: int(share * len(whole))])
    assert "is not a checkpoint of shapegan, or damaged" in refused(torn)


@given(st.binary(max_size=200))
@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_other_files_are_not_checkpoints(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.pt"
    path.write_bytes(content)
    assert "is not a checkpoint of shapegan" in refused(path)


@given(st.integers(0, 10**9), st.integers(1, 255))
@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_detected_or_harmless(
    saved: Path, tmp_path: Path, place: int, change: int
) -> None:
    """What lies between a file's parts has no checksum, and no meaning."""
    content = bytearray(saved.read_bytes())
    content[place % len(content)] ^= change
    path = tmp_path / "changed.pt"
    path.write_bytes(content)
    try:
        found = load_generator(path).state_dict()
    except CheckpointError:
        return
    expected = load_generator(saved).state_dict()
    assert all(torch.equal(found[name], weights) for name, weights in expected.items())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "is not a checkpoint of shapegan"),
        ({"weights": 1}, "is not a checkpoint of shapegan: it holds other values"),
        ({"format": 2}, "has checkpoint format 2, this shapegan reads 1"),
        ({"format": 1}, "is by another version of shapegan"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert says in refused(tmp_path / "other.pt")


def test_loading_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "run"),)

    torch.save({"format": 1, "evil": Evil()}, tmp_path / "evil.pt")
    refused(tmp_path / "evil.pt")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_is_a_line(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere.pt")


def test_settings_of_another_version_are_refused(saved: Path, tmp_path: Path) -> None:
    content = torch.load(saved, weights_only=True)
    content["config"]["generator"]["depth"] = 7
    torch.save(content, tmp_path / "other.pt")
    assert "is by another version of shapegan" in refused(tmp_path / "other.pt")


def test_weights_of_another_architecture_are_refused(saved: Path, tmp_path: Path) -> None:
    content = torch.load(saved, weights_only=True)
    content["config"]["generator"]["width"] = 17
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as caught:
        load_generator(tmp_path / "other.pt")
    assert "does not fit" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("halflife", [0, 3])
def test_the_generator_is_the_running_average(tmp_path: Path, halflife: float) -> None:
    config = dataclasses.replace(REFINED, ema_halflife=halflife)
    recipe = recipe_of(config)
    with torch.no_grad():
        for weights in recipe.generator.parameters():
            weights.add_(1.0)
    path = save_checkpoint(tmp_path, made(config=config, recipe=recipe.state()))
    generator = load_generator(path)
    assert generator.config == config.generator
    found = generator.state_dict()
    trained, average = recipe.generator.state_dict(), recipe.result.state_dict()
    assert all(torch.equal(found[name], average[name]) for name in found)
    assert all(torch.equal(found[name], trained[name]) for name in found) == (halflife == 0)
    assert not any(weights.requires_grad for weights in generator.parameters())
