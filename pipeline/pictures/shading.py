"""Colours and light: from traced samples to pixels."""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import unit
from shapegan.pipeline.pictures import render_kernels as kernels
from shapegan.pipeline.pictures.camera import Camera

Color = tuple[float, float, float]
"""Red, green and blue from 0 to 1, sRGB."""

CLAY: Color = (0.80, 0.77, 0.72)
WHITE: Color = (1.0, 1.0, 1.0)

_SKY, _GROUND = wp.vec3(0.50, 0.53, 0.60), wp.vec3(0.30, 0.27, 0.24)
_LAMP, _FILL = 0.80, 0.10


def lamp_direction(camera: Camera) -> NDArray[np.float64]:
    """The unit vector (3,) towards the lamp, which stands behind the camera, to its upper left."""
    direction: NDArray[np.float64] = np.array([-0.80, 0.85, 0.50]) @ camera.axes
    return unit(direction)


def shade_samples(
    depth: NDArray[np.float32],
    normals: NDArray[np.float32],
    light: NDArray[np.float32],
    camera: Camera,
    color: Color,
    samples: int,
    background: Color | None = WHITE,
) -> NDArray[np.uint8]:
    """Shade a picture from samples x samples traced rays for each pixel.

    Args:
        depth: (H samples, W samples); 0 where there is no hit, negative on the floor.
        normals: (H samples, W samples, 3), unit length.
        light: (H samples, W samples, 2), visibility of the sky and of the lamp, from 0 to 1.
        camera: the view.
        color: colour of the surface.
        samples: along each side of a pixel.
        background: None for a transparent one.

    Returns:
        (H, W, 3) uint8, or (H, W, 4) with a transparent background.
    """
    lights: Any = kernels.Lights()
    lights.albedo, lights.sky, lights.ground = wp.vec3(*_to_linear(color)), _SKY, _GROUND
    lights.to_lamp, lights.lamp = wp.vec3(*lamp_direction(camera)), _LAMP
    lights.to_fill, lights.fill = wp.vec3(*([0.7, 0.1, 0.7] @ camera.axes)), _FILL
    dtypes: list[Any] = [float, wp.vec3, wp.vec2]
    traced: list[Any] = [
        wp.array(array, dtype=dtype, copy=False, device="cpu")
        for array, dtype in zip((depth, normals, light), dtypes, strict=True)
    ]
    shape = [side // samples for side in depth.shape]
    rgba = wp.zeros(shape, dtype=wp.vec4, device="cpu")
    wp.launch(kernels.shade, shape, [*traced, lights, samples], [rgba], device="cpu")
    return to_pixels(rgba.numpy(), background)


def to_pixels(rgba: NDArray[np.floating], background: Color | None) -> NDArray[np.uint8]:
    """Pixels on a background.

    Args:
        rgba: (H, W, 4), linear colour times alpha, and alpha.
        background: None for a transparent one.

    Returns:
        (H, W, 3), or (H, W, 4) with a transparent background.
    """
    alpha = rgba[..., 3:]
    if background is None:
        color = _to_srgb(rgba[..., :3] / np.maximum(alpha, 1e-6))
        pixels = np.concatenate([color, alpha], axis=-1)
    else:
        pixels = _to_srgb(rgba[..., :3] + (1 - alpha) * _to_linear(background))
    result: NDArray[np.uint8] = np.rint(255 * pixels).astype(np.uint8)
    return result


def _to_linear(color: Color) -> NDArray[np.float64]:
    """Convert sRGB to linear light (IEC 61966-2-1)."""
    values = np.asarray(color, dtype=np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(light: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert linear light to sRGB (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(srgb)
