"""A page of a viser server, with shapes in columns; the only module that imports viser."""

import contextlib
import errno
import io
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.pictures.shading import Color

COLUMN = 2.5
"""Distance between the centres of two columns, frame units; a cube frame is 2 wide."""

_AZIMUTH, _ELEVATION = np.radians(215.0), np.radians(20.0)
"""About the camera of the image grids: it sees the front of shapes that face -z, as in ShapeNet."""
_FIELD_OF_VIEW = 0.6
"""Vertical, radians; small, so shapes at the sides show little perspective distortion."""
_MIN_DISTANCE, _DISTANCE_PER_COLUMN = 6.0, 3.4
"""Distance of the camera: a window of aspect 2:1 shows the whole row beside the controls."""
_WITH_PANEL = 1.35
"""Factor of the distance on a page with a panel on the left, too."""
_CHECK_INTERVAL = 0.2
"""Seconds between two checks for errors in the work."""
_CAPTION_Y = -1.55
"""Height of captions: from the camera, the nearest corner of the cube frame is just above them."""
SLICE_ROTATION = (0.0, 0.5**0.5, 0.0, 0.5**0.5)
"""Quaternion (w, x, y, z) that rotates a picture from viser's plane (right +x, down +y) to a plane
x = const (right +z, up +y), as `draw_slice` draws it."""


class PageError(PlainError):
    """An address at which no page can be opened; the message is one line with the remedy."""


class _Server(viser.ViserServer):
    """A server without access from outside through third parties."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Open no tunnel through the server of viser's authors, which any client may request."""


def set_control(control: Any, value: object) -> None:
    """Set a control to a value, like a user would; viser's types declare the value read-only."""
    control.value = value


