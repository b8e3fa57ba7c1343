"""Trainings by two processes on one machine: `python pair.py DATA OUT PORT...`, a port to a case.

Each process leaves what it has after a case in OUT/CASE/RANK.pt.
"""

import dataclasses
import faulthandler
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import (
    AUTODECODER,
    JOINED,
    JOINED_POINT,
    LATENT,
    LATENT_KERNELS,
    POINT,
    POINT_VOXEL,
    R1,
    R1_R2,
    RECONSTRUCTED,
    REFINED,
    VOXEL,
    WGAN_GP,
    WHOLE,
    RecordingReporter,
    each_step,
    interrupt,
    quick,
)
from torch.optim import SGD, Optimizer

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.objective_config import Objective, Optimiser
from shapegan.model.recipes import adversarial, autodecoder, latent
from shapegan.model.training import trainer
from shapegan.model.training.trainer import train

STEPS = 6
"""Of a run, three to a stage."""
STOP = 4
CASE_SECONDS = 100
"""After which a case is taken to hang."""


def large_steps(config: TrainConfig, objective: Objective) -> TrainConfig:
    latents = config.recipe == "autodecoder"
    optimiser = Optimiser(rate=0.1, critic_rate=1.0 if latents else 0.1)
    return dataclasses.replace(config, objective=objective, optimiser=optimiser)


LATTICE = dataclasses.replace(
    VOXEL, stages=(Stage(8, 4, 5, lattice=16), Stage(8, 4, 5, lattice=16))
)
SAME: dict[str, TrainConfig] = {
    "voxel-wgan-gp": large_steps(VOXEL, WGAN_GP),
    "voxel-r1": large_steps(VOXEL, R1),
    "voxel-r1-r2": large_steps(VOXEL, R1_R2),
    "voxel-lattice": large_steps(LATTICE, R1),
    "voxel-reconstructed": large_steps(
        RECONSTRUCTED, dataclasses.replace(R1, reconstruction_weight=10.0)
    ),
    "point-wgan-gp": large_steps(POINT, WGAN_GP),
    "point-r1": large_steps(POINT, R1),
    "point-voxel-r1-r2": large_steps(POINT_VOXEL, R1_R2),
    "refined-r1-r2": large_steps(REFINED, R1_R2),
    "joined": large_steps(JOINED, WHOLE),
    "joined-point": large_steps(JOINED_POINT, WHOLE),
    "autodecoder": large_steps(AUTODECODER, R1),
    "latent": large_steps(LATENT, R1),
    "latent-kernels": large_steps(LATENT_KERNELS, R1),
}
"""Cases that are trained to their end, as one process trains them."""


def plain_descent(patch: pytest.MonkeyPatch) -> None:
    """Updates that grow with the gradients; other optimisers divide even rounding by its size."""

    def build(_name: str, parameters: Any, _betas: Any, **_options: Any) -> Optimizer:
        return SGD(parameters, lr=1.0)

    patch.setattr(adversarial, "build_optimiser", build)
    patch.setattr(autodecoder, "build_optimiser", build)
    patch.setattr(latent, "build_optimiser", build)


def keep_recipe(patch: pytest.MonkeyPatch) -> list[Any]:
    """What is built from now on."""
    built: list[Any] = []
    build = trainer.build_recipe

    def building(*its: Any) -> Any:
        built.append(build(*its))
        return built[-1]

    patch.setattr(trainer, "build_recipe", building)
    return built


def trained(
    config: TrainConfig, data: Path, run: Path, act: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Trains, in this process's part, and gives what it then has."""
    with pytest.MonkeyPatch.context() as patch:
        plain_descent(patch)
        patch.setattr(trainer, "STEPS_PER_ROW", 3)
        built = keep_recipe(patch)
        if act:
            each_step(patch, act)
        reporter = RecordingReporter()
        try:
            position = train(config, quick(data, run, STEPS), reporter)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}", "notes": reporter.notes}
        return {"total": position.total, "state": built[-1].state(), "notes": reporter.notes}


def cases(data: Path, out: Path, rank: int) -> dict[str, Callable[[], dict[str, Any]]]:
    """All cases by name."""
    voxel = SAME["voxel-wgan-gp"]
    seed = dataclasses.replace(voxel, seed=1)

    def stop(step: int) -> None:
        if (rank, step) == (1, STOP):
            interrupt()

    def fail(step: int) -> None:
        if (rank, step) == (0, STOP):
            raise torch.OutOfMemoryError("CUDA out of memory")

    found = {
        name: lambda c=c, n=name: trained(c, data, out / n / "run") for name, c in SAME.items()
    }
    return found | {
        "stopped": lambda: trained(voxel, data, out / "stopped/run", stop),
        "gone-on": lambda: trained(voxel, data, out / "stopped/run"),
        "refused": lambda: trained(seed, data, out / "stopped/run"),
        "failed": lambda: trained(POINT, data, out / "failed/run", fail),
    }


def group_threads() -> list[str]:
    """Names of this process's threads that serve a group of processes."""
    names = [one.read_text().strip() for one in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def main(data: Path, out: Path, ports: list[str]) -> None:
    """One of both processes."""
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    for (name, case), port in zip(cases(data, out, rank).items(), ports, strict=True):
        os.environ["MASTER_PORT"] = port
        faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
        result = case() | {"group_threads": group_threads()}
        (out / name).mkdir(parents=True, exist_ok=True)
        torch.save(result, out / name / f"{rank}.pt")


def run_pair(data: Path, out: Path) -> None:
    """Starts both processes and waits for them."""
    ports = _free_ports(len(cases(data, out, 0)))
    program = [sys.executable, __file__, str(data), str(out), *ports]
    started = [
        subprocess.Popen(
            program,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(sys.path),
                "RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in started:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
    finally:
        for process in started:
            process.kill()


def _free_ports(count: int) -> list[str]:
    """Ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
