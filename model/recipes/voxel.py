"""The voxel game: a 3D convolutional critic judges the SDF on a grid (Kleineberg et al., 3.1)."""

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.objectives import Judged
from shapegan.model.recipes.step_random import Draws
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.pipeline.schema import grid_points


def squash(sdf: Tensor, clip: float, way: str) -> Tensor:
    """What a critic sees of true distances; its values are those of `TrainConfig.squash`."""
    if way == "soft":
        return torch.tanh(sdf / clip)
    return sdf.clamp(-clip, clip) if way == "hard" else sdf


class VoxelGame:
    """Grids of a resolution R.

    Args:
        resolution: R.
        clip: Distances beyond are not told apart, frame units.
        way: How, one of `config.SQUASHES`.
        chunk: Points whose activations the generator holds at once.
        device: Where the grid's points are kept.
    """

    def __init__(
        self, resolution: int, clip: float, way: str, chunk: int, device: torch.device
    ) -> None:
        self._resolution, self._clip, self._way, self._chunk = resolution, clip, way, chunk
        self._points = torch.from_numpy(grid_points(resolution)).to(device)

    def real(self, batch: VoxelBatch, _draws: Draws) -> Judged:
        """Shapes of the dataset, clipped."""
        return Judged(squash(batch.voxels, self._clip, self._way))

    def fake(self, generator: Generator, latents: Tensor, _batch: object, _draws: Draws) -> Judged:
        """Generated shapes on the grid; `hard` leaves it to the generator to keep to the clip."""
        side = (self._resolution,) * 3
        sdf = generator(self._points, latents, self._chunk).view(len(latents), *side)
        return Judged(squash(sdf, self._clip, "soft") if self._way == "soft" else sdf)

    def fooled(
        self,
        generator: Generator,
        critic: nn.Module,
        latents: Tensor,
        batch: object,
        draws: Draws,
        fade: Tensor,
    ) -> Tensor:
        """The critic's score of generated shapes, with gradients: (B,)."""
        return self.scores(critic, self.fake(generator, latents, batch, draws), fade)

    def scores(self, critic: nn.Module, judged: Judged, fade: Tensor) -> Tensor:
        """The critic's score of each shape: (B,)."""
        scores: Tensor = critic(judged.sdf, fade)
        return scores
