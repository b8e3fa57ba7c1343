"""Clickable pictures beside the controls: thumbnails of shapes, and a map of latents.

A clicked picture writes the key of what was clicked into an invisible text field of the page,
because pictures of viser report no clicks. Keys and ids come from files, so all text is escaped.
"""

import base64
import html
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapegan.model.generation.latent_map import Colour, colours_of, dot_radius, place_of
from shapegan.model.viewer.page import Page, set_control
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.taxonomy import describe

MAP_SIDE = 600
"""Height and width of the map in units of its drawing; the page scales it to the panel."""
COLUMNS = 3
"""Thumbnails in a row."""
FIRST_COLOUR, SECOND_COLOUR = "#1c4e9c", "#d9730d"
"""Colours that mark shape A and shape B."""
_STYLE = (
    "<style>div:has(> .shapegan-clickable) + div {display: none}"
    " .shapegan-clickable {margin: 0 0.6em 0.6em; cursor: pointer; font-size: 0.75em}"
    " .shapegan-clickable figure {margin: 0; padding: 2px; border-radius: 4px; min-width: 0;"
    " position: relative}"
    " .shapegan-clickable figure > span {position: absolute; top: 1px; left: 5px; font-size: 1.2em}"
    " .shapegan-clickable figure:hover {background: #8882}"
    " .shapegan-clickable figcaption {overflow: hidden; text-overflow: ellipsis;"
    " white-space: nowrap; text-align: center}"
    " .shapegan-clickable img {width: 100%; display: block}</style>"
)
_WRITE = (
    "const field = this.parentElement.nextElementSibling.querySelector('input');"
    " Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')"
    ".set.call(field, chosen.dataset.key);"
    " field.dispatchEvent(new Event('input', {bubbles: true}));"
)
"""Writes a key as typing does: React notices a value that is set through the prototype."""
_CLICKED_FIGURE = "const chosen = event.target.closest('[data-key]'); if (!chosen) return; "
_NEAREST_DOT = (
    "const box = this.firstElementChild.getBoundingClientRect(), side = {side} / box.width;"
    " const x = (event.clientX - box.left) * side, y = (event.clientY - box.top) * side;"
    " let chosen, best = Infinity;"
    " for (const dot of this.querySelectorAll('[data-key]'))"
    " {{ const far = Math.hypot(dot.cx.baseVal.value - x, dot.cy.baseVal.value - y);"
    " if (far < best) {{ best = far; chosen = dot; }} }}"
    " if (y < 0 || y > {side} || !chosen) return; "
)


@dataclass(frozen=True)
class Thumbnail:
    """A small picture that can be clicked."""

    key: str
    """Reported when the picture is clicked."""
    caption: str
    title: str
    """Shown while the pointer rests on the picture."""
    picture: Picture
    """(P, P, 3) uint8."""


class Clickable:
    """A picture in the current tab or folder of the page's controls that reports clicks.

    Args:
        page: Of the picture.
        clicked: Called with the key of what was clicked, in a thread of the server.
    """

    def __init__(self, page: Page, clicked: Callable[[str], None]) -> None:
        self._html = page.server.gui.add_html("")
        self._field = page.server.gui.add_text("Clicked", "")
        self._clicked = clicked
        self._field.on_update(lambda _: self._report())

    def show(self, content: str) -> None:
        """Show a picture made by `thumbnails_html` or `map_html`."""
        # Browsers keep a picture that stays the same, so that nothing moves under the pointer.
        if content != self._html.content:
            self._html.content = content

    def _report(self) -> None:
        key = self._field.value
        if key:
            # An empty field notices when the same key is clicked again.
            set_control(self._field, "")
            self._clicked(key)


def thumbnails_html(thumbnails: Sequence[Thumbnail], first: str = "", second: str = "") -> str:
    """HTML of thumbnails in rows of `COLUMNS`.

    Args:
        thumbnails: In their order.
        first: Key of shape A, which is marked; empty: none.
        second: Key of shape B.
    """
    figures = "".join(_figure(one, _mark(one.key, first, second)) for one in thumbnails)
    style = f"display: grid; grid-template-columns: repeat({COLUMNS}, 1fr); gap: 5px"
    return _clickable(f'<div style="{style}">{figures}</div>', _CLICKED_FIGURE)


