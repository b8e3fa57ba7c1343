"""Fields for coarse grids, which keep the parts that are thinner than a voxel.

The inside of a coarse grid of the true field is torn wherever a part of the solid slips between
grid points. A ball of radius sqrt(3)/2 voxels always holds a grid point, so walls, rods and sheets
grow to `HALF_THICKNESS` voxels, and nothing else does:

    coarse(x) = min over parts p of |x - p| - o(p),   o(p) = max(0, HALF_THICKNESS h - d(p))

outside, with the spacing h of the grid and half the wall thickness d at p; inside as in
`shapegan.pipeline.sdf.signed_distance`. It is Lipschitz with constant 1, and the true field where
nothing is thin.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.schema import MAX_COARSE_RESOLUTION, voxel_spacing
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts

HALF_THICKNESS = 0.9
"""Least half thickness of a part, in voxels: a little above sqrt(3)/2."""


class CoarseFields:
    """Fields of one solid for coarse grids.

    Args:
        field: The field for fine grids and for points.
        thickness: (V,), `local_thickness` of its shell; None: computed here.
    """

    def __init__(self, field: SignedDistance, thickness: NDArray[np.float32] | None = None) -> None:
        self._field = field
        queries = field.queries
        self._thickness = (
            local_thickness(queries.shell, queries.exterior) if thickness is None else thickness
        )

    def of(self, resolution: int) -> SignedDistance:
        """The field for a grid of a resolution; the fine field above `MAX_COARSE_RESOLUTION`."""
        if resolution > MAX_COARSE_RESOLUTION:
            return self._field
        half = HALF_THICKNESS * voxel_spacing(resolution)
        thin = thicken_thin_parts(self._field.queries.shell, self._thickness, half)
        # A thickness of 0 means that sheets are no solids; they stay so.
        sheets = max(half, self._field.sheet_thickness) if self._field.sheet_thickness else 0.0
        return replace(self._field, sheet_thickness=sheets, thin_parts=thin)
