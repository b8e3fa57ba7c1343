"""The panel without a browser: the tests report clicks in its place."""

import time

import pytest
from support.balls import Balls, learned_balls

from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.page import Page, set_control
from shapegan.model.viewer.shape_panel import LEARNED, PER_PAGE, SEEDS, ShapePanel


@pytest.fixture
def page():
    page = Page("127.0.0.1", 0, "test")
    yield page
    page.close()


def open_panel(page, learned=()):
    picked = []
    shapes = GeneratedShapes(Balls(), learned=learned)
    panel = ShapePanel(page, shapes, lambda *choice: picked.append(choice))
    panel.follow(Controls())
    assert panel.wait_until_drawn(60)
    return panel, picked


def thumbnails(panel):
    return panel._thumbnails._html.content


def test_seeds_have_thumbnails_page_by_page(page):
    panel, picked = open_panel(page)
    assert panel.choices == tuple(range(PER_PAGE))
    assert thumbnails(panel).count("<figure") == PER_PAGE
    panel._turn_to(PER_PAGE)
    assert panel.wait_until_drawn(60)
    assert f'data-key="seed:{PER_PAGE}"' in thumbnails(panel)
    panel._turn_to(-1)
    assert panel.choices[0] == 0
    set_control(panel._thumbnails._field, "seed:7")
    set_control(panel.thumbnail_sets, "B")
    set_control(panel._thumbnails._field, "seed:9")
    assert picked == [(7, 0), (9, 1)]
    panel.close()


def test_learned_shapes_come_first_and_end_with_the_last_page(page):
    panel, picked = open_panel(page, learned_balls(PER_PAGE + 2))
    assert panel.kind.value == LEARNED
    panel._turn_to(PER_PAGE)
    panel._turn_to(2 * PER_PAGE)
    assert panel.choices == ("03001627/ball12", "lamps/ball13")
    assert panel.wait_until_drawn(60)
    assert thumbnails(panel).count("<figure") == 2
    set_control(panel._thumbnails._field, "id:lamps/ball13")
    assert picked == [("lamps/ball13", 0)]
    set_control(panel.kind, SEEDS)
    assert panel.choices[0] == 0
    panel.close()


def test_thumbnails_follow_level_and_truncation_alone(page):
    panel, _ = open_panel(page)
    request = panel._shown.request
    panel.follow(Controls(first=5, blend=0.5, resolution=128))
    assert panel.wait_until_drawn(60)
    assert panel._shown.request is request
    panel.follow(Controls(level=0.05))
    assert panel.wait_until_drawn(60)
    assert panel._shown.request.level == 0.05
    panel.close()


def test_the_map_marks_the_chosen_shapes_and_reports_clicks(page):
    panel, picked = open_panel(page, learned_balls(6))
    end = time.monotonic() + 60
    while "<svg" not in panel._map._html.content:
        panel.check()
        assert time.monotonic() < end
        time.sleep(0.05)
    assert panel._map._html.content.count('data-key="id:') == 6
    assert 'fill="none"' not in panel._map._html.content
    panel.follow(Controls(first="lamps/ball1", second="03001627/ball4"))
    assert panel._map._html.content.count('fill="none"') == 2
    set_control(panel._map._field, "id:lamps/ball5")
    set_control(panel.map_sets, "B")
    set_control(panel._map._field, "id:lamps/ball1")
    assert picked == [("lamps/ball5", 0), ("lamps/ball1", 1)]
    panel.close()


def test_too_few_learned_shapes_have_no_map(page):
    panel, _ = open_panel(page, learned_balls(3))
    assert not hasattr(panel, "_map")
    panel.close()


def test_an_error_of_the_map_is_raised_in_the_main_thread(page, monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr("shapegan.model.viewer.shape_panel.embed_latents", fail)
    panel, _ = open_panel(page, learned_balls(6))
    end = time.monotonic() + 60
    while panel._error is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(ZeroDivisionError):
        panel.check()
    panel.close()
