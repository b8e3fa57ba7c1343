import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.fakes import make_dataset

from shapegan.model.streaming.stream import StreamConfig
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset

FOLDER = Path(__file__).parents[2] / "benchmarks"
STORED = 10_000
CONFIG = PreprocessConfig(resolutions=(8,), points=STORED, shard_size=5)
CASES = {
    "voxels": StreamConfig("voxels", 8, 2, split=""),
    "points": StreamConfig("points", 700, 2, split="", sets=("uniform", "surface")),
}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script; it finds its neighbours in its own folder."""
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("streaming_speed")
    monkeypatch.setattr(module, "CASES", CASES)
    monkeypatch.setattr(
        module, "METHODS", [method for method in module.METHODS if not method.workers]
    )
    yield module
    for name in ("streaming_speed", "markdown_table"):
        sys.modules.pop(name, None)


def test_bytes_read_are_counted_for_each_method(benchmark: ModuleType, tmp_path: Path) -> None:
    data, arrays = make_dataset(tmp_path, ["ok"] * 6, CONFIG), tmp_path / "arrays"
    arrays.mkdir()
    benchmark.export(Dataset(data), arrays)
    points = np.load(arrays / "3" / "surface.npy")
    np.testing.assert_array_equal(points[:, :3], Dataset(data).points(3, "surface")[0])
    np.testing.assert_array_equal(points[:, 3], Dataset(data).points(3, "surface")[1])

    speeds = benchmark.compare(data, arrays, CASES["points"], seconds=0.1)
    plain, shards, pinned = (speeds[method].read for method in benchmark.METHODS)
    assert plain == pytest.approx(2 * STORED * 4 * 4, rel=0.05)
    assert shards == pytest.approx(2 * 700 * 8, rel=0.1)
    assert pinned < 500
    table = benchmark.table({"points": speeds}).splitlines()
    assert len(table) == 2 + len(benchmark.METHODS)
    assert table[2].startswith("| points, batch 2 | .npy | 0 |")
