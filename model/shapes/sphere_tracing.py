"""Generator -> picture without a mesh, by sphere tracing (Hart 1996).

In a field of exact distances, a step along the ray may be as long as the distance at its start. A
learned field may be steeper, so steps are divided by the steepest slope measured. If a step ends
inside all the same, bisection goes back to the surface.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.shapes.image_grid import GENERATED_COLOR
from shapegan.model.shapes.surface import DistanceField, field_of, points_at_once
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.shading import Color, lamp_direction, shade_samples

_MAX_STEPS = 400
_MIN_STEP = 4e-3
"""Shortest step, frame units, half the thickness of a thin part. Without it, a ray that grazes a
surface would take endless steps."""
_BISECTIONS = 8
_SHADOW_OFFSET = 1e-2
"""Distance above the surface, frame units, at which rays to the lamp start."""
_SLOPES_MEASURED = 4096
_SLOPE_QUANTILE = 0.99
"""Quantile of the measured slopes for which steps are safe. Kinks are rare, and bisection repairs
steps across them."""


def sphere_trace(
    generator: DistanceField,
    latent: Tensor,
    level: float,
    camera: Camera,
    size: int = 256,
    *,
    color: Color = GENERATED_COLOR,
    samples: int = 2,
) -> Picture:
    """Draw the surface where a field equals `level`, with shadows, but without a floor.

    Args:
        generator: Runs on the device of the latent.
        latent: (Z,).
        level: Value of the field at the surface, frame units.
        camera: In the frame of the generator.
        size: Height and width, pixels.
        color: Of the shape, RGB in [0, 1].
        samples: Each pixel is the mean of samples x samples rays.

    Returns:
        (size, size, 3) uint8.
    """
    field = _TracedField(generator, latent, level)
    # 1. Trace the rays of all samples to the surface
    eye, directions = _rays(camera, size * samples, latent.device)
    t = field.trace(eye.expand_as(directions), directions)
    hit = t.isfinite()
    points = eye + t[hit, None] * directions[hit]
    # 2. Normals there, and shadows
    normals = field.normals(points)
    to_lamp = torch.from_numpy(lamp_direction(camera)).float().to(latent.device)
    lit = field.trace(points + _SHADOW_OFFSET * normals, to_lamp.expand_as(points)).isinf()
    # 3. Colours
    return _shade(t, normals, lit, camera, color, samples)


def _shade(
    t: Tensor, normals: Tensor, lit: Tensor, camera: Camera, color: Color, samples: int
) -> Picture:
    """Picture of rays that hit a surface at t (S,), with normals (H, 3) and light (H,) there."""
    hit = t.isfinite().cpu()
    side = math.isqrt(len(t))
    # The whole sky is visible from each point: no ambient occlusion.
    depth, light, facing = torch.zeros(len(t)), torch.ones(len(t), 2), torch.zeros(len(t), 3)
    depth[hit], facing[hit], light[hit, 1] = t.cpu()[hit], normals.cpu(), lit.float().cpu()
    arrays = [each.numpy().reshape(side, side, -1) for each in (depth, facing, light)]
    return shade_samples(arrays[0][..., 0], arrays[1], arrays[2], camera, color, samples)


def _rays(camera: Camera, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Eye (3,) and unit directions (side^2, 3), row by row from the upper left."""
    right, up, back = camera.axes
    slope = np.tan(np.radians(camera.field_of_view) / 2)
    along = slope * (2 * (np.arange(side) + 0.5) / side - 1)
    x, y = np.meshgrid(along, -along)
    directions: NDArray[np.float64] = x[..., None] * right + y[..., None] * up - back
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    flat = torch.from_numpy(directions.reshape(-1, 3).astype(np.float32))
    return torch.from_numpy(camera.eye.astype(np.float32)).to(device), flat.to(device)


class _TracedField:
    """Field of a generated shape relative to a level, with its steepest slope."""

    def __init__(self, generator: DistanceField, latent: Tensor, level: float) -> None:
        self._field, self._level = field_of(generator, latent[None]), level
        self._ball = generator.config.frame == "sphere"
        source = torch.Generator().manual_seed(0)
        points = 2 * torch.rand(_SLOPES_MEASURED, 3, generator=source) - 1
        slopes = self._gradients(points.to(latent.device)).norm(dim=1)
        self._steepest = max(1.0, float(slopes.quantile(_SLOPE_QUANTILE)))

    @torch.no_grad()
    def trace(self, starts: Tensor, directions: Tensor) -> Tensor:
        """Distances (N,) from starts (N, 3) to the surface along directions (N, 3), or infinity."""
        t, ends = self._clip_to_frame(starts, directions)
        before, found = t.clone(), torch.full_like(t, torch.inf)
        alive = (t < ends).nonzero()[:, 0]
        for _ in range(_MAX_STEPS):
            if len(alive) == 0:
                break
            values = self._values(starts[alive] + t[alive, None] * directions[alive])
            inside = values < 0
            found[alive[inside]] = t[alive[inside]]
            alive, values = alive[~inside], values[~inside]
            before[alive] = t[alive]
            t[alive] += (values / self._steepest).clamp(min=_MIN_STEP)
            alive = alive[t[alive] < ends[alive]]
        hit = found.isfinite().nonzero()[:, 0]
        low, high = before[hit], found[hit]
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            inside = self._values(starts[hit] + middle[:, None] * directions[hit]) < 0
            low, high = torch.where(inside, low, middle), torch.where(inside, middle, high)
        found[hit] = high
        return found

    def normals(self, points: Tensor) -> Tensor:
        """Outward unit normals (N, 3) at points (N, 3) of the surface."""
        return torch.nn.functional.normalize(self._gradients(points), dim=1)

    def _values(self, points: Tensor) -> Tensor:
        if len(points) == 0:
            return points[:, 0]
        pieces = torch.split(points, points_at_once(points.device))
        return torch.cat([self._field(piece)[0] for piece in pieces]) - self._level

    def _gradients(self, points: Tensor) -> Tensor:
        """Gradients (N, 3) of the field at points (N, 3)."""
        with torch.enable_grad():
            leaves = points.detach().requires_grad_()
            total = self._values(leaves).sum()
            (gradients,) = torch.autograd.grad(total, leaves)
        return gradients

    def _clip_to_frame(self, starts: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N,) at which rays enter and leave the frame; a ray that misses enters last."""
        if self._ball:
            along = -(starts * directions).sum(dim=1)
            half = (along**2 - (starts**2).sum(dim=1) + 1).clamp(min=0).sqrt()
            return (along - half).clamp(min=0), along + half
        safe = torch.where(directions.abs() < 1e-9, 1e-9, directions)
        sides = torch.stack([(-1 - starts) / safe, (1 - starts) / safe])
        return sides.amin(dim=0).amax(dim=1).clamp(min=0), sides.amax(dim=0).amin(dim=1)