class Page:
    """A page in the browser, with shapes side by side in columns.

    Args:
        host: Address to listen at.
        port: 0 selects a free one.
        title: Shown above the controls.

    Raises:
        PageError: if the server cannot listen at that address and port.
    """

    def __init__(self, host: str, port: int, title: str) -> None:
        _check_free(host, port)
        # The server prints a panel about itself; the command prints the address in its own way.
        with contextlib.redirect_stdout(io.StringIO()):
            self.server = _Server(host, port, label=title, verbose=False)
        if port and self.server.get_port() != port:
            self.server.stop()
            raise PageError(_in_use(host, port))
        self.server.gui.configure_theme(
            control_width="medium",
            show_logo=False,
            show_share_button=False,
        )
        self.server.gui.main_panel.dock_right()
        self.server.scene.set_up_direction("+y")
        # Shadows take most of the rendering time of a browser without a GPU.
        self.server.scene.configure_default_lights(cast_shadow=False)
        self.columns = 0
        self._distance_factor = 1.0
        self._meshes: set[str] = set()

    @property
    def address(self) -> str:
        """URL of the page."""
        host = self.server.get_host()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def add_panel(self, width: int) -> Any:
        """Add a panel for tabs at the left edge of the window.

        Args:
            width: Pixels.
        """
        panel = self.server.gui.add_panel()
        panel.dock_left()
        panel.set_width(width)
        self._distance_factor = _WITH_PANEL
        self._place_camera()
        return panel

    def show_columns(self, columns: int) -> None:
        """Set the number of columns, and move the camera so that it sees all of them."""
        if columns == self.columns:
            return
        self.columns = columns
        self._place_camera()

    def _place_camera(self) -> None:
        farther = _DISTANCE_PER_COLUMN * self._distance_factor * self.columns
        distance = max(_MIN_DISTANCE, farther)
        horizontal = distance * np.cos(_ELEVATION)
        position = (
            horizontal * np.sin(_AZIMUTH),
            distance * np.sin(_ELEVATION),
            horizontal * np.cos(_AZIMUTH),
        )
        self.server.initial_camera.position = position
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self.server.initial_camera.fov = _FIELD_OF_VIEW
        for client in self.server.get_clients().values():
            client.camera.position, client.camera.look_at = position, (0.0, 0.0, 0.0)

    def centre(self, column: int) -> tuple[float, float, float]:
        """Centre of a column; columns form a row across the camera's view, from left to right."""
        right = np.array([np.cos(_AZIMUTH), 0.0, -np.sin(_AZIMUTH)])
        x, y, z = right * COLUMN * (column - (self.columns - 1) / 2)
        return float(x), float(y), float(z)

    def caption(self, name: str, text: str, column: int) -> None:
        """Write a caption below a column."""
        x, y, z = self.centre(column)
        self.server.scene.add_label(
            f"/{name}/caption", text, anchor="top-center", position=(x, y + _CAPTION_Y, z)
        )

    def mesh(
        self,
        name: str,
        vertices: NDArray[np.floating],
        faces: NDArray[np.integer],
        column: int,
        color: Color,
        *,
        opacity: float | None = None,
        smooth: bool = True,
    ) -> None:
        """Show a mesh in a column, in place of the one of the same name.

        Args:
            name: Of the mesh.
            vertices: (V, 3), frame units.
            faces: (F, 3); without any, the mesh is removed.
            column: From 0.
            color: RGB in [0, 1].
            opacity: None for an opaque mesh.
            smooth: Whether to interpolate normals across neighbouring faces.
        """
        if len(faces) == 0:
            self.remove(f"{name}/mesh")
            return
        self.server.scene.add_mesh_simple(
            f"/{name}/mesh",
            vertices.astype(np.float32),
            faces.astype(np.uint32),
            color=(round(255 * color[0]), round(255 * color[1]), round(255 * color[2])),
            opacity=opacity,
            flat_shading=not smooth,
            side="double",
            cast_shadow=opacity is None,
            position=self.centre(column),
        )
        self._meshes.add(f"/{name}/mesh")

    def turn(self, angle: float) -> None:
        """Turn each mesh in its column by an angle from its upright position, radians."""
        for name in self._meshes:
            handle = self.server.scene.get_handle_by_name(name)
            if handle is not None:
                handle.wxyz = (np.cos(angle / 2), 0.0, np.sin(angle / 2), 0.0)

    def points(
        self, name: str, points: NDArray[np.floating], colors: NDArray[np.uint8], column: int
    ) -> None:
        """Show points (N, 3) with colours (N, 3) in a column."""
        self.server.scene.add_point_cloud(
            f"/{name}/points",
            points.astype(np.float32),
            colors,
            point_size=0.012,
            point_shape="circle",
            precision="float32",
            position=self.centre(column),
        )

    def slice(self, name: str, picture: NDArray[np.uint8], x: float, column: int) -> None:
        """Show a picture (H, W, 3) of the plane at x, 2 frame units wide and seen from -x."""
        centre = self.centre(column)
        self.server.scene.add_image(
            f"/{name}/slice",
            picture,
            2.0,
            2.0,
            format="png",
            receive_shadow=False,
            cast_shadow=False,
            wxyz=SLICE_ROTATION,
            position=(centre[0] + x, centre[1], centre[2]),
        )

    def remove(self, name: str) -> None:
        """Remove the object NAME/KIND, if there is one."""
        handle = self.server.scene.get_handle_by_name(f"/{name}")
        if handle is not None:
            handle.remove()

    @contextlib.contextmanager
    def atomic(self) -> Iterator[None]:
        """Show all changes of the block at once."""
        with self.server.atomic():
            yield
        self.server.flush()

    def wait(self, check: Callable[[], None]) -> None:
        """Keep the page up until Ctrl-C, or until `check`, which is called regularly, raises."""
        while True:
            time.sleep(_CHECK_INTERVAL)
            check()

    def close(self) -> None:
        """Stop the server."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()


def _check_free(host: str, port: int) -> None:
    # The server itself would silently take the next free port.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PageError(_in_use(host, port)) from error
        raise PageError(f"cannot listen at {host} port {port}: {error.strerror}") from error


def _in_use(host: str, port: int) -> str:
    return f"port {port} of {host} is in use: choose another one with --port"
