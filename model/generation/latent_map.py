"""Map of learned latents by t-SNE (van der Maaten and Hinton 2008)."""

import colorsys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.manifold import TSNE
from torch import Tensor

from shapegan.pipeline.pictures.panel import Picture, font, printable
from shapegan.pipeline.taxonomy import describe

MIN_LATENTS = 4
"""t-SNE needs a few neighbours for each latent."""

MAP_SIZE = 800
"""Height and width of a map without its legend, pixels."""
_SIZE, _MARGIN, _TEXT = MAP_SIZE, 40, 16
_DOT, _MIN_DOT, _FULL_DOTS = 4.0, 1.2, 500
"""Radius of dots, the smallest one, and the number of dots from which on they shrink."""
_MAX_LISTED = 24
"""Categories in the legend: those with the most shapes."""
_SCALE = 2
"""The map is drawn this much larger and scaled down, for antialiasing."""
_GREY, _DARK = (150, 150, 150), (40, 44, 52)

Colour = tuple[int, int, int]


def embed_latents(latents: Tensor, seed: int = 0, *, verbose: bool = False) -> NDArray[np.float64]:
    """Embed latents in the plane by t-SNE, initialised with their principal components.

    Args:
        latents: (S, Z), at least `MIN_LATENTS`.
        seed: Of t-SNE.
        verbose: Print the progress of t-SNE to standard output, a line every 50 iterations.

    Returns:
        (S, 2), scaled to [0, 1] along each axis.

    Raises:
        ValueError: for fewer than `MIN_LATENTS` latents.
    """
    if len(latents) < MIN_LATENTS:
        raise ValueError(f"expected {MIN_LATENTS} latents or more, got {len(latents)}")
    # 30 is the usual perplexity; it has to be well below the number of latents.
    perplexity = min(30.0, (len(latents) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed, verbose=2 * verbose)
    places = tsne.fit_transform(latents.detach().cpu().double().numpy())
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - low) / np.maximum(high - low, 1e-12), dtype=np.float64)


def draw_map(places: NDArray[np.floating], categories: Sequence[str]) -> Picture:
    """Draw an embedding as dots, coloured by category, with a legend.

    Args:
        places: (S, 2) in [0, 1].
        categories: S categories.

    Returns:
        (H, W, 3) uint8.
    """
    return add_legend(draw_dots(places, categories), categories)


def add_legend(square: Picture, categories: Sequence[str]) -> Picture:
    """Add the categories' colours and numbers of shapes to a map of `draw_dots`, on the right."""
    picture = Image.new("RGB", (_SIZE + 260, _SIZE), "white")
    picture.paste(Image.fromarray(square), (0, 0))
    counts, colours = Counter(categories), colours_of(categories)
    listed = {name: colours[name] for name, _ in counts.most_common(_MAX_LISTED)}
    _write_legend(ImageDraw.Draw(picture), listed, counts)
    return np.asarray(picture)


def draw_dots(places: NDArray[np.floating], categories: Sequence[str]) -> Picture:
    """Draw an embedding as dots alone: (MAP_SIZE, MAP_SIZE, 3); many dots are smaller."""
    colours, side = colours_of(categories), _SIZE * _SCALE
    dots = Image.new("RGB", (side, side), "white")
    pen, radius = ImageDraw.Draw(dots), dot_radius(len(places))
    for place, name in zip(places, categories, strict=True):
        pen.circle(place_of(place, side), radius * _SCALE, colours[name])
    return np.asarray(dots.resize((_SIZE, _SIZE), Image.Resampling.BOX))


def dot_radius(count: int) -> float:
    """Radius of each of so many dots, pixels; above some hundreds their area shrinks."""
    shrunk: float = _DOT * min(1.0, (_FULL_DOTS / max(1, count)) ** 0.5)
    return max(_MIN_DOT, shrunk)


def place_of(place: NDArray[np.floating], side: int) -> tuple[float, float]:
    """Pixel of a place (2,) in [0, 1] on a square map of some height and width."""
    margin = _MARGIN * side / _SIZE
    room = side - 2 * margin
    return margin + room * float(place[0]), margin + room * (1 - float(place[1]))


def colours_of(categories: Sequence[str]) -> dict[str, Colour]:
    """Colour of each category; those of the fewest shapes share one."""
    listed = [name for name, _ in Counter(categories).most_common(_MAX_LISTED)]
    hues = {name: _hue(number, len(listed)) for number, name in enumerate(listed)}
    return dict.fromkeys(categories, _GREY) | hues


def _write_legend(
    pen: ImageDraw.ImageDraw, colours: dict[str, Colour], counts: Counter[str]
) -> None:
    lines = [(f"{describe(name)}: {counts[name]:,}", colour) for name, colour in colours.items()]
    others = sum(counts.values()) - sum(counts[name] for name in colours)
    if others:
        lines.append((f"others: {others:,}", _GREY))
    for row, (text, colour) in enumerate(lines):
        y = _MARGIN + 26 * row
        pen.circle((_SIZE + 10, y), 6, colour)
        pen.text((_SIZE + 24, y), printable(text), _DARK, font(_TEXT), anchor="lm")


def _hue(number: int, of: int) -> Colour:
    # Adjacent hues are hard to distinguish, so every second one is darker.
    red, green, blue = colorsys.hsv_to_rgb(number / of, 0.75, 0.85 if number % 2 == 0 else 0.6)
    return round(255 * red), round(255 * green), round(255 * blue)
