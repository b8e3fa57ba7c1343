"""The page of a generator: sliders, a walk, and the nearest training shape beside it."""

import threading
import time
from typing import Any

from shapegan.model.generation.meshes import seed_name
from shapegan.model.shapes.image_grid import GENERATED_COLOR
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.live_page import LivePage
from shapegan.model.viewer.page import Page, set_control
from shapegan.model.viewer.training_shapes import TrainingShape, TrainingShapes
from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.meshes.write import encode_mesh
from shapegan.pipeline.pictures.shading import CLAY

RESOLUTIONS = (16, 32, 48, 64, 96, 128, 192, 256)

_MAX_OFFSET = 3.0
"""Range of the direction sliders: latents have a length of about 11, little of it along any one
direction."""
_LEVELS = (-0.05, 0.12)
_WALK_INTERVAL = 1 / 15
"""Minimum number of seconds between two steps of a walk."""
_MAX_WALK_STEP = 0.5
"""Maximum number of seconds that a step of a walk makes up for."""


class GeneratorPage(LivePage[Controls]):
    """A page that shows a generator's shape for the positions of the controls.

    Args:
        page: An empty page.
        shapes: Of the generator.
        controls: Initial positions of the controls.
        training: Training shapes to search for the nearest one; None if there are none.
    """

    def __init__(
        self,
        page: Page,
        shapes: GeneratedShapes,
        controls: Controls,
        training: TrainingShapes | None = None,
    ) -> None:
        super().__init__(page, columns=2 if training else 1)
        self._shapes, self._training = shapes, training
        self.surface: Surface | None = None
        """The surface shown, once there is one."""
        self.nearest: TrainingShape | None = None
        """The training shape shown beside it."""
        self._add_controls(controls)
        self._closed = threading.Event()
        self._walker = threading.Thread(target=self._walk, name="walk", daemon=True)
        self.redraw()
        self._walker.start()

    def close(self) -> None:
        """End walking and drawing."""
        self._closed.set()
        self._walker.join()
        super().close()

    # --- controls --------------------------------------------------------------------------------

    def _read_controls(self) -> Controls:
        return Controls(
            seed=int(self.seed.value),
            other=int(self.other.value),
            blend=float(self.blend.value),
            truncation=float(self.truncation.value),
            offsets=tuple(float(slider.value) for slider in self.directions),
            level=float(self.level.value),
            resolution=int(self.resolution.value),
        )

    def _add_controls(self, initial: Controls) -> None:
        self._add_shape_controls(initial)
        self._add_surface_controls(initial)
        gui = self._page.server.gui
        with gui.add_folder("Mesh"):
            self.summary = gui.add_markdown("")
            self.format = gui.add_dropdown("Format", MESH_FORMATS, initial_value="glb")
            download = gui.add_button("Download")
        download.on_click(lambda event: self._download(event.client))

    def _add_shape_controls(self, initial: Controls) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Shape"):
            self.seed = gui.add_number("Seed A", initial.seed, min=0, step=1)
            self.other = gui.add_number("Seed B", initial.other, min=0, step=1)
            self.blend = gui.add_slider("A to B", 0.0, 1.0, 0.01, initial.blend)
            self.truncation = gui.add_slider("Truncation", 0.0, 2.0, 0.05, initial.truncation)
            following = gui.add_button("Next shapes")
        with gui.add_folder("Walk"):
            self.play = gui.add_checkbox("Play", initial_value=False)
            self.speed = gui.add_slider("Shapes per second", 0.05, 1.0, 0.05, 0.25)
        with gui.add_folder("Directions"):
            self.directions = [
                gui.add_slider(f"Direction {number + 1}", -_MAX_OFFSET, _MAX_OFFSET, 0.1, 0.0)
                for number in range(len(self._shapes.directions))
            ]
            reset = gui.add_button("Reset to 0")
        controls: list[Any] = [self.seed, self.other, self.blend, self.truncation]
        self.follow([*controls, *self.directions])
        following.on_click(lambda _: self._move(self._read_controls().walked(1.0)))
        reset.on_click(lambda _: self._reset_directions())

    def _add_surface_controls(self, initial: Controls) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Surface"):
            low, high = min(_LEVELS[0], initial.level), max(_LEVELS[1], initial.level)
            self.level = gui.add_slider("Level", low, high, 0.005, initial.level)
            sizes = sorted({*RESOLUTIONS, initial.resolution})
            self.resolution = gui.add_dropdown(
                "Resolution", [str(size) for size in sizes], initial_value=str(initial.resolution)
            )
        self.follow([self.level, self.resolution])

    def _move(self, controls: Controls) -> None:
        set_control(self.seed, controls.seed)
        set_control(self.other, controls.other)
        set_control(self.blend, controls.blend)

    def _reset_directions(self) -> None:
        for slider in self.directions:
            set_control(slider, 0.0)

    def _download(self, client: Any) -> None:
        surface, controls, suffix = self.surface, self._read_controls(), self.format.value
        if client is None or surface is None or surface.empty:
            return
        name = seed_name(controls.seed)
        if controls.blend:
            name += f"-{controls.other:06d}-{round(100 * controls.blend):03d}"
        content = encode_mesh(surface, suffix)
        client.send_file_download(f"{name}.{suffix}", content, save_immediately=True)

    # --- the work --------------------------------------------------------------------------------

    def _walk(self) -> None:
        before = time.monotonic()
        while not self._closed.wait(_WALK_INTERVAL):
            now, passed = time.monotonic(), time.monotonic() - before
            before = now
            if self.play.value and self._latest.idle:
                # A slow mesh slows the walk down; no shape is skipped.
                step = float(self.speed.value) * min(passed, _MAX_WALK_STEP)
                self._move(self._read_controls().walked(step))

    def _draw(self, state: Controls) -> None:
        started = time.monotonic()
        surface = self._shapes.surface(state)
        seconds = time.monotonic() - started
        nearest = None
        if self._training and not surface.empty:
            nearest = self._training.nearest(surface)
        page = self._page
        with page.atomic():
            page.mesh("generated", surface.vertices, surface.faces, 0, GENERATED_COLOR)
            if self._training:
                page.caption("generated", "generated", 0)
                self._show_nearest(nearest)
            self.summary.content = self._summary(state, surface, seconds, nearest)
        self.surface, self.nearest = surface, nearest

    def _show_nearest(self, nearest: TrainingShape | None) -> None:
        page = self._page
        if nearest is None:
            page.remove("nearest/mesh")
            page.remove("nearest/caption")
        elif self.nearest is None or nearest.index != self.nearest.index:
            page.mesh("nearest", nearest.surface.vertices, nearest.surface.faces, 1, CLAY)
            page.caption("nearest", "nearest training shape", 1)

    def _summary(
        self, controls: Controls, surface: Surface, seconds: float, nearest: TrainingShape | None
    ) -> str:
        if surface.empty:
            return f"Empty at level {controls.level:g}: raise the level, or choose other seeds."
        text = f"{len(surface.vertices):,} vertices, {len(surface.faces):,} faces, {seconds:.2f} s"
        if nearest is None or self._training is None:
            return text
        compared, total = self._training.compared, self._training.total
        of = f"{compared:,}" if compared == total else f"the first {compared:,} of {total:,}"
        return (
            f"{text}\n\nNearest of {of} training shapes:\n\n`{nearest.id}`\n\n"
            f"chamfer distance {nearest.chamfer:.5f}"
        )
