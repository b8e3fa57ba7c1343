"""The page of a generator: sliders, a walk, and the nearest training shape beside it."""

import threading
import time
from typing import Any

from shapegan.model.shapes.image_grid import GENERATED
from shapegan.model.shapes.surface import Surface
from shapegan.model.viewer.generated import FORMATS, Controls, Shapes, encoded
from shapegan.model.viewer.latest_only import Latest
from shapegan.model.viewer.nearest import Found, Nearest
from shapegan.model.viewer.page import Page, turn
from shapegan.pipeline.pictures.render import CLAY

RESOLUTIONS = (16, 32, 48, 64, 96, 128, 192, 256)

_REACH = 3.0
"""How far direction sliders go: latents are some 11 long, and one direction has little of that."""
_LEVELS = (-0.05, 0.12)
_FRAME = 1 / 15
"""Seconds between two steps of a walk, at least."""


class GeneratorPage:
    """Shows what a generator makes of the controls, and keeps up with them.

    Args:
        page: An empty one.
        shapes: Of the generator.
        controls: Where the sliders stand at first.
        nearest: The training shapes; None where they are not known.
    """

    def __init__(
        self, page: Page, shapes: Shapes, controls: Controls, nearest: Nearest | None = None
    ) -> None:
        self._page, self._shapes, self._nearest = page, shapes, nearest
        self.surface: Surface | None = None
        """What is shown, once there is something."""
        self.found: Found | None = None
        """What stands beside it."""
        page.look(2 if nearest else 1)
        self._add_controls(controls)
        self._latest = Latest(self._draw)
        self._closed = threading.Event()
        self._walker = threading.Thread(target=self._walk, name="walk", daemon=True)
        self._latest.ask(self.controls)
        self._walker.start()

    @property
    def controls(self) -> Controls:
        """Where the sliders stand."""
        return Controls(
            seed=int(self.seed.value),
            other=int(self.other.value),
            blend=float(self.blend.value),
            truncation=float(self.truncation.value),
            offsets=tuple(float(slider.value) for slider in self.directions),
            level=float(self.level.value),
            resolution=int(self.resolution.value),
        )

    def drawn(self, timeout: float | None = None) -> bool:
        """Whether the page shows what the controls say, within so many seconds."""
        return self._latest.wait(timeout)

    def check(self) -> None:
        """Raises what drawing ended with, if it did."""
        self._latest.check()

    def close(self) -> None:
        """Ends walking and drawing."""
        self._closed.set()
        self._walker.join()
        self._latest.close()

    # --- controls --------------------------------------------------------------------------------

    def _add_controls(self, at: Controls) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Shape"):
            self.seed = gui.add_number("Seed A", at.seed, min=0, step=1)
            self.other = gui.add_number("Seed B", at.other, min=0, step=1)
            self.blend = gui.add_slider("A to B", 0.0, 1.0, 0.01, at.blend)
            self.truncation = gui.add_slider("Truncation", 0.0, 2.0, 0.05, at.truncation)
            following = gui.add_button("Next shapes")
        with gui.add_folder("Walk"):
            self.play = gui.add_checkbox("Play", initial_value=False)
            self.speed = gui.add_slider("Shapes a second", 0.05, 1.0, 0.05, 0.25)
        with gui.add_folder("Directions"):
            self.directions = [
                gui.add_slider(f"Direction {number + 1}", -_REACH, _REACH, 0.1, 0.0)
                for number in range(len(self._shapes.directions))
            ]
            centre = gui.add_button("Back to 0")
        with gui.add_folder("Surface"):
            low, high = min(_LEVELS[0], at.level), max(_LEVELS[1], at.level)
            self.level = gui.add_slider("Level", low, high, 0.005, at.level)
            sizes = sorted({*RESOLUTIONS, at.resolution})
            self.resolution = gui.add_dropdown(
                "Resolution", [str(size) for size in sizes], initial_value=str(at.resolution)
            )
        with gui.add_folder("Mesh"):
            self.told = gui.add_markdown("")
            self.format = gui.add_dropdown("Format", FORMATS)
            download = gui.add_button("Download")
        sliders: list[Any] = [self.seed, self.other, self.blend, self.truncation]
        for control in [*sliders, *self.directions, self.level, self.resolution]:
            control.on_update(lambda _: self._latest.ask(self.controls))
        following.on_click(lambda _: self._move(self.controls.walked(1.0)))
        centre.on_click(lambda _: self._centre())
        download.on_click(lambda event: self._download(event.client))

    def _move(self, controls: Controls) -> None:
        turn(self.seed, controls.seed)
        turn(self.other, controls.other)
        turn(self.blend, controls.blend)

    def _centre(self) -> None:
        for slider in self.directions:
            turn(slider, 0.0)

    def _download(self, client: Any) -> None:
        surface, controls, suffix = self.surface, self.controls, self.format.value
        if client is None or surface is None or surface.empty:
            return
        name = f"seed-{controls.seed:06d}"
        if controls.blend:
            name += f"-{controls.other:06d}-{round(100 * controls.blend):03d}"
        client.send_file_download(
            f"{name}.{suffix}", encoded(surface, suffix), save_immediately=True
        )

    # --- the work --------------------------------------------------------------------------------

    def _walk(self) -> None:
        before = time.monotonic()
        while not self._closed.wait(_FRAME):
            now, passed = time.monotonic(), time.monotonic() - before
            before = now
            if self.play.value and self._latest.ready:
                # A slow mesh makes the walk slow, and no shape is jumped over.
                step = float(self.speed.value) * min(passed, 0.5)
                self._move(self.controls.walked(step))

    def _draw(self, controls: Controls) -> None:
        started = time.monotonic()
        surface = self._shapes.surface(controls)
        seconds = time.monotonic() - started
        found = None
        if self._nearest and not surface.empty:
            found = self._nearest.find(surface)
        page = self._page
        with page.at_once():
            page.mesh("generated", surface.vertices, surface.faces, 0, GENERATED)
            if self._nearest:
                page.caption("generated", "generated", 0)
                self._show_nearest(found)
            self.told.content = self._tell(controls, surface, seconds, found)
        self.surface, self.found = surface, found

    def _show_nearest(self, found: Found | None) -> None:
        page = self._page
        if found is None:
            page.remove("nearest/mesh")
            page.remove("nearest/caption")
        elif self.found is None or found.index != self.found.index:
            page.mesh("nearest", found.surface.vertices, found.surface.faces, 1, CLAY)
            page.caption("nearest", "nearest training shape", 1)

    def _tell(
        self, controls: Controls, surface: Surface, seconds: float, found: Found | None
    ) -> str:
        if surface.empty:
            return f"Empty at level {controls.level:g}: raise the level, or take other seeds."
        told = f"{len(surface.vertices):,} vertices, {len(surface.faces):,} faces, {seconds:.2f} s"
        if found is None or self._nearest is None:
            return told
        compared, there = self._nearest.compared, self._nearest.all
        of = f"{compared:,}" if compared == there else f"the first {compared:,} of {there:,}"
        return (
            f"{told}\n\nNearest of {of} training shapes:\n\n`{found.id}`\n\n"
            f"chamfer distance {found.chamfer:.5f}"
        )
