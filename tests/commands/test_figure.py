import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from PIL import Image
from support.toys import toy_run
from support.training import REFINED, SHAPES, make_solids, quick, run

from shapegan.cli import main
from shapegan.model.config import Stage
from shapegan.model.generation.figure_films import (
    draw_level_film,
    draw_upscale_film,
    raster_points,
)
from shapegan.model.generation.figures import LEVELS, RESOLUTIONS
from shapegan.model.generation.latent_map import draw_map, embed_latents
from shapegan.model.generation.source import open_source
from shapegan.model.generation.stage_figure import stage_name

GAP, CAPTION, PANEL = 4, 22, 64


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(tmp_path_factory.mktemp("run"))


def figure(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["figure", *map(str, arguments)])


def normal(rows: int, size: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("flags", "rows"), [((), 1), (("--trilinear",), 2)])
def test_upscale_draws_a_column_for_each_resolution(toy, tmp_path, flags, rows):
    out = tmp_path / "out"
    result = figure("upscale", toy, "--out", out, "--panel", PANEL, "--seed", 1, *flags)
    assert result.exit_code == 0, result.output
    assert [path.name for path in out.iterdir()] == ["upscale.png"]
    with Image.open(out / "upscale.png") as picture:
        height = rows * (PANEL + CAPTION + GAP) - GAP
        assert picture.size == (len(RESOLUTIONS) * (PANEL + GAP) - GAP, height)


def test_stages_draws_a_row_for_each_stage_that_has_ended(tmp_path):
    data = make_solids(tmp_path / "solids")
    run(REFINED, quick(data, tmp_path / "run"))
    result = figure(
        "stages",
        tmp_path / "run",
        "--out",
        tmp_path,
        "--panel",
        PANEL,
        "--count",
        3,
        "--resolution",
        16,
    )
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "stages.png") as picture:
        assert picture.size == (3 * (PANEL + GAP) - GAP, 2 * (PANEL + CAPTION + GAP) - GAP)
        pixels = np.asarray(picture).astype(int)
    rows = pixels[:PANEL], pixels[PANEL + CAPTION + GAP :][:PANEL]
    assert (rows[0] != rows[1]).any()  # the second stage has trained on


def test_a_stage_is_named_by_its_size():
    assert stage_name(1, Stage(16, 4, 1), voxels=True) == "stage 1: 16^3"
    assert stage_name(2, Stage(4096, 4, 1, refine=True), voxels=False) == (
        "stage 2: 4,096 points, refined"
    )
    assert stage_name(3, Stage(64, 4, 1, prior=True), voxels=True) == "stage 3: prior"


def test_a_run_without_a_whole_stage_has_no_picture_of_stages(toy, tmp_path):
    result = figure("stages", toy, "--out", tmp_path)
    assert result.exit_code == 2
    assert "no checkpoint of the end of a stage" in result.output


def test_levels_draws_each_level_and_thicker_shapes_cover_more(toy, tmp_path):
    flags = ("--out", tmp_path, "--panel", PANEL, "--seed", 1, "--resolution", 16)
    result = figure("levels", toy, *flags)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "levels.png") as picture:
        pixels = np.asarray(picture).astype(int)
    columns = len(LEVELS) // 2
    assert pixels.shape[1] == columns * (PANEL + GAP) - GAP
    drawn = [
        np.ptp(pixels[top : top + PANEL, left : left + PANEL], axis=-1) > 12
        for top in (0, PANEL + CAPTION + GAP)
        for left in range(0, pixels.shape[1], PANEL + GAP)
    ]
    assert drawn[-1].sum() > 1.1 * drawn[0].sum()


@pytest.mark.parametrize(
    ("name", "words", "size"),
    [
        ("upscale", ("--shapes", 2), (3 * PANEL + 2 * GAP, PANEL + CAPTION)),
        ("levels", ("--resolution", 16), (PANEL, PANEL + CAPTION)),
    ],
)
def test_a_film_is_beside_the_still(toy, tmp_path, name, words, size):
    flags = ("--film", "--seconds", 0.5, "--fps", 8, "--panel", PANEL, *words)
    result = figure(name, toy, "--out", tmp_path, *flags)
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.png", f"{name}.mp4"}
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / f"{name}.mp4")]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    about = done.stderr.decode()
    assert all(words in about for words in ("h264", "yuv420p", f"{size[0]}x{size[1]}"))
    frames = np.frombuffer(done.stdout, np.uint8).reshape(4, -1)
    assert len(np.unique(frames, axis=0)) >= 3  # levels that fall repeat those that rise


