"""The script that measures a GPU: all commands run on a CPU, at tiny sizes."""

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from support.shapes import boxes, torus, write_obj
from support.toys import toy_run
from support.training import SHAPES, make_solids

from shapegan.cli import main as shapegan

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = ("gpu", "gpu_commands", "published_step", "row_log", "step_cases", "train_step")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, whose small networks are slower on several threads that other work disturbs."""
    monkeypatch.syspath_prepend(FOLDER)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Options of the script with their folders."""
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    for name, mesh in (("torus", torus()), ("box", boxes([((-1, -1, -1), (1, 0.5, 0.2))]))):
        write_obj(meshes / f"{name}.obj", *mesh)
    return {
        "--meshes": meshes,
        "--data": make_solids(tmp_path / "solids"),
        "--run": toy_run(tmp_path / "toy"),
        "--autodecoder": toy_run(tmp_path / "learned", torch.zeros(SHAPES, 4)),
    }


def measure(inputs: dict[str, Path], out: Path) -> tuple[list[dict[str, Any]], str]:
    """Rows of the script, and what it prints."""
    from gpu import main

    flags = "--cases= --recipes= --device cpu --workers 1 --count 3 --resolution 16 --split val"
    flags += " --batches 1,2 --fit-steps 2 --out"
    folders = [str(word) for pair in inputs.items() for word in pair]
    small = ["--preprocess-flags", "--resolutions 8 --points 64"]
    done = CliRunner().invoke(main, [*flags.split(), str(out), *small, *folders])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in out.read_text().splitlines()], done.output


