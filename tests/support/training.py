"""Runs that take a second: a dataset of spheres and boxes, and networks of a few weights."""

import csv
import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.recording_reporter import RecordingReporter

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.networks.autoencoder_config import AutoencoderConfig
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.objective_config import Objective, Optimiser
from shapegan.model.schedule import Budget
from shapegan.model.training import trainer
from shapegan.model.training.checkpoint import Checkpoint, latest_checkpoint, load_checkpoint
from shapegan.model.training.trainer import TrainSettings
from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.output import open_output, publish
from shapegan.pipeline.dataset.staging import finish_shard, write_staged
from shapegan.pipeline.schema import Job, MeshReport, Outcome, Points, Shape

SHAPES = 8
"""In split `train`; a quarter as many are in `val`."""
POINTS = 8192
STORED = PreprocessConfig(resolutions=(8, 16), points=POINTS, thin_parts="true", shard_size=4)
TIMES = ("seconds", "shapes_per_second", "waiting")
"""Columns of metrics.csv that differ from run to run."""

Distance = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def sphere(radius: float) -> Distance:
    """Signed distances at points (..., 3)."""
    return lambda points: np.linalg.norm(points, axis=-1) - radius


def box(half: NDArray[np.float64]) -> Distance:
    """Signed distances at points (..., 3) to a box of half sizes (3,)."""

    def distance(points: NDArray[np.float64]) -> NDArray[np.float64]:
        beyond = np.abs(points) - half
        return np.linalg.norm(beyond.clip(min=0), axis=-1) + beyond.max(axis=-1).clip(max=0)

    return distance


def solid(number: int) -> Distance:
    """A sphere or, of odd numbers, a box, of a random size."""
    source = np.random.default_rng(number)
    return box(source.uniform(0.15, 0.5, 3)) if number % 2 else sphere(source.uniform(0.2, 0.8))


