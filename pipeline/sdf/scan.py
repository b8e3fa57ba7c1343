"""Signed distances from virtual scans, the paper's method: `--method scan`.

Fifty virtual cameras scan the mesh from all sides. The distance of a point is that to the nearest
scanned point. mesh-to-sdf, as used by Kleineberg, Fey and Weichert 2020, has two signs:

- `depth`: a point is outside if any camera sees it: its depth is smaller than the depth buffer's.
- `normals`: a point is inside if it lies behind most of the 11 nearest scanned points; their
  normals face the camera that saw them.

Known errors of the method are kept for reproduction: scans are projected back half a pixel off,
normals have 8 bits, cameras see in through holes, and hidden rooms count as solid.

This is the only module that uses OpenGL, and only inside functions, so a process that never scans
loads neither OpenGL nor trimesh. Scanning is mesh-to-sdf's own code except for its renderer: that
library opens a context for every scan and never frees it, since its shader cache has no `clear`.
Here one context serves all scans of a mesh and is then freed.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.extras import naming_extras, require
from shapegan.pipeline.schema import grid_points, voxel_spacing

if TYPE_CHECKING:
    import trimesh

SCANS = 50
"""Virtual cameras around a mesh (the paper's code)."""

PIXELS = 1024
"""Width and height of a scan (the paper's code)."""

CUBE_RADIUS = 3**0.5
"""Radius of the ball that the paper scans for voxels, cube frame: it touches the cube's corners.
For points the ball is the sphere frame's unit ball, of radius `scale_sphere / scale_cube` in the
cube frame."""

MIN_INSIDE = 0.01
"""Smallest share of the uniform points that must lie inside (the paper's code)."""

SIGN_POINTS = 11
"""Scanned points whose normals decide a sign (mesh-to-sdf)."""

BATCH = 1_000_000
"""Number of points per query of the scanned points."""


class NoOpenGLError(PlainError, RuntimeError):
    """This machine cannot open an OpenGL context; the message is one line with what to do."""


def check_opengl() -> None:
    """Open an OpenGL context and free it, to fail before the run rather than at each mesh.

    Raises:
        MissingPackageError: a package of the extra `scan` is not installed.
        NoOpenGLError: no context can be opened; the message is one line with what to do.
    """
    _import_library()
    _open_renderer(16).delete()


class ScannedSurface:
    """The signed distance field of a scanned mesh, cube frame."""

    def __init__(
        self,
        vertices: NDArray[np.floating],
        faces: NDArray[np.int32],
        radius: float,
        scans: int = SCANS,
        pixels: int = PIXELS,
        signs: str = "depth",
    ) -> None:
        """Scan a mesh; takes about 2 GB of memory with the paper's settings.

        Args:
            vertices: (V, 3), cube frame.
            faces: (F, 3).
            radius: of the ball around 0 that the cameras frame, cube frame; contains all vertices.
            scans: number of cameras.
            pixels: width and height of a scan.
            signs: one of `shapegan.pipeline.config.SCAN_SIGNS`.

        Raises:
            MissingPackageError: a package of the extra `scan` is not installed.
            NoOpenGLError: OpenGL is missing.
        """
        import trimesh

        library = _import_library()
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        with _one_context(mesh, pixels):
            self._cloud = library.get_surface_point_cloud(
                mesh,
                bounding_radius=radius,
                scan_count=scans,
                scan_resolution=pixels,
                calculate_normals=signs == "normals",
            )
        self._signs = signs

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and the nearest scanned points (N, 3)."""
        sdf = np.empty(len(points), np.float32)
        closest = np.empty((len(points), 3), np.float32)
        for start in range(0, len(points), BATCH):
            batch = slice(start, start + BATCH)
            neighbours = SIGN_POINTS if self._signs == "normals" else 1
            distance, index = self._cloud.kd_tree.query(points[batch], k=neighbours)
            if self._signs == "normals":
                inside = self._behind_most(points[batch], index)
            else:
                inside = ~self._cloud.is_outside(points[batch])
            sdf[batch] = np.where(inside, -distance[:, 0], distance[:, 0])
            closest[batch] = self._cloud.points[index[:, 0]]
        return sdf, closest

    def _behind_most(
        self, points: NDArray[np.float32], index: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """True (N,) for points (N, 3) behind most of their nearest scanned points, rows (N, K)."""
        behind = np.zeros(len(points), np.int64)
        for column in index.T:  # one by one: all at once would take K times the memory
            offset = points - self._cloud.points[column]
            behind += np.einsum("ij,ij->i", offset, self._cloud.normals[column]) < 0
        inside: NDArray[np.bool_] = behind > index.shape[1] / 2
        return inside

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        sdf, _ = self.signed_distances(grid_points(resolution))
        return sdf.reshape((resolution,) * 3)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Random scanned points (count, 3), denser where more cameras see the surface."""
        scanned: NDArray[np.float64] = self._cloud.points
        return scanned[rng.integers(len(scanned), size=count)].astype(np.float32)


def voxels_rejection(voxels: NDArray[np.floating]) -> str:
    """The paper's check of a voxel grid (R, R, R): the reason to reject it, empty if none.

    No distance may fall by more than 1.1 times a cell's diagonal from one voxel to the next. As in
    mesh-to-sdf's `check_voxels`, a cell is 2 / R wide, and rises are not checked.
    """
    block = voxels[:-1, :-1, :-1]
    neighbours = voxels[1:, :-1, :-1], voxels[:-1, 1:, :-1], voxels[:-1, :-1, 1:]
    fall = max(float((block - neighbour).max()) for neighbour in neighbours)
    resolution = len(voxels)
    if fall < 2.0 / resolution * 3**0.5 * 1.1:
        return ""
    voxel = fall / voxel_spacing(resolution)
    return f"jumps: {resolution}^3 distances fall by {voxel:.1f} voxels from one voxel to the next"


def points_rejection(sdf: NDArray[np.floating]) -> str:
    """The paper's check of the uniform points' distances (N,): the reason to reject, or empty."""
    share = float((sdf < 0).mean())
    return "" if share >= MIN_INSIDE else f"too little inside: {share:.2%} of the uniform points"


def _import_library() -> Any:
    """Import mesh-to-sdf, which must happen before any other use of OpenGL.

    Raises:
        MissingPackageError: a package of the extra `scan` is not installed.
        NoOpenGLError: OpenGL is missing.
    """
    with naming_extras("--method scan"):
        for package in ("mesh_to_sdf", "pyrender", "OpenGL"):
            require(package)
    platform = os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    try:
        if platform == "egl":
            # Load the libraries first: after a failed import of OpenGL, a second one raises another
            # error, and without libGL the import fails with an AttributeError on None.
            for library in ("libEGL.so.1", "libGL.so.1"):
                ctypes.CDLL(library)
            # pyrender imports a window class that it never uses. Headless, that needs no X11.
            os.environ.setdefault("PYGLET_HEADLESS", "1")
        import mesh_to_sdf
    except (ImportError, OSError) as error:
        raise NoOpenGLError(
            f"the method `scan` needs OpenGL: install libegl1 and libgl1 ({error})"
        ) from error
    return mesh_to_sdf


@contextmanager
def _one_context(mesh: "trimesh.Trimesh", pixels: int) -> Iterator[None]:
    """Let all of mesh-to-sdf's scans of the mesh share one renderer."""
    import pyrender
    from mesh_to_sdf import pyrender_wrapper, scan

    renderer = _open_renderer(pixels)
    renderer._renderer._program_cache = shaders = pyrender_wrapper.CustomShaderCache()
    shaders.clear = lambda: shaders.program and shaders.program.delete()
    scene = pyrender.Scene()
    scene.add(pyrender.Mesh.from_trimesh(mesh, smooth=False))

    def render(_mesh: Any, camera: Any, pose: NDArray[np.float64], _resolution: int) -> Any:
        node = scene.add(camera, pose=pose)
        try:
            return renderer.render(scene, flags=pyrender.RenderFlags.SKIP_CULL_FACES)
        finally:
            scene.remove_node(node)

    original = scan.render_normal_and_depth_buffers
    scan.render_normal_and_depth_buffers = render
    pyrender_wrapper.suppress_multisampling = True
    try:
        yield
    finally:
        pyrender_wrapper.suppress_multisampling = False
        scan.render_normal_and_depth_buffers = original
        renderer.delete()


def _open_renderer(pixels: int) -> Any:
    """Open an OpenGL context of pixels x pixels.

    Raises:
        NoOpenGLError: no context can be opened.
    """
    import OpenGL.error
    import pyrender

    try:
        return pyrender.OffscreenRenderer(pixels, pixels)
    except (AssertionError, ValueError, OpenGL.error.Error) as error:
        raise NoOpenGLError(
            "the method `scan` needs an OpenGL 4.1 context, and this machine has none: install "
            f"libegl1 and libgl1-mesa-dri ({type(error).__name__} {error})".rstrip()
        ) from error
