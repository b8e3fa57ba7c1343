"""Codes of the training shapes, by the principal components of their fields.

A GAN's generator reconstructs shapes from their codes, whose numbers have mean 0 and variance 1, as
standard normal latents have. GLO (Bojanowski et al. 2018) may begin with such latents. Recipe
`latent` keeps the variances of `networks.grid_encoder`, and its kernel prior draws near these
codes.

Letters in shapes: S training shapes, Z latent or code.
"""

import torch
from torch import Tensor, nn

from shapegan.model.distributed import Ranks
from shapegan.model.networks.grid_encoder import GridEncoder, half_sizes
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.recipes.training_points import drawn_factors
from shapegan.model.streaming.stream import Stream

_FITTED_SHAPES = 2048
"""Shapes whose principal components make the codes, evenly spaced in the split."""
_SMALLEST_SPREAD = 1e-6
"""Components of a smaller standard deviation are none: there are more numbers than shapes."""


class ShapeCodes(nn.Module):
    """Codes of S training shapes.

    They are found once, when a run starts, and kept in its checkpoints.

    Args:
        shapes: S.
        length: Z.
        mirrored: Shapes are their own mirror images at x = 0.
    """

    codes: Tensor
    """(S, Z)"""
    found: Tensor
    """Scalar bool: True after `find`."""

    def __init__(self, shapes: int, length: int, mirrored: bool) -> None:
        super().__init__()
        self._mirrored = mirrored
        self.register_buffer("codes", torch.zeros(shapes, length))
        self.register_buffer("found", torch.zeros((), dtype=torch.bool))

    def forward(self, indices: Tensor) -> Tensor:
        """Codes (B, Z) of the shapes at positions (B,) of the split."""
        return self.codes[indices]

    @torch.no_grad()
    def find(self, stream: Stream, ranks: Ranks) -> None:
        """Find the codes of a stream's shapes, by their finest stored grids.

        Raises:
            StreamError: a shard is missing or damaged.
            DatasetError: the dataset has no voxels.
        """
        encoder = GridEncoder(self.codes.shape[1], self._mirrored)
        fit_encoder(encoder, stream, stream.finest)
        everything = stream.whole_voxels(stream.finest, stream.shape_count)
        codes = torch.cat([encoder(grid[None]) for grid in everything])
        # Numbers beyond the last component are as those of drawn latents.
        spread = codes.std(dim=0, correction=0)
        filled = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
        codes = torch.where(
            spread > _SMALLEST_SPREAD,
            (codes - codes.mean(dim=0)) / spread.clamp(min=_SMALLEST_SPREAD),
            filled,
        )
        self.codes.copy_(codes)
        # Eigenvectors of other processors may differ by rounding.
        ranks.broadcast_tensor(self.codes)
        self.found.fill_(True)


def fit_encoder(encoder: GridEncoder, stream: Stream, resolution: int) -> Tensor:
    """Find the components of a stream's shapes, by their grids of a resolution.

    Returns:
        The codes (S, Z) of the shapes that were used: at most 2,048, evenly spaced in the split.

    Raises:
        StreamError: a shard is missing or damaged.
    """
    device = encoder.mean.device
    grids = stream.whole_voxels(resolution, _FITTED_SHAPES)
    measured = torch.cat([encoder.measurements(grid[None].to(device)) for grid in grids])
    encoder.fit(measured)
    return (measured - encoder.mean) @ encoder.components.T


@torch.no_grad()
def stretched_codes(
    encoder: GridEncoder, stream: Stream, resolution: int, limit: int, copies: int, spread: float
) -> Tensor:
    """Codes of shapes and of their stretched copies: (S, 1 + copies, Z), the shape's own first.

    Args:
        encoder: Fitted.
        stream: The training shapes.
        resolution: Of the grids that the encoder sees.
        limit: S at most, evenly spaced in the split.
        copies: Copies of each shape.
        spread: Standard deviation of the logarithm of the factors; see `stretch_factors`.

    Raises:
        StreamError: a shard is missing or damaged.
    """
    device, found = encoder.mean.device, []
    for place, grid in enumerate(stream.whole_voxels(resolution, limit)):
        voxels = grid[None].to(device)
        boxes = half_sizes(voxels)
        factors = drawn_factors(boxes, StepRandom(0, place, device=device), copies, spread)
        itself = torch.ones(1, 1, 3, device=device)
        found.append(encoder.stretched(encoder(voxels), boxes, torch.cat([itself, factors], dim=1)))
    return torch.cat(found)
