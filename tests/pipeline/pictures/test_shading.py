import numpy as np
import pytest

from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.shading import CLAY, lamp_direction, shade_samples, to_pixels


def shade(depth: float, light: tuple[float, float], **options) -> np.ndarray:
    """The colour of one pixel of 2 x 2 equal samples that face the camera."""
    camera = Camera(azimuth=0, elevation=0)
    normals = np.broadcast_to(camera.axes[2].astype(np.float32), (2, 2, 3)).copy()
    depths = np.full((2, 2), depth, np.float32)
    visibility = np.full((2, 2, 2), light, np.float32)
    return shade_samples(depths, normals, visibility, camera, CLAY, 2, **options)[0, 0].astype(int)


def test_samples_without_a_hit_show_the_background() -> None:
    assert (shade(0.0, (1, 1)) == 255).all()
    assert (shade(0.0, (1, 1), background=(0.0, 0.0, 0.0)) == 0).all()
    assert shade(0.0, (1, 1), background=None)[3] == 0


def test_sky_and_lamp_both_light_a_surface() -> None:
    both, sky, neither = (shade(1.0, light) for light in ((1, 1), (1, 0), (0, 0)))
    assert (both > sky + 20).all()
    assert (sky > 20).all()
    assert (neither == 0).all()


def test_a_hidden_sky_darkens_the_floor() -> None:
    assert (shade(-1.0, (1, 1)) == 255).all()
    assert (shade(-1.0, (0, 1)) == 0).all()


def test_pixels_are_srgb_and_rounded() -> None:
    # A quarter of the full light is 0.5371 in sRGB.
    pixel = to_pixels(np.array([[[0.25, 0.25, 0.25, 1.0]]]), None)[0, 0]
    np.testing.assert_array_equal(pixel, [137, 137, 137, 255])


def test_the_lamp_is_behind_the_camera_to_its_upper_left() -> None:
    camera = Camera(azimuth=70, elevation=30)
    direction = lamp_direction(camera)
    assert np.linalg.norm(direction) == pytest.approx(1)
    right, up, back = camera.axes @ direction
    assert right < 0 < min(up, back)
