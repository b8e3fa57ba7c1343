"""Critics of voxel grids: one of the whole shape that grows with the resolution, one of patches.

Letters in shapes: B shapes, R resolution. A grid is the SDF at linspace(-1, 1, R) along each axis.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

RESOLUTIONS = (8, 16, 32, 64)
"""Those a critic can grow to."""

_SLOPE = 0.2
_HEAD_VOXELS = 4**3
_PATCH_STRIDE = 2


@dataclass(frozen=True)
class VoxelCriticConfig:
    """What a critic of voxels is made of. The defaults are the published critic's."""

    resolution: int = 8
    """Of the grids it judges, R."""
    features: tuple[int, ...] = (128, 64, 32, 1)
    """What the blocks of 8, 16, 32 and 64 take in; each gives what the next coarser takes."""
    final: int = 256
    """Features of the 4^3 grid before the head."""
    hidden: int = 128
    """Features of the head's hidden layer."""
    width: float = 1.0
    """Multiplies `features`, `final` and `hidden`."""
    scale: float = 1.0
    """Distances are divided by it on the way in."""
    gradients: bool = False
    """Whether the SDF's spatial gradient is seen beside it (Zheng et al. 2022, SDF-StyleGAN)."""
    spectral: bool = False
    """Spectral norm on every layer (Miyato et al. 2018)."""
    patches: tuple[int, ...] = ()
    """Features of a `PatchCritic` whose score is added; empty: none. `width` does not apply."""

    def __post_init__(self) -> None:
        if self.resolution not in RESOLUTIONS:
            raise ValueError(f"expected a resolution out of {RESOLUTIONS}, got {self.resolution}")
        if len(self.features) != len(RESOLUTIONS):
            raise ValueError(f"expected features of {RESOLUTIONS}, got {self.features}")
        if self.width <= 0 or self.scale <= 0:
            raise ValueError(
                f"expected a width and a scale above 0, got {self.width} and {self.scale}"
            )

        if self.patch > self.resolution:
            raise ValueError(
                f"patches of {self.patch} voxels do not fit into a grid of {self.resolution}:"
                " expected fewer layers of patches"
            )

    @property
    def patch(self) -> int:
        """Voxels along the edge of a patch: 4 for one layer, 4 more for each further one."""
        return 4 * len(self.patches)

    @property
    def channels(self) -> int:
        """Numbers a voxel has: its distance, and with `gradients` three more."""
        return 4 if self.gradients else 1

    @property
    def blocks(self) -> tuple[int, ...]:
        """Resolutions that have a block, coarse to fine."""
        return tuple(size for size in RESOLUTIONS if size <= self.resolution)

    def sized(self, count: int) -> int:
        """A number of features, times the width."""
        return max(1, round(self.width * count))

    def inputs(self, resolution: int) -> int:
        """Features that a resolution's block takes in: never fewer than a voxel has numbers."""
        return max(self.channels, self.sized(self.features[RESOLUTIONS.index(resolution)]))

    def outputs(self, resolution: int) -> int:
        """Features that a resolution's block gives."""
        return self.sized(self.final) if resolution == 8 else self.inputs(resolution // 2)


class VoxelCritic(nn.Module):
    """Scores grids: high where it takes a shape for real. Grown from resolution to resolution.

    Each block halves the grid. Where a grid comes in, it takes the place of the first of a block's
    input features and the others are 0 (Kleineberg et al. 2020): so a block's weights
    are used as they are before and after a finer block is put in front of it.
    """

    config: VoxelCriticConfig

    def __init__(self, config: VoxelCriticConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleDict({str(size): _block(config, size) for size in config.blocks})
        self.hidden = _maybe_spectral(
            nn.Linear(_HEAD_VOXELS * config.sized(config.final), config.sized(config.hidden)),
            config.spectral,
        )
        self.score = _maybe_spectral(nn.Linear(config.sized(config.hidden), 1), config.spectral)
        self.patches = PatchCritic(config) if config.patches else None

    def forward(self, sdf: Tensor, fade: Tensor | float = 1.0) -> Tensor:
        """Scores of grids.

        Args:
            sdf: (B, R, R, R), in the cube frame's units.
            fade: Share of the finest block in [0, 1], a number or a 0-dimensional tensor. The rest
                is the grid itself, resampled to the next coarser resolution.

        Returns:
            (B,), float32 also under autocast.

        Raises:
            ValueError: where the grid has another resolution.
        """
        size = self.config.resolution
        if sdf.dim() != 4 or tuple(sdf.shape[1:]) != (size, size, size):
            raise ValueError(f"expected grids (B, {size}, {size}, {size}), got {tuple(sdf.shape)}")
        grid = sdf[:, None]
        # 1. The finest block, mixed with the coarse grid while it is new
        features = self._enter(size, grid)
        if size > 8 and not (isinstance(fade, float) and fade >= 1.0):
            features = self._faded(features, grid, fade)
        # 2. The coarser blocks
        for coarser in reversed(self.config.blocks[:-1]):
            features = F.leaky_relu(self._block(coarser)(features), _SLOPE)
        # 3. The head
        hidden = F.leaky_relu(self.hidden(features.flatten(1)), _SLOPE)
        score: Tensor = self.score(hidden).select(1, 0).to(sdf.dtype)
        return score if self.patches is None else score + self.patches(sdf)

    def grown(self, resolution: int) -> "VoxelCritic":
        """A critic of a finer resolution, with this one's weights where it has such layers.

        Blocks that are new are drawn from torch's global generator.

        Raises:
            ValueError: where the resolution is not finer, or not out of `RESOLUTIONS`.
        """
        if resolution <= self.config.resolution:
            raise ValueError(
                f"expected a resolution above {self.config.resolution}, got {resolution}"
            )
        critic = VoxelCritic(replace(self.config, resolution=resolution))
        weights = critic.state_dict() | self.state_dict()
        critic.load_state_dict(weights)
        return critic.to(next(self.parameters()).device)

    def _block(self, size: int) -> nn.Conv3d:
        block = self.blocks[str(size)]
        assert isinstance(block, nn.Conv3d)
        return block

    def _enter(self, size: int, grid: Tensor) -> Tensor:
        """A grid (B, 1, R, R, R) through the block of its own resolution."""
        block = self._block(size)
        seen = look(grid, self.config)
        # Only the weights of features that are not 0: at 8^3 that is one of 128.
        weight = block.weight[:, : self.config.channels]
        features = F.conv3d(seen, weight, block.bias, stride=2, padding=1)
        return F.leaky_relu(features, _SLOPE)

    def _faded(self, features: Tensor, grid: Tensor, fade: Tensor | float) -> Tensor:
        """Features mixed with the coarse grid and zeros, by fade : 1 - fade."""
        # With aligned corners, since both grids reach from -1 to 1: every second voxel of a fine
        # grid is not where a coarse grid has its voxels.
        half = self.config.resolution // 2
        coarse = F.interpolate(grid, size=(half, half, half), mode="trilinear", align_corners=True)
        seen = look(coarse, self.config).to(features.dtype)
        missing = features.shape[1] - seen.shape[1]
        coarse_features = F.pad(seen, (0, 0, 0, 0, 0, 0, 0, missing))
        return fade * features + (1 - fade) * coarse_features


def look(grid: Tensor, config: VoxelCriticConfig) -> Tensor:
    """What a critic sees of a grid (B, 1, R, R, R): (B, channels, R, R, R).

    The distance over `scale`, and with `gradients` its derivatives by x, y and z: of length 1 where
    a distance is true and not clipped. Central differences, one-sided at the faces of the cube.
    """
    distance = grid / config.scale
    if not config.gradients:
        return distance
    spacing = 2.0 / (grid.shape[-1] - 1)
    derivatives = torch.gradient(grid, spacing=spacing, dim=(2, 3, 4))
    return torch.cat([distance, *derivatives], dim=1)


class PatchCritic(nn.Module):
    """Judges small patches near the surface, all with the same weights, and averages their scores.

    The local critic of SDF-StyleGAN (Zheng et al. 2022), fully convolutional: each score is that of
    a patch of `config.patch`^3 voxels, one at every second voxel along each axis. A patch weighs as
    much as it has voxels within one spacing of the surface.
    """

    config: VoxelCriticConfig

    def __init__(self, config: VoxelCriticConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (config.channels, *config.patches[:-1])
        layers = [
            nn.Conv3d(
                before, after, 4 if index == 0 else 3, stride=_PATCH_STRIDE if index == 0 else 1
            )
            for index, (before, after) in enumerate(zip(inputs, config.patches, strict=True))
        ]
        self.layers = nn.ModuleList(_maybe_spectral(layer, config.spectral) for layer in layers)
        self.score = _maybe_spectral(nn.Conv3d(config.patches[-1], 1, 1), config.spectral)

    def forward(self, sdf: Tensor) -> Tensor:
        """Scores (B,) of grids (B, R, R, R): the weighted means of their patches' scores."""
        grid = sdf[:, None]
        features = look(grid, self.config)
        for layer in self.layers:
            features = F.leaky_relu(layer(features), _SLOPE)
        scores: Tensor = self.score(features).to(sdf.dtype)
        weights = self._weights(grid.detach())
        return (weights * scores).sum((1, 2, 3, 4)) / weights.sum((1, 2, 3, 4))

    def _weights(self, grid: Tensor) -> Tensor:
        """Share of each patch near the surface: (B, 1, P, P, P), a little above 0."""
        near = (grid.abs() <= 2.0 / (grid.shape[-1] - 1)).to(grid.dtype)
        return F.avg_pool3d(near, self.config.patch, stride=_PATCH_STRIDE) + 1e-6


def _block(config: VoxelCriticConfig, size: int) -> nn.Module:
    block = nn.Conv3d(config.inputs(size), config.outputs(size), 4, stride=2, padding=1)
    return _maybe_spectral(block, config.spectral)


def _maybe_spectral(layer: nn.Module, spectral: bool) -> nn.Module:
    return spectral_norm(layer) if spectral else layer
