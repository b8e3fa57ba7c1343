"""Seat of a chair: the dimensions shared by all of its parts."""

from dataclasses import dataclass

import numpy as np

from shapegan.pipeline.samples.primitives import Array


@dataclass(frozen=True)
class Seat:
    """Dimensions shared by the parts of one chair, in metres."""

    width: float
    depth: float
    top: float
    """Height of the seat's upper side."""
    thickness: float
    back: float
    """Length of the back above the seat."""
    lean: float
    """Backward tilt of the back, in degrees."""

    @property
    def bottom(self) -> float:
        """Height of the seat's underside."""
        return self.top - self.thickness

    def on_back(self, x: float, rise: float, ahead: float = 0.0) -> Array:
        """Point (3,) at `rise` along the back's middle plane, `ahead` in front of it."""
        lean = np.radians(self.lean)
        z = self.depth / 2 - 0.03 + rise * np.sin(lean) - ahead * np.cos(lean)
        return np.array([x, self.top + rise * np.cos(lean) + ahead * np.sin(lean), z])
