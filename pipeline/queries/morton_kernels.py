"""Device code of Morton order: see `shapegan.pipeline.queries.morton`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D103

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()


@wp.func
def spread_bits(value: wp.int64) -> wp.int64:
    # Inserts two zero bits after each of the lowest ten bits.
    spread = value
    spread = (spread | (spread << wp.int64(16))) & wp.int64(0x030000FF)
    spread = (spread | (spread << wp.int64(8))) & wp.int64(0x0300F00F)
    spread = (spread | (spread << wp.int64(4))) & wp.int64(0x030C30C3)
    return (spread | (spread << wp.int64(2))) & wp.int64(0x09249249)


@wp.kernel
def morton_keys(
    points: wp.array(dtype=wp.vec3),
    low: wp.vec3d,
    scale: wp.float64,
    keys: wp.array(dtype=int),
) -> None:
    # The place of each point's cell along the curve.
    i = wp.tid()
    at = (wp.vec3d(points[i]) - low) * scale
    x = spread_bits(wp.int64(at[0]))
    y = spread_bits(wp.int64(at[1]))
    z = spread_bits(wp.int64(at[2]))
    keys[i] = int(x | (y << wp.int64(1)) | (z << wp.int64(2)))
