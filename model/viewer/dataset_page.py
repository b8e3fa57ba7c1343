"""The page of a dataset: one mesh at a time, beside everything stored for it."""

from dataclasses import dataclass
from typing import Any

from shapegan.model.shapes.image_grid import GENERATED_COLOR
from shapegan.model.viewer.dataset_browser import (
    ALL,
    DatasetBrowser,
    MeshEntry,
    richest_slice_position,
    slice_at,
    summary,
)
from shapegan.model.viewer.live_page import LivePage
from shapegan.model.viewer.page import Page, set_control
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.pictures.shading import CLAY

_COUNTS = (1024, 4096, 16384, 65536)
_DEFAULT_COUNT = 16384
"""Choices for the number of points."""
_OPACITY = 0.25
"""Opacity of the surface around a slice."""


@dataclass(frozen=True)
class DatasetView:
    """Positions of the controls."""

    entry: MeshEntry | None
    """None if no mesh has the category and the status."""
    resolution: int | None
    """None if the dataset has no voxels."""
    level: float
    point_set: str | None
    """None if the dataset has no points."""
    count: int
    """Number of points."""
    x: float
    """Position of the slice, cube frame."""


class DatasetPage(LivePage[DatasetView]):
    """A page that shows a dataset's meshes, one at a time.

    Args:
        page: An empty page.
        browser: Of the dataset.
    """

    def __init__(self, page: Page, browser: DatasetBrowser) -> None:
        columns = 1 + 2 * bool(browser.resolutions) + bool(browser.point_sets)
        super().__init__(page, columns)
        self._browser = browser
        self._entries = browser.entries
        self.view: DatasetView | None = None
        """The view shown, once there is one."""
        self.faces = 0
        """Faces of the reconstruction shown."""
        self._shown: MeshEntry | None = None
        self._add_browse_controls()
        self._add_voxel_controls()
        self._add_point_controls()
        self.redraw()

    # --- controls --------------------------------------------------------------------------------

    def _add_browse_controls(self) -> None:
        gui, browser = self._page.server.gui, self._browser
        with gui.add_folder("Browse"):
            self.category = gui.add_dropdown("Category", [ALL, *browser.categories])
            self.status = gui.add_dropdown("Status", [ALL, *browser.statuses])
            self.number = gui.add_slider("Mesh", 1, max(2, len(self._entries)), 1, 1)
            self.id = gui.add_text("Id", "", hint="Goes to the first mesh with this prefix.")
            steps = gui.add_button_group("Go", ("Previous", "Next"))
            self.summary = gui.add_markdown("")
        self.follow([self.number])
        filters: tuple[Any, ...] = (self.category, self.status)
        for control in filters:
            control.on_update(lambda _: self._filter())
        self.id.on_update(lambda _: self._find())
        steps.on_click(lambda _: self._step(1 if steps.value == "Next" else -1))

    def _add_voxel_controls(self) -> None:
        gui, browser = self._page.server.gui, self._browser
        with gui.add_folder("Voxels", visible=bool(browser.resolutions)):
            sizes = [str(size) for size in browser.resolutions] or ["none"]
            self.resolution = gui.add_dropdown("Resolution", sizes, initial_value=sizes[-1])
            self.level = gui.add_slider("Level", -0.05, 0.12, 0.005, 0.0)
            self.x = gui.add_slider("Slice x", -1.0, 1.0, 0.01, 0.0)
            richest = gui.add_button("Richest slice")
        self.follow([self.resolution, self.level, self.x])
        richest.on_click(lambda _: self._to_richest_slice())

    def _add_point_controls(self) -> None:
        gui, browser = self._page.server.gui, self._browser
        with gui.add_folder("Points", visible=bool(browser.point_sets)):
            sets = list(browser.point_sets) or ["none"]
            default = "surface" if "surface" in sets else sets[0]
            self.point_set = gui.add_dropdown("Set", sets, initial_value=default)
            counts = [str(count) for count in _COUNTS]
            self.count = gui.add_dropdown("Count", counts, initial_value=str(_DEFAULT_COUNT))
            gui.add_markdown("Blue is inside, orange outside.")
        self.follow([self.point_set, self.count])

    def _filter(self) -> None:
        self._entries = self._browser.filtered(self.category.value, self.status.value)
        # A slider needs two ends; with a single mesh, both ends show it.
        self.number.max = max(2, len(self._entries))
        set_control(self.number, 1)
        self.redraw()

    def _find(self) -> None:
        wanted = self.id.value.strip()
        for place, entry in enumerate(self._entries):
            # Matches a prefix of the id, or the whole id without its category.
            mesh_id = entry.report.id
            if wanted and wanted in (mesh_id[: len(wanted)], mesh_id.split("/")[-1]):
                set_control(self.number, place + 1)
                return

    def _step(self, by: int) -> None:
        if self._entries:
            set_control(self.number, (int(self.number.value) - 1 + by) % len(self._entries) + 1)

    def _to_richest_slice(self) -> None:
        view = self.view
        if view and view.entry and view.entry.index is not None and view.resolution:
            voxels = self._browser.voxels(view.entry.index, view.resolution)
            set_control(self.x, richest_slice_position(voxels))

    def _read_controls(self) -> DatasetView:
        entries, browser = self._entries, self._browser
        place = min(int(self.number.value), len(entries)) - 1
        return DatasetView(
            entries[place] if entries else None,
            int(self.resolution.value) if browser.resolutions else None,
            float(self.level.value),
            self.point_set.value if browser.point_sets else None,
            int(self.count.value),
            float(self.x.value),
        )

    # --- the work --------------------------------------------------------------------------------

    def _draw(self, state: DatasetView) -> None:
        with self._page.atomic():
            if state.entry is None:
                self._clear(0)
                self.summary.content = "No mesh has this category and status."
            else:
                self._draw_entry(state, state.entry)
        self._shown, self.view = state.entry, state

    def _draw_entry(self, view: DatasetView, entry: MeshEntry) -> None:
        if entry is not self._shown:
            self._draw_original(entry)
        if entry.index is None:
            self._clear(1)
            return
        column = 1
        if view.resolution:
            self._draw_voxels(view, view.resolution, entry.index)
            column = 3
        if view.point_set:
            name, page = view.point_set, self._page
            points = self._browser.points(entry.index, name, view.count)
            page.points("points", points.positions, points.colors, column)
            page.caption("points", f"{len(points.positions):,} {name} points", column)

    def _draw_original(self, entry: MeshEntry) -> None:
        mesh, reason = self._browser.original(entry)
        self.summary.content = summary(entry, self._entries)
        if mesh is None:
            self._page.remove("mesh/mesh")
            self._page.caption("mesh", reason, 0)
            return
        self._page.mesh("mesh", mesh.vertices, mesh.faces, 0, CLAY, smooth=False)
        self._page.caption("mesh", "input mesh", 0)

    def _draw_voxels(self, view: DatasetView, resolution: int, index: int) -> None:
        page, voxels = self._page, self._browser.voxels(index, resolution)
        vertices, faces = extract_surface(voxels, view.level)
        page.mesh("voxels", vertices, faces, 1, GENERATED_COLOR)
        page.caption("voxels", f"{resolution}^3 voxels" if len(faces) else "no surface", 1)
        picture, x = slice_at(voxels, view.x)
        page.mesh("field", vertices, faces, 2, GENERATED_COLOR, opacity=_OPACITY)
        page.slice("field", picture, x, 2)
        page.caption("field", f"slice x = {x:.2f}", 2)
        self.faces = len(faces)

    def _clear(self, first: int) -> None:
        """Remove everything from the columns, except the mesh if `first` is 1."""
        names = ["mesh/mesh", "mesh/caption", "voxels/mesh", "voxels/caption"]
        names += ["field/mesh", "field/slice", "field/caption", "points/points", "points/caption"]
        for name in names[2 * first :]:
            self._page.remove(name)
        self.faces = 0
