import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from support.examples import examples

from shapegan.pipeline.pictures.camera import Camera


@given(
    points=arrays(float, st.tuples(st.integers(1, 8), st.just(3)), elements=st.integers(-9, 9)),
    azimuth=st.floats(-400, 400),
    elevation=st.floats(-80, 80),
    aspect=st.floats(0.4, 2.5),
)
@examples(60)
def test_a_fitted_view_holds_all_points_tightly(
    points: NDArray[np.float64], azimuth: float, elevation: float, aspect: float
) -> None:
    camera = Camera(azimuth, elevation).fitted(points, margin=0.1, aspect=aspect)
    across = (points - camera.eye) @ camera.axes.T
    assert (across[:, 2] < 0).all()
    slope = math.tan(math.radians(camera.field_of_view / 2))
    at = across[:, :2] / -across[:, 2:] / [slope * aspect, slope]
    assert np.abs(at).max() <= 0.8 + 1e-6
    width, height, depth = np.ptp(points @ camera.axes.T, axis=0)
    if max(width, height) > depth:  # seen along a line, even the nearest point may be small
        tight = np.isclose(at.min(axis=0), -0.8, atol=1e-6)
        assert (tight & np.isclose(at.max(axis=0), 0.8, atol=1e-6)).any()
    if (points == points[0]).all():
        assert camera.distance == pytest.approx(5)


@pytest.mark.parametrize(
    "view", [{"elevation": 90}, {"field_of_view": 0}, {"field_of_view": 180}, {"distance": 0}]
)
def test_views_that_cannot_be_drawn_are_rejected(view: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(view))}: expected"):
        Camera(**view)
