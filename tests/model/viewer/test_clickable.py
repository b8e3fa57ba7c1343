import html.parser

import numpy as np

from shapegan.model.viewer.clickable import (
    FIRST_COLOUR,
    MAP_SIDE,
    SECOND_COLOUR,
    Clickable,
    Thumbnail,
    map_html,
    thumbnails_html,
)
from shapegan.model.viewer.page import Page, set_control


class Elements(html.parser.HTMLParser):
    """All elements of some HTML with their attributes, and its text."""

    def __init__(self, content):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


EVIL = "\"><script>alert('x')</script>"
PICTURE = np.zeros((4, 4, 3), np.uint8)


def test_thumbnails_have_keys_and_the_chosen_ones_are_marked():
    thumbnails = [Thumbnail(f"seed:{n}", f"{n}", f"seed {n}", PICTURE) for n in range(3)]
    page = Elements(thumbnails_html(thumbnails, "seed:2", "seed:0"))
    figures = page.of("figure")
    assert [figure["data-key"] for figure in figures] == ["seed:0", "seed:1", "seed:2"]
    assert SECOND_COLOUR in figures[0]["style"]
    assert "style" not in figures[1]
    assert FIRST_COLOUR in figures[2]["style"]
    assert all(one["src"].startswith("data:image/png;base64,") for one in page.of("img"))


def test_a_map_has_a_dot_for_each_shape_and_a_legend():
    places = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.0]])
    dots = {"a": ("chair1", "03001627"), "b": ("lamp", "lamps"), "c": ("chair2", "03001627")}
    page = Elements(map_html(places, dots, "a", "b"))
    circles = [one for one in page.of("circle") if "data-key" in one]
    assert [one["data-key"] for one in circles] == ["a", "b", "c"]
    assert circles[0]["fill"] == circles[2]["fill"] != circles[1]["fill"]
    # The map's origin is at the bottom left.
    assert float(circles[0]["cy"]) > MAP_SIDE / 2 > float(circles[1]["cy"])
    rings = [one for one in page.of("circle") if "data-key" not in one]
    assert [one["stroke"] for one in rings] == [FIRST_COLOUR, SECOND_COLOUR]
    assert "03001627 (chair)" in page.text


def test_ids_and_categories_are_escaped():
    thumbnail = Thumbnail(EVIL, EVIL, EVIL, PICTURE)
    for content in (
        thumbnails_html([thumbnail]),
        map_html(np.zeros((1, 2)), {EVIL: (EVIL, EVIL)}, EVIL),
    ):
        page = Elements(content)
        assert page.of("script") == []
        keys = [one["data-key"] for _, one in page.found if "data-key" in one]
        assert keys == [EVIL]


def test_the_same_key_is_reported_at_each_click():
    page, clicked = Page("127.0.0.1", 0, "test"), []
    clickable = Clickable(page, clicked.append)
    for key in ("one", "one", "two"):
        set_control(clickable._field, key)
    assert clicked == ["one", "one", "two"]
    page.close()
