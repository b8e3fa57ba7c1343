"""The critic of voxel grids, which grows from resolution to resolution.

Letters in shapes: B shapes, R resolution. A grid is the SDF at linspace(-1, 1, R) along each axis.
Of shapes that are their own mirror images at x = 0, critics may see the half x > 0 alone: H = R / 2
places along x, otherwise H = R.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from shapegan.model.networks.activations import leaky_relu

RESOLUTIONS = (8, 16, 32, 64)
"""Resolutions that a critic can have."""

_SLOPE = 0.2
_HEAD_VOXELS = 4**3


@dataclass(frozen=True)
class VoxelCriticConfig:
    """Architecture of a voxel critic. The defaults are those of the published critic."""

    features: tuple[int, ...] = (128, 64, 32, 1)
    """Input features of the blocks of 8, 16, 32 and 64; each block's output is the input of the
    next coarser one."""
    final: int = 256
    """Features of the 4^3 grid before the head."""
    hidden: int = 128
    """Features of the head's hidden layer."""
    width: float = 1.0
    """Multiplies `features`, `final` and `hidden`."""
    scale: float = 1.0
    """Divisor of the distances that come in."""
    gradients: bool = False
    """Show the critic the SDF's spatial gradient as well (Zheng et al. 2022, SDF-StyleGAN)."""

    def __post_init__(self) -> None:
        if len(self.features) != len(RESOLUTIONS):
            raise ValueError(f"expected features of {RESOLUTIONS}, got {self.features}")
        if self.width <= 0 or self.scale <= 0:
            raise ValueError(
                f"expected a width and a scale above 0, got {self.width} and {self.scale}"
            )

    @property
    def channels(self) -> int:
        """Input channels: the distance and, with `gradients`, its three derivatives."""
        return 4 if self.gradients else 1

    def scaled(self, count: int) -> int:
        """Multiply a number of features by the width."""
        return max(1, round(self.width * count))

    def inputs(self, resolution: int) -> int:
        """Input features of a resolution's block: at least the input channels."""
        return max(self.channels, self.scaled(self.features[RESOLUTIONS.index(resolution)]))

    def outputs(self, resolution: int) -> int:
        """Output features of a resolution's block."""
        return self.scaled(self.final) if resolution == 8 else self.inputs(resolution // 2)


class VoxelCritic(nn.Module):
    """Scores of grids, high for real shapes; the critic grows from resolution to resolution.

    Each block halves the grid. A grid that comes in takes the place of the first of the block's
    input features, and the others are 0 (Kleineberg et al. 2020, section 3.1). So the weights of a
    block need no change when a finer block is put in front of it.

    The finest block is faded in (Karras et al. 2018, progressive growing): `set_fade` says how far.

    Args:
        config: Architecture.
        resolution: R, one of `RESOLUTIONS`.
        half_grids: See the half x > 0 of each grid.

    Raises:
        ValueError: the resolution is not in `RESOLUTIONS`.
    """

    config: VoxelCriticConfig
    resolution: int
    half_grids: bool
    fade: Tensor
    """Scalar in [0, 1]: share of the finest block's output; the rest is the coarse grid. Not part
    of the state dict, because the schedule sets it at every step."""

    def __init__(
        self, config: VoxelCriticConfig, resolution: int = 8, half_grids: bool = False
    ) -> None:
        super().__init__()
        if resolution not in RESOLUTIONS:
            raise ValueError(f"expected a resolution out of {RESOLUTIONS}, got {resolution}")
        self.config, self.resolution, self.half_grids = config, resolution, half_grids
        self.register_buffer("fade", torch.ones(()), persistent=False)
        self._fading = False
        self.blocks = nn.ModuleDict({str(size): _block(config, size) for size in self.block_sizes})
        voxels = _HEAD_VOXELS // (2 if half_grids else 1)
        self.hidden = nn.Linear(voxels * config.scaled(config.final), config.scaled(config.hidden))
        self.score = nn.Linear(config.scaled(config.hidden), 1)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of a grid that is scored: (H, R, R)."""
        size = self.resolution
        return size // 2 if self.half_grids else size, size, size

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """Resolutions that have a block, coarse to fine."""
        return tuple(size for size in RESOLUTIONS if size <= self.resolution)

    def set_fade(self, share: float) -> None:
        """Set how far the finest block is faded in, from 0 to 1."""
        self.fade.fill_(share)
        self._fading = share < 1.0

    @property
    def is_fading(self) -> bool:
        """True while the finest block is faded in."""
        return self._fading

    def forward(self, sdf: Tensor) -> Tensor:
        """Score grids.

        Args:
            sdf: (B, H, R, R), in the cube frame's units.

        Returns:
            (B,), float32 also under autocast.

        Raises:
            ValueError: the grid has another shape.
        """
        size = self.resolution
        if sdf.dim() != 4 or tuple(sdf.shape[1:]) != self.input_shape:
            expected = ", ".join(map(str, self.input_shape))
            raise ValueError(f"expected grids (B, {expected}), got {tuple(sdf.shape)}")
        grid = sdf[:, None]
        # 1. The finest block, mixed with the coarse grid while it is new
        features = self._first_block(size, grid)
        if self._fading and size > 8:
            features = self._mixed(features, grid)
        # 2. The coarser blocks
        for coarser in reversed(self.block_sizes[:-1]):
            features = leaky_relu(self._block(coarser)(features), _SLOPE)
        # 3. The head
        hidden = leaky_relu(self.hidden(features.flatten(1)), _SLOPE)
        score: Tensor = self.score(hidden).select(1, 0).to(sdf.dtype)
        return score

    def grown(self, resolution: int) -> "VoxelCritic":
        """Build a critic of a finer resolution that has this one's weights.

        The weights of new blocks are drawn from torch's global generator.

        Raises:
            ValueError: the resolution is not finer, or not in `RESOLUTIONS`.
        """
        if resolution <= self.resolution:
            raise ValueError(f"expected a resolution above {self.resolution}, got {resolution}")
        critic = VoxelCritic(self.config, resolution, self.half_grids)
        weights = critic.state_dict() | self.state_dict()
        critic.load_state_dict(weights)
        return critic.to(next(self.parameters()).device)

    def _block(self, size: int) -> nn.Conv3d:
        block = self.blocks[str(size)]
        assert isinstance(block, nn.Conv3d)
        return block

    def _first_block(self, size: int, grid: Tensor) -> Tensor:
        """Apply the block of a resolution to a grid (B, 1, H, R, R)."""
        block = self._block(size)
        channels = input_channels(grid, self.config)
        # Only the weights of features that are not 0: at 8^3 that is one of 128.
        weight = block.weight[:, : self.config.channels]
        features = F.conv3d(channels, weight, block.bias, stride=2, padding=1)
        return leaky_relu(features, _SLOPE)

    def _mixed(self, features: Tensor, grid: Tensor) -> Tensor:
        """Mix features with the coarse grid, padded with zeros, by `fade` to 1 - `fade`."""
        # Aligned corners, because both grids reach from -1 to 1: the voxels of the coarse grid are
        # not those of every second voxel of the fine one.
        size = tuple(places // 2 for places in self.input_shape)
        coarse = F.interpolate(grid, size=size, mode="trilinear", align_corners=True)
        channels = input_channels(coarse, self.config).to(features.dtype)
        missing = features.shape[1] - channels.shape[1]
        coarse_features = F.pad(channels, (0, 0, 0, 0, 0, 0, 0, missing))
        return self.fade * features + (1 - self.fade) * coarse_features


def input_channels(grid: Tensor, config: VoxelCriticConfig) -> Tensor:
    """Input of a critic for a grid (B, 1, H, R, R): (B, channels, H, R, R).

    Channel 0 is the distance divided by `scale`. With `gradients`, channels 1 to 3 are its
    derivatives along x, y and z, by central differences, one-sided at the faces of the grid. Their
    length is 1 where a distance is true and not clipped, on a grid of linspace(-1, 1, R); shifted
    lattices are 5 % finer at 16^3, and 11 % at 8^3.
    """
    distance = grid / config.scale
    if not config.gradients:
        return distance
    spacing = 2.0 / (grid.shape[-1] - 1)
    derivatives = torch.gradient(grid, spacing=spacing, dim=(2, 3, 4))
    return torch.cat([distance, *derivatives], dim=1)


def _block(config: VoxelCriticConfig, size: int) -> nn.Conv3d:
    return nn.Conv3d(config.inputs(size), config.outputs(size), 4, stride=2, padding=1)
