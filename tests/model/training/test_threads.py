import os

import pytest
import torch

from shapegan.model.distributed import Ranks
from shapegan.model.presets import preset
from shapegan.model.training import threads
from shapegan.model.training.run_folder import RunFolder, RunFolderError
from shapegan.model.training.settings import TrainSettings
from shapegan.model.training.threads import allowed_cores, fastest_threads, training_threads


class Machine:
    """A fake clock, and a step whose seconds depend on torch's number of threads."""

    def __init__(self, monkeypatch, seconds):
        self.seconds, self.now, self.threads = seconds, 0.0, 7
        monkeypatch.setattr(torch, "set_num_threads", lambda n: setattr(self, "threads", n))
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.threads)

    def step(self):
        self.now += self.seconds[self.threads]

    def clock(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "cores", "expected"),
    [
        ({1: 0.04, 2: 0.022, 4: 0.013}, 4, 4),
        ({1: 0.04, 2: 0.4}, 2, 1),  # one free core of two
        ({1: 0.04, 2: 0.022, 4: 0.021, 6: 0.3}, 6, 2),
        ({1: 0.04, 2: 0.039}, 2, 1),  # noise
        ({1: 0.04, 2: 0.03, 3: 0.02}, 3, 3),
    ],
)
def test_the_fastest_number_of_threads_is_chosen(monkeypatch, seconds, cores, expected):
    machine = Machine(monkeypatch, seconds)
    number, why = fastest_threads(machine.step, cores, machine.clock)
    assert number == expected
    assert f"{expected} of {cores} possible threads" in why
    assert all(f"with {tried}" in why for tried in seconds)
    assert machine.threads == 7
    assert machine.now < 2


def test_slow_steps_end_the_measurement(monkeypatch):
    machine = Machine(monkeypatch, dict.fromkeys((1, 2, 4, 8), 0.3))
    assert fastest_threads(machine.step, 8, machine.clock)[0] == 1
    assert machine.now < 2


@pytest.mark.parametrize(
    ("files", "variables", "expected"),
    [
        ({}, {}, 8),
        ({"cpu.max": "max 100000"}, {}, 8),
        ({"cpu.max": "250000 100000"}, {}, 2),
        ({"cpu.max": "20000 100000"}, {}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, {}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, {}, 3),
        ({}, {"OMP_NUM_THREADS": "4"}, 4),
        ({}, {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}, 8),  # as torchrun sets it
    ],
)
def test_affinity_quota_and_environment_limit_the_cores(
    monkeypatch, tmp_path, files, variables, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert allowed_cores(tmp_path, variables) == expected


def chosen(folder, monkeypatch, wanted="auto", cores=4, fastest=3, ranks=None):
    """Number of threads of a training, and its notes."""
    monkeypatch.setattr(threads, "allowed_cores", lambda: cores)
    tried = []
    monkeypatch.setattr(
        threads, "fastest_threads", lambda _, most: (tried.append(most), (fastest, "why"))[1]
    )
    notes, before = [], torch.get_num_threads()
    settings = TrainSettings(folder.path, folder.path, threads=wanted)
    with training_threads(settings, folder, ranks or Ranks(), notes.append) as number:
        assert torch.get_num_threads() == (number or before)
    assert torch.get_num_threads() == before
    return number, notes, tried


def begun(path, number):
    """A run's folder with a checkpoint."""
    folder = RunFolder(path / "run")
    folder.path.mkdir()
    folder.open(preset("voxel", "demo"))
    folder.record_threads(number)
    return folder


def with_checkpoint(folder):
    folder.checkpoints.mkdir()
    (folder.checkpoints / "step-00000001.pt").write_bytes(b"")
    return folder


def test_a_resumed_run_keeps_its_threads(tmp_path, monkeypatch):
    folder = begun(tmp_path, 2)
    assert chosen(folder, monkeypatch)[0] == 3  # nothing to resume
    folder = with_checkpoint(folder)
    assert chosen(folder, monkeypatch) == (2, [], [])
    number, notes, tried = chosen(folder, monkeypatch, cores=1)
    assert (number, tried) == (2, [])
    assert "began with 2 threads, and 1 can be used now" in notes[0]
    assert chosen(folder, monkeypatch, wanted=5)[0] == 5
    assert chosen(folder, monkeypatch, wanted="keep")[0] is None
    folder.record_threads(5)
    assert chosen(folder, monkeypatch, cores=8)[0] == 5


@pytest.mark.parametrize("text", ["{}", "[", '{"threads": 0}', '{"threads": "2"}', "[2]"])
def test_an_unreadable_record_is_one_line(tmp_path, monkeypatch, text):
    folder = with_checkpoint(begun(tmp_path, 2))
    (folder.path / "threads.json").write_text(text)
    with pytest.raises(RunFolderError, match="delete it, or give --threads"):
        chosen(folder, monkeypatch)


def test_processes_share_the_cores(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    ranks = Ranks(local_world=3)
    assert chosen(folder, monkeypatch, cores=8, ranks=ranks)[2] == [2]
    assert chosen(folder, monkeypatch, cores=2, ranks=ranks) == (1, [], [])


def test_a_gpu_needs_no_measurement(tmp_path, monkeypatch):
    ranks = Ranks(device=torch.device("cuda"))
    assert chosen(RunFolder(tmp_path / "run"), monkeypatch, ranks=ranks) == (None, [], [])
