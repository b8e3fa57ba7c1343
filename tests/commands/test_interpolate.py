import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.examples import examples
from support.one_line import check_one_line
from support.toys import toy_run

from shapegan.cli import main
from shapegan.model.generation.films import film_strip, write_film
from shapegan.model.generation.paths import path_through, slerp
from shapegan.pipeline.files import OutputError


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"))


def interpolate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["interpolate", *map(str, arguments), "--device", "cpu"])


def normal(rows: int, size: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))


# --- paths ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    rows=st.integers(2, 5),
    between=st.integers(1, 6),
    kind=st.sampled_from(["spline", "spherical"]),
    closed=st.booleans(),
)
def test_a_path_goes_through_its_latents(rows, between, kind, closed):
    latents = normal(rows)
    steps = rows * between if closed else (rows - 1) * between + 1
    path = path_through(latents, max(2, steps), kind, closed=closed)
    torch.testing.assert_close(path[::between][:rows], latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["spline", "spherical"])
def test_a_closed_path_comes_back_in_even_steps(kind):
    latents = normal(3)
    path = path_through(latents, 300, kind, closed=True)
    lengths = (path - path.roll(1, dims=0)).norm(dim=1)
    assert lengths[0] < 1.5 * lengths[1:].median()
    assert torch.equal(path[0], latents[0])


def test_a_closed_spline_has_no_corner():
    path = path_through(normal(4), 4000, closed=True)
    ahead = path.roll(-1, dims=0) - path
    turns = torch.nn.functional.cosine_similarity(ahead, ahead.roll(1, dims=0))
    assert turns.min() > 0.999


def test_a_spherical_path_keeps_the_length():
    unit = torch.nn.functional.normalize(normal(3), dim=1)
    path = path_through(4 * unit, 50, "spherical")
    torch.testing.assert_close(path.norm(dim=1), torch.full((50,), 4.0))


def test_a_spherical_path_through_equal_zero_and_opposite_latents_is_finite():
    latents = torch.stack([torch.zeros(3), torch.ones(3), torch.ones(3), -torch.ones(3)])
    assert path_through(latents, 20, "spherical").isfinite().all()


@examples(30)
@given(st.integers(0, 50), st.integers(51, 99), st.floats(0, 1))
def test_slerp_interpolates_length_and_angle_linearly(seed, other, t):
    first, second = normal(1, 8, seed)[0], 2 * normal(1, 8, other)[0]
    middle = slerp(first, second, t)
    expected = (1 - t) * first.norm() + t * second.norm()
    assert float(middle.norm()) == pytest.approx(float(expected), rel=1e-4)

    def angle(a, b):
        return float(torch.arccos(torch.clamp(a @ b / a.norm() / b.norm(), -1, 1)))

    assert angle(first, middle) == pytest.approx(t * angle(first, second), abs=2e-3)


@pytest.mark.parametrize("second", [[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
def test_slerp_without_a_great_circle_is_linear(second):
    middle = slerp(torch.tensor([1.0, 0.0]), torch.tensor(second), 0.5)
    assert middle.tolist() == [(1 + second[0]) / 2, 0.0]


def test_refuses_a_path_of_one():
    with pytest.raises(ValueError, match="expected 2 latents and 2 steps or more, got 1 and 9"):
        path_through(normal(1), 9)


# --- films ------------------------------------------------------------------------------------


def colours(count: int = 6) -> list[np.ndarray]:
    return [np.full((64, 96, 3), 40 * number, np.uint8) for number in range(count)]


def read(path: Path, size: int) -> tuple[str, np.ndarray]:
    """What ffmpeg says of a film, and its pictures (S, size, W, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    done = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    width = int(re.search(rf"(\d+)x{size}\b", done.stderr.decode())[1])
    return done.stderr.decode(), np.frombuffer(done.stdout, np.uint8).reshape(-1, size, width, 3)


def test_a_film_holds_its_pictures(tmp_path):
    write_film(tmp_path / "film.mp4", colours(), 12)
    said, frames = read(tmp_path / "film.mp4", 64)
    assert frames.shape == (6, 64, 96, 3)
    assert all(words in said for words in ("h264", "yuv420p", "12 fps"))
    for number, frame in enumerate(frames):
        assert abs(frame.mean() - 40 * number) < 6
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        write_film(tmp_path / "gone" / "film.mp4", colours(), 12)
    assert list(tmp_path.iterdir()) == []


def test_a_strip_is_from_first_to_last():
    strip = film_strip(colours(6), 3)
    assert strip.shape == (64, 3 * 96 + 2 * 4, 3)
    assert (strip[0, 0, 0], strip[0, -1, 0]) == (0, 200)


def test_the_command_writes_film_and_strip(toy, tmp_path):
    flags = ("--seconds", 0.5, "--fps", 8, "--resolution", 16, "--panel", 64, "--seeds", "0,4")
    result = interpolate(toy, "--out", tmp_path / "out", *flags)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film.mp4", "film.png"]
    assert read(tmp_path / "out" / "film.mp4", 64)[1].shape == (4, 64, 64, 3)
    with Image.open(tmp_path / "out" / "film.png") as strip:
        assert strip.size == (4 * 64 + 3 * 4, 64)
        pictures = np.asarray(strip, dtype=float)
    assert np.abs(pictures[:, :64] - pictures[:, 2 * 68 : 2 * 68 + 64]).max() > 30


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--seeds", 1), "a film takes 2 shapes or more"),
        (("--seeds", "a"), "takes whole numbers with commas"),
        (("--seeds", "0,-1"), "--seeds takes seeds of 0 or more, got -1"),
        (("--panel", 65), "--panel 65: mp4 needs an even number"),
        (("--seconds", "nan"), "--seconds"),
        (("--latents", __file__, "--seeds", "1,2"), "--seeds has no effect with --latents"),
    ],
)
def test_bad_flags_are_one_line(toy, tmp_path, flags, expected):
    check_one_line(interpolate(toy, "--out", tmp_path / "out", *flags), expected)
    assert not (tmp_path / "out").exists()
