"""Pictures of triangle meshes by ray casting: no display, no OpenGL, any of Warp's devices.

picture = render(vertices, faces, size=256)                    # (256, 256, 3) uint8
camera = Camera(azimuth=120).fitted(vertices)                  # one view for several pictures
picture = render(vertices, faces, size=(240, 320), camera=camera, color=(0.4, 0.6, 0.8))

Both sides of a face look the same, so the winding of a mesh does not matter. The same arguments
give the same picture.
"""

import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.sparse import csr_array

from shapegan.pipeline.pictures import render_kernels as kernels
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.shading import (
    CLAY,
    WHITE,
    Color,
    lamp_direction,
    shade_samples,
    to_pixels,
)
from shapegan.pipeline.triangles import cross_products

CREASE = math.cos(math.radians(35))
"""Cosine of the angle between normals up to which adjacent faces are shaded as one smooth
surface."""

_RAYS = 4
"""Rays to the sky from each sample that sends any."""
_SPARSE = 2
"""One sample in this many along each axis sends rays to the sky. The filter fills in the others."""
_FILTER = 4
"""Radius of the filter, in samples."""
_FILTER_TOLERANCE = 0.05
"""Largest difference in depth between samples that the filter joins, in radii of the mesh."""
_OCCLUSION_DISTANCE = 0.8
"""Distance up to which surfaces darken each other, in radii of the mesh."""
_RAY_OFFSET = 2e-4
"""Distance from a surface at which rays start, in radii of the mesh."""
_LAMP_SPREAD = 0.02
"""Squared sine of the lamp's angular radius, which blurs shadows."""


