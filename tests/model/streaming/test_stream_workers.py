"""Loader workers: what they read, how they end, and what ends them."""

import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.streams import (
    ALL,
    BALANCED,
    POINTS,
    STORED,
    VOXELS,
    WITH_WORKERS,
    assert_same,
    take,
)

from shapegan.model.streaming import stream as stream_module
from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.model.streaming.order import BatchOrder
from shapegan.model.streaming.sources import ShardSource, StepDataset
from shapegan.model.streaming.stream import Stream
from shapegan.pipeline.dataset.reader import Dataset


def loaders() -> list[int]:
    """The loader workers that are there."""
    return [child.pid for child in multiprocessing.active_children() if child.pid]


@ALL
@WITH_WORKERS
def test_workers_and_pinning_change_nothing(made: Path, config: StreamConfig) -> None:
    expected = take(Stream(made, config, pin="none"), 3, 7)
    for workers, pin in ((1, "none"), (2, "none"), (0, "ram"), (2, "ram"), (0, "auto")):
        assert_same(expected, take(Stream(made, config, workers=workers, pin=pin), 3, 7))


@WITH_WORKERS
@pytest.mark.parametrize("workers", [0, 1])
def test_global_random_numbers_are_left_alone(made: Path, workers: int) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    legacy = np.random.get_state()[1].copy()  # noqa: NPY002
    first = take(Stream(made, BALANCED, workers=workers, pin="none"), 0, 2)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(4)
    assert_same(first, take(Stream(made, BALANCED, workers=workers, pin="none"), 0, 2))


@WITH_WORKERS
def test_workers_read_while_their_parent_has_the_shards_open(made: Path) -> None:
    expected = take(Stream(made, POINTS, pin="none"), 0, 8)
    stream = Stream(made, POINTS, workers=2, pin="none")
    dataset = stream._disk.dataset
    for number in range(len(dataset)):
        dataset.points(number, "uniform", 0, 10)
    batches = stream.batches()
    for one in expected:
        dataset.points(int(one.indices[0]), "surface")
        assert_same([one], [next(batches)])
    batches.close()


def test_steps_may_be_sent_to_another_process(made: Path) -> None:
    steps = StepDataset(ShardSource(Dataset(made), range(8)), POINTS, BatchOrder(POINTS, 8, STORED))
    expected = steps[5]
    again = pickle.loads(pickle.dumps(steps))[5]
    assert isinstance(expected, dict)
    assert isinstance(again, dict)
    assert expected.keys() == again.keys()
    assert all(torch.equal(again[name], values) for name, values in expected.items())


@WITH_WORKERS
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("tear", ["truncate", "unlink"])
def test_a_shard_torn_in_mid_run_is_one_clear_line(copied: Path, workers: int, tear: str) -> None:
    batches = Stream(copied, POINTS, workers=workers, pin="none").batches()
    next(batches)
    path = copied / "shards/00001.h5"
    if tear == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()
    with pytest.raises(StreamError, match=r"00001\.h5.*run `shapegan preprocess`") as caught:
        list(itertools.islice(batches, 20))
    assert "\n" not in str(caught.value)
    assert not loaders()


@WITH_WORKERS
@pytest.mark.parametrize("settled", [True, False])
def test_signals_to_the_group_do_not_end_workers(
    made: Path, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    if not settled:  # a worker that has not yet come to say what it ignores
        monkeypatch.setattr(stream_module, "_ignore_parent_signals", None)
    expected = take(Stream(made, VOXELS, pin="none"), 0, 9)
    batches = Stream(made, VOXELS, workers=2, pin="none").batches()
    got = [next(batches)]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}
    for process in loaders():
        os.kill(process, signal.SIGINT)
        os.kill(process, signal.SIGTERM)
    time.sleep(0.1)
    got += itertools.islice(batches, 8)
    assert_same(expected, got)
    batches.close()
    assert not loaders()


@WITH_WORKERS
def test_a_killed_worker_gives_one_line_at_its_next_batch(made: Path) -> None:
    # A DataLoader of another test may have left torch's handler, which raises at any place.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    batches = Stream(made, VOXELS, workers=1, pin="none").batches()
    next(batches)
    for process in loaders():
        os.kill(process, signal.SIGKILL)
    time.sleep(0.3)  # nothing may be raised here
    with pytest.raises(StreamError, match=r"a loader worker was killed, .* lower --workers"):
        list(itertools.islice(batches, 20))
    assert not loaders()


LEAVES = """
import sys
from shapegan.model.streaming.stream import Stream, StreamConfig
if __name__ == "__main__":
    batches = Stream(sys.argv[1], StreamConfig("voxels", 8, 3), workers=1, pin="none").batches()
    next(batches)
"""


@pytest.mark.slow
def test_a_program_ends_though_its_iterator_is_left_open(made: Path, tmp_path: Path) -> None:
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    ended = subprocess.run(
        [sys.executable, script, made], timeout=60, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
