"""The voxel task: a 3D convolutional critic sees the SDF on a grid (Kleineberg et al., 3.1)."""

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.objectives import CriticInput, StepData
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.pipeline.schema import grid_points


def clip_distances(sdf: Tensor, clip: float, clip_mode: str) -> Tensor:
    """Clip true distances for a critic, by one of `TrainConfig.clip_mode`."""
    if clip_mode == "soft":
        return torch.tanh(sdf / clip)
    return sdf.clamp(-clip, clip) if clip_mode == "hard" else sdf


class VoxelTask:
    """Grids of a resolution R.

    Args:
        resolution: R.
        clip: Truncation distance, frame units.
        clip_mode: One of `config.CLIP_MODES`.
        chunk: Points whose activations the generator holds at once.
        device: Device of the grid's points.
    """

    def __init__(
        self, resolution: int, clip: float, clip_mode: str, chunk: int, device: torch.device
    ) -> None:
        self._clip, self._clip_mode, self._chunk = clip, clip_mode, chunk
        self._points = torch.from_numpy(grid_points(resolution)).to(device)

    def real(self, data: StepData[VoxelBatch]) -> CriticInput:
        """The dataset's grids, clipped."""
        return CriticInput(clip_distances(data.batch.voxels, self._clip, self._clip_mode))

    def fake(
        self, generator: Generator, latents: Tensor, data: StepData[VoxelBatch]
    ) -> CriticInput:
        """Generated grids. Mode `hard` leaves it to the generator to stay within the clip."""
        sdf = generator(self._points, latents, self._chunk).view(data.batch.voxels.shape)
        soft = self._clip_mode == "soft"
        return CriticInput(clip_distances(sdf, self._clip, "soft") if soft else sdf)

    def generator_scores(
        self, generator: Generator, critic: nn.Module, latents: Tensor, data: StepData[VoxelBatch]
    ) -> Tensor:
        """Critic scores of generated shapes, with gradients: (B,)."""
        return self.scores(critic, self.fake(generator, latents, data))

    def scores(self, critic: nn.Module, critic_input: CriticInput) -> Tensor:
        """Critic scores of shapes: (B,)."""
        scores: Tensor = critic(critic_input.sdf)
        return scores
