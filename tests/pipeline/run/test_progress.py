import contextlib
import io
from pathlib import Path

import pytest
from rich.console import Console
from support.fakes import SMALL, make_jobs

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, ShardEntry
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.forecast import print_forecast, shape_bytes
from shapegan.pipeline.run.progress import RunProgress, print_summary
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.wording import duration


def report(status: str) -> MeshReport:
    return MeshReport("a", "", "a.obj", status)


def plain() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=100), text


def test_prints_a_line_every_half_minute_without_a_terminal() -> None:
    console, text = plain()
    now = [0.0]
    with RunProgress(10, console, lambda: now[0]) as progress:
        progress.resume([report("ok")] * 4)
        now[0] = 10
        progress.advance(report("ok"))
        assert text.getvalue() == ""
        now[0] = 30
        progress.advance(report("failed"))
        now[0] = 40
        progress.advance(report("rejected"))
    first, last = text.getvalue().splitlines()
    # Meshes of an earlier run say nothing about this one's speed: 2 in 30 s, 4 to go.
    assert first == "6 of 10 meshes, 0.0667/s, 1 min 0 s left; 5 ok, 0 rejected, 1 failed"
    assert last == "7 of 10 meshes, 0.075/s, 40 s left; 5 ok, 1 rejected, 1 failed"


@pytest.mark.parametrize("done", [0, 1])
def test_a_run_that_is_refused_prints_no_progress(done: int) -> None:
    console, text = plain()
    with contextlib.suppress(OutputError), RunProgress(10, console) as progress:
        progress.resume([report("ok")] * done)
        raise OutputError("cannot make the folder")
    assert text.getvalue() == ("1 of 10 meshes; 1 ok, 0 rejected, 0 failed\n" if done else "")


def test_shows_a_bar_in_a_terminal() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    with RunProgress(2, console) as progress:
        progress.advance(report("ok"))
        progress.advance(report("rejected"))
    assert "2 of 2 meshes" in text.getvalue()
    assert "1 ok, 1 rejected, 0 failed" in text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.9, "59 s"), (307, "5 min 7 s"), (7260, "2 h 1 min"), (183600, "2 d 3 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_summary_names_reasons_examples_and_the_report() -> None:
    console, text = plain()
    manifest = Manifest(
        SMALL, "/in", 1010, "", shards=(ShardEntry(0, "shards/00000.h5", 3, 10**9, ""),)
    )
    rejections = [Rejections("rejected", "only [half] a mesh", 1000, "bad-one")]
    print_summary(Path("/out"), manifest, rejections, console)
    for expected in ("1,000", "rejected", "only [half] a mesh", "bad-one", "/out/meshes.csv"):
        assert expected in text.getvalue()
    assert "0 of 1,010 meshes are in 1 shard, 1 GB" in text.getvalue()


def test_a_shape_of_the_paper_s_set_takes_five_megabytes_at_most() -> None:
    expected = 2 * (8**3 + 16**3 + 32**3 + 64**3) + 2 * 262_144 * (6 + 2)
    assert shape_bytes(PreprocessConfig()) == expected
    assert expected < 5e6


def test_forecast_says_whether_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = make_jobs(tmp_path, ["ok"] * 4)
    for free, words in ((10**9, "it fits"), (100, "it does NOT fit")):
        console, text = plain()
        monkeypatch.setattr("shapegan.pipeline.run.forecast.free_bytes", lambda _, free=free: free)
        print_forecast(tmp_path / "a/b", jobs, SMALL, console)
        assert "shard-size: 3" in text.getvalue()
        assert "4 meshes of chairs" in text.getvalue()
        assert "4 meshes, 2 shards" in text.getvalue()
        assert words in text.getvalue()
