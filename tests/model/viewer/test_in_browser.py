"""The pages in headless Chromium, drawn by the CPU: they load, alone, and controls reach shapes."""

import io
import os
import shutil
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from support.balls import Balls, learned_balls
from support.films import read_film
from support.gallery import make_gallery

from shapegan.model.viewer import shape_panel
from shapegan.model.viewer.dataset_browser import DatasetBrowser
from shapegan.model.viewer.dataset_page import DatasetPage
from shapegan.model.viewer.film_recorder import RATE, THERE_AND_BACK
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.generator_page import GeneratorPage
from shapegan.model.viewer.page import Page, set_control
from shapegan.pipeline.dataset.reader import Dataset

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MILLISECONDS = 120_000
WIDTH, HEIGHT, PANEL = 1100, 480, 360
"""Of the window, and of its right part with the controls, pixels."""
LEFT = shape_panel.WIDTH + 20
"""Width of the left part with the thumbnails and the map, pixels."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    flags = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    # Chromium refuses its sandbox to root, who runs continuous integration.
    flags += ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=flags, timeout=MILLISECONDS
        )
        yield browser
        browser.close()


@pytest.fixture
def page():
    page = Page("127.0.0.1", 0, "test")
    yield page
    page.close()


class Visit:
    """A browser tab that blocks and records requests to other hosts."""

    def __init__(self, browser, address):
        self.outside, self.failures = [], []
        self.tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        self.tab.set_default_timeout(MILLISECONDS)
        self.tab.route("**/*", self._request)
        self.tab.on("websocket", lambda socket: self._note(socket.url))
        self.tab.on("pageerror", lambda error: self.failures.append(str(error)))
        self.tab.goto(address)

    def picture(self):
        """Picture (H, W, 3) between the panels."""
        clip = {"x": LEFT, "y": 0, "width": WIDTH - PANEL - LEFT, "height": HEIGHT}
        encoded = self.tab.screenshot(clip=clip)
        return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)

    def until(self, holds):
        """Wait until a condition holds, while the browser goes on."""
        end = time.monotonic() + MILLISECONDS / 1000
        while not holds():
            assert time.monotonic() < end
            self.tab.wait_for_timeout(100)

    def _note(self, url):
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.outside.append(url)
            return False
        return True

    def _request(self, route):
        if self._note(route.request.url):
            route.continue_()
        else:
            route.abort()


def drawn(picture):
    """Share of a picture that is neither white nor grey."""
    return (np.ptp(picture, axis=-1) > 25).mean()


def test_a_slider_changes_the_mesh_and_nothing_comes_from_outside(browser, page):
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=24))
    visit = Visit(browser, page.address)
    visit.until(lambda: drawn(visit.picture()) > 0.01)
    before, surface = visit.picture(), shown.surface
    # The first slider goes from shape A to shape B.
    visit.tab.get_by_role("slider").first.press("End")
    visit.until(lambda: shown.controls.blend.value == 1.0)
    visit.until(lambda: shown.surface is not surface)
    assert shown.surface.vertices.shape != surface.vertices.shape
    visit.until(lambda: (np.abs(visit.picture() - before).max(axis=-1) > 25).mean() > 0.002)
    with visit.tab.expect_download() as download:
        visit.tab.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "seed-000000-000001-100.glb"
    assert visit.outside == []
    assert visit.failures == []
    visit.tab.close()
    shown.close()


def test_a_clicked_thumbnail_is_shown(browser, page):
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=24))
    visit = Visit(browser, page.address)
    figures = visit.tab.locator("figure")
    figures.nth(4).wait_for()
    visit.until(lambda: drawn(visit.picture()) > 0.01)
    before = visit.picture()
    figures.nth(4).click()
    visit.until(lambda: shown.controls.read().first == 4)
    visit.until(lambda: (np.abs(visit.picture() - before).max(axis=-1) > 25).mean() > 0.002)
    # The field through which clicks are reported stays out of sight.
    assert not visit.tab.get_by_text("Clicked", exact=True).is_visible()
    # The same thumbnail again, after another shape.
    set_control(shown.controls.seeds[0], 7)
    figures.nth(4).click()
    visit.until(lambda: shown.controls.read().first == 4)
    visit.tab.get_by_text("Next", exact=True).click()
    visit.tab.get_by_text(f"seed {shape_panel.PER_PAGE}", exact=True).click()
    visit.until(lambda: shown.controls.read().first == shape_panel.PER_PAGE)
    assert visit.outside == []
    assert visit.failures == []
    visit.tab.close()
    shown.close()


def test_a_click_on_the_map_picks_the_nearest_learned_shape(browser, page):
    learned = learned_balls(8)
    shapes = GeneratedShapes(Balls(), learned=learned)
    shown = GeneratorPage(page, shapes, Controls(resolution=16))
    visit = Visit(browser, page.address)
    visit.tab.get_by_role("tab", name="Map").click()
    dots = visit.tab.locator("circle[data-key]")
    visit.until(lambda: dots.count() == len(learned))
    for number in (5, 2):
        # The map is drawn again, with a ring, when a shape was picked.
        visit.until(lambda number=number: dots.nth(number).bounding_box() is not None)
        visit.tab.wait_for_timeout(1000)
        box = dots.nth(number).bounding_box()
        # Beside the dot, which is a few pixels wide.
        visit.tab.mouse.click(box["x"] + box["width"] / 2 + 4, box["y"] + box["height"] / 2 - 3)
        visit.until(lambda number=number: shown.controls.read().first == learned[number].id)
    field = visit.tab.get_by_label("Learned A").first
    visit.until(lambda: field.input_value() == learned[2].id)
    visit.tab.get_by_role("tab", name="Shapes").click()
    visit.tab.locator("figure").filter(has_text="ball6").click()
    visit.until(lambda: shown.controls.read().first == learned[6].id)
    assert visit.outside == []
    assert visit.failures == []
    visit.tab.close()
    shown.close()


def test_a_film_of_two_generators_is_downloaded(browser, page, tmp_path):
    first = GeneratedShapes(Balls("one"))
    second = GeneratedShapes(Balls("two"), directions=first.directions)
    shown = GeneratorPage(page, first, Controls(resolution=16), compared=second)
    visit = Visit(browser, page.address)
    visit.until(lambda: drawn(visit.picture()) > 0.01)
    visit.until(lambda: two_colours(visit.picture()))
    set_control(shown.film.seconds, 1)
    set_control(shown.film.kind, THERE_AND_BACK)
    with visit.tab.expect_download() as download:
        visit.tab.get_by_role("button", name="Record").click()
    assert download.value.suggested_filename == "seed-000000-A-to-B-and-back.mp4"
    download.value.save_as(tmp_path / "film.mp4")
    report, film = read_film(tmp_path / "film.mp4")
    assert "Video: h264" in report
    film = film.astype(int)
    assert len(film) == RATE
    assert two_colours(film[0])
    assert (np.abs(film[RATE // 2] - film[0]).max(axis=-1) > 25).mean() > 0.002
    assert visit.outside == []
    assert visit.failures == []
    visit.tab.close()
    shown.close()


def two_colours(picture):
    """True if there are a blue and an orange shape."""
    red, _, blue = np.moveaxis(picture, -1, 0)
    return min((blue - red > 25).mean(), (red - blue > 25).mean()) > 0.002


def test_a_dataset_is_browsed_in_the_browser(browser, page, tmp_path):
    shown = DatasetPage(page, DatasetBrowser(Dataset(make_gallery(tmp_path))))
    visit = Visit(browser, page.address)
    visit.until(lambda: drawn(visit.picture()) > 0.01)
    visit.tab.get_by_text("Next", exact=True).click()
    visit.until(lambda: shown.view is not None and shown.view.entry.report.id == "ball1")
    visit.tab.get_by_text("ball1", exact=True).wait_for()
    assert visit.outside == []
    assert visit.failures == []
    visit.tab.close()
    shown.close()
