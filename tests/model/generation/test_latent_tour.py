import itertools

import numpy as np
import pytest
import torch

from shapegan.model.generation.latent_map import MAP_SIZE, dot_radius, draw_dots, place_of
from shapegan.model.generation.latent_tour import (
    choose_stops,
    draw_tour_map,
    plan_tour,
    shortest_round_trip,
    tour_colours,
)


def length(points: np.ndarray, trip: list[int]) -> float:
    ordered = points[[*trip, trip[0]]]
    return float(np.linalg.norm(np.diff(ordered, axis=0), axis=1).sum())


@pytest.mark.parametrize("seed", range(5))
def test_a_round_trip_is_about_the_shortest(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(7, 2))
    trip = shortest_round_trip(points)
    assert sorted(trip) == list(range(7))
    ways = [[0, *rest] for rest in itertools.permutations(range(1, 7))]
    assert length(points, trip) <= 1.1 * min(length(points, way) for way in ways)


def test_stops_are_one_of_each_cluster() -> None:
    torch.manual_seed(0)
    groups = torch.cat([0.1 * torch.randn(10, 4) + 10 * torch.eye(4)[g] for g in range(4)])
    stops = choose_stops(groups, 4)
    assert sorted(row // 10 for row in stops) == [0, 1, 2, 3]
    assert len(choose_stops(groups[:3], 8)) == 3


def test_a_tour_is_closed_smooth_and_passes_its_stops() -> None:
    torch.manual_seed(0)
    learned, places = torch.randn(9, 4), np.random.default_rng(0).random((9, 2))
    tour = plan_tour(learned, places, [4, 0, 7], 30)
    torch.testing.assert_close(tour.latents[::10], learned[[4, 0, 7]])
    np.testing.assert_allclose(tour.places[::10], places[[4, 0, 7]], atol=1e-6)
    jumps = (tour.latents - tour.latents.roll(1, dims=0)).norm(dim=1)
    assert jumps[0] < 2 * jumps[1:].median()
    categories = ["a"] * 5 + ["b"] * 4
    colours = tour_colours(tour, learned, categories)
    assert colours[0] == colours[10] != colours[20]


def test_the_map_has_the_path_and_the_stops() -> None:
    places = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    tour = plan_tour(torch.eye(4), places, [0, 1, 2, 3], 40)
    without = draw_dots(places, ["a"] * 4)
    picture = draw_tour_map(places, ["a"] * 4, tour)
    assert picture.shape == without.shape == (MAP_SIZE, MAP_SIZE, 3)
    x, y = (round(one) for one in place_of(tour.places[5], MAP_SIZE))
    assert without[y, x].min() == 255
    assert picture[y, x].max() < 100
    few = draw_tour_map(places, ["a"] * 4, plan_tour(torch.eye(4), places, [0, 1, 2, 3], 4))
    assert np.array_equal(few, picture)  # the path does not depend on the number of frames


def test_many_dots_are_small() -> None:
    assert dot_radius(10) == dot_radius(500) == 4
    assert dot_radius(2000) == pytest.approx(2)
    assert 1 < dot_radius(10**6) < 2
