"""Films of the page as one user sees it: a turntable, or the way from shape A to shape B."""

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from shapegan.model.generation.films import write_film
from shapegan.model.viewer.page import Page, set_control
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import OutputError, writing
from shapegan.pipeline.pictures.panel import Picture

RATE = 24
"""Frames per second."""
TURNTABLE, THERE_AND_BACK = "turntable", "A to B and back"
MAX_SECONDS = 20
_MAX_WIDTH = 960
"""Width of the frames of large windows, pixels."""
_TIMEOUT = 60.0
"""Seconds that a browser may take for a frame; a tab in the background draws none."""


class FilmError(PlainError):
    """A film that was not finished; the message is one line with the reason."""


class FilmedPage(Protocol):
    """The page, as far as a film needs it."""

    def paused(self) -> AbstractContextManager[None]:
        """Keep the page as it is in the block."""

    def blend_drawer(self) -> Callable[[float], None]:
        """Function that draws the present shape at a blend from A, 0, to B, 1, on a paused page."""

    @property
    def file_name(self) -> str:
        """Name of a file of the shape, without suffix."""


def frame_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the frames of a window: at most `_MAX_WIDTH` wide, even for H.264."""
    scale = min(1.0, _MAX_WIDTH / width)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def film_frames(
    client: Any, frame: Callable[[float], None], count: int
) -> Iterator[tuple[int, Picture]]:
    """Frames as a client sees the page, from its present camera.

    Args:
        client: viser's handle of the browser tab, which draws the frames.
        frame: Prepares the page for a part of the film, from 0 to less than 1.
        count: Number of frames.

    Yields:
        Number of the frame from 0, and (H, W, 3) uint8 of even height and width.

    Raises:
        FilmError: the browser draws no frame.
    """
    width, height = frame_size(client.camera.image_width, client.camera.image_height)
    for number in range(count):
        frame(number / count)
        try:
            picture = client.get_render(height, width, timeout=_TIMEOUT)
        except (RuntimeError, TimeoutError) as error:
            raise FilmError("the browser drew no frame: keep its tab open and visible") from error
        yield number, picture[..., :3]


class FilmRecorder:
    """The folder `Film` of the controls.

    Args:
        page: To add the controls to.
        filmed: The page's content.
        folder: Folder for films; None: the browser downloads them.
    """

    def __init__(self, page: Page, filmed: FilmedPage, folder: Path | None = None) -> None:
        self._page, self._filmed, self._folder = page, filmed, folder
        gui = page.server.gui
        with gui.add_folder("Film"):
            self.kind = gui.add_dropdown("Path", (TURNTABLE, THERE_AND_BACK))
            self.seconds = gui.add_slider("Seconds", 1, MAX_SECONDS, 1, 4)
            self.button = gui.add_button("Record")
            self._progress = gui.add_progress_bar(0.0, visible=False)
            self.note = gui.add_markdown("From the camera's present position.")
        self.button.on_click(lambda event: self.record(event.client))

    def record(self, client: Any) -> None:
        """Record a film in the browser tab of a client, and save it."""
        if client is None or self.button.disabled:
            return
        self.button.disabled = self._progress.visible = True
        try:
            stem = f"{self._filmed.file_name}-{self.kind.value.replace(' ', '-')}"
            name = self._save(client, self._record(client), stem)
            self.note.content = f"Saved {name}."
        except (FilmError, OutputError) as error:
            self.note.content = f"No film: {error}"
        finally:
            self.button.disabled = self._progress.visible = False

    def _record(self, client: Any) -> list[Picture]:
        count, draw = RATE * int(self.seconds.value), self._filmed.blend_drawer()
        steps: dict[str, Callable[[float], None]] = {
            TURNTABLE: self._turn,
            THERE_AND_BACK: lambda part: draw(1 - abs(1 - 2 * part)),
        }
        frames = []
        with self._filmed.paused():
            try:
                for number, picture in film_frames(client, steps[self.kind.value], count):
                    frames.append(picture)
                    set_control(self._progress, 100 * (number + 1) / count)
            finally:
                self._page.turn(0.0)
        return frames

    def _turn(self, part: float) -> None:
        with self._page.atomic():
            self._page.turn(2 * math.pi * part)

    def _save(self, client: Any, frames: list[Picture], stem: str) -> str:
        """Write the film, or have it downloaded; returns its name."""
        if self._folder:
            path = _free_path(self._folder, stem)
            with writing(path):
                self._folder.mkdir(parents=True, exist_ok=True)
            write_film(path, frames, RATE)
            return str(path)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stem}.mp4"
            write_film(path, frames, RATE)
            client.send_file_download(path.name, path.read_bytes(), save_immediately=True)
        return path.name


def _free_path(folder: Path, stem: str) -> Path:
    """STEM.mp4, or the first of STEM-2.mp4, STEM-3.mp4, ... that does not exist yet."""
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(path for name in names if not (path := folder / f"{name}.mp4").exists())
