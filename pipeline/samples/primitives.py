"""Analytic solids that sample shapes are built of: signed distances by formula.

Three families cover furniture and aircraft: `Prism` (boxes, cushions, plates, wings), `Turned` (all
that a lathe makes, and arcs cut from it) and `Rod` (capsules and cones with round ends). All of
their distances are exact outside, so a union's are, too; inside, all but an arc's are. Each stands
along the y axis of a frame of its own.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Where a primitive stands: a rotation, then a shift."""

    rotation: Array
    """(3, 3); its columns are the primitive's axes."""
    origin: Array
    """(3,)."""

    def to_local(self, points: Array) -> Array:
        """Points (N, 3) in the primitive's frame."""
        own: Array = (points - self.origin) @ self.rotation
        return own

    def from_local(self, points: Array) -> Array:
        """Inverse of `to_local`."""
        shared: Array = points @ self.rotation.T + self.origin
        return shared


@dataclass(frozen=True)
class Prism:
    """All within `rounding` of a convex polygon pulled along y.

    Without height and rounding it is a flat sheet.
    """

    pose: Pose
    outline: Array
    """(P, 2), corners in the x, z plane, in order; convex."""
    height: float
    """Along y, half of it below the origin; the rounding comes on top."""
    rounding: float = 0.0

    @property
    def is_sheet(self) -> bool:
        """Whether it has no inside."""
        return self.height == 0.0 and self.rounding == 0.0

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that holds all of it."""
        corner = np.linalg.norm(self.outline, axis=1).max()
        return float(np.hypot(corner, self.height / 2) + self.rounding)

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3), negative inside."""
        own = self.pose.to_local(points)
        across = polygon_distance(own[:, [0, 2]], self.outline)
        along = np.abs(own[:, 1]) - self.height / 2
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        signed: Array = outside + np.minimum(np.maximum(across, along), 0) - self.rounding
        return signed


@dataclass(frozen=True)
class Turned:
    """A polygon turned around the y axis, all the way or over an arc.

    A polygon of two points gives a sheet, such as a lampshade.
    """

    pose: Pose
    profile: Array
    """(P, 2), corners (radius, y) in order; for an arc convex and off the axis."""
    angle: float = 2 * np.pi
    """Of the arc, in radians; half of it to each side of the z axis."""

    @property
    def is_sheet(self) -> bool:
        """Whether it has no inside."""
        return len(self.profile) == 2

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that holds all of it."""
        return float(np.linalg.norm(self.profile, axis=1).max())

    @property
    def whole(self) -> bool:
        """Whether it goes all the way round."""
        return self.angle >= 2 * np.pi

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3); within an arc, at most as deep as it is."""
        x, y, z = self.pose.to_local(points).T
        radius = np.hypot(x, z)
        if self.whole:
            return polygon_distance(np.stack([radius, y], axis=1), self.profile, on_axis=False)
        beyond = np.abs(np.arctan2(x, z)) - self.angle / 2
        past = np.maximum(beyond, 0)
        # The nearest point of an arc lies in the point's own half-plane, or else at the arc's end.
        flat = polygon_distance(np.stack([radius * np.cos(past), y], axis=1), self.profile)
        at_end = np.hypot(np.maximum(flat, 0), radius * np.sin(past))
        to_end = radius * np.sin(np.clip(-beyond, 0, np.pi / 2))
        signed: Array = np.where(beyond > 0, at_end, np.maximum(flat, -to_end))
        return signed


@dataclass(frozen=True)
class Rod:
    """The convex hull of two balls, one at the origin, one further up the y axis."""

    pose: Pose
    length: float
    """Between the centres; more than the radii differ."""
    start: float
    """Radius of the ball at the origin."""
    end: float
    """Radius of the other."""

    @property
    def is_sheet(self) -> bool:
        """Whether it has no inside."""
        return False

    @property
    def bounding_radius(self) -> float:
        """Radius of a ball around the origin that holds all of it."""
        return max(self.start, self.length + self.end)

    def distance(self, points: Array) -> Array:
        """Signed distances (N,) at points (N, 3), negative inside."""
        x, y, z = self.pose.to_local(points).T
        radius = np.hypot(x, z)
        # The line that touches both balls has the unit normal (across, up) in the (radius, y)
        # plane; what lies before or past the points where it touches belongs to a ball.
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
        on_axis: whether edges along x = 0 bound it; they do not where it is turned round.

    Returns:
        (N,).
    """
    squared = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    x, y = points.T
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        # Between its ends an edge is crossed by the ray to the right of what lies left of it.
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
