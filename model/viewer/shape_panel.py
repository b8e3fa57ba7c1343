"""The panel of shapes to pick: thumbnails, and a map of learned latents."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shapegan.model.generation.latent_map import MIN_LATENTS, embed_latents
from shapegan.model.generation.learned import LearnedShape, latents_of
from shapegan.model.shapes.image_grid import camera_of, draw_shapes
from shapegan.model.viewer.clickable import Clickable, Thumbnail, map_html, thumbnails_html
from shapegan.model.viewer.generated_shapes import Choice, Controls, GeneratedShapes
from shapegan.model.viewer.latest_only import LatestOnly
from shapegan.model.viewer.page import Page
from shapegan.pipeline.pictures.panel import Picture

WIDTH = 300
"""Width of the panel, pixels."""
PER_PAGE = 12
"""Thumbnails shown at once."""
SEEDS, LEARNED = "seeds", "learned shapes"
_CLICK_SETS, _LETTERS = "Click sets", ("A", "B")
"""Label and options of the choice which of the two shapes a click sets."""
_RESOLUTION, _SIZE = 32, 112
"""Grid points along each axis, and height and width of thumbnails, pixels."""
_SEED_KEY, _ID_KEY = "seed:", "id:"
"""Beginnings of keys, so that an id is never mistaken for a seed."""


@dataclass(frozen=True)
class ThumbnailRequest:
    """Shapes to draw small; two equal requests give the same pictures."""

    choices: tuple[Choice, ...]
    truncation: float
    level: float


@dataclass
class _Shown:
    """Present content of the panel."""

    request: ThumbnailRequest | None = None
    pictures: list[Picture] = field(default_factory=list)
    chosen: tuple[Choice, Choice] = (0, 1)
    places: NDArray[np.float64] | None = None
    """(S, 2), places of the learned shapes on the map, once they are known."""


class ShapePanel:
    """Thumbnails of seeds and learned shapes, and the map of learned shapes.

    Args:
        page: To add the panel to.
        shapes: Shapes of the generator.
        picked: Called with a shape that was clicked, and 0 to use it as A or 1 as B.
    """

    def __init__(
        self, page: Page, shapes: GeneratedShapes, picked: Callable[[Choice, int], None]
    ) -> None:
        self._page, self._shapes, self._picked = page, shapes, picked
        self._learned = list(shapes.learned.values())
        self._start, self._shown, self._closed = 0, _Shown(), False
        self._lock = threading.RLock()
        self._error: Exception | None = None
        self._controls = Controls()
        self.panel = page.add_panel(WIDTH)
        with self.panel.add_tab("Shapes"):
            self._add_thumbnails()
        if self._learned:
            with self.panel.add_tab("Map"):
                self._add_map()
        self._latest = LatestOnly(self._draw_thumbnails)

    def _add_thumbnails(self) -> None:
        gui = self._page.server.gui
        self.kind = gui.add_dropdown(
            "Show",
            (SEEDS, LEARNED),
            visible=bool(self._learned),
            initial_value=LEARNED if self._learned else SEEDS,
        )
        self.thumbnail_sets = gui.add_dropdown(_CLICK_SETS, _LETTERS)
        self._thumbnails = Clickable(
            self._page, lambda key: self._pick(key, self.thumbnail_sets.value)
        )
        steps = gui.add_button_group("Go", ("Previous", "Next"))
        self.kind.on_update(lambda _: self._turn_to(0))
        steps.on_click(
            lambda _: self._turn_to(self._start + PER_PAGE * (1 if steps.value == "Next" else -1))
        )

    def _add_map(self) -> None:
        gui = self._page.server.gui
        count = len(self._learned)
        if count < MIN_LATENTS:
            gui.add_markdown(f"A map takes {MIN_LATENTS} learned shapes, and there are {count}.")
            return
        self._note = gui.add_markdown(f"Arranging {count:,} learned shapes by t-SNE ...")
        self.map_sets = gui.add_dropdown(_CLICK_SETS, _LETTERS)
        self._map = Clickable(self._page, lambda key: self._pick(key, self.map_sets.value))
        # A thread of its own, which nobody waits for: t-SNE of thousands of shapes takes minutes.
        threading.Thread(target=self._embed, name="map", daemon=True).start()

    def follow(self, controls: Controls) -> None:
        """Mark the chosen shapes, and draw the thumbnails again if their settings changed."""
        with self._lock:
            self._controls, self._shown.chosen = controls, controls.choices
        self._submit()
        self._refresh()

    def check(self) -> None:
        """Raise the error that ended the drawing, if any."""
        self._latest.check()
        if self._error is not None:
            raise self._error

    def wait_until_drawn(self, timeout: float | None = None) -> bool:
        """Wait until the thumbnails are drawn; see `LatestOnly.wait`."""
        return self._latest.wait(timeout)

    def close(self) -> None:
        """End the drawing; a map that is still being arranged is not shown."""
        with self._lock:
            self._closed = True
        self._latest.close()

    # --- what is shown ---------------------------------------------------------------------------

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Shapes on the present page of thumbnails."""
        if self.kind.value == SEEDS:
            return tuple(range(self._start, self._start + PER_PAGE))
        ids = [shape.id for shape in self._learned]
        return tuple(ids[self._start : self._start + PER_PAGE])

    def _turn_to(self, start: int) -> None:
        last = len(self._learned) - 1 if self.kind.value == LEARNED else start
        self._start = max(0, min(start, last // PER_PAGE * PER_PAGE))
        self._submit()

    def _submit(self) -> None:
        controls = self._controls
        request = ThumbnailRequest(self.choices, controls.truncation, controls.level)
        self._latest.submit(request)

    def _draw_thumbnails(self, request: ThumbnailRequest) -> None:
        if request == self._shown.request:
            return
        surfaces = [
            self._shapes.surface(
                Controls(choice, choice, 0.0, request.truncation, (), request.level, _RESOLUTION)
            )
            for choice in request.choices
        ]
        camera, device = camera_of(surfaces), self._shapes.warp_device
        pictures = [draw_shapes([one], 1, _SIZE, camera, device=device) for one in surfaces]
        with self._lock:
            self._shown.request, self._shown.pictures = request, pictures
        self._refresh()

    def _embed(self) -> None:
        try:
            places = embed_latents(latents_of(self._learned))
        except Exception as error:  # `check` raises it in the main thread
            self._error = error
            return
        with self._lock:
            if self._closed:
                return
            self._shown.places = places
            self._note.content = "A click picks the nearest learned shape."
            self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            shown = self._shown
            marks = [_key(choice) for choice in shown.chosen]
            if shown.request is not None:
                pairs = zip(shown.request.choices, shown.pictures, strict=True)
                thumbnails = [_thumbnail(one, picture) for one, picture in pairs]
                self._thumbnails.show(thumbnails_html(thumbnails, *marks))
            if shown.places is not None:
                self._map.show(map_html(shown.places, _by_key(self._learned), *marks))

    def _pick(self, key: str, letter: str) -> None:
        choice: Choice = key.removeprefix(_ID_KEY)
        if key.startswith(_SEED_KEY):
            choice = int(key.removeprefix(_SEED_KEY))
        self._picked(choice, _LETTERS.index(letter))


def _key(choice: Choice) -> str:
    return f"{_SEED_KEY if isinstance(choice, int) else _ID_KEY}{choice}"


def _thumbnail(choice: Choice, picture: Picture) -> Thumbnail:
    title = f"seed {choice}" if isinstance(choice, int) else choice
    return Thumbnail(_key(choice), title.rsplit("/", 1)[-1], title, picture)


def _by_key(learned: Sequence[LearnedShape]) -> dict[str, tuple[str, str]]:
    """Key -> id and category."""
    return {_key(shape.id): (shape.id, shape.category) for shape in learned}
