"""The pages in headless Chromium, drawn by the CPU: they load, alone, and controls reach shapes."""

import io
import os
import shutil
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from support.balls import Balls
from support.gallery import make_gallery

from shapegan.model.viewer.dataset_browser import DatasetBrowser
from shapegan.model.viewer.dataset_page import DatasetPage
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.generator_page import GeneratorPage
from shapegan.model.viewer.page import Page
from shapegan.pipeline.dataset.reader import Dataset

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MILLISECONDS = 120_000
WIDTH, HEIGHT, PANEL = 800, 480, 360
"""Of the window, and of its right part with the controls, pixels."""

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
        """Picture (H, W, 3) beside the controls."""
        clip = {"x": 0, "y": 0, "width": WIDTH - PANEL, "height": HEIGHT}
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
