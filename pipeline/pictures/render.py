"""Pictures of triangle meshes by ray casting: no display, no OpenGL, any of Warp's devices.

picture = render(vertices, faces, size=256)                    # (256, 256, 3) uint8
camera = Camera(azimuth=120).fitted(vertices)                  # one view for several pictures
picture = render(vertices, faces, size=(240, 320), camera=camera, color=(0.4, 0.6, 0.8))

Both sides of a face look the same, so it does not matter how a mesh is wound. The same arguments
give the same picture.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.sparse import csr_array

from shapegan.pipeline.pictures import render_kernels as kernels

Color = tuple[float, float, float]
"""Red, green and blue from 0 to 1, as on a screen (sRGB)."""

CLAY: Color = (0.80, 0.77, 0.72)
WHITE: Color = (1.0, 1.0, 1.0)

CREASE = math.cos(math.radians(35))
"""Faces that meet at less than this angle's bend are shaded as one smooth surface."""

_RAYS, _SPARSE = 4, 2
"""Rays to the sky, and samples along each axis of which one sends them; the filter joins those
of neighbours."""
_FILTER = 4
"""Radius of the filter, in samples."""
_REACH = 0.8
"""How far things darken each other, in radii of the mesh."""
_SKY, _GROUND = wp.vec3(0.50, 0.53, 0.60), wp.vec3(0.30, 0.27, 0.24)
_LAMP, _FILL = 0.80, 0.10


