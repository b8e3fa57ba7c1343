"""Films without a browser: a client that draws numbers stands in for it."""

import contextlib
import re
from types import SimpleNamespace

import numpy as np
import pytest
from support.balls import Balls
from support.films import read_film

from shapegan.model.viewer.film_recorder import (
    RATE,
    THERE_AND_BACK,
    FilmRecorder,
    frame_size,
)
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.generator_page import GeneratorPage
from shapegan.model.viewer.page import Page, set_control


class Client:
    """A browser tab that draws frames of growing brightness."""

    def __init__(self, error=None):
        self.camera = SimpleNamespace(image_width=101, image_height=63)
        self.drawn, self.downloads, self.error = [], {}, error

    def get_render(self, height, width, timeout):
        assert timeout
        if self.error and len(self.drawn) == 3:
            raise self.error
        self.drawn.append((height, width))
        return np.full((height, width, 3), len(self.drawn), np.uint8)

    def send_file_download(self, name, content, save_immediately):
        assert save_immediately
        self.downloads[name] = content


class Filmed:
    """A page that records what it is made to show."""

    file_name = "seed-000003"

    def __init__(self):
        self.blends, self.pauses = [], 0

    @contextlib.contextmanager
    def paused(self):
        self.pauses += 1
        yield

    def blend_drawer(self):
        return self.blends.append


@pytest.fixture
def page():
    page = Page("127.0.0.1", 0, "test")
    page.show_columns(1)
    page.mesh("generated", np.eye(3), np.array([[0, 1, 2]]), 0, (0.5, 0.5, 0.5))
    yield page
    page.close()


def test_frames_have_even_sides_and_are_not_too_large():
    assert frame_size(101, 63) == (100, 64)
    assert frame_size(1920, 1080) == (960, 540)
    assert frame_size(1, 1) == (2, 2)


def test_a_turntable_turns_the_shapes_once_and_leaves_them_upright(page, monkeypatch):
    angles, turn = [], page.turn
    monkeypatch.setattr(page, "turn", lambda angle: (angles.append(angle), turn(angle)))
    recorder, client = FilmRecorder(page, Filmed()), Client()
    set_control(recorder.seconds, 1)
    recorder.record(client)
    np.testing.assert_allclose(angles, [*(2 * np.pi * np.arange(RATE) / RATE), 0])
    handle = page.server.scene.get_handle_by_name("/generated/mesh")
    np.testing.assert_allclose(handle.wxyz, [1, 0, 0, 0])
    assert list(client.downloads) == ["seed-000003-turntable.mp4"]
    assert recorder.note.content == "Saved seed-000003-turntable.mp4."
    assert not recorder.button.disabled


def test_a_film_there_and_back_is_a_loop_that_browsers_play(page, tmp_path):
    filmed, client = Filmed(), Client()
    recorder = FilmRecorder(page, filmed, tmp_path / "films")
    set_control(recorder.seconds, 2)
    set_control(recorder.kind, THERE_AND_BACK)
    recorder.record(client)
    recorder.record(client)
    assert filmed.pauses == 2
    half = np.arange(RATE + 1) / RATE
    np.testing.assert_allclose(filmed.blends[: 2 * RATE], [*half, *half[-2:0:-1]], atol=1e-12)
    names = sorted(path.name for path in (tmp_path / "films").iterdir())
    stem = "seed-000003-A-to-B-and-back"
    assert names == [f"{stem}-2.mp4", f"{stem}.mp4"]
    report, film = read_film(tmp_path / "films" / names[1])
    assert re.search(r"Video: h264.* yuv420p.* 24 fps", report)
    assert film.shape == (2 * RATE, 64, 100, 3)


@pytest.mark.parametrize("error", [RuntimeError("the client disconnected"), TimeoutError("60 s")])
def test_a_tab_that_draws_no_frame_is_reported(page, error, tmp_path):
    recorder = FilmRecorder(page, Filmed(), tmp_path)
    recorder.record(Client(error))
    expected = "No film: the browser drew no frame: keep its tab open and visible"
    assert recorder.note.content == expected
    assert not recorder.button.disabled
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported(page, tmp_path):
    (tmp_path / "file").write_text("")
    recorder = FilmRecorder(page, Filmed(), tmp_path / "file" / "films")
    set_control(recorder.seconds, 1)
    recorder.record(Client())
    assert recorder.note.content.startswith(f"No film: cannot write {tmp_path}/file/films/")


def test_a_page_is_filmed_as_it_was_when_recording_began():
    page = Page("127.0.0.1", 0, "test")
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=8))
    assert shown.wait_until_drawn(60)
    client, before = Client(), shown.surface
    set_control(shown.film.kind, THERE_AND_BACK)
    set_control(shown.film.seconds, 1)
    shown.film.record(client)
    assert shown.wait_until_drawn(60)
    assert len(client.drawn) == RATE
    np.testing.assert_array_equal(shown.surface.vertices, before.vertices)
    assert list(client.downloads) == ["seed-000000-A-to-B-and-back.mp4"]
    shown.close()
    page.close()
