"""The voxel task: a 3D convolutional critic sees the SDF on a grid (Kleineberg et al., 3.1)."""

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.loose_parts import LooseParts, loose_parts
from shapegan.model.recipes.objectives import CriticInput, StepData
from shapegan.model.recipes.step_random import LATTICE
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.model.streaming.thin_parts import thickened
from shapegan.pipeline.schema import grid_points, voxel_spacing


def clip_distances(sdf: Tensor, clip: float, clip_mode: str) -> Tensor:
    """Clip true distances for a critic, by one of `TrainConfig.clip_mode`."""
    if clip_mode == "soft":
        return torch.tanh(sdf / clip)
    return sdf.clamp(-clip, clip) if clip_mode == "hard" else sdf


def reconstruction_error(found: Tensor, real: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute difference of clipped distances, a scalar.

    Args:
        found: (B, ...), of generated shapes.
        real: (B, ...), of real ones.
        weights: (B, ...), how much each place counts; None: all count the same.
    """
    difference = (found - real).abs()
    return difference.mean() if weights is None else (difference * weights).sum() / weights.sum()


def lattice_spacing(stage: Stage) -> float:
    """Distance between neighbouring places of a stage's grid, cube frame."""
    return stage.grid // stage.size * voxel_spacing(stage.grid)


def lattice_clip(config: TrainConfig, stage: Stage) -> float:
    """Truncation distance of a stage, cube frame: `clip`, or more if `clip_voxels` demands it."""
    return max(config.clip, config.clip_voxels * lattice_spacing(stage))


class VoxelTask:
    """Grids of R^3 places: a stored grid, or a lattice of every s-th voxel of a finer one.

    The first voxel of the lattice is drawn for each half of a step, and shared by all its shapes
    and by all processes. The generator is evaluated at the places of the voxels that are read.

    Of shapes that are their own mirror images at x = 0, the half x > 0 is enough.

    Args:
        stage: R, the lattice and the offset of thin parts.
        clip: Truncation distance, frame units.
        clip_mode: One of `config.CLIP_MODES`.
        chunk: Points whose activations the generator holds at once.
        device: Device of the grid's points.
        half: Read the half x > 0 only.
    """

    graph_obstacle = ""

    def __init__(
        self,
        stage: Stage,
        clip: float,
        clip_mode: str,
        chunk: int,
        device: torch.device,
        half: bool = False,
    ) -> None:
        self._stage, self._stride = stage, stage.grid // stage.size
        self._middle = stage.grid // 2 if half else 0
        self._clip, self._clip_mode, self._chunk = clip, clip_mode, chunk
        self._points = torch.from_numpy(grid_points(stage.grid)).to(device)
        places = torch.arange(stage.grid**3, device=device).view((stage.grid,) * 3)
        step = self._stride
        self._rows = places[self._middle :: step, ::step, ::step].contiguous()
        self._moves = torch.tensor([stage.grid**2, stage.grid, 1], device=device)

    def real(self, data: StepData[VoxelBatch]) -> CriticInput:
        """The dataset's grids, clipped."""
        rows = self._lattice(data)
        sdf = self._read(data.batch.voxels, rows)
        if data.batch.thin is not None:
            offset = self._stage.thin_offset_at(data.progress)
            sdf = thickened(sdf, self._read(data.batch.thin, rows), offset)
        return CriticInput(clip_distances(sdf, self._clip, self._clip_mode))

    def fake(self, generator: Generator, codes: Tensor, data: StepData[VoxelBatch]) -> CriticInput:
        """Generated grids. Mode `hard` leaves it to the generator to stay within the clip."""
        rows = self._lattice(data)
        points = self._points[rows.flatten()]
        sdf = generator.decode(points, codes, self._chunk).view(len(codes), *rows.shape)
        soft = self._clip_mode == "soft"
        return CriticInput(clip_distances(sdf, self._clip, "soft") if soft else sdf)

    def judged(
        self, generator: Generator, critic: nn.Module, codes: Tensor, data: StepData[VoxelBatch]
    ) -> CriticInput:
        """Generated grids, with gradients."""
        del critic
        return self.fake(generator, codes, data)

    def scores(self, critic: nn.Module, critic_input: CriticInput) -> Tensor:
        """Critic scores of shapes: (B,)."""
        scores: Tensor = critic(critic_input.sdf)
        return scores

    def reconstruction(
        self, generator: Generator, codes: Tensor, data: StepData[VoxelBatch]
    ) -> Tensor:
        """Error of the grids of codes (B, Z) of the batch's shapes, a scalar."""
        sdf = self.fake(generator, codes, data).sdf
        if self._clip_mode == "hard":
            sdf = clip_distances(sdf, self._clip, "hard")
        return reconstruction_error(sdf, self.real(data).sdf)

    def loose_parts(self, generator: Generator, codes: Tensor, judged: CriticInput) -> LooseParts:
        """Loose parts of the grids that the critic judges."""
        del generator, codes
        return loose_parts(judged.sdf.float())

    def _lattice(self, data: StepData[VoxelBatch]) -> Tensor:
        """Voxels of the step's lattice as positions in the grid: (H, R, R) int64."""
        if self._stride == 1:
            return self._rows
        first = data.random.shared_integers(LATTICE, self._stride, 3)
        return self._rows + (first * self._moves).sum()

    def _read(self, grids: Tensor, rows: Tensor) -> Tensor:
        """Values of grids (B, G, G, G) at the lattice's voxels: (B, H, R, R)."""
        if self._stride == 1:
            return grids[:, self._middle :]
        return grids.flatten(1)[:, rows]
