"""A tour of learned latents: reconstructions beside a map on which a point moves.

After the animation of Kleineberg, Fey and Weichert (2020), section 4: a smooth closed curve through
latents that an autodecoder has learned, and the t-SNE map of all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.cluster import KMeans
from torch import Tensor

from shapegan.model.generation.latent_map import MAP_SIZE, Colour, colours_of, draw_dots, place_of
from shapegan.model.generation.paths import path_through
from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import camera_of, draw_shapes
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.pictures.panel import Picture

_INK = (30, 32, 38)
_OUTLINE_STEPS = 40
"""Points of the drawn path from stop to stop."""


@dataclass(frozen=True)
class Tour:
    """A closed path through learned latents."""

    stops: list[int]
    """Rows of the learned latents, in the order of the tour."""
    latents: Tensor
    """(F, Z), one for each frame."""
    places: NDArray[np.float64]
    """(F, 2), on the map, in [0, 1]."""
    outline: NDArray[np.float64]
    """(L, 2), the same path in small steps."""


def choose_stops(latents: Tensor, count: int, seed: int = 0) -> list[int]:
    """Choose learned latents that differ: the members nearest to the centres of clusters.

    Args:
        latents: (S, Z).
        count: Number of stops, at most S.
        seed: Of k-means.

    Returns:
        Rows of the latents, in the order of a short round trip.
    """
    rows = latents.detach().cpu().double().numpy()
    count = min(count, len(rows))
    centres = KMeans(count, n_init=4, random_state=seed).fit(rows).cluster_centers_
    chosen: list[int] = []
    for centre in centres:
        order = np.linalg.norm(rows - centre, axis=1).argsort()
        chosen.append(next(int(row) for row in order if int(row) not in chosen))
    trip = shortest_round_trip(rows[chosen])
    return [chosen[place] for place in trip]


def shortest_round_trip(points: NDArray[np.floating]) -> list[int]:
    """Order points (K, D) on a short closed way: nearest neighbours, then 2-opt exchanges.

    Returns:
        Rows of the points, beginning with row 0. No exchange of two edges shortens the way.
    """
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    trip, left = [0], set(range(1, len(points)))
    while left:
        trip.append(min(left, key=lambda row: distances[trip[-1], row]))
        left.remove(trip[-1])
    improved = True
    while improved:
        improved = False
        for first in range(1, len(trip) - 1):
            for last in range(first + 1, len(trip)):
                before, after = trip[first - 1], trip[(last + 1) % len(trip)]
                old = distances[before, trip[first]] + distances[trip[last], after]
                new = distances[before, trip[last]] + distances[trip[first], after]
                if new < old - 1e-12:
                    trip[first : last + 1] = trip[first : last + 1][::-1]
                    improved = True
    return trip


def plan_tour(
    learned: Tensor, places: NDArray[np.float64], stops: Sequence[int], frames: int
) -> Tour:
    """Plan a smooth closed tour: a periodic cubic spline through the latents, and one on the map.

    Args:
        learned: (S, Z).
        places: (S, 2), the latents on the map.
        stops: Rows of two latents or more.
        frames: F.
    """
    rows = list(stops)
    latents = path_through(learned[rows], frames, "spline", closed=True)
    on_map = torch.from_numpy(places[rows])
    moving, outline = (
        path_through(on_map, steps, "spline", closed=True).double().clamp(0, 1).numpy()
        for steps in (frames, _OUTLINE_STEPS * len(rows))
    )
    return Tour(rows, latents, moving, outline)


def tour_colours(
    tour: Tour, learned: Tensor, categories: Sequence[str]
) -> list[tuple[float, float, float]]:
    """Colour of each frame, RGB in [0, 1]: that of the category of the nearest learned latent."""
    colours = colours_of(categories)
    nearest = torch.cdist(tour.latents.cpu().double(), learned.cpu().double()).argmin(dim=1)
    found = [colours[categories[int(row)]] for row in nearest]
    return [(red / 255, green / 255, blue / 255) for red, green, blue in found]


def draw_tour(
    source: Source,
    tour: Tour,
    map_picture: Picture,
    colours: Sequence[tuple[float, float, float]],
    resolution: int,
    level: float,
    panel: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Picture]:
    """Draw the frames: the shape on the left, the map with a point on the right.

    Args:
        source: Of the autodecoder.
        tour: F frames.
        map_picture: Map with the path, of `draw_tour_map`.
        colours: Of the frames, as `tour_colours` gives them.
        resolution: Grid points along each axis.
        level: Value of the field at the surfaces.
        panel: Height and width of each half, pixels.
        advance: Called 2 F times.

    Returns:
        F frames (panel, 2 panel, 3) uint8.
    """
    surfaces = []
    for latent in tour.latents:
        surfaces.append(extract(source.generator, latent, resolution, level))
        advance()
    camera = camera_of(surfaces)
    scaled = Image.fromarray(map_picture).resize((panel, panel), Image.Resampling.LANCZOS)
    frames = []
    for surface, place, colour in zip(surfaces, tour.places, colours, strict=True):
        shape = draw_shapes([surface], 1, panel, camera, color=colour, device=source.warp_device)
        right = scaled.copy()
        _draw_point(right, place, colour)
        frames.append(np.concatenate([shape, np.asarray(right)], axis=1))
        advance()
    return frames


def draw_tour_map(places: NDArray[np.floating], categories: Sequence[str], tour: Tour) -> Picture:
    """Draw the map of all latents with the path of a tour and its stops: a square picture."""
    image = Image.fromarray(draw_dots(places, categories))
    pen = ImageDraw.Draw(image)
    points = [place_of(place, MAP_SIZE) for place in (*tour.outline, tour.outline[0])]
    pen.line(points, fill=_INK, width=4, joint="curve")
    for row in tour.stops:
        pen.circle(place_of(places[row], MAP_SIZE), 7, "white", _INK, 2)
    return np.asarray(image)


def _draw_point(
    image: Image.Image, place: NDArray[np.floating], colour: tuple[float, float, float]
) -> None:
    red, green, blue = (round(255 * one) for one in colour)
    fill: Colour = (red, green, blue)
    radius = max(4, image.width // 48)
    ImageDraw.Draw(image).circle(place_of(place, image.width), radius, fill, _INK, 2)
