"""The page of a dataset: one mesh at a time, beside all that is stored of it."""

from dataclasses import dataclass

from shapegan.model.shapes.image_grid import GENERATED
from shapegan.model.viewer.dataset_browser import (
    ALL,
    Row,
    Shelf,
    first_slice,
    reconstruction,
    slice_at,
    told,
)
from shapegan.model.viewer.latest_only import Latest
from shapegan.model.viewer.page import Page, turn
from shapegan.pipeline.pictures.render import CLAY

_POINTS = (1024, 4096, 16384, 65536)
_SHOWN = 16384
"""Points at first."""
_THROUGH = 0.25
"""Opacity of the surface that stands round a slice."""


@dataclass(frozen=True)
class View:
    """What is asked for."""

    row: Row | None
    """None where no mesh is of the category and the status."""
    resolution: int | None
    """None where the dataset has no voxels."""
    level: float
    point_set: str | None
    count: int
    """Points."""
    x: float
    """Of the slice, cube frame."""


class DatasetPage:
    """Shows a dataset's meshes, and keeps up with the controls.

    Args:
        page: An empty one.
        shelf: The dataset.
    """

    def __init__(self, page: Page, shelf: Shelf) -> None:
        self._page, self._shelf = page, shelf
        self._rows = shelf.rows
        self.view: View | None = None
        """What is shown, once there is something."""
        self.faces = 0
        """Of the reconstruction that is shown."""
        self._shown: Row | None = None
        columns = 1 + 2 * bool(shelf.resolutions) + bool(shelf.point_sets)
        page.look(columns)
        self._add_controls()
        self._latest = Latest(self._draw)
        self._ask()

    def drawn(self, timeout: float | None = None) -> bool:
        """Whether the page shows what the controls say, within so many seconds."""
        return self._latest.wait(timeout)

    def check(self) -> None:
        """Raises what drawing ended with, if it did."""
        self._latest.check()

    def close(self) -> None:
        """Ends drawing."""
        self._latest.close()

    # --- controls --------------------------------------------------------------------------------

    def _add_controls(self) -> None:
        gui, shelf = self._page.server.gui, self._shelf
        with gui.add_folder("Browse"):
            self.category = gui.add_dropdown("Category", [ALL, *shelf.categories])
            self.status = gui.add_dropdown("Status", [ALL, *shelf.statuses])
            self.number = gui.add_slider("Mesh", 1, max(2, len(self._rows)), 1, 1)
            self.id = gui.add_text("Id", "", hint="Goes to the mesh whose id begins like this.")
            steps = gui.add_button_group("Go", ("Previous", "Next"))
            self.told = gui.add_markdown("")
        with gui.add_folder("Voxels", visible=bool(shelf.resolutions)):
            sizes = [str(size) for size in shelf.resolutions] or ["none"]
            self.resolution = gui.add_dropdown("Resolution", sizes, initial_value=sizes[-1])
            self.level = gui.add_slider("Level", -0.05, 0.12, 0.005, 0.0)
            self.x = gui.add_slider("Slice x", -1.0, 1.0, 0.01, 0.0)
            richest = gui.add_button("Richest slice")
        with gui.add_folder("Points", visible=bool(shelf.point_sets)):
            sets = list(shelf.point_sets) or ["none"]
            default = "surface" if "surface" in sets else sets[0]
            self.point_set = gui.add_dropdown("Set", sets, initial_value=default)
            counts = [str(count) for count in _POINTS]
            self.count = gui.add_dropdown("Count", counts, initial_value=str(_SHOWN))
            gui.add_markdown("Blue is inside, orange outside.")
        for control in (self.number, self.resolution, self.level, self.x, self.point_set):
            control.on_update(lambda _: self._ask())
        self.count.on_update(lambda _: self._ask())
        for filtering in (self.category, self.status):
            filtering.on_update(lambda _: self._filter())
        self.id.on_update(lambda _: self._find())
        steps.on_click(lambda _: self._step(1 if steps.value == "Next" else -1))
        richest.on_click(lambda _: self._to_richest())

    def _filter(self) -> None:
        self._rows = self._shelf.chosen(self.category.value, self.status.value)
        # A slider needs two ends; the second is then nobody's, and shows the first.
        self.number.max = max(2, len(self._rows))
        turn(self.number, 1)
        self._ask()

    def _find(self) -> None:
        wanted = self.id.value.strip()
        for place, row in enumerate(self._rows):
            # An id alone, or with the category before it.
            if wanted and wanted in (row.report.id[: len(wanted)], row.report.id.split("/")[-1]):
                turn(self.number, place + 1)
                return

    def _step(self, by: int) -> None:
        if self._rows:
            turn(self.number, (int(self.number.value) - 1 + by) % len(self._rows) + 1)

    def _to_richest(self) -> None:
        view = self.view
        if view and view.row and view.row.index is not None and view.resolution:
            turn(self.x, first_slice(self._shelf.voxels(view.row.index, view.resolution)))

    def _ask(self) -> None:
        rows, shelf = self._rows, self._shelf
        place = min(int(self.number.value), len(rows)) - 1
        self._latest.ask(
            View(
                rows[place] if rows else None,
                int(self.resolution.value) if shelf.resolutions else None,
                float(self.level.value),
                self.point_set.value if shelf.point_sets else None,
                int(self.count.value),
                float(self.x.value),
            )
        )

    # --- the work --------------------------------------------------------------------------------

    def _draw(self, view: View) -> None:
        with self._page.at_once():
            if view.row is None:
                self._clear(0)
                self.told.content = "No mesh is of this category and status."
            else:
                self._draw_row(view, view.row)
        self._shown, self.view = view.row, view

    def _draw_row(self, view: View, row: Row) -> None:
        if row is not self._shown:
            self._draw_original(row)
        if row.index is None:
            self._clear(1)
            return
        column = 1
        if view.resolution:
            self._draw_voxels(view, view.resolution, row.index)
            column = 3
        if view.point_set:
            name, page = view.point_set, self._page
            points = self._shelf.points(row.index, name, view.count)
            page.points("points", points.positions, points.colors, column)
            page.caption("points", f"{len(points.positions):,} {name} points", column)

    def _draw_original(self, row: Row) -> None:
        mesh, reason = self._shelf.original(row)
        self.told.content = told(row, self._rows)
        if mesh is None:
            self._page.remove("mesh/mesh")
            self._page.caption("mesh", reason, 0)
            return
        self._page.mesh("mesh", mesh.vertices, mesh.faces, 0, CLAY, smooth=False)
        self._page.caption("mesh", "mesh as it came", 0)

    def _draw_voxels(self, view: View, resolution: int, index: int) -> None:
        page, voxels = self._page, self._shelf.voxels(index, resolution)
        surface = reconstruction(voxels, view.level)
        page.mesh("voxels", surface.vertices, surface.faces, 1, GENERATED)
        page.caption("voxels", f"{resolution}^3 voxels" if len(surface.faces) else "no surface", 1)
        picture, x = slice_at(voxels, view.x)
        page.mesh("field", surface.vertices, surface.faces, 2, GENERATED, opacity=_THROUGH)
        page.slice("field", picture, x, 2)
        page.caption("field", f"slice x = {x:.2f}", 2)
        self.faces = len(surface.faces)

    def _clear(self, first: int) -> None:
        names = ["mesh/mesh", "mesh/caption", "voxels/mesh", "voxels/caption"]
        names += ["field/mesh", "field/slice", "field/caption", "points/points", "points/caption"]
        for name in names[2 * first :]:
            self._page.remove(name)
        self.faces = 0
