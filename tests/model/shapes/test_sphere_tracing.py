from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.analytic_fields import AnalyticField, ball, clipped, rod, union
from support.toys import toy_run

from shapegan.cli import main
from shapegan.model.shapes.image_grid import GENERATED_COLOR
from shapegan.model.shapes.sphere_tracing import sphere_trace
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.render import render

CAMERA = Camera(azimuth=215)
SCENE = union(ball([0.0, 0.2, 0.0], 0.35), rod([-0.5, -0.5, 0.3], [0.5, -0.4, -0.3], 0.06))
LATENT = torch.zeros(1)


def pictures(distance, frame="cube", level=0.0, size=96):
    """Pictures of a field, sphere-traced and of its mesh."""
    traced = sphere_trace(AnalyticField(distance, frame), LATENT, level, CAMERA, size)
    mesh = extract(AnalyticField(distance, frame), LATENT, 128, level)
    meshed = render(
        mesh.vertices, mesh.faces, size=size, camera=CAMERA, color=GENERATED_COLOR, floor=False
    )
    return traced.astype(float), meshed.astype(float)


@pytest.mark.parametrize("frame", ["cube", "sphere"])
@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_the_traced_picture_is_that_of_the_mesh(frame, slope):
    traced, meshed = pictures(clipped(SCENE, 0.1, slope), frame)
    shown = [picture.min(axis=2) < 250 for picture in (traced, meshed)]
    overlap = (shown[0] & shown[1]).sum() / (shown[0] | shown[1]).sum()
    assert shown[1].sum() > 500
    assert overlap > 0.95
    both = shown[0] & shown[1]
    # Not the same light: here all of the sky is seen, and shadows have hard edges.
    assert np.abs(traced - meshed)[both].mean() < 25


def test_a_level_moves_the_surface():
    thin, thick = (
        sphere_trace(AnalyticField(SCENE), LATENT, level, CAMERA, 64) for level in (0.0, 0.1)
    )
    assert (thick.min(axis=2) < 250).sum() > 1.2 * (thin.min(axis=2) < 250).sum()


def test_an_empty_shape_gives_a_white_picture():
    assert (
        sphere_trace(AnalyticField(lambda p: p[:, 0] * 0 + 0.1), LATENT, 0.0, CAMERA, 16) == 255
    ).all()


def test_shapes_that_fill_the_frame_are_closed_at_its_border():
    full = AnalyticField(lambda points: points[:, 0] * 0 + points.sum(dim=1) * 1e-3 - 0.1)
    assert (sphere_trace(full, LATENT, 0.0, CAMERA, 16)[8, 8] < 250).any()


def test_the_command_draws_the_image_grid_alone(tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run")
    flags = ["--count", "2", "--device", "cpu", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["generate", str(run), "--sphere-tracing", *flags])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shapes.png"]
    with Image.open(tmp_path / "out" / "shapes.png") as picture:
        assert np.asarray(picture).std() > 10
    refused = CliRunner().invoke(
        main, ["generate", str(run), "--sphere-tracing", "--format", "ply", *flags]
    )
    assert refused.exit_code == 2
    assert "--format has no effect with --sphere-tracing" in refused.output
