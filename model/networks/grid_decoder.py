"""Decoder of the recipe `latent`: a code -> a grid of features -> signed distances at any points.

Features are local: each point sees the eight grid points around it, interpolated trilinearly, and
a small network turns them into a distance (Peng et al. 2020, "Convolutional Occupancy Networks").
Most of the cost is the grid, once per shape, so a point is far cheaper than in a DeepSDF network.

The grid fills the shape's bounding box, whose half sizes the code gives as well. So parts at the
sides of a shape, such as legs at the corners of a chair, lie at the same place in all grids.

Letters in shapes: B shapes, N points, Z code, C channels, X, Y and Q rows along x, y and z.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shapegan.model.networks.generator_inputs import on_one_side

MARGIN = 1.1
"""Half size of the grid, in units of the half size of the bounding box."""
_COARSEST = 8
"""Rows of the coarsest grid along each axis."""
_POINT_FEATURES = 32
_BLOCK_ROWS = 2**14
"""Points times shapes that the CPU evaluates at once: their features stay in its cache."""


class GridDecoder(nn.Module):
    """Signed distances in the cube frame, of B shapes at N points.

    Args:
        code: Z, length of a code.
        channels: C, features of the finest grid, of 32^3 points.
        hidden: Width of the layer between the code and the coarsest grid.
        mirrored: Shapes are their own mirror images at x = 0: the grid covers x >= 0 only.
    """

    def __init__(self, code: int, channels: int, hidden: int, mirrored: bool) -> None:
        super().__init__()
        self._mirrored = mirrored
        self._rows = (_COARSEST // 2 if mirrored else _COARSEST, _COARSEST, _COARSEST)
        self.code_to_hidden = nn.Linear(code, hidden)
        self.hidden_to_grid = nn.Linear(hidden, 4 * channels * math.prod(self._rows))
        self.grid_layers = nn.Sequential(
            _ResidualBlock(4 * channels),
            nn.ConvTranspose3d(4 * channels, 2 * channels, 2, stride=2),
            _ResidualBlock(2 * channels),
            # Overlapping: blocks of 2^3 voxels that share no weights would show on flat surfaces.
            nn.ConvTranspose3d(2 * channels, channels, 4, stride=2, padding=1),
        )
        self.box_layers = nn.Sequential(nn.Linear(code, 64), nn.SiLU(), nn.Linear(64, 3))
        self.point_layers = nn.Sequential(
            nn.Linear(channels + 3, _POINT_FEATURES),
            nn.SiLU(),
            nn.Linear(_POINT_FEATURES, _POINT_FEATURES),
            nn.SiLU(),
            nn.Linear(_POINT_FEATURES, 1),
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new weights from torch's global random generator (He et al. 2015, equation 10).

        Residual branches start at 0, and distances near 0.05: mostly outside, as shapes are.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv3d | nn.ConvTranspose3d):
                inputs = module.weight[0].numel()
                if isinstance(module, nn.ConvTranspose3d):
                    seen = math.prod(module.kernel_size) // math.prod(module.stride)
                    inputs = seen * len(module.weight)
                nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for block in self.grid_layers:
            if isinstance(block, _ResidualBlock):
                nn.init.zeros_(block.second.weight)
        for layers, factor, bias in ((self.box_layers, 0.1, 1.0), (self.point_layers, 0.05, 0.05)):
            last = layers[-1]
            assert isinstance(last, nn.Linear)
            last.weight.mul_(factor)
            nn.init.constant_(last.bias, bias)

    def forward(
        self,
        points: Tensor,
        codes: Tensor,
        chunk: int | None = None,
        boxes: Tensor | None = None,
    ) -> Tensor:
        """Signed distances of all shapes at their points.

        Args:
            points: (N, 3) shared by all shapes, or (B, N, 3), cube frame.
            codes: (B, Z).
            chunk: Rows (points times shapes) to evaluate at once; None: all. With gradients, each
                chunk is evaluated again in the backward pass.
            boxes: (B, 3), half sizes of the shapes' bounding boxes; None: those of the codes.

        Returns:
            (B, N) float32, in units of the frame.
        """
        grid, boxes = self.grid(codes), self.boxes(codes) if boxes is None else boxes
        recompute = chunk is not None and torch.is_grad_enabled()
        run = self._checkpointed if recompute else self._in_blocks
        pieces = [run(piece, grid, boxes) for piece in _split(points, len(codes), chunk)]
        return torch.cat(pieces, dim=1)

    def grid(self, codes: Tensor) -> Tensor:
        """Features (B, C, X, Y, Q) of the finest grid, of codes (B, Z)."""
        hidden = self.hidden_to_grid(F.silu(self.code_to_hidden(codes)))
        # Channels last: convolutions are then about 1.5 times as fast on a CPU.
        coarse = hidden.view(len(codes), *self._rows, -1).permute(0, 4, 1, 2, 3)
        grid: Tensor = self.grid_layers(coarse)
        return grid.to(codes.dtype)  # not half precision under autocast

    def boxes(self, codes: Tensor) -> Tensor:
        """Half sizes (B, 3) of the bounding boxes of codes (B, Z), in (0, 1)."""
        half: Tensor = self.box_layers(codes).to(codes.dtype).sigmoid()
        return half

    def _checkpointed(self, points: Tensor, grid: Tensor, boxes: Tensor) -> Tensor:
        inputs = (points, grid, boxes)
        done = checkpoint(self._in_blocks, *inputs, use_reentrant=False, preserve_rng_state=False)
        assert isinstance(done, Tensor)
        return done

    def _in_blocks(self, points: Tensor, grid: Tensor, boxes: Tensor) -> Tensor:
        rows = _BLOCK_ROWS if points.device.type == "cpu" else None
        blocks = _split(points, len(grid), rows)
        return torch.cat([self._distances(block, grid, boxes) for block in blocks], dim=1)

    def _distances(self, points: Tensor, grid: Tensor, boxes: Tensor) -> Tensor:
        """Distances (B, n) at points (n, 3) or (B, n, 3), given grids and boxes."""
        # 1. Points in units of the box, moved onto the grid if they lie beyond
        places = points.expand(len(grid), *points.shape[-2:]) / boxes[:, None]
        if self._mirrored:
            places = on_one_side(places)
        inner = places.clamp(-MARGIN, MARGIN)
        # 2. The features there, and the distance of these features
        values = self.point_layers(torch.cat([self._features(inner, grid), inner], dim=-1))
        distances: Tensor = values[..., 0].to(grid.dtype)
        # 3. Beyond the grid: at least the hypotenuse of the distance at the grid and that to it,
        # because the angle between the two is obtuse
        beyond = ((places - inner) * boxes[:, None]).square().sum(dim=-1)
        outer = (distances.clamp(min=0).square() + beyond).clamp(min=1e-12).sqrt()
        return torch.where(beyond > 0, outer, distances)

    def _features(self, places: Tensor, grid: Tensor) -> Tensor:
        """Features (B, n, C) at places (B, n, 3) within the margin."""
        x, y, z = (places / MARGIN).unbind(dim=-1)
        if self._mirrored:
            x = 2 * x - 1
        # torch calls the last axis of a grid x.
        at = torch.stack([z, y, x], dim=-1)[:, :, None, None]
        found = F.grid_sample(grid, at, padding_mode="border", align_corners=False)
        return found[..., 0, 0].transpose(1, 2)


class _ResidualBlock(nn.Module):
    """Two 3^3 convolutions beside the identity (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels, channels, 3, padding=1)
        self.second = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, grid: Tensor) -> Tensor:
        """Features (B, C, X, Y, Q) -> the same shape."""
        result: Tensor = grid + self.second(F.silu(self.first(F.silu(grid))))
        return result


def _split(points: Tensor, shapes: int, rows: int | None) -> tuple[Tensor, ...]:
    """Split points (..., N, 3) into parts of at most `rows` points times shapes."""
    if rows is None or points.shape[-2] == 0:
        return (points,)
    return torch.split(points, max(1, rows // shapes), dim=-2)
