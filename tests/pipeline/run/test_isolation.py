import threading
from pathlib import Path
from typing import Any

import pytest
from support.fakes import SMALL, TARGET, make_jobs

from shapegan.pipeline.run.child_process import ChildProcess, Limits
from shapegan.pipeline.run.dataset_tasks import JoinTask, ShapeTask
from shapegan.pipeline.run.isolation import ChildProcesses


def test_child_i_computes_on_device_i_modulo_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(_self: ChildProcess, _function: Any, task: Any, **_limits: Limits) -> Any:
        return task.device if isinstance(task, ShapeTask) else task

    monkeypatch.setattr(ChildProcess, "call", call)
    children = ChildProcesses(TARGET, Limits(), ("cuda:0", "cuda:1"))
    mesh = ShapeTask(0, make_jobs(tmp_path, ["ok"])[0], SMALL, tmp_path, "cuda", TARGET)
    join = JoinTask(0, range(1), SMALL, tmp_path)
    found: list[list[Any]] = []
    begun = [threading.Event() for _ in range(5)]
    last = threading.Event()

    def work(number: int) -> None:
        found.append([children.run(task) for task in (mesh, join, mesh)])
        begun[number].set()
        last.wait(10)  # or a later thread could get the identity of an earlier one

    threads = [threading.Thread(target=work, args=[number]) for number in range(5)]
    for thread, event in zip(threads, begun, strict=True):
        thread.start()
        assert event.wait(10)
    last.set()
    for thread in threads:
        thread.join()
    devices = [f"cuda:{number % 2}" for number in range(5)]
    assert found == [[device, join, device] for device in devices]
