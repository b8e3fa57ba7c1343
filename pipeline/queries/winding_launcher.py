"""Launches of the winding-number kernels on one device."""

import math
from typing import Any

import numpy as np
import warp as wp

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries import crossing_kernels
from shapegan.pipeline.queries import winding_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES


class WindingLauncher:
    """Winding-number kernels of one device.

    All arrays are Warp's and on that device. Launches are faster if points, or segments, that are
    neighbours in space follow each other.
    """

    def __init__(self, device: str) -> None:
        """Choose the kernels for a device, by Warp's name of it."""
        self._device = device
        self._sum_kernel: Any
        self._crossing_kernel: Any
        if device == "cpu":
            self._points_per_thread = int(LANES)
            self._sum_kernel = kernels.winding_numbers_batched
            self._crossing_kernel = crossing_kernels.add_crossings_batched
        else:
            self._points_per_thread = 1
            self._sum_kernel = kernels.winding_numbers
            self._crossing_kernel = crossing_kernels.add_crossings

    def sum(self, data: Any, points: Any) -> Any:
        """Winding numbers (N,) of points (N,), summed over the BVH of a `WindingData`."""
        winding: Any = wp.empty(len(points), dtype=float, device=self._device)
        self._launch(self._sum_kernel, [data, points, winding])
        return winding

    def continue_from_references(self, data: Any, points: Any, distance: Any) -> Any:
        """Winding numbers (N,) of points, by continuation; summed where no reference is known.

        Args:
            data: `WindingData` with references.
            points: (N,) vectors.
            distance: (N,), to the nearest face, or 0. Segments shorter than this cross no face.
        """
        start: Any = wp.empty(len(points), dtype=wp.vec3, device=self._device)
        winding: Any = wp.empty(len(points), dtype=float, device=self._device)
        inputs = [data, points, distance, start, winding]
        wp.launch(kernels.find_references, dim=len(points), inputs=inputs, device=self._device)
        self.add_crossings(data.bvh, start, points, winding)
        numbers = winding.numpy()
        rest = np.flatnonzero(np.isnan(numbers))
        if len(rest) == 0:
            return winding
        unknown: Any = wp.array(take_rows(points.numpy(), rest), dtype=wp.vec3, device=self._device)
        numbers[rest] = self.sum(data, unknown).numpy()
        return wp.array(numbers, dtype=float, device=self._device)

    def add_crossings(self, bvh: Any, start: Any, end: Any, winding: Any) -> None:
        """Add the signed crossings of segments (N,) with a `Bvh` to winding numbers (N,)."""
        self._launch(self._crossing_kernel, [bvh, start, end, winding])

    def _launch(self, kernel: Any, inputs: list[Any]) -> None:
        """Launch a kernel whose last input has one element for each point."""
        threads = math.ceil(len(inputs[-1]) / self._points_per_thread)
        wp.launch(kernel, dim=threads, inputs=inputs, device=self._device)
