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

_SIZE, _MARGIN, _DOT, _TEXT = 800, 40, 4, 16
_MAX_LISTED = 24
"""Categories in the legend: those with the most shapes."""
_SCALE = 2
"""The map is drawn this much larger and scaled down, for antialiasing."""
_GREY, _DARK = (150, 150, 150), (40, 44, 52)

Colour = tuple[int, int, int]


def embed_latents(latents: Tensor, seed: int = 0) -> NDArray[np.float64]:
    """Embed latents in the plane by t-SNE, initialised with their principal components.

    Args:
        latents: (S, Z), at least `MIN_LATENTS`.
        seed: Of t-SNE.

    Returns:
        (S, 2), scaled to [0, 1] along each axis.

    Raises:
        ValueError: for fewer than `MIN_LATENTS` latents.
    """
    if len(latents) < MIN_LATENTS:
        raise ValueError(f"expected {MIN_LATENTS} latents or more, got {len(latents)}")
    # 30 is the usual perplexity; it has to be well below the number of latents.
    perplexity = min(30.0, (len(latents) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
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
    counts = Counter(categories)
    listed = [name for name, _ in counts.most_common(_MAX_LISTED)]
    colours = {name: _hue(number, len(listed)) for number, name in enumerate(listed)}
    side = _SIZE * _SCALE
    dots = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(dots)
    room = side - 2 * _MARGIN * _SCALE
    for (x, y), name in zip(places, categories, strict=True):
        at = (_MARGIN * _SCALE + room * x, _MARGIN * _SCALE + room * (1 - y))
        pen.circle(at, _DOT * _SCALE, colours.get(name, _GREY))
    picture = Image.new("RGB", (_SIZE + 260, _SIZE), "white")
    picture.paste(dots.resize((_SIZE, _SIZE), Image.Resampling.BOX), (0, 0))
    _write_legend(ImageDraw.Draw(picture), colours, counts)
    return np.asarray(picture)


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
