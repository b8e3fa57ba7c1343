"""The documentation says what is there: its code runs, its commands exist, its links resolve."""

import re
import shlex
from pathlib import Path

import click
import pytest

from shapegan.cli import main
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.samples.sample import write_samples

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "datasets", "benchmarks", "docker")
PAGES = sorted(ROOT.glob("*.md")) + [
    page for folder in FOLDERS for page in sorted(ROOT.glob(f"{folder}/*.md"))
]
CODE = ("README.md", "docs/python.md", "datasets/README.md")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The shapegan commands of a page's blocks, in words; comments and continuations resolved."""
    shell = "\n".join(blocks(text, "sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in shell.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["shapegan"]]


def links(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [link for link in found if not link.startswith(("http://", "https://", "#"))]


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


class Nothing:
    """A progress that nobody watches."""

    def resume(self, reports):
        pass

    def advance(self, report):
        pass

    def note(self, text):
        pass


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the datasets that the examples speak of."""
    folder = tmp_path_factory.mktemp("docs")
    list(write_samples(("chairs",), 1, 0, folder / "meshes", intact=True))
    jobs, config = discover(folder / "meshes").jobs, PreprocessConfig(points=32768)
    for out in ("datasets", "datasets/chairs"):
        settings = RunSettings(workers=0)
        preprocess(folder / "meshes", jobs, config, folder / out, settings, Nothing())
    return folder


@pytest.mark.parametrize("page", CODE)
def test_python_blocks_run_one_after_the_other(page, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    code = blocks((ROOT / page).read_text(encoding="utf-8"), "python")
    assert code
    names: dict[str, object] = {"__name__": page}
    for number, block in enumerate(code):
        exec(compile(block, f"{page}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_blocks_exist_with_these_flags_and_values(page):
    for name, *arguments in commands(page.read_text(encoding="utf-8")):
        command = main.commands[name]
        context = click.Context(command, info_name=name)
        values, _, _ = command.make_parser(context).parse_args(arguments)
        for parameter in command.params:
            # The reader's folders are not here.
            if parameter.name in values and not isinstance(parameter.type, click.Path):
                parameter.process_value(context, values[parameter.name])


def test_readme_shows_each_command():
    shown = {words[0] for words in commands((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert shown == set(main.commands)


def test_flags_named_in_the_text_exist():
    scripts = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("benchmarks/*.py"))
    known = {
        "--help",
        "--nworkers",
        "--nthreads",
        "--requeue",
        *re.findall(r'"(--[a-z-]+)', scripts),
    }
    # Of docker itself, and of what the image adds.
    known |= {
        "--cpus",
        "--entrypoint",
        "--gpus",
        "--memory",
        "--pids-limit",
        "--secret",
        "--shm-size",
    }
    known |= {"--stop-timeout", "--user", "--fresh", "--url", "--no-install-recommends"}
    for command in main.commands.values():
        known |= {option for parameter in command.params for option in parameter.opts}
    for page in PAGES:
        named = set(re.findall(r"`[^`\n]*?(--[a-z][a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= known, (page.name, named - known)


def test_files_named_in_the_text_exist():
    pattern = r"`((?:pipeline|tests|benchmarks|docs|datasets|docker)/[\w/]+\.\w+)`"
    for page in PAGES:
        for name in re.findall(pattern, page.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file() or name == "tests/test_X.py", (page.name, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page):
    for link in links(page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve()
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_page_and_picture_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in links(page.read_text(encoding="utf-8"))
    }
    there = {*PAGES, *(ROOT / "docs" / "images").iterdir()} - {ROOT / "README.md"}
    assert there <= linked, sorted(path.name for path in there - linked)


def test_pictures_are_small():
    for path in (ROOT / "docs" / "images").iterdir():
        assert path.stat().st_size <= 400_000, path.name
