"""The page of a generator, or of two side by side, and the nearest training shape beside them."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shapegan.model.shapes.image_grid import GENERATED_COLOR
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.film_recorder import FilmRecorder
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.live_page import LivePage
from shapegan.model.viewer.page import Page
from shapegan.model.viewer.shape_controls import ShapeControls
from shapegan.model.viewer.shape_panel import ShapePanel
from shapegan.model.viewer.training_shapes import TrainingShape, TrainingShapes
from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.meshes.write import encode_mesh
from shapegan.pipeline.pictures.shading import CLAY, Color

_COLORS: tuple[Color, Color] = (GENERATED_COLOR, (0.85, 0.6, 0.42))
"""Colours of the shapes of the first and the second generator."""
_NAMES = ("generated", "compared")
"""Names of their objects in the scene."""


class GeneratorPage(LivePage[Controls]):
    """A page that shows a generator's shape for the positions of the controls.

    Args:
        page: An empty page.
        shapes: Shapes of the generator.
        controls: Initial positions of the controls.
        training: Training shapes to search for the nearest one; None if there are none.
        compared: Shapes of a second generator, shown beside the first one's for the same controls.
        note: Markdown to show above the controls, such as why learned shapes are not listed.
        films: Folder for films; None: the browser downloads them.
    """

    def __init__(
        self,
        page: Page,
        shapes: GeneratedShapes,
        controls: Controls,
        training: TrainingShapes | None = None,
        compared: GeneratedShapes | None = None,
        *,
        note: str = "",
        films: Path | None = None,
    ) -> None:
        self._generators = [shapes] if compared is None else [shapes, compared]
        self._training = training
        super().__init__(page, len(self._generators) + bool(training))
        self.surfaces: list[Surface | None] = [None] * len(self._generators)
        """The surface shown for each generator, once there is one."""
        self.nearest: TrainingShape | None = None
        """The training shape shown beside the first one."""
        self.note = page.server.gui.add_markdown(note, visible=bool(note))
        self.controls = ShapeControls(page, controls, len(shapes.directions), tuple(shapes.learned))
        self._add_mesh_controls()
        self.film = FilmRecorder(page, self, films)
        self.panel = ShapePanel(page, shapes, self.controls.pick)
        self.follow(self.controls.all)
        self.redraw()
        self.controls.start_walking(lambda: self._latest.idle)

    @property
    def surface(self) -> Surface | None:
        """The surface of the first generator."""
        return self.surfaces[0]

    @property
    def file_name(self) -> str:
        """Name of a file of the shape, without suffix."""
        return self._read_controls().file_name

    def check(self) -> None:
        """Raise the error that ended the drawing, if any."""
        super().check()
        self.panel.check()

    def close(self) -> None:
        """End walking and drawing."""
        self.controls.close()
        super().close()
        self.panel.close()

    def redraw(self) -> None:
        """Draw the page for the current positions of the controls, in the page's thread."""
        self.panel.follow(self._read_controls())
        super().redraw()

    # --- controls --------------------------------------------------------------------------------

    def _read_controls(self) -> Controls:
        return self.controls.read()

    def _add_mesh_controls(self) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Mesh"):
            self.summary = gui.add_markdown("")
            self.format = gui.add_dropdown("Format", MESH_FORMATS, initial_value="glb")
            download = gui.add_button("Download")
        download.on_click(lambda event: self._download(event.client))

    def _download(self, client: Any) -> None:
        name, suffix = self.file_name, self.format.value
        for shapes, surface in zip(self._generators, self.surfaces, strict=True):
            if client is None or surface is None or surface.empty:
                continue
            run = f"{shapes.name}-" if len(self._generators) > 1 else ""
            content = encode_mesh(surface, suffix)
            client.send_file_download(f"{run}{name}.{suffix}", content, save_immediately=True)

    # --- the work --------------------------------------------------------------------------------

    def blend_drawer(self) -> Callable[[float], None]:
        """Function that draws the present shape at a blend from A, 0, to B, 1, on a paused page."""
        state = self._read_controls()
        return lambda blend: self._draw(dataclasses.replace(state, blend=blend))

    def _draw(self, state: Controls) -> None:
        started = time.monotonic()
        surfaces = [
            None if shapes.missing(state) else shapes.surface(state) for shapes in self._generators
        ]
        seconds = time.monotonic() - started
        first, nearest = surfaces[0], None
        if self._training and first is not None and not first.empty:
            nearest = self._training.nearest(first)
        with self._page.atomic():
            self._show(state, surfaces)
            if self._training:
                self._show_nearest(nearest)
            self.summary.content = self._summary(state, surfaces, seconds, nearest)
        self.surfaces, self.nearest = surfaces, nearest

    def _show(self, state: Controls, surfaces: Sequence[Surface | None]) -> None:
        page = self._page
        for column, (shapes, surface) in enumerate(zip(self._generators, surfaces, strict=True)):
            name, color = _NAMES[column], _COLORS[column]
            if surface is None:
                page.remove(f"{name}/mesh")
                page.caption(name, f"{shapes.name} has not learned {shapes.missing(state)}", column)
                continue
            page.mesh(name, surface.vertices, surface.faces, column, color)
            if self._page.columns > 1:
                page.caption(name, shapes.name, column)

    def _show_nearest(self, nearest: TrainingShape | None) -> None:
        page, column = self._page, len(self._generators)
        if nearest is None:
            page.remove("nearest/mesh")
            page.remove("nearest/caption")
        elif self.nearest is None or nearest.index != self.nearest.index:
            page.mesh("nearest", nearest.surface.vertices, nearest.surface.faces, column, CLAY)
            page.caption("nearest", "nearest training shape", column)

    def _summary(
        self,
        controls: Controls,
        surfaces: Sequence[Surface | None],
        seconds: float,
        nearest: TrainingShape | None,
    ) -> str:
        lines = []
        for shapes, surface in zip(self._generators, surfaces, strict=True):
            name = f"{shapes.name}: " if len(surfaces) > 1 else ""
            lines.append(name + _described(controls, surface))
        text = "\n\n".join(lines) + f"\n\n{seconds:.2f} s"
        if nearest is None or self._training is None:
            return text
        compared, total = self._training.compared, self._training.total
        of = f"{compared:,}" if compared == total else f"the first {compared:,} of {total:,}"
        return (
            f"{text}\n\nNearest of {of} training shapes:\n\n`{nearest.id}`\n\n"
            f"chamfer distance {nearest.chamfer:.5f}"
        )


def _described(controls: Controls, surface: Surface | None) -> str:
    if surface is None:
        return "the shape is not among its learned ones."
    if surface.empty:
        return f"Empty at level {controls.level:g}: raise the level, or choose other shapes."
    return f"{len(surface.vertices):,} vertices, {len(surface.faces):,} faces"
