"""The camera of pictures of meshes."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Camera:
    """An upright perspective camera; y is up, as in ShapeNet.

    The defaults show the whole unit ball, three quarters from the front.
    """

    azimuth: float = 215.0
    """Degrees round the y axis: 0 is on the side of +z, 90 on the side of +x."""
    elevation: float = 22.0
    """Degrees above the horizon, between -89 and 89."""
    field_of_view: float = 24.0
    """Degrees from the picture's lower to its upper edge."""
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The point in the middle of the picture."""
    distance: float = 5.0
    """Distance from the camera to the target."""

    def __post_init__(self) -> None:
        """Reject views that cannot be drawn.

        Raises:
            ValueError: a value is out of its range.
        """
        if not -89 <= self.elevation <= 89:
            raise ValueError(f"elevation: expected -89 to 89 degrees, got {self.elevation}")
        if not 1 <= self.field_of_view <= 150:
            raise ValueError(f"field_of_view: expected 1 to 150 degrees, got {self.field_of_view}")
        if not self.distance > 0:
            raise ValueError(f"distance: expected more than 0, got {self.distance}")

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors to the right, up and away from the scene: (3, 3), one a row."""
        turn, rise = math.radians(self.azimuth), math.radians(self.elevation)
        back = [math.sin(turn) * math.cos(rise), math.sin(rise), math.cos(turn) * math.cos(rise)]
        right = [math.cos(turn), 0.0, -math.sin(turn)]
        return np.array([right, np.cross(back, right), back])

    @property
    def eye(self) -> NDArray[np.float64]:
        """Position of the camera: (3,)."""
        return np.asarray(self.target + self.distance * self.axes[2])

    def fitted(
        self, points: NDArray[np.floating], margin: float = 0.06, aspect: float = 1.0
    ) -> "Camera":
        """A camera with the same direction and field of view whose picture the points just fill.

        Args:
            points: (N, 3), N > 0.
            margin: share of the picture's width and height left free along each edge.
            aspect: the picture's width over its height.
        """
        # Point (x, y, z) of the camera's axes is in the picture if |x - x_eye| <= t (z_eye - z).
        # So x_eye + t z_eye >= x + t z and t z_eye - x_eye >= t z - x, for all points at once.
        across = points @ self.axes.T
        slope = math.tan(math.radians(self.field_of_view) / 2) * (1 - 2 * margin)
        slopes = np.array([slope * aspect, slope])
        plus = (across[:, :2] + slopes * across[:, 2:]).max(axis=0)
        minus = (slopes * across[:, 2:] - across[:, :2]).max(axis=0)
        nearest, middle = across[:, 2].max(), across[:, 2].mean()
        z_eye = ((plus + minus) / (2 * slopes)).max()
        if z_eye - nearest < 1e-9 * (1 + abs(nearest)):
            z_eye = nearest + self.distance  # a single point fits at any distance
        distance = float(z_eye - middle)
        x, y = (plus - minus) / 2
        target = np.array([x, y, middle]) @ self.axes
        position = (float(target[0]), float(target[1]), float(target[2]))
        return dataclasses.replace(self, target=position, distance=distance)
