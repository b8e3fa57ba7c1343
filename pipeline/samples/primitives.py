"""Analytic solids with closed-form signed distances, the primitives of sample shapes.

Three families cover furniture and aircraft: `Prism` (boxes, cushions, plates, wings), `Turned`
(solids of revolution, and arcs of them) and `Rod` (capsules and cones with round ends). All
distances are exact outside, so those of a union are, too; inside, all are exact except those of an
arc. The axis of each primitive is the y axis of its local frame.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Placement of a primitive: a rotation, then a translation."""

    rotation: Array
    """(3, 3); its columns are the primitive's axes."""
    origin: Array
    """(3,), the primitive's origin."""

    def to_local(self, points: Array) -> Array:
        """Transform points (N, 3) to the primitive's local frame."""
        local: Array = (points - self.origin) @ self.rotation
        return local

    def from_local(self, points: Array) -> Array:
        """Inverse of `to_local`."""
        shared: Array = points @ self.rotation.T + self.origin
        return shared


@dataclass(frozen=True)
class Prism:
    """Convex polygon extruded along y and rounded: all points within `rounding` of it.

    Without height and rounding it is a flat sheet.
    """

    pose: Pose
    outline: Array
    """(P, 2), corners in the x, z plane, in order; convex."""
    height: float
    """Length along y without the rounding, half of it below the origin."""
    rounding: float = 0.0

    @property
    def is_sheet(self) -> bool:
        """True if it has no inside."""
        return self.height == 0.0 and self.rounding == 0.0

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that contains all of it."""
        corner = np.linalg.norm(self.outline, axis=1).max()
        return float(np.hypot(corner, self.height / 2) + self.rounding)

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3), negative inside."""
        local = self.pose.to_local(points)
        across = polygon_distance(local[:, [0, 2]], self.outline)
        along = np.abs(local[:, 1]) - self.height / 2
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        signed: Array = outside + np.minimum(np.maximum(across, along), 0) - self.rounding
        return signed


@dataclass(frozen=True)
class Turned:
    """Solid of revolution: a polygon turned around the y axis, fully or over an arc.

    A polygon of two points gives a sheet, such as a lampshade.
    """

    pose: Pose
    profile: Array
    """(P, 2), corners (radius, y) in order; for an arc convex and away from the axis."""
    angle: float = 2 * np.pi
    """Angle of the arc in radians, half of it to each side of the z axis."""

    @property
    def is_sheet(self) -> bool:
        """True if it has no inside."""
        return len(self.profile) == 2

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that contains all of it."""
        return float(np.linalg.norm(self.profile, axis=1).max())

    @property
    def whole(self) -> bool:
        """True for a full revolution."""
        return self.angle >= 2 * np.pi

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3), negative inside.

        Inside an arc they may understate the depth.
        """
        x, y, z = self.pose.to_local(points).T
        radius = np.hypot(x, z)
        if self.whole:
            return polygon_distance(np.stack([radius, y], axis=1), self.profile, on_axis=False)
        beyond = np.abs(np.arctan2(x, z)) - self.angle / 2
        past = np.maximum(beyond, 0)
        # The nearest point of an arc lies in the point's half-plane, or else at the arc's end.
        flat = polygon_distance(np.stack([radius * np.cos(past), y], axis=1), self.profile)
        at_end = np.hypot(np.maximum(flat, 0), radius * np.sin(past))
        to_end = radius * np.sin(np.clip(-beyond, 0, np.pi / 2))
        signed: Array = np.where(beyond > 0, at_end, np.maximum(flat, -to_end))
        return signed


@dataclass(frozen=True)
class Rod:
    """Convex hull of two balls, one at the origin, the other further up the y axis."""

    pose: Pose
    length: float
    """Distance between the centres; greater than the difference of the radii."""
    start: float
    """Radius of the ball at the origin."""
    end: float
    """Radius of the other ball."""

    @property
    def is_sheet(self) -> bool:
        """True if it has no inside."""
        return False

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that contains all of it."""
        return max(self.start, self.length + self.end)

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3), negative inside."""
        x, y, z = self.pose.to_local(points).T
        radius = np.hypot(x, z)
        # The line tangent to both balls has the unit normal (across, up) in the (radius, y) plane.
        # Points before or past the two tangent points are nearest to a ball.
        up = (self.start - self.end) / self.length
        across = np.sqrt(1 - up**2)
        along = across * y - up * radius
        low, high = np.hypot(radius, y) - self.start, np.hypot(radius, y - self.length) - self.end
        side = across * radius + up * y - self.start
        signed: Array = np.where(along > across * self.length, high, side)
        signed[along < 0] = low[along < 0]
        return signed


Primitive: TypeAlias = Prism | Turned | Rod


def polygon_distance(points: Array, polygon: Array, *, on_axis: bool = True) -> Array:
    """Signed distances to a simple polygon, negative inside.

    Args:
        points: (N, 2).
        polygon: (P, 2), corners in order; two give the distance to the line between them.
        on_axis: True if edges along x = 0 are part of the boundary; those of a profile that is
            turned around that axis are not.

    Returns:
        (N,).
    """
    squared = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        # Rays to the right cross an edge if they begin to the left of it, between its ends.
        span = (ay <= y) != (by <= y)
        inside ^= span & ((x - ax) * abs(by - ay) < (y - ay) * np.sign(by - ay) * (bx - ax))
        if on_axis or ax > 0 or bx > 0:
            ex, ey = bx - ax, by - ay
            t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex**2 + ey**2), 0, 1)
            gap = (x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2
            np.minimum(squared, gap, out=squared)
    signed: Array = np.sqrt(squared)
    signed[inside] *= -1
    return signed
