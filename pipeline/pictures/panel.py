"""Text in pictures: notes instead of a picture, the font, printable text."""

import textwrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
"""(H, W, 3)."""

GREY = (105, 110, 120)
"""Colour of captions."""

_NOTE_SIZE, _BACKGROUND = 14, (246, 246, 247)


def draw_note(text: str, size: int) -> Picture:
    """Draw a text on a blank picture (size, size, 3), in place of one that cannot be drawn."""
    image = Image.new("RGB", (size, size), _BACKGROUND)
    lines = "\n".join(textwrap.wrap(printable(text), max(8, size // 8), break_on_hyphens=False))
    ImageDraw.Draw(image).multiline_text(
        (size / 2, size / 2), lines, GREY, font(_NOTE_SIZE), anchor="mm", align="center"
    )
    return np.asarray(image)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of all pictures, `size` pixels high."""
    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Replace characters that no font can draw: file names may hold bytes that are not text."""
    return text.encode("utf-8", "replace").decode("utf-8")
