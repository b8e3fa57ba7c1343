"""mesh-to-sdf's renderer of normals and depth, without pyrender and OpenGL."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.compat.mesh_to_sdf.scan import ScanScene


def render_normal_and_depth_buffers(
    mesh: Any, camera: Any, camera_transform: NDArray[np.float64], resolution: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a mesh's normals (R, R, 3) and depths (R, R); see `ScanScene.render`.

    Args:
        mesh: as for `get_surface_point_cloud`.
        camera: an object with `yfov`, `znear` and `zfar`, such as pyrender's `PerspectiveCamera`.
        camera_transform: (4, 4), from the camera's axes to the mesh's coordinates.
        resolution: R.
    """
    scene = ScanScene.of(mesh)
    far = np.inf if camera.zfar is None else camera.zfar
    return scene.render(camera_transform, resolution, camera.yfov, camera.znear, far)