@pytest.mark.slow
def test_every_command_has_its_rows(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu_commands

    def run_here(*words: object) -> gpu_commands.Cost:
        """The command in this process, which has imported everything."""
        done = CliRunner().invoke(shapegan, [*map(str, words)])
        assert done.exit_code == 0, done.output
        return gpu_commands.Cost(2.0, 3.0)

    monkeypatch.setattr(gpu_commands, "run_command", run_here)
    rows, output = measure(inputs, tmp_path / "gpu.jsonl")
    expected = [
        {"table": "generate", "grid": "16^3", "shapes": 3, "meshes": 3, "shapes/s": 1.5},
        {"table": "reconstruct", "batch": 1, "steps": 2, "shapes": 2, "shapes/s": 1.0},
        {"table": "reconstruct", "batch": 2, "steps": 2, "shapes": 2, "shapes/s": 1.0},
        {"table": "evaluate", "shapes": "2 x 2", "EMD points": 0, "CPU s": 3.0},
        {"table": "evaluate", "shapes": "2 x 2", "EMD points": 256, "CPU s": 3.0},
        {"table": "preprocess", "workers": 1, "meshes": 2, "ok": 2, "CPU s a mesh": 1.5},
    ]
    assert [{key: row[key] for key in want} for row, want in zip(rows, expected, strict=True)] == (
        expected
    )
    assert all(row["device"] == "cpu" and row["s"] == 2.0 for row in rows)
    assert "| cpu | 16^3 | 3 | 3 | 2 | 1.5 | 1 |" in output
    assert output.count("| device |") == 4


def test_a_command_that_fails_is_a_row_and_the_others_go_on(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu_commands

    run_command = gpu_commands.run_command
    called: list[object] = []

    def some(command: object, *words: object) -> gpu_commands.Cost:
        called.append(command)
        return run_command(command, "--no-such-flag", *words)

    monkeypatch.setattr(gpu_commands, "run_command", some)
    rows, _ = measure(inputs, tmp_path / "gpu.jsonl")
    commands = ["generate", "reconstruct", "reconstruct", "evaluate", "preprocess"]
    assert called == commands
    assert [(row["table"], row["command"]) for row in rows] == [("failed", one) for one in commands]
    assert all(row["reason"].startswith("exit code 2: ") for row in rows)


def test_steps_of_a_case_are_compared_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu
    from row_log import Rows
    from train_step import BASE, RoundTimes

    calls: list[list[Any]] = []

    def compare(_case: Any, variants: list[Any], rounds: int) -> dict[Any, RoundTimes]:
        calls.append(variants)
        return {one: RoundTimes([4.0 if one == BASE else 2.0] * rounds) for one in variants}

    monkeypatch.setattr(gpu, "compare", compare)
    monkeypatch.setattr(gpu, "round_flops", lambda _: 1e12)
    out = tmp_path / "gpu.jsonl"
    for name in ("16^3 x 16", "64^3 x 16"):
        gpu.measure_steps(Rows(out), name, 3, 10.0, "cpu")
    assert [len(variants) for variants in calls] == [9, 4]
    assert all(variants.count(BASE) == 1 for variants in calls)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 13
    assert [row["x published fp32"] for row in rows] == [1, *[2] * 8, 1, *[2] * 3]
    assert {row["% of bf16 peak"] for row in rows} == {"", 5.0}
    gpu.measure_steps(Rows(out), "16^3 x 16", 3, 10.0, "cpu", compiled=True)
    assert [variant.name for variant in calls[-1]] == ["published", "ours, compiled, graph"]


def test_a_case_that_fails_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu
    from row_log import Rows

    def compare(*_: Any) -> None:
        raise torch.OutOfMemoryError("too much\nmore")

    monkeypatch.setattr(gpu, "compare", compare)
    monkeypatch.setattr(gpu, "round_flops", lambda _: 1e12)
    out = tmp_path / "gpu.jsonl"
    gpu.measure_steps(Rows(out), "16^3 x 16", 3, 10.0, "cpu")
    assert json.loads(out.read_text()) == {
        "table": "failed",
        "batch": "16^3 x 16",
        "reason": "too much",
    }


@pytest.mark.parametrize("starts", [True, False])
def test_processes_can_share_the_gpu_by_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    import gpu_commands
    from row_log import Rows

    # A service that writes down how it is called; `quit` comes from its input.
    service, calls = tmp_path / "bin/nvidia-cuda-mps-control", tmp_path / "calls"
    service.parent.mkdir()
    lines = ["#!/bin/sh", f'echo "${{1:-$(cat)}}" >> {calls}', "echo no permission"]
    service.write_text("\n".join([*lines, f"exit {0 if starts else 1}", ""]))
    service.chmod(0o755)
    monkeypatch.setenv("PATH", str(service.parent), prepend=os.pathsep)

    def preprocess_rows(_settings: Any, _meshes: Path, device: str) -> Iterator[gpu_commands.Row]:
        yield {"device": device, "called": calls.exists()}

    def devices(device: str) -> list[tuple[str, bool]]:
        """Devices of the rows, and whether the service had been called by then."""
        names = [field.name for field in dataclasses.fields(gpu_commands.CommandSettings)]
        values = dict.fromkeys(names) | {"device": device, "meshes": tmp_path}
        out = tmp_path / f"{device}.jsonl"
        gpu_commands.measure_commands(Rows(out), gpu_commands.CommandSettings(**values))
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        return [(row.get("device", row.get("reason")), row.get("called")) for row in rows]

    monkeypatch.setattr(gpu_commands, "preprocess_rows", preprocess_rows)
    assert devices("cpu") == [("cpu", False)]
    last = ("cuda, MPS", True) if starts else ("nvidia-cuda-mps-control: no permission", None)
    assert devices("cuda") == [("cpu", False), ("cuda", False), last]
    assert calls.read_text() == ("-d\nquit\n" if starts else "-d\n")


def test_the_time_of_a_command_is_that_of_its_process() -> None:
    from gpu_commands import run_command

    cost = run_command("--help")
    assert cost.cpu > 0
    assert 0 < cost.wall < 100


def test_a_product_with_its_relu_counts_as_the_product() -> None:
    import gpu

    rows, weight, bias = torch.ones(5, 7), torch.ones(3, 7), torch.ones(3)
    counted = []
    for function in (torch.addmm, torch._addmm_activation):
        with gpu.FlopCounter() as counter:
            function(bias, rows, weight.t())
        counted.append(counter.total)
    assert counted == [2 * 5 * 7 * 3] * 2
