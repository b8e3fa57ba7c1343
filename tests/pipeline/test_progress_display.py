import io

from rich.console import Console

from shapegan.pipeline.progress_display import ProgressDisplay, print_line


def test_without_a_terminal_a_line_comes_every_half_minute() -> None:
    text, now = io.StringIO(), [0.0]
    with ProgressDisplay(Console(file=text), 10, lambda: now[0]) as display:
        for now[0] in (0.0, 29.0, 30.0, 31.0, 61.0):
            display.update(now[0], f"at {now[0]:g} s")
        display.print("a note")
        display.finish("the end")
    assert text.getvalue().splitlines() == ["at 30 s", "at 61 s", "a note", "the end"]


def test_a_terminal_shows_a_bar_and_no_lines() -> None:
    text = io.StringIO()
    with ProgressDisplay(Console(file=text, force_terminal=True, width=60), 2) as display:
        display.update(1, "half of it")
        display.update(2, "all of it")
        display.finish("the end")
    assert "all of it" in text.getvalue()
    assert "the end" not in text.getvalue()


def test_a_line_is_printed_as_it_is() -> None:
    text = io.StringIO()
    print_line(Console(file=text, width=20), "[red]:smile: 12[/red] " + "long " * 10)
    assert text.getvalue() == "[red]:smile: 12[/red] " + "long " * 10 + "\n"