def render(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    *,
    size: int | tuple[int, int] = 256,
    camera: Camera | None = None,
    color: Color = CLAY,
    background: Color | None = WHITE,
    floor: bool = True,
    samples: int = 2,
    device: str = "cpu",
) -> NDArray[np.uint8]:
    """Draw a mesh.

    Args:
        vertices: (V, 3), in any units.
        faces: (F, 3), wound either way. Without faces, the picture is the background.
        size: height and width in pixels, or one number for both.
        camera: None for the default view, fitted to the mesh.
        color: colour of the mesh.
        background: None for a transparent one.
        floor: draw a soft shadow on a floor below the mesh.
        samples: each pixel is the mean of samples x samples rays.
        device: Warp's name of the device.

    Returns:
        (H, W, 3) uint8, or (H, W, 4) with a transparent background.

    Raises:
        ValueError: the arrays are not a mesh, or a number is too small.
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    _check(vertices, faces, (height, width, samples))
    if len(faces) == 0:
        return to_pixels(np.zeros((height, width, 4)), background)
    points = np.asarray(vertices, dtype=np.float64)
    camera = camera or Camera().fitted(points[np.unique(faces)], aspect=width / height)
    traced = _trace(points, faces, camera, (height * samples, width * samples), floor, device)
    return shade_samples(*traced, camera, color, samples, background)


def _check(vertices: NDArray[Any], faces: NDArray[Any], numbers: tuple[int, int, int]) -> None:
    for name, array in (("vertices", vertices), ("faces", faces)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"{name}: expected shape (N, 3), got {array.shape}")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(f"faces: expected indices of {len(vertices)} vertices, got others")
    if not np.isfinite(vertices).all():
        raise ValueError("vertices: expected finite numbers, got others")
    if min(numbers) < 1:
        raise ValueError(f"height, width and samples: expected at least 1, got {numbers}")


def _trace(
    points: NDArray[np.float64],
    faces: NDArray[np.integer],
    camera: Camera,
    size: tuple[int, int],
    floor: bool,
    device: str,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Trace one ray for each of H x W samples.

    Returns:
        Depth (H, W) in radii of the mesh: 0 where there is no hit, negative on the floor. Normals
        (H, W, 3). Visibility of sky and lamp (H, W, 2).
    """
    # 1. Scale the mesh to radius 1, so that distances in this module suit meshes of any size.
    used = points[np.unique(faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2, float(np.finfo(np.float32).tiny))
    scale, origin = 1.0 / radius, (low + high) / 2

    # 2. Trace half of the samples, then the other half, which may interpolate.
    scene, mesh = _scene((points - origin) * scale, faces, camera, floor, device)
    view = _view(camera, origin, scale, size[1] / size[0])
    depth = wp.zeros(size, dtype=float, device=device)
    normals = wp.zeros(size, dtype=wp.vec3, device=device)
    light, smoothed = (wp.zeros(size, dtype=wp.vec2, device=device) for _ in range(2))
    outputs = [depth, normals, light]
    for odd in (0, 1):
        wp.launch(kernels.trace, size, [scene, view, odd, _RAYS, _SPARSE], outputs, device=device)

    # 3. Fill in the visibility between the samples that sent rays.
    inputs = [*outputs, _FILTER, _SPARSE, _FILTER_TOLERANCE]
    wp.launch(kernels.smooth, size, inputs, [smoothed], device=device)
    traced = depth.numpy(), normals.numpy(), smoothed.numpy()
    del mesh  # kernels use it by its id until here
    return traced


def _scene(
    points: NDArray[np.float64],
    faces: NDArray[np.integer],
    camera: Camera,
    floor: bool,
    device: str,
) -> tuple[Any, wp.Mesh]:
    """The `Scene` for kernels, and the mesh, which must live as long as kernels run."""
    corners = np.ascontiguousarray(faces, dtype=np.int32)
    mesh = wp.Mesh(
        wp.array(points.astype(np.float32), dtype=wp.vec3, device=device),
        wp.array(corners.ravel(), dtype=int, device=device),
    )
    scene: Any = kernels.Scene()
    scene.mesh = mesh.id
    scene.normals = _corner_normals(points, corners, device)
    scene.low, scene.high = wp.vec3(*points.min(axis=0)), wp.vec3(*points.max(axis=0))
    scene.floor = floor
    scene.occlusion_distance, scene.offset = _OCCLUSION_DISTANCE, _RAY_OFFSET
    scene.to_lamp, scene.lamp_spread = wp.vec3(*lamp_direction(camera)), _LAMP_SPREAD
    return scene, mesh


def _corner_normals(points: NDArray[np.float64], faces: NDArray[np.int32], device: str) -> Any:
    """Normals at each face's corners, (F, 3) Warp vectors, smooth except across creases."""
    _, position = np.unique(points.astype(np.float32), axis=0, return_inverse=True)
    joined = position.reshape(-1)[faces].astype(np.int32)
    face_normal = cross_products(points[faces]).astype(np.float32)
    # Faces by vertex: the transpose of the table of vertices by face, which needs no sorting.
    count = len(faces)
    rows = np.arange(0, 3 * count + 1, 3, dtype=np.int32)
    by_vertex = csr_array((np.ones(3 * count, bool), joined.ravel(), rows)).tocsc()
    normals = wp.zeros(faces.shape, dtype=wp.vec3, device=device)
    inputs = [
        wp.array(joined, dtype=int, ndim=2, device=device),
        wp.array(face_normal, dtype=wp.vec3, device=device),
        wp.array(by_vertex.indptr, dtype=int, device=device),
        wp.array(by_vertex.indices, dtype=int, device=device),
        CREASE,
    ]
    wp.launch(kernels.corner_normals, faces.shape, inputs, [normals], device=device)
    return normals


def _view(camera: Camera, origin: NDArray[np.float64], scale: float, aspect: float) -> Any:
    """The `View` for kernels of a scaled scene."""
    right, up, back = camera.axes
    slope = math.tan(math.radians(camera.field_of_view) / 2)
    view: Any = kernels.View()
    view.eye = wp.vec3(*((camera.eye - origin) * scale))
    view.right, view.up = wp.vec3(*(slope * aspect * right)), wp.vec3(*(slope * up))
    view.forward = wp.vec3(*-back)
    return view
