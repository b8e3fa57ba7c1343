"""The controls of a generator's shape: two shapes and a blend, a walk, directions, the surface."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shapegan.model.viewer.generated_shapes import Choice, Controls
from shapegan.model.viewer.page import Page, set_control

RESOLUTIONS = (16, 32, 48, 64, 96, 128, 192, 256)
SEED = "(seed)"
"""Option of the list of learned shapes that leaves the choice to the seed."""

_MAX_OFFSET = 3.0
"""Range of the direction sliders: latents have a length of about 11, little of it along any one
direction."""
_LEVELS = (-0.05, 0.12)
_WALK_INTERVAL = 1 / 15
"""Minimum number of seconds between two steps of a walk."""
_MAX_WALK_STEP = 0.5
"""Maximum number of seconds that a step of a walk makes up for."""


class ShapeControls:
    """Controls of a generator's shape in the page's main panel.

    Args:
        page: Of the controls.
        initial: Their initial positions.
        directions: Number of principal directions.
        learned: Ids of the learned shapes, in their order; none if there are none.
    """

    def __init__(
        self, page: Page, initial: Controls, directions: int, learned: Sequence[str] = ()
    ) -> None:
        self._page, self._learned = page, learned
        self._add_shape(initial)
        self._add_walk()
        self._add_directions(directions)
        self._add_surface(initial)
        self._closed = threading.Event()
        self._walker = threading.Thread(target=self._walk, name="walk", daemon=True)
        self._idle: Callable[[], bool] = lambda: False

    def _add_shape(self, initial: Controls) -> None:
        gui, listed = self._page.server.gui, [SEED, *self._learned]
        hint = None if not self._learned else "Id of a learned shape, in place of the seed."
        with gui.add_folder("Shape"):
            self.seeds = [
                gui.add_number(f"Seed {letter}", number, min=0, step=1)
                for letter, number in (("A", 0), ("B", 1))
            ]
            self.learned = [
                gui.add_dropdown(f"Learned {letter}", listed, hint=hint, visible=bool(hint))
                for letter in "AB"
            ]
            self.blend = gui.add_slider("A to B", 0.0, 1.0, 0.01, initial.blend)
            self.truncation = gui.add_slider("Truncation", 0.0, 2.0, 0.05, initial.truncation)
            following = gui.add_button("Next shapes")
        self._choose(initial.choices)
        for seed, learned in zip(self.seeds, self.learned, strict=True):
            _leave_choice_to(seed, learned)
        following.on_click(lambda _: self.move(self.read().walked(1.0, self._learned)))

    def _add_walk(self) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Walk"):
            self.play = gui.add_checkbox("Play", initial_value=False)
            self.speed = gui.add_slider("Shapes per second", 0.05, 1.0, 0.05, 0.25)

    def _add_directions(self, count: int) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Directions", expand_by_default=False):
            self.directions = [
                gui.add_slider(f"Direction {number + 1}", -_MAX_OFFSET, _MAX_OFFSET, 0.1, 0.0)
                for number in range(count)
            ]
            reset = gui.add_button("Reset to 0")
        reset.on_click(lambda _: self._reset_directions())

    def _add_surface(self, initial: Controls) -> None:
        gui = self._page.server.gui
        with gui.add_folder("Surface"):
            low, high = min(_LEVELS[0], initial.level), max(_LEVELS[1], initial.level)
            self.level = gui.add_slider("Level", low, high, 0.005, initial.level)
            sizes = sorted({*RESOLUTIONS, initial.resolution})
            self.resolution = gui.add_dropdown(
                "Resolution", [str(size) for size in sizes], initial_value=str(initial.resolution)
            )

    @property
    def all(self) -> Iterable[Any]:
        """The controls that change the shape."""
        sliders = (self.blend, self.truncation, *self.directions, self.level)
        return (*self.seeds, *self.learned, *sliders, self.resolution)

    def read(self) -> Controls:
        """Positions of the controls."""
        first, second = (
            int(seed.value) if learned.value == SEED else learned.value
            for seed, learned in zip(self.seeds, self.learned, strict=True)
        )
        return Controls(
            first=first,
            second=second,
            blend=float(self.blend.value),
            truncation=float(self.truncation.value),
            offsets=tuple(float(slider.value) for slider in self.directions),
            level=float(self.level.value),
            resolution=int(self.resolution.value),
        )

    def move(self, controls: Controls) -> None:
        """Set the two shapes and the blend to those of other positions."""
        self._choose(controls.choices)
        set_control(self.blend, controls.blend)

    def pick(self, choice: Choice, place: int) -> None:
        """Choose shape A, place 0, or shape B, place 1, and show it unblended."""
        now = self.read()
        first, second = (choice, now.second) if place == 0 else (now.first, choice)
        self.move(dataclasses.replace(now, first=first, second=second, blend=float(place)))

    def _choose(self, choices: tuple[Choice, Choice]) -> None:
        for choice, seed, learned in zip(choices, self.seeds, self.learned, strict=True):
            if isinstance(choice, int):
                set_control(seed, choice)
            set_control(learned, SEED if isinstance(choice, int) else choice)

    def _reset_directions(self) -> None:
        for slider in self.directions:
            set_control(slider, 0.0)

    # --- the walk --------------------------------------------------------------------------------

    def start_walking(self, idle: Callable[[], bool]) -> None:
        """Walk while `Play` is checked, a step whenever `idle` holds."""
        self._idle = idle
        self._walker.start()

    def close(self) -> None:
        """End walking."""
        self._closed.set()
        self._walker.join()

    def _walk(self) -> None:
        before = time.monotonic()
        while not self._closed.wait(_WALK_INTERVAL):
            now, passed = time.monotonic(), time.monotonic() - before
            before = now
            if self.play.value and self._idle():
                # A slow mesh slows the walk down; no shape is skipped.
                step = float(self.speed.value) * min(passed, _MAX_WALK_STEP)
                self.move(self.read().walked(step, self._learned))


def _leave_choice_to(seed: Any, learned: Any) -> None:
    """Show the shape of a seed once its number changes."""
    seed.on_update(lambda _: set_control(learned, SEED))
