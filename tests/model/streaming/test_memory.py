"""The memory that keeps shapes, by how much of it is free."""

from pathlib import Path

import pytest
import torch
from support.streams import POINTS, STORED, VOXELS, take

from shapegan.model.streaming import memory
from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.model.streaming.stream import Stream
from shapegan.pipeline.dataset.reader import Dataset


def test_pinned_shapes_are_read_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, read = Stream(made, VOXELS, pin="ram"), []
    stored = Dataset.stored

    def spy(self: Dataset, index: int, *rest: object) -> object:
        read.append(index)
        return stored(self, index, *rest)

    monkeypatch.setattr(Dataset, "stored", spy)
    take(stream, 0, 9)
    assert read == Dataset(made).splits["train"]


def test_a_shard_that_is_gone_cannot_be_pinned(copied: Path) -> None:
    (copied / "shards/00001.h5").unlink()
    with pytest.raises(StreamError, match=r"00001\.h5: No such file"):
        next(Stream(copied, VOXELS, pin="ram").batches())


def test_chooses_memory_by_what_is_free(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = Stream(made, VOXELS).bytes
    assert needed == 8 * 8**3 * 2
    assert Stream(made, POINTS).bytes == 8 * 2 * STORED * 8
    for free, world, expected in ((4 * needed, 1, "ram"), (4 * needed - 1, 1, "none")):
        monkeypatch.setattr(memory, "free_ram", lambda free=free: free)
        assert Stream(made, VOXELS, world=world).placement == expected
    monkeypatch.setattr(memory, "free_ram", lambda: 4 * needed)
    wide = StreamConfig("voxels", 8, batch=4)
    assert Stream(made, wide).placement == "ram"
    assert Stream(made, wide, world=2).placement == "none"
    assert Stream(made, VOXELS, pin="device").placement == "ram"
    assert Stream(made, VOXELS, pin="none").placement == "none"
    monkeypatch.setattr(memory, "free_ram", lambda: needed - 1)
    with pytest.raises(StreamError, match=r"pin ram: the stream's shapes take 0\.00 GB"):
        Stream(made, VOXELS, pin="ram")


def test_a_gpu_with_room_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400, 1000))
    monkeypatch.setattr(memory, "free_ram", lambda: 4000)
    assert memory.placement("auto", 100, device, 8) == "device"
    assert memory.placement("auto", 101, device, 8) == "ram"
    assert memory.placement("auto", 126, device, 8) == "none"
    assert memory.placement("device", 400, device, 1) == "device"
    with pytest.raises(StreamError, match=r"pin device: .* use pin auto or none"):
        memory.placement("device", 401, device, 1)
    monkeypatch.setattr(memory, "_AUTO_BYTES", 99)
    assert memory.placement("auto", 100, device, 1) == "none"


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMIT", limit)
    unlimited = memory.free_ram()
    assert unlimited > 0
    limit.write_text("1\n")
    assert memory.free_ram() == 0
    limit.write_text("max\n")
    assert memory.free_ram() > 0.5 * unlimited