@dataclass(frozen=True)
class Camera:
    """A perspective camera that stands upright; y is up, as in ShapeNet.

    The defaults show the unit ball whole, three quarters from the front.
    """

    azimuth: float = 215.0
    """Degrees round the y axis: 0 stands on the side of +z, 90 on that of +x."""
    elevation: float = 22.0
    """Degrees above the horizon, between -89 and 89."""
    field_of_view: float = 24.0
    """Degrees from the picture's lower to its upper rim."""
    target: Color = (0.0, 0.0, 0.0)
    """The point in the picture's middle."""
    distance: float = 5.0
    """From the camera to the target."""

    def __post_init__(self) -> None:
        """Refuses views that cannot be drawn.

        Raises:
            ValueError: with what was expected.
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
        """Where the camera stands: (3,)."""
        return np.asarray(self.target + self.distance * self.axes[2])

    def fitted(
        self, points: NDArray[np.floating], margin: float = 0.06, aspect: float = 1.0
    ) -> "Camera":
        """This camera, moved so that points just fill the picture.

        Args:
            points: (N, 3), N > 0.
            margin: share of the picture's width and height left free along each rim.
            aspect: the picture's width over its height.

        Returns:
            A camera of the same direction and field of view.
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
            z_eye = nearest + self.distance  # points in one place are in sight from anywhere
        distance = float(z_eye - middle)
        x, y = (plus - minus) / 2
        target = np.array([x, y, middle]) @ self.axes
        place = (float(target[0]), float(target[1]), float(target[2]))
        return dataclasses.replace(self, target=place, distance=distance)


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
    """Draws a mesh.

    Args:
        vertices: (V, 3), in any units.
        faces: (F, 3) rows of `vertices`, wound either way. None at all give the background.
        size: height and width in pixels, or one number for both.
        camera: None for the usual view, fitted to the mesh.
        color: of the mesh.
        background: None for a transparent one.
        floor: whether the mesh throws a soft shadow on a floor below it.
        samples: a pixel's colour is the mean of samples x samples.
        device: Warp's name of it.

    Returns:
        (H, W, 3) uint8, or (H, W, 4) with a transparent background.

    Raises:
        ValueError: where shapes or numbers cannot be a mesh or a picture.
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    _check(vertices, faces, (height, width, samples))
    if len(faces) == 0:
        return _finish(np.zeros((height, width, 4)), background)

    # 1. The mesh in units of its own size, so that small and large ones are treated alike.
    points = np.asarray(vertices, dtype=np.float64)
    used = points[np.unique(faces)]
    camera = camera or Camera().fitted(used, aspect=width / height)
    low, high = used.min(axis=0), used.max(axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2, float(np.finfo(np.float32).tiny))
    scale, origin = 1.0 / radius, (low + high) / 2
    points = (points - origin) * scale

    # 2. What each sample's ray meets, and how much light comes there.
    scene, kept = _scene(points, faces, camera, floor, device)
    view = _view(camera, origin, scale, width / height)
    depth, normals, light = _cast(scene, view, (height * samples, width * samples), device)
    del kept

    # 3. Colours.
    return shade_samples(depth, normals, light, camera, color, samples, background)


def shade_samples(
    depth: NDArray[np.float32],
    normals: NDArray[np.float32],
    light: NDArray[np.float32],
    camera: Camera,
    color: Color,
    samples: int,
    background: Color | None = WHITE,
) -> NDArray[np.uint8]:
    """Makes a picture (H, W, 3 or 4) of what rays found, samples x samples of them to a pixel.

    Args:
        depth: (H samples, W samples); 0 where there is nothing, below 0 on the floor.
        normals: (..., 3) of the same, of length 1.
        light: (..., 2) of the same: the parts of the sky and of the lamp that are seen.
        camera: As in `render`, and so are the rest.
        color: Of the shape.
        samples: Along each side of a pixel.
        background: None for a transparent one.
    """
    lights: Any = kernels.Lights()
    lights.albedo, lights.sky, lights.ground = wp.vec3(*_linear(color)), _SKY, _GROUND
    lights.to_lamp, lights.lamp = wp.vec3(*lamp_direction(camera)), _LAMP
    lights.to_fill, lights.fill = wp.vec3(*([0.7, 0.1, 0.7] @ camera.axes)), _FILL
    kinds: list[Any] = [float, wp.vec3, wp.vec2]
    found: list[Any] = [
        wp.array(array, dtype=kind, copy=False, device="cpu")
        for array, kind in zip((depth, normals, light), kinds, strict=True)
    ]
    shape = [side // samples for side in depth.shape]
    rgba = wp.zeros(shape, dtype=wp.vec4, device="cpu")
    wp.launch(kernels.shade, shape, [*found, lights, samples], [rgba], device="cpu")
    return _finish(rgba.numpy(), background)


def _check(vertices: NDArray[Any], faces: NDArray[Any], numbers: tuple[int, int, int]) -> None:
    for name, array in (("vertices", vertices), ("faces", faces)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(f"{name}: expected shape (N, 3), got {array.shape}")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(f"faces: expected rows of {len(vertices)} vertices, got others")
    if not np.isfinite(vertices).all():
        raise ValueError("vertices: expected finite numbers, got others")
    if min(numbers) < 1:
        raise ValueError(f"height, width and samples: expected at least 1, got {numbers}")


def _scene(
    points: NDArray[np.float64],
    faces: NDArray[np.integer],
    camera: Camera,
    floor: bool,
    device: str,
) -> tuple[Any, wp.Mesh]:
    """What kernels take, and the mesh to keep alive as long as they may run."""
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
    scene.reach, scene.offset = _REACH, 2e-4
    scene.light, scene.spread = wp.vec3(*lamp_direction(camera)), 0.02
    return scene, mesh


def lamp_direction(camera: Camera) -> NDArray[np.float64]:
    """Where the light comes from: the upper left, behind the camera. A unit vector, (3,)."""
    direction = np.array([-0.80, 0.85, 0.50]) @ camera.axes
    return np.asarray(direction / np.linalg.norm(direction))


def _corner_normals(points: NDArray[np.float64], faces: NDArray[np.int32], device: str) -> Any:
    """Normals at each face's corners, (F, 3) vectors, smooth over all but creases."""
    _, place = np.unique(points.astype(np.float32), axis=0, return_inverse=True)
    joined = place.reshape(-1)[faces].astype(np.int32)
    a, b, c = (points[faces[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a).astype(np.float32)
    # Faces by vertex: the transpose of the table of vertices by face, which takes no sorting.
    count = len(faces)
    rows = np.arange(0, 3 * count + 1, 3, dtype=np.int32)
    turned = csr_array((np.ones(3 * count, bool), joined.ravel(), rows)).tocsc()
    around, first = turned.indices, turned.indptr
    normals = wp.zeros(faces.shape, dtype=wp.vec3, device=device)
    inputs = [
        wp.array(joined, dtype=int, ndim=2, device=device),
        wp.array(face_normal, dtype=wp.vec3, device=device),
        wp.array(first, dtype=int, device=device),
        wp.array(around, dtype=int, device=device),
        CREASE,
    ]
    wp.launch(kernels.corner_normals, faces.shape, inputs, [normals], device=device)
    return normals


def _view(camera: Camera, origin: NDArray[np.float64], scale: float, aspect: float) -> Any:
    right, up, back = camera.axes
    slope = math.tan(math.radians(camera.field_of_view) / 2)
    view: Any = kernels.View()
    view.eye = wp.vec3(*((camera.eye - origin) * scale))
    view.right, view.up = wp.vec3(*(slope * aspect * right)), wp.vec3(*(slope * up))
    view.forward = wp.vec3(*-back)
    return view


def _cast(
    scene: Any, view: Any, size: tuple[int, int], device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Depth (H, W), normal (H, W, 3) and light from sky and lamp (H, W, 2) of each sample."""
    depth = wp.zeros(size, dtype=float, device=device)
    normals = wp.zeros(size, dtype=wp.vec3, device=device)
    light, smoothed = (wp.zeros(size, dtype=wp.vec2, device=device) for _ in range(2))
    found = [depth, normals, light]
    for odd in (0, 1):
        wp.launch(kernels.trace, size, [scene, view, odd, _RAYS, _SPARSE], found, device=device)
    inputs = [*found, _FILTER, _SPARSE, 0.05]
    wp.launch(kernels.smooth, size, inputs, [smoothed], device=device)
    return depth.numpy(), normals.numpy(), smoothed.numpy()


def _linear(color: Color) -> NDArray[np.float64]:
    """From the screen's steps to amounts of light (IEC 61966-2-1)."""
    values = np.asarray(color, dtype=np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _on_screen(light: NDArray[np.floating]) -> NDArray[np.float64]:
    """Inverse of `_linear`."""
    light = np.clip(light, 0, 1)
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(shown)


def _finish(rgba: NDArray[np.floating], background: Color | None) -> NDArray[np.uint8]:
    """Pixels on a background, from linear colour times alpha: (H, W, 3 or 4)."""
    alpha = rgba[..., 3:]
    if background is None:
        color = _on_screen(rgba[..., :3] / np.maximum(alpha, 1e-6))
        pixels = np.concatenate([color, alpha], axis=-1)
    else:
        pixels = _on_screen(rgba[..., :3] + (1 - alpha) * _linear(background))
    result: NDArray[np.uint8] = np.rint(255 * pixels).astype(np.uint8)
    return result