def map_html(
    places: NDArray[np.floating],
    dots: Mapping[str, tuple[str, str]],
    first: str = "",
    second: str = "",
) -> str:
    """HTML of a map of shapes, with a legend; a click reports the key of the nearest shape.

    Args:
        places: (S, 2) in [0, 1], see `latent_map.embed_latents`.
        dots: Key -> id and category of the S shapes, in the order of the places.
        first: Key of shape A, which is marked; empty: none.
        second: Key of shape B.
    """
    colours = colours_of([category for _, category in dots.values()])
    radius, circles, rings = 1.5 * dot_radius(len(places)), [], []
    for place, (key, (shape, category)) in zip(places, dots.items(), strict=True):
        x, y = place_of(place, MAP_SIDE)
        at = f'cx="{x:.1f}" cy="{y:.1f}"'
        title = html.escape(f"{shape}: {describe(category)}")
        look = f'r="{radius:.1f}" fill="rgb{colours[category]}" data-key="{html.escape(key)}"'
        circles.append(f"<circle {at} {look}><title>{title}</title></circle>")
        for letter, colour in _mark(key, first, second):
            # A white outline separates the letter from dots below it.
            look = f'fill="{colour}" stroke="white" paint-order="stroke"'
            text = f'<text x="{x + 15:.1f}" y="{y - 11:.1f}" {look}>{letter}</text>'
            rings.append(f'<circle {at} r="13" fill="none" stroke="{colour}"/>{text}')
    font = 'font-size="24" font-weight="bold" stroke-width="4"'
    picture = (
        f'<svg viewBox="0 0 {MAP_SIDE} {MAP_SIDE}" style="width: 100%; background: white">'
        f"{''.join(circles)}<g {font}>{''.join(rings)}</g></svg>"
    )
    legend = _legend(colours)
    return _clickable(f"{picture}<div>{legend}</div>", _NEAREST_DOT.format(side=MAP_SIDE))


def _legend(colours: Mapping[str, Colour]) -> str:
    """Dots with the names of the categories that do not share their colour with others."""
    uses = Counter(colours.values())
    named = {describe(name): colour for name, colour in colours.items() if uses[colour] == 1}
    shared = [colour for colour in uses if uses[colour] > 1]
    named |= dict(zip(["others"], shared, strict=False))
    return "".join(
        '<span style="white-space: nowrap; margin-right: 1em">'
        f'<span style="color: rgb{colour}">&#9679;</span> {html.escape(name)}</span> '
        for name, colour in named.items()
    )


def _mark(key: str, first: str, second: str) -> list[tuple[str, str]]:
    """Letters that mark a key, and their colours."""
    marks = (("A", first, FIRST_COLOUR), ("B", second, SECOND_COLOUR))
    return [(letter, colour) for letter, marked, colour in marks if key and key == marked]


def _figure(thumbnail: Thumbnail, marks: Sequence[tuple[str, str]]) -> str:
    encoded = io.BytesIO()
    Image.fromarray(thumbnail.picture).save(encoded, format="PNG")
    source = f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
    caption, title = html.escape(thumbnail.caption), html.escape(thumbnail.title)
    letters = "".join(f'<b style="color: {colour}">{letter} </b>' for letter, colour in marks)
    outline = f' style="outline: 2px solid {marks[0][1]}"' if marks else ""
    return (
        f'<figure data-key="{html.escape(thumbnail.key)}" title="{title}"{outline}>'
        f'<img src="{source}" alt="{caption}" draggable="false">'
        f"<span>{letters}</span><figcaption>{caption}</figcaption></figure>"
    )


def _clickable(content: str, choose: str) -> str:
    """HTML that runs `choose` on a click, which sets `chosen` or returns, and reports the key."""
    script = html.escape(choose + _WRITE)
    return f'{_STYLE}<div class="shapegan-clickable" onclick="{script}">{content}</div>'
