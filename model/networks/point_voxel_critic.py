"""A critic of points that averages their features in the cells of a grid, then convolves the grid.

The design is that of point-voxel convolutions (Liu et al. 2019, "Point-Voxel CNN for efficient 3D
deep learning"). Unlike a PointNet's maxima over all points, it sees where a rod is and where it
ends.

Letters in shapes: B shapes, N points, G cells along an axis, K features of a point.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from shapegan.model.networks.activations import leaky_relu
from shapegan.model.networks.point_critic import PointCriticConfig, check_points, linear_layers

_SLOPE = 0.2


class PointVoxelCritic(nn.Module):
    """Scores of point samples of SDFs, high for real shapes.

    1. A small network sees each point alone: its offset from the centre of its cell, and its
       distance.
    2. The mean of these features, and whether there is a point at all, make a grid of the cube
       [-1, 1]^3. Points outside belong to the nearest cell.
    3. Convolutions halve the grid, and linear layers score what is left.

    Args:
        config: Architecture, with a `grid` above 0.
        half_shapes: See the half x > 0 of each shape.
    """

    config: PointCriticConfig
    half_shapes: bool
    low: Tensor
    """(3,), the lowest corner of the cells. Not part of the state dict."""
    last: Tensor
    """(3,) int64, the highest cell along each axis. Not part of the state dict."""

    def __init__(self, config: PointCriticConfig, half_shapes: bool = False) -> None:
        super().__init__()
        self.config, self.half_shapes = config, half_shapes
        self.layers = linear_layers((4, *config.features))
        self.blocks = nn.ModuleList(
            nn.Conv3d(before, after, 4, stride=2, padding=1)
            for before, after in pairwise((config.features[-1] + 1, *config.convolutions))
        )
        places = (config.grid // 2 ** len(config.convolutions)) ** 3 // (2 if half_shapes else 1)
        self.head = linear_layers((places * config.convolutions[-1], *config.head, 1))
        low = torch.tensor([0.0 if half_shapes else -1.0, -1.0, -1.0])
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("last", torch.tensor(self.cells) - 1, persistent=False)

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along each axis: (G, G, G), or G / 2 of them along x."""
        size = self.config.grid
        return size // 2 if self.half_shapes else size, size, size

    def forward(self, points: Tensor, sdf: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score shapes.

        Args:
            points: (B, N, 3), in the sphere frame.
            sdf: (B, N), in its units.
            mask: (B, N) bool, which points count; None: all.

        Returns:
            (B,), float32 also under autocast.
        """
        check_points(points, sdf)
        features = self._grid(points, sdf, mask)
        for block in self.blocks:
            features = leaky_relu(block(features), _SLOPE)
        features = features.flatten(1)
        for layer in self.head[:-1]:
            features = leaky_relu(layer(features), _SLOPE)
        score: Tensor = self.head[-1](features).select(1, 0).to(sdf.dtype)
        return score

    def _grid(self, points: Tensor, sdf: Tensor, mask: Tensor | None) -> Tensor:
        """Mean features of the points of each cell, and 1 where there are any: (B, K + 1, *cells).

        A cell without points has zeros.
        """
        indices, offsets = self._cells_of(points)
        features = torch.cat([offsets, sdf[..., None] / self.config.scale], dim=-1)
        for layer in self.layers[:-1]:
            features = leaky_relu(layer(features), _SLOPE)
        features = self.layers[-1](features).to(sdf.dtype)
        features = torch.cat([features, torch.ones_like(sdf)[..., None]], dim=-1)
        if mask is not None:
            features = features.masked_fill(~mask[..., None], 0.0)
        x, y, z = self.cells
        rows = indices + x * y * z * torch.arange(len(points), device=points.device)[:, None]
        sums = features.new_zeros(len(points) * x * y * z, features.shape[-1])
        sums = sums.index_add(0, rows.flatten(), features.flatten(0, 1))
        means = sums / sums[:, -1:].detach().clamp(min=1.0)
        return means.view(len(points), x, y, z, -1).permute(0, 4, 1, 2, 3).contiguous()

    def _cells_of(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Number of each point's cell (B, N) int64, and the offset from its centre (B, N, 3).

        Offsets are in units of half a cell: -1 to 1 inside the cube.
        """
        places = (points - self.low.to(points.dtype)) * (self.config.grid / 2)
        cells = places.detach().floor().clamp(min=0).minimum(self.last)
        offsets = 2 * (places - cells) - 1
        x, y, z = cells.to(torch.int64).unbind(-1)
        return (x * self.cells[1] + y) * self.cells[2] + z, offsets
