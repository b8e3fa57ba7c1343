"""What the sheets are made of: panels of words, and lettering that any text can be set in."""

import textwrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
"""(H, W, 3)."""

GREY = (105, 110, 120)
"""Colour of what is said beside the pictures."""

_NOTE_SIZE, _BACKGROUND = 14, (246, 246, 247)


def draw_note(text: str, size: int) -> Picture:
    """A picture (size, size, 3) that only says why there is none."""
    image = Image.new("RGB", (size, size), _BACKGROUND)
    lines = "\n".join(textwrap.wrap(printable(text), max(8, size // 8), break_on_hyphens=False))
    ImageDraw.Draw(image).multiline_text(
        (size / 2, size / 2), lines, GREY, font(_NOTE_SIZE), anchor="mm", align="center"
    )
    return np.asarray(image)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface of all sheets, so many pixels high."""
    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Without what no font can draw: a file name may hold bytes that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")