def test_raster_points_are_where_the_grid_is_inside():
    grid = np.ones((5, 5, 5), np.float32)
    grid[1, 2, 3] = grid[4, 0, 0] = -1
    cubes = raster_points(grid, 0.0)
    centers = cubes.vertices.reshape(2, 8, 3).mean(axis=1)
    np.testing.assert_allclose(centers, [[-0.5, 0, 0.5], [1, -1, -1]], atol=1e-6)
    parts = trimesh.Trimesh(cubes.vertices, cubes.faces, process=False).split()
    assert [part.volume for part in parts] == pytest.approx([0.3**3] * 2, rel=1e-5)
    assert raster_points(np.ones((5, 5, 5)), 0.0).empty


def test_the_film_of_an_upscaled_shape_has_its_three_panels(toy):
    source = open_source(toy)
    calls = []
    latents = source.latents([0, 1])
    film = draw_upscale_film(source, latents, 0.0, PANEL, lambda: calls.append(1))
    assert len(calls) == 2 * len(film) == 4
    panels = [film[0][:PANEL, left : left + PANEL] for left in range(0, 200, PANEL + GAP)]
    assert len({panel.tobytes() for panel in panels}) == 3
    assert not np.array_equal(film[0], film[1])


def test_the_film_of_levels_rises_and_falls(toy):
    source = open_source(toy)
    film = draw_level_film(source, source.latent(1), 16, PANEL, 6)
    assert len(film) == 6
    for rising, falling in ((1, 5), (2, 4)):
        np.testing.assert_array_equal(film[rising], film[falling])
    covered = [(np.ptp(frame[:PANEL].astype(int), axis=-1) > 12).sum() for frame in film[:4]]
    assert covered == sorted(covered)
    assert covered[3] > 1.1 * covered[0]
    assert len(draw_level_film(source, source.latent(1), 16, PANEL, 5)) == 5


def test_a_figure_depends_on_the_seed(toy, tmp_path):
    for seed in (0, 1):
        figure("upscale", toy, "--out", tmp_path / str(seed), "--panel", PANEL, "--seed", seed)
    pictures = [(tmp_path / str(seed) / "upscale.png").read_bytes() for seed in (0, 1)]
    assert pictures[0] != pictures[1]


# --- the map ----------------------------------------------------------------------------------


def test_a_map_keeps_groups_together():
    groups = torch.cat([normal(20, 8, number) + 30 * number for number in range(3)])
    places = embed_latents(groups)
    assert places.min() == 0
    assert places.max() == 1
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) // 20 == np.arange(60) // 20).all()
    assert (embed_latents(groups) == places).all()


def test_a_map_has_a_colour_for_each_category():
    picture = draw_map(np.array([[0.0, 0.0], [1.0, 1.0]]), ["02691156", "chairs"])
    below, above = picture[760, 40], picture[40, 760]
    assert below.max() < 250 or below.min() < 200
    assert not np.array_equal(below, above)


def test_the_command_draws_a_map(tmp_path):
    data = make_solids(tmp_path / "data")
    run = toy_run(tmp_path / "run", normal(SHAPES, 4), str(data))
    result = figure("map", run, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out" / "map.png") as picture:
        assert np.asarray(picture).std() > 3


def test_a_moved_dataset_is_named_with_data(tmp_path):
    data = make_solids(tmp_path / "data")
    run = toy_run(tmp_path / "run", normal(SHAPES, 4), str(tmp_path / "gone"))
    assert figure("map", run, "--out", tmp_path).exit_code == 2
    assert figure("map", run, "--out", tmp_path, "--data", data).exit_code == 0


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("map",), "has no learned latents"),
        (("upscale", "--seed", -1), "--seed"),
        (("upscale", "--panel", 9), "--panel"),
        (("upscale", "--resolution", 9), "No such option"),
        (("levels", "--level", 0.1), "No such option"),
        (("levels", "--resolution", 1), "--resolution"),
        (("levels", "--film", "--panel", 65), "--panel 65: mp4 needs an even number"),
        (("levels", "--seconds", 3), "--seconds takes --film"),
        (("upscale", "--fps", 3), "--fps takes --film"),
        (("upscale", "--shapes", 3), "--shapes takes --film"),
        (("levels", "--device", "tpu"), "--device"),
    ],
)
def test_bad_flags_are_one_line(toy, tmp_path, words, expected):
    name, *flags = words
    result = figure(name, toy, "--out", tmp_path / "out", *flags)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert expected in result.output
    assert not (tmp_path / "out").exists()


def test_too_few_learned_latents_make_no_map(tmp_path):
    data = make_solids(tmp_path / "data", shapes=3)
    run = toy_run(tmp_path / "run", normal(3, 4), str(data))
    result = figure("map", run, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "a map takes 4 learned shapes or more" in result.output
