"""The voxel game: a 3D convolutional critic judges the SDF on a grid (Kleineberg et al., 3.1)."""

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.objectives import CriticInput
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.pipeline.schema import grid_points


def clip_distances(sdf: Tensor, clip: float, way: str) -> Tensor:
    """What a critic sees of true distances; its values are those of `TrainConfig.clip_mode`."""
    if way == "soft":
        return torch.tanh(sdf / clip)
    return sdf.clamp(-clip, clip) if way == "hard" else sdf


class VoxelTask:
    """Grids of a resolution R.

    Args:
        resolution: R.
        clip: Distances beyond are not told apart, frame units.
        way: How, one of `config.CLIP_MODES`.
        chunk: Points whose activations the generator holds at once.
        device: Where the grid's points are kept.
    """

    def __init__(
        self, resolution: int, clip: float, way: str, chunk: int, device: torch.device
    ) -> None:
        self._resolution, self._clip, self._way, self._chunk = resolution, clip, way, chunk
        self._points = torch.from_numpy(grid_points(resolution)).to(device)

    def real(self, batch: VoxelBatch, _draws: StepRandom) -> CriticInput:
        """Shapes of the dataset, clipped."""
        return CriticInput(clip_distances(batch.voxels, self._clip, self._way))

    def fake(
        self, generator: Generator, latents: Tensor, _batch: object, _draws: StepRandom
    ) -> CriticInput:
        """Generated shapes on the grid; `hard` leaves it to the generator to keep to the clip."""
        side = (self._resolution,) * 3
        sdf = generator(self._points, latents, self._chunk).view(len(latents), *side)
        return CriticInput(clip_distances(sdf, self._clip, "soft") if self._way == "soft" else sdf)

    def generator_scores(
        self,
        generator: Generator,
        critic: nn.Module,
        latents: Tensor,
        batch: object,
        draws: StepRandom,
        fade: Tensor,
    ) -> Tensor:
        """The critic's score of generated shapes, with gradients: (B,)."""
        return self.scores(critic, self.fake(generator, latents, batch, draws), fade)

    def scores(self, critic: nn.Module, judged: CriticInput, fade: Tensor) -> Tensor:
        """The critic's score of each shape: (B,)."""
        scores: Tensor = critic(judged.sdf, fade)
        return scores
