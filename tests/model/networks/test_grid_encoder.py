import numpy as np
import pytest
import torch
from support.training import box, solid
from torch import Tensor

from shapegan.model.networks.grid_encoder import GridEncoder, half_sizes
from shapegan.pipeline.schema import grid_points


def grids(count: int, resolution: int = 16) -> Tensor:
    points = grid_points(resolution).reshape(resolution, resolution, resolution, 3)
    fields = [solid(number)(points.astype(np.float64)) for number in range(count)]
    return torch.from_numpy(np.stack(fields)).float()


def fitted(code: int, shapes: Tensor, *, mirrored: bool = True) -> GridEncoder:
    encoder = GridEncoder(code, mirrored)
    encoder.fit(encoder.measurements(shapes))
    return encoder


def test_half_sizes_are_those_of_the_bounding_box() -> None:
    half = np.array([0.31, 0.9, 0.57])
    points = grid_points(32).reshape(32, 32, 32, 3).astype(np.float64)
    found = half_sizes(torch.from_numpy(box(half)(points)).float()[None])
    torch.testing.assert_close(found[0], torch.from_numpy(half).float(), atol=1e-6, rtol=0)


def test_an_empty_grid_has_a_box_all_the_same() -> None:
    empty = torch.full((1, 8, 8, 8), 3.0)
    assert (half_sizes(empty) > 0).all()
    assert torch.isfinite(GridEncoder(2, mirrored=False).measurements(empty)).all()


@pytest.mark.parametrize("mirrored", [True, False])
def test_codes_are_scaled_principal_components(mirrored: bool) -> None:
    shapes = grids(10)
    encoder = fitted(4, shapes, mirrored=mirrored)
    measured = encoder.measurements(shapes).double().numpy()
    left, values, _ = np.linalg.svd(measured - measured.mean(axis=0), full_matrices=False)
    spread = np.sqrt(values[:4])
    expected = left[:, :4] * np.sqrt(10) * spread / np.sqrt((spread**2).mean())
    codes = encoder(shapes).double().numpy()
    signs = np.sign((codes * expected).sum(axis=0))
    np.testing.assert_allclose(codes, expected * signs, atol=2e-3)
    assert codes.var(axis=0).mean() == pytest.approx(1.0, abs=1e-3)


def test_half_of_the_lattice_is_measured_of_mirrored_shapes() -> None:
    shapes = grids(2)
    half, whole = (GridEncoder(2, m).measurements(shapes).shape[1] - 3 for m in (True, False))
    assert 2 * half == whole == 32**3


def test_too_few_shapes_leave_numbers_at_0() -> None:
    shapes = grids(3)
    codes = fitted(6, shapes)(shapes)
    assert torch.equal(codes[:, 2:], torch.zeros(3, 4))
    assert codes[:, :2].std(dim=0).min() > 0.1


def test_equal_shapes_have_finite_codes() -> None:
    shapes = grids(1).expand(4, -1, -1, -1)
    assert torch.isfinite(fitted(3, shapes)(shapes)).all()


def test_is_fitted_after_the_fit_and_restored_so() -> None:
    encoder = GridEncoder(2, mirrored=True)
    assert not bool(encoder.fitted)
    trained = fitted(2, grids(4))
    encoder.load_state_dict(trained.state_dict())
    assert bool(encoder.fitted)
    assert torch.equal(encoder(grids(2)), trained(grids(2)))
