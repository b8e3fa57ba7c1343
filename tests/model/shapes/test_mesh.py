import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from shapegan.model.shapes.mesh import fit_to_ball


def test_points_are_centred_and_scaled_to_the_ball():
    fitted = fit_to_ball(np.array([[0.0, 0, 0], [4, 0, 0], [0, 2, 0]]), 0.5)
    assert np.linalg.norm(fitted, axis=1).max() == pytest.approx(0.5)
    assert_allclose(fitted.min(axis=0), -fitted.max(axis=0))


def test_coincident_points_go_to_the_origin():
    assert_array_equal(fit_to_ball(np.full((3, 3), 7.0)), 0)


def test_the_precision_stays():
    assert fit_to_ball(np.eye(3, dtype=np.float32)).dtype == np.float32