def onto_surface(distance: Distance, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points of the surface nearest to points (n, 3), by the slope of an exact distance."""
    step = 1e-5
    ends = [distance(points + side * step * np.eye(3)[:, None]) for side in (1, -1)]
    slope = ((ends[0] - ends[1]) / (2 * step)).T
    return points - distance(points)[:, None] * slope


def make_shape(number: int, config: PreprocessConfig) -> Shape:
    """A solid as it is stored; both frames are the same."""
    distance, source = solid(number), np.random.default_rng(1000 + number)
    directions = source.normal(size=(config.points, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    uniform = directions * source.uniform(size=(config.points, 1)) ** (1 / 3)
    surface = onto_surface(distance, uniform) + source.normal(scale=0.0025, size=uniform.shape)

    def points(positions: NDArray[np.float64]) -> Points:
        encoded = schema.encode_positions(positions.clip(-1, 1))
        at = schema.decode_positions(encoded).astype(np.float64)
        return Points(encoded, distance(at).astype(np.float16))

    grids = {r: schema.grid_points(r).reshape(r, r, r, 3) for r in config.resolutions}
    return Shape(
        id=f"solid{number:03d}",
        category="solids",
        voxels={
            r: distance(grid.astype(np.float64)).astype(np.float16) for r, grid in grids.items()
        },
        points={"uniform": points(uniform), "surface": points(surface)},
        center=np.zeros(3, np.float32),
        scale_cube=1.0,
        scale_sphere=1.0,
    )


def make_solids(folder: Path, shapes: int = SHAPES, config: PreprocessConfig = STORED) -> Path:
    """A dataset of solids, written as `shapegan preprocess` writes it."""
    meshes, out = folder / "meshes", folder / "solids"
    meshes.mkdir(parents=True)
    jobs = []
    for number in range(shapes + shapes // 4):
        path = meshes / f"solid{number:03d}.obj"
        path.touch()
        split = "train" if number < shapes else "val"
        jobs.append(Job(path.stem, "solids", path, path.name, split))
    with open_output(out, meshes, jobs, config) as manifest:
        for number, job in enumerate(jobs):
            report = MeshReport(job.id, job.category, job.relative, "ok", split=job.split)
            write_staged(out, number, Outcome(report, make_shape(number, config)), config)
        for index in range(manifest.shard_count):
            finish_shard(out, index, manifest.shard_jobs(index), config)
        publish(out, manifest)
    return out


_GENERATOR = GeneratorConfig(latent=4, width=16, depth=4, bounded=False)
_SPHERE = dataclasses.replace(_GENERATOR, frame="sphere", initialisation="sphere")
_ADAM = Optimiser("adam", rate=1e-3, critic_rate=1e-3, betas=(0.0, 0.99), halvings=2)

WGAN_GP = Objective(critic_steps=2)
R1 = Objective("logistic", "r1", penalty_weight=1.0, critic_steps=1)
R1_R2 = Objective("relativistic", "r1+r2", 1.0, penalty_every=2, critic_steps=1)

VOXEL = TrainConfig(
    recipe="voxel",
    stages=(Stage(8, 4, 5), Stage(16, 4, 5, fade_in=2)),
    generator=_GENERATOR,
    critic=VoxelCriticConfig(width=1 / 16),
    objective=WGAN_GP,
    ema_halflife=3,
)
POINT = TrainConfig(
    recipe="point",
    stages=(Stage(256, 4, 5), Stage(512, 4, 5)),
    generator=_SPHERE,
    critic=PointCriticConfig(features=(8, 16), head=(8,)),
    objective=R1,
    optimiser=_ADAM,
    clip_mode="soft",
    ema_halflife=3,
)
REFINED = dataclasses.replace(POINT, stages=(Stage(256, 4, 5), Stage(512, 4, 5, refine=True)))
POINT_VOXEL = dataclasses.replace(
    POINT,
    stages=(Stage(256, 4, 5), Stage(512, 4, 5)),
    generator=dataclasses.replace(_SPHERE, symmetry="x"),
    critic=PointCriticConfig(features=(8, 7), head=(8,), grid=8, convolutions=(8,)),
)
RECONSTRUCTED = dataclasses.replace(
    VOXEL,
    generator=dataclasses.replace(VOXEL.deepsdf, prior_spread=0.4),
    objective=dataclasses.replace(R1_R2, reconstruction_weight=10.0),
    optimiser=dataclasses.replace(_ADAM, name="muon"),
)
WHOLE = Objective("relativistic", "r1", 0.1, critic_steps=1, wholeness_weight=10.0)
JOINED = dataclasses.replace(VOXEL, objective=WHOLE, optimiser=_ADAM, clip_mode="soft")
JOINED_POINT = dataclasses.replace(
    POINT_VOXEL, objective=dataclasses.replace(WHOLE, wholeness_every=2)
)
AUTODECODER = TrainConfig(
    recipe="autodecoder",
    stages=(Stage(256, 4, 5), Stage(512, 4, 5)),
    generator=_SPHERE,
    optimiser=_ADAM,
    ema_halflife=3,
)
LATENT = TrainConfig(
    recipe="latent",
    stages=(Stage(16, 4, 5), Stage(16, 4, 5, prior=True)),
    generator=LatentGeneratorConfig(
        code=4, channels=2, hidden=8, prior_width=8, prior_depth=1, prior_steps=4, categories=()
    ),
    autoencoder=AutoencoderConfig(near_points=48, far_points=16, prior_copies=2, prior_repeats=2),
    optimiser=dataclasses.replace(_ADAM, halvings=0),
    ema_halflife=3,
)
LATENT_KERNELS = dataclasses.replace(
    LATENT,
    stages=(Stage(16, 4, 5), Stage(16, 4, 5)),
    generator=LatentGeneratorConfig(
        code=4, channels=2, hidden=8, prior_spread=0.2, prior_stretches=3, categories=()
    ),
)
"""Recipe `latent` with a kernel density as its prior."""
CONFIGS = {
    "voxel": VOXEL,
    "point": POINT,
    "point-voxel": POINT_VOXEL,
    "refined": REFINED,
    "reconstructed": RECONSTRUCTED,
    "joined": JOINED,
    "joined-point": JOINED_POINT,
    "autodecoder": AUTODECODER,
    "latent": LATENT,
    "latent-kernels": LATENT_KERNELS,
}
"""20 steps each, 10 to a stage."""


def quick(data: Path, run: Path, steps: int | None = None, **settings: Any) -> TrainSettings:
    """Settings of a run on this CPU without pictures."""
    return TrainSettings(data, run, "cpu", budget=Budget(steps), preview_shapes=0, **settings)


def run(config: TrainConfig, settings: TrainSettings) -> Checkpoint:
    """Trains and gives the last checkpoint."""
    trainer.train(config, settings, RecordingReporter())
    return last(settings.run)


def last(run_folder: Path) -> Checkpoint:
    """The last checkpoint of a run."""
    path = latest_checkpoint(run_folder / "checkpoints")
    assert path is not None
    return load_checkpoint(path)


def rows(run_folder: Path) -> list[dict[str, str]]:
    """metrics.csv without what are times."""
    with (run_folder / "metrics.csv").open() as file:
        found = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in TIMES} for row in found]


def flat(state: Any, name: str = "") -> dict[str, Any]:
    """Name -> number or tensor of a nested state."""
    if isinstance(state, list | tuple):
        state = dict(enumerate(state))
    if not isinstance(state, dict):
        return {name: state}
    found: dict[str, Any] = {}
    for key, value in state.items():
        found |= flat(value, f"{name}/{key}")
    return found


def assert_same_state(left: Any, right: Any, tolerance: float = 0.0) -> None:
    """Compares nested states of networks and optimisers, bit by bit or to a tolerance."""
    mine, others = flat(left), flat(right)
    assert mine.keys() == others.keys()
    for name, value in mine.items():
        if isinstance(value, torch.Tensor):
            message = f"{name}: {value} is not {others[name]}"
            close = torch.allclose(value, others[name], rtol=tolerance, atol=tolerance)
            assert torch.equal(value, others[name]) if tolerance == 0 else close, message
        else:
            assert value == others[name], name


class UndisturbedRuns(dict[str, Path]):
    """Runs of `CONFIGS` that nothing disturbs, by name: made when they are first asked for."""

    def __init__(self, data: Path, folder: Path) -> None:
        super().__init__()
        self._data, self._folder = data, folder

    def __missing__(self, name: str) -> Path:
        settings = quick(self._data, self._folder / name)
        run(CONFIGS[name], settings)
        self[name] = settings.run
        return settings.run


def assert_same_run(run_folder: Path, other: Path) -> None:
    """Bit for bit: weights, averages, optimisers, and what was measured."""
    mine, theirs = last(run_folder), last(other)
    assert mine.position.total == theirs.position.total
    assert_same_state(mine.recipe, theirs.recipe)
    assert rows(run_folder) == rows(other)
    for name in ("sums", "counts"):
        assert_same_state(mine.logger[name], theirs.logger[name])


def interrupt(_step: int = 0) -> None:
    """What a job system sends before it kills."""
    os.kill(os.getpid(), signal.SIGTERM)


def each_step(patch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Has `act` called after each step of whatever is trained, with the count of steps so far."""
    build, count = trainer.build_recipe, [0]

    def building(*arguments: Any) -> Any:
        recipe = build(*arguments)
        step = recipe.step

        def counted(*its: Any) -> Any:
            values = step(*its)
            count[0] += 1
            act(count[0])
            return values

        recipe.step = counted  # type: ignore[method-assign]
        return recipe

    patch.setattr(trainer, "build_recipe", building)
