from pathlib import Path
from typing import Any

import pytest
import torch
from support.pair import SAME, STEPS, STOP, run_pair, trained
from support.training import SHAPES, TIMES, assert_same_state, flat, make_solids, rows

from shapegan.model.distributed import DeviceError, Ranks, join, pick_device
from shapegan.model.recipes.build import build_recipe
from shapegan.model.recipes.execution import Execution

Results = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes did."""
    out = tmp_path_factory.mktemp("pair")
    run_pair(data, out)
    return out


def result(out: Path, name: str) -> list[dict[str, Any]]:
    """Of both ranks."""
    return [torch.load(out / name / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", SAME)
def test_both_processes_have_the_same_weights(out: Path, name: str) -> None:
    left, right = result(out, name)
    assert left["total"] == right["total"] == STEPS
    assert_same_state(left["state"], right["state"])


@pytest.mark.parametrize("name", SAME)
def test_two_processes_do_what_one_does_with_the_whole_batch(
    data: Path, out: Path, tmp_path: Path, name: str
) -> None:
    alone = trained(SAME[name], data, tmp_path / "run")
    together = result(out, name)[0]
    assert_same_state(together["state"], alone["state"], tolerance=2e-6)
    for mine, theirs in zip(rows(out / name / "run"), rows(tmp_path / "run"), strict=True):
        assert mine.keys() == theirs.keys()
        for column in mine.keys() - set(TIMES):
            numbers = [float(row[column] or 0) for row in (mine, theirs)]
            assert numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-5), column


@pytest.mark.parametrize("name", SAME)
def test_training_changes_every_network(out: Path, name: str) -> None:
    """Or weights that are the same to 2e-6 would say little."""
    config = SAME[name]
    if getattr(config.generator, "prior_spread", 0):
        config = config.replaced({"generator.prior_shapes": str(SHAPES)})
    fresh = build_recipe(config, Ranks(), Execution(torch.device("cpu")), SHAPES)
    for number in range(2):
        fresh.begin(number)
    before, after = flat(fresh.state()["networks"]), result(out, name)[0]["state"]["networks"]
    after.pop("codes", None)  # found, not trained
    moved: dict[str, float] = {}
    for key, weights in flat(after).items():
        if not weights.is_floating_point() or weights.numel() == 0 or key.endswith("centres"):
            continue  # masks, shares of categories where there are none, and codes that are found
        network = key.split("/")[1]
        change = float((weights - before[key]).abs().max())
        moved[network] = max(change, moved.get(network, 0))
    assert len(moved) == 2
    assert min(moved.values()) > 1e-3


def test_the_interruption_of_one_stops_both_after_the_same_step(out: Path) -> None:
    left, right = result(out, "stopped")
    assert left["total"] == right["total"] == STOP
    assert_same_state(left["state"], right["state"])


def test_a_stopped_run_goes_on_as_if_it_had_not_been(out: Path) -> None:
    for found, expected in zip(result(out, "gone-on"), result(out, "voxel-wgan-gp"), strict=True):
        assert found["total"] == STEPS
        assert_same_state(found["state"], expected["state"])
    assert rows(out / "stopped/run") == rows(out / "voxel-wgan-gp/run")


@pytest.mark.parametrize("name", ["voxel-wgan-gp", "stopped", "refused", "failed"])
def test_no_thread_of_the_group_outlives_it(out: Path, name: str) -> None:
    """Such a thread aborts a process that ends, now and then."""
    assert [one["group_threads"] for one in result(out, name)] == [[], []]


def test_only_the_main_process_reports(out: Path) -> None:
    left, right = result(out, "gone-on")
    assert left["notes"] == [
        f"resuming after step {STOP}",
        f"done: {STEPS} steps, in {out / 'stopped/run'}",
    ]
    assert right["notes"] == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("refused", "RunFolderError: "),
        ("failed", "TrainingError: out of memory"),
    ],
)
def test_if_one_process_fails_the_other_ends_too(out: Path, name: str, says: str) -> None:
    left, right = result(out, name)
    assert left["error"].startswith(says)
    assert right["error"] == (
        "DeviceError: process 1 of 2 stops, because another one has ended; its message says why"
    )


def test_a_single_process_starts_no_group() -> None:
    with join("cpu", {}) as ranks:
        assert ranks == Ranks(0, 1, torch.device("cpu"))
        assert ranks.is_main
        ranks.average_gradients([gradient := torch.ones(2)])
        assert torch.equal(gradient, torch.ones(2))
        assert ranks.any_rank(True, False) == [True, False]
        ranks.broadcast_tensor(values := torch.tensor([0.1]))
        assert torch.equal(values, torch.tensor([0.1]))
        assert torch.equal(ranks.mean(torch.ones(2)), torch.ones(2))
    assert not torch.distributed.is_initialized()


def test_other_errors_come_through() -> None:
    with pytest.raises(RuntimeError, match="a defect"), join("cpu", {}):
        raise RuntimeError("a defect")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cuda:99", "--device cuda:99: this machine has no such device"),
        ("tpu", "takes auto, cpu, cuda or cuda:N"),
        ("meta", "--device meta: this machine has no such device"),
        ("", "takes auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_device_that_is_not_there_is_a_line(name: str, says: str) -> None:
    with pytest.raises(DeviceError) as caught:
        pick_device(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_auto_takes_the_available_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(DeviceError, match="--device cuda: this machine has no such"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert pick_device("auto") == torch.device("cuda:0")
    assert pick_device("cuda", 3) == torch.device("cuda:3")
    assert pick_device("cuda:1", 3) == torch.device("cuda:1")
    assert chosen == [torch.device(f"cuda:{number}") for number in (0, 3, 1)]
    with pytest.raises(
        DeviceError, match="--device cuda:4: this machine has no such device; it has 4 GPUs"
    ):
        pick_device("cuda:4")
