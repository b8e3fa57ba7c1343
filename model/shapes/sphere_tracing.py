"""Generator -> picture without a mesh: rays are marched through the field (Hart 1996).

A step may be as long as the distance to the surface, if the field is a distance. A learned one may
be steeper: steps are divided by the steepest slope that was measured, and where a ray is inside all
the same, it goes back by halving.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.shapes.image_grid import GENERATED
from shapegan.model.shapes.surface import CHUNK, DistanceField
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.render import Camera, Color, lamp_direction, shade_samples

_STEPS = 400
_LEAST = 4e-3
"""The shortest step, half of what is thin: rays that graze a surface would never end."""
_HALVINGS = 8
_OFFSET = 1e-2
"""Where rays to the lamp start over the surface."""
_MEASURED = 4096
_STEEP = 0.99
"""Part of the measured slopes that steps are safe for; kinks are rare, and halving finds them."""


def draw_direct(
    generator: DistanceField,
    latent: Tensor,
    level: float,
    camera: Camera,
    size: int = 256,
    *,
    color: Color = GENERATED,
    samples: int = 2,
) -> Picture:
    """Draws the surface on which a field is `level`, with shadows, but on no floor.

    Args:
        generator: Asked on the device of the latent.
        latent: (Z,).
        level: Of the surface.
        camera: Where from.
        size: Height and width, pixels.
        color: Of the shape.
        samples: A pixel is the mean of samples x samples rays.

    Returns:
        (size, size, 3).
    """
    field = _Field(generator, latent, level)
    # 1. Where the rays of all samples meet the surface
    eye, directions = _rays(camera, size * samples, latent.device)
    t = field.march(eye.expand_as(directions), directions)
    hit = t.isfinite()
    at = eye + t[hit, None] * directions[hit]
    # 2. Which way it faces there, and whether the lamp is seen
    normals = field.normals(at)
    to_lamp = torch.from_numpy(lamp_direction(camera)).float().to(latent.device)
    lit = field.march(at + _OFFSET * normals, to_lamp.expand_as(at)).isinf()
    # 3. Colours; of the sky all is seen
    shape = (size * samples, size * samples)
    depth, light = torch.zeros(len(t)), torch.ones(len(t), 2)
    facing = torch.zeros(len(t), 3)
    hit = hit.cpu()
    depth[hit], facing[hit], light[hit, 1] = t.cpu()[hit], normals.cpu(), lit.float().cpu()
    arrays = [each.numpy().reshape(*shape, -1) for each in (depth, facing, light)]
    return shade_samples(arrays[0][..., 0], arrays[1], arrays[2], camera, color, samples)


def _rays(camera: Camera, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The eye (3,) and unit directions (side^2, 3), row by row from the upper left."""
    right, up, back = camera.axes
    slope = np.tan(np.radians(camera.field_of_view) / 2)
    along = slope * (2 * (np.arange(side) + 0.5) / side - 1)
    x, y = np.meshgrid(along, -along)
    directions: NDArray[np.float64] = x[..., None] * right + y[..., None] * up - back
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    flat = torch.from_numpy(directions.reshape(-1, 3).astype(np.float32))
    return torch.from_numpy(camera.eye.astype(np.float32)).to(device), flat.to(device)


class _Field:
    """Distances to a surface of a generated shape, and how steep they are."""

    def __init__(self, generator: DistanceField, latent: Tensor, level: float) -> None:
        self._generator, self._latent, self._level = generator, latent[None], level
        self._ball = generator.config.frame == "sphere"
        source = torch.Generator().manual_seed(0)
        some = 2 * torch.rand(_MEASURED, 3, generator=source) - 1
        slopes = self._slopes(some.to(latent.device)).norm(dim=1)
        self._steepest = max(1.0, float(slopes.quantile(_STEEP)))

    @torch.no_grad()
    def march(self, starts: Tensor, directions: Tensor) -> Tensor:
        """How far from starts (N, 3) the surface is in directions (N, 3): (N,), or infinite."""
        t, ends = self._through(starts, directions)
        before, found = t.clone(), torch.full_like(t, torch.inf)
        alive = (t < ends).nonzero()[:, 0]
        for _ in range(_STEPS):
            if len(alive) == 0:
                break
            values = self._values(starts[alive] + t[alive, None] * directions[alive])
            inside = values < 0
            found[alive[inside]] = t[alive[inside]]
            alive, values = alive[~inside], values[~inside]
            before[alive] = t[alive]
            t[alive] += (values / self._steepest).clamp(min=_LEAST)
            alive = alive[t[alive] < ends[alive]]
        hit = found.isfinite().nonzero()[:, 0]
        low, high = before[hit], found[hit]
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = self._values(starts[hit] + middle[:, None] * directions[hit]) < 0
            low, high = torch.where(inside, low, middle), torch.where(inside, middle, high)
        found[hit] = high
        return found

    def normals(self, points: Tensor) -> Tensor:
        """Unit vectors out of the surface at points (N, 3)."""
        return torch.nn.functional.normalize(self._slopes(points), dim=1)

    def _values(self, points: Tensor) -> Tensor:
        if len(points) == 0:
            return points[:, 0]
        pieces = [self._generator(piece, self._latent)[0] for piece in torch.split(points, CHUNK)]
        return torch.cat(pieces) - self._level

    def _slopes(self, points: Tensor) -> Tensor:
        """Gradients of the field at points (N, 3): (N, 3)."""
        with torch.enable_grad():
            asked = points.detach().requires_grad_()
            total = self._values(asked).sum()
            (slopes,) = torch.autograd.grad(total, asked)
        return slopes

    def _through(self, starts: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Where rays come into the frame and leave it: (N,) each; in after out where they miss."""
        if self._ball:
            along = -(starts * directions).sum(dim=1)
            half = (along**2 - (starts**2).sum(dim=1) + 1).clamp(min=0).sqrt()
            return (along - half).clamp(min=0), along + half
        safe = torch.where(directions.abs() < 1e-9, 1e-9, directions)
        sides = torch.stack([(-1 - starts) / safe, (1 - starts) / safe])
        return sides.amin(dim=0).amax(dim=1).clamp(min=0), sides.amax(dim=0).amin(dim=1)
