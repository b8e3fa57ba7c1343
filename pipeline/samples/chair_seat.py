"""Seat of a chair: measures that all of its parts share."""

from dataclasses import dataclass

import numpy as np

from shapegan.pipeline.samples.primitives import Array


@dataclass(frozen=True)
class Seat:
    """Measures that the parts of one chair share, in metres."""

    width: float
    depth: float
    top: float
    """Height of the seat's upper side."""
    thickness: float
    back: float
    """How far the back rises above the seat."""
    lean: float
    """Of the back, in degrees."""

    @property
    def bottom(self) -> float:
        """Height of the seat's underside."""
        return self.top - self.thickness

    def on_back(self, x: float, rise: float, ahead: float = 0.0) -> Array:
        """A point of the back's middle plane: `rise` along it, `ahead` of it to the front."""
        lean = np.radians(self.lean)
        z = self.depth / 2 - 0.03 + rise * np.sin(lean) - ahead * np.cos(lean)
        return np.array([x, self.top + rise * np.cos(lean) + ahead * np.sin(lean), z])
