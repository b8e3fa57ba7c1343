"""Encoder of the recipe `latent`: a voxel grid -> a code, by principal components.

The components are those of the training shapes: their fields on a coarse lattice that fills the
shape's bounding box, and the sizes of that box. They are found once, when a run starts. A learned
encoder takes far longer to tell shapes apart, and until then the decoder learns nothing.

Letters in shapes: B shapes, R resolution, Z code, M measurements.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from shapegan.model.networks.grid_decoder import MARGIN

_ROWS = 32
"""Rows of the lattice along each axis; half as many along x for mirrored shapes."""
_CLIP = 0.1
"""Distances are measured as tanh(sdf / clip)."""
_BOX_WEIGHT = 20.0
"""Weight of the sizes of the box: that of 400 places of the lattice."""
_MIN_HALF_SIZE = 0.05
"""Lower bound of half sizes of boxes, cube frame, for grids without any inside."""


class GridEncoder(nn.Module):
    """Codes of voxel grids.

    Args:
        code: Z.
        mirrored: Shapes are their own mirror images at x = 0.
    """

    mean: Tensor
    """(M,), mean measurements of the training shapes."""
    components: Tensor
    """(Z, M), so that codes are components @ (measurements - mean)."""
    fitted: Tensor
    """Scalar bool: True after `fit`."""

    def __init__(self, code: int, mirrored: bool) -> None:
        super().__init__()
        self._mirrored = mirrored
        places = _ROWS**3 // (2 if mirrored else 1)
        self.register_buffer("mean", torch.zeros(places + 3))
        self.register_buffer("components", torch.zeros(code, places + 3))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, voxels: Tensor) -> Tensor:
        """Codes (B, Z) of voxels (B, R, R, R) in the cube frame."""
        return (self.measurements(voxels) - self.mean) @ self.components.T

    def stretched(self, codes: Tensor, boxes: Tensor, factors: Tensor) -> Tensor:
        """Codes (B, C, Z) of C stretched copies of each shape.

        Args:
            codes: (B, Z), of the shapes themselves.
            boxes: (B, 3) half sizes of their bounding boxes.
            factors: (B, C, 3), by which copies are stretched along the axes.
        """
        growth = boxes[:, None] * (factors - 1)
        return codes[:, None] + _BOX_WEIGHT * growth @ self.components[:, -3:].T

    def measurements(self, voxels: Tensor) -> Tensor:
        """Numbers (B, M) of voxels (B, R, R, R) in which codes are linear."""
        boxes = half_sizes(voxels)
        # 1. Places of the lattice in the frame, in torch's order: its last axis comes first
        unit = (torch.arange(_ROWS, device=voxels.device) + 0.5) / _ROWS
        both = 2 * unit - 1
        x = (unit[: _ROWS // 2] * 2) if self._mirrored else both
        lattice = torch.stack(torch.meshgrid(x, both, both, indexing="ij"), dim=-1)
        places = (MARGIN * lattice * boxes[:, None, None, None]).clamp(-1, 1).flip(-1)
        # 2. The field there, interpolated
        sdf = F.grid_sample(voxels[:, None], places, padding_mode="border", align_corners=True)
        return torch.cat([(sdf / _CLIP).tanh().flatten(1), _BOX_WEIGHT * boxes], dim=1)

    @torch.no_grad()
    def fit(self, measurements: Tensor) -> None:
        """Find the components of training shapes.

        A code's variance along a component is the square root of that of the measurements, so that
        fine differences count more than in the measurements, and the mean variance is 1.

        Args:
            measurements: (S, M) of S shapes. With fewer than Z + 1 shapes, the last numbers of a
                code are 0.
        """
        # 1. Eigenvectors of the shapes' inner products, which are fewer than the measurements
        mean = measurements.mean(dim=0)
        centred = measurements - mean
        products = (centred @ centred.T).double()
        values, vectors = torch.linalg.eigh(products)
        count = min(len(self.components), len(measurements) - 1)
        values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
        useful = values > 1e-9 * values[0].clamp(min=1e-30)
        values, vectors = values[useful], vectors[:, useful]
        # 2. Components of unit variance, then scaled; the sign makes the largest entry positive
        components = (vectors / values).T.float() @ centred * len(measurements) ** 0.5
        largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
        spread = values.sqrt().sqrt()
        spread = spread / spread.square().mean().sqrt()
        components = components * largest.sign() * spread[:, None].float()
        self.mean.copy_(mean)
        self.components.zero_()
        self.components[: len(components)] = components
        self.fitted.fill_(True)


def half_sizes(voxels: Tensor) -> Tensor:
    """Half sizes (B, 3) of the bounding boxes of voxels (B, R, R, R), centred at 0, cube frame.

    The distance from a face of the cube to the shape is the least one on that face.
    """
    sizes = []
    for axis in range(1, 4):
        layers = voxels.movedim(axis, 1).flatten(2)
        first, last = layers[:, 0].amin(dim=1), layers[:, -1].amin(dim=1)
        sizes.append(1 - (first + last) / 2)
    return torch.stack(sizes, dim=1).clamp(_MIN_HALF_SIZE, 1.0)
