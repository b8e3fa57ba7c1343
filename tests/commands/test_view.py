"""`shapegan view`: what it shows, and errors of one line."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from support.gallery import make_gallery
from support.toys import toy_run
from support.training import POINT, SHAPES, make_solids

from shapegan.cli import main
from shapegan.model.networks.generator import Generator
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import Checkpoint, save_checkpoint
from shapegan.pipeline.dataset.reader import Dataset


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def solids(tmp_path_factory):
    return Dataset(make_solids(tmp_path_factory.mktemp("solids")))


def refused(*arguments):
    result = CliRunner().invoke(main, ["view", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    return result.output.strip().splitlines()[-1]


def test_a_path_that_is_neither_run_nor_dataset_gives_one_line(tmp_path, gallery):
    assert "there is no" in refused(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "Error:" in refused(tmp_path / "empty")
    (tmp_path / "words.txt").write_text("no weights")
    assert "Error:" in refused(tmp_path / "words.txt")
    assert "--data is for generators" in refused(gallery, "--data", gallery)
    assert "--mesh-root is for datasets" in refused(tmp_path / "empty", "--mesh-root", tmp_path)


def test_two_runs_are_compared_if_their_latents_are_alike(tmp_path, gallery, solids):
    one = toy_run(tmp_path / "one")
    config = dataclasses.replace(POINT.generator, latent=6)
    other = tmp_path / "other"
    save_checkpoint(
        other / "checkpoints",
        Checkpoint(
            dataclasses.replace(POINT, generator=config),
            Position(total=1),
            {"average": {"weights": Generator(config).state_dict()}},
            {},
            shape_count=8,
        ),
    )
    line = refused(one, other, "--device", "cpu")
    expected = "those of one have 4 and those of other have 6 numbers"
    assert line == f"Error: two runs are compared by latents of the same length, and {expected}"
    assert "there is no" in refused(one, tmp_path / "gone")
    assert "OTHER_SOURCE takes a run" in refused(one, gallery)
    assert "OTHER_SOURCE is for generators" in refused(gallery, one)
    assert "--films is for generators" in refused(gallery, "--films", tmp_path)
    checkpoint = next((other / "checkpoints").iterdir())
    assert "is a file" in refused(one, "--films", checkpoint)


def started(arguments):
    """A page of the command, in this process: it is closed at once, without its address."""
    pages = []

    def serve(page, content):
        pages.append(content)
        content.close()
        page.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shapegan.commands.view._serve", serve)
        words = ["view", *map(str, arguments), "--port", "0", "--device", "cpu"]
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return pages[0]


def test_an_autodecoder_lists_its_learned_shapes(tmp_path, solids):
    latents = torch.randn(SHAPES, 4, generator=torch.Generator().manual_seed(0))
    run = toy_run(tmp_path / "run", latents, str(solids.path))
    content = started([run])
    assert list(content.controls.learned[0].options[1:]) == solids.ids[:SHAPES]
    assert content.controls.read().choices == (solids.ids[0], solids.ids[SHAPES // 2])
    moved = toy_run(tmp_path / "moved", latents, str(tmp_path / "gone"))
    assert len(started([run, moved]).controls.learned[0].options) == 1 + SHAPES
    assert started([run, moved]).controls.read().choices == (0, 1)
    assert len(started([moved, "--data", solids.path]).controls.learned[0].options) == 1 + SHAPES
    without = started([moved])
    assert len(without.controls.learned[0].options) == 1
    assert "No learned shapes are listed, because" in without.note.content
    assert f"{tmp_path}/gone" in without.note.content


def test_a_port_in_use_is_a_line_and_exit_code_2(gallery):
    with socket.create_server(("127.0.0.1", 0)) as other:
        line = refused(gallery, "--port", other.getsockname()[1])
    assert "is in use: choose another one with --port" in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(gallery, number):
    words = [sys.executable, "-m", "shapegan.cli", "view", str(gallery), "--port", "0"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), (line, process.stderr.read())
        process.send_signal(number)
        rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest == ("", "")
