"""The page: viser's server, with shapes in columns. The only module that imports viser."""

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
"""From the middle of one column to that of the next; a cube frame is 2 wide."""

_AZIMUTH, _ELEVATION = np.radians(215.0), np.radians(20.0)
"""The sheets' camera: it sees the front of what faces -z, as in ShapeNet."""
_FIELD_OF_VIEW = 0.6
"""Radians, from top to bottom: shapes at the sides are hardly slanted."""
_NEAREST, _AWAY_EACH = 6.0, 3.4
"""From the camera to the row, at least, and for each column: a window twice as wide as it is high
sees the whole row beside the controls."""
_CHECKS = 0.2
"""Seconds between looks whether the work has failed."""
_CAPTION = -1.55
"""Where captions stand, y: seen from the camera, a cube frame's nearest corner is just above."""
STANDING = (0.0, 0.5**0.5, 0.0, 0.5**0.5)
"""Quaternion (w, x, y, z) that turns a picture from viser's plane, right +x and down +y, into a
plane x = const: right +z, up +y, as `draw_slice` has it."""


class PageError(PlainError):
    """An address that no page can be opened at; the message is one line with what to do."""


class _Server(viser.ViserServer):
    """A server that nothing tells to anybody outside."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Refuses to open a tunnel through a server of viser's makers: any client may ask."""


def turn(control: Any, value: object) -> None:
    """Puts a control at a value, as if a user had: viser's types call it read-only."""
    control.value = value


class Page:
    """A page in the browser, whose shapes stand side by side.

    Args:
        host: Address to listen at.
        port: 0 takes a free one.
        title: At the top of the controls.

    Raises:
        PageError: where that cannot be listened at.
    """

    def __init__(self, host: str, port: int, title: str) -> None:
        _check_free(host, port)
        # The server prints a panel about itself; the command says the address in its own way.
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
        # Shadows cost most of the time that a browser without a GPU takes for a picture.
        self.server.scene.configure_default_lights(cast_shadow=False)
        self.columns = 0

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        host = self.server.get_host()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def look(self, columns: int) -> None:
        """Puts the camera so that it sees so many columns."""
        if columns == self.columns:
            return
        self.columns = columns
        away = max(_NEAREST, _AWAY_EACH * columns)
        flat = away * np.cos(_ELEVATION)
        position = (
            flat * np.sin(_AZIMUTH),
            away * np.sin(_ELEVATION),
            flat * np.cos(_AZIMUTH),
        )
        self.server.initial_camera.position = position
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self.server.initial_camera.fov = _FIELD_OF_VIEW
        for client in self.server.get_clients().values():
            client.camera.position, client.camera.look_at = position, (0.0, 0.0, 0.0)

    def place(self, column: int) -> tuple[float, float, float]:
        """The middle of a column: they stand in a row across the camera's view, left to right."""
        right = np.array([np.cos(_AZIMUTH), 0.0, -np.sin(_AZIMUTH)])
        x, y, z = right * COLUMN * (column - (self.columns - 1) / 2)
        return float(x), float(y), float(z)

    def caption(self, name: str, text: str, column: int) -> None:
        """Words below a column."""
        x, y, z = self.place(column)
        self.server.scene.add_label(
            f"/{name}/caption", text, anchor="top-center", position=(x, y + _CAPTION, z)
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
        """A mesh in a column, in place of what had the name; one without faces is nothing.

        Args:
            name: Of the mesh.
            vertices: (V, 3), frame units.
            faces: (F, 3).
            column: Where.
            color: Of all faces.
            opacity: None where nothing shines through.
            smooth: Whether neighbouring faces share a normal.
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
            position=self.place(column),
        )

    def points(
        self, name: str, points: NDArray[np.floating], colors: NDArray[np.uint8], column: int
    ) -> None:
        """Points (N, 3) with their colours (N, 3) in a column."""
        self.server.scene.add_point_cloud(
            f"/{name}/points",
            points.astype(np.float32),
            colors,
            point_size=0.012,
            point_shape="circle",
            precision="float32",
            position=self.place(column),
        )

    def slice(self, name: str, picture: NDArray[np.uint8], x: float, column: int) -> None:
        """A picture (H, W, 3) of the plane x, 2 frame units wide, seen from -x."""
        middle = self.place(column)
        self.server.scene.add_image(
            f"/{name}/slice",
            picture,
            2.0,
            2.0,
            format="png",
            receive_shadow=False,
            cast_shadow=False,
            wxyz=STANDING,
            position=(middle[0] + x, middle[1], middle[2]),
        )

    def remove(self, name: str) -> None:
        """Takes something away, if it is there."""
        handle = self.server.scene.get_handle_by_name(f"/{name}")
        if handle is not None:
            handle.remove()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Shows all changes together, so that no half of one is seen."""
        with self.server.atomic():
            yield
        self.server.flush()

    def wait(self, check: Callable[[], None]) -> None:
        """Keeps the page up until Ctrl-C, or until `check`, called now and then, raises."""
        while True:
            time.sleep(_CHECKS)
            check()

    def close(self) -> None:
        """Ends the server."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()


def _check_free(host: str, port: int) -> None:
    # The server itself would take the next free port without a word.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PageError(_in_use(host, port)) from error
        raise PageError(f"cannot listen at {host} port {port}: {error.strerror}") from error


def _in_use(host: str, port: int) -> str:
    return f"port {port} of {host} is in use: give another one with --port"
