"""The documentation matches the code: its examples run, its commands exist, its links resolve."""

import dataclasses
import itertools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shapegan.cli import main
from shapegan.model.config import Stage, TrainConfig
from shapegan.model.networks.autoencoder_config import AutoencoderConfig
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.objective_config import Objective, Optimiser
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.samples.sample import write_samples

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "docs/results", "datasets", "benchmarks", "docker")
PAGES = sorted(ROOT.glob("*.md")) + [
    page for folder in FOLDERS for page in sorted(ROOT.glob(f"{folder}/*.md"))
]
CODE = (
    "README.md",
    "datasets/README.md",
    "docs/other-projects.md",
    "docs/python.md",
    "docs/streaming.md",
    "docs/training-from-python.md",
)
BUDGETS = {"docs/training-from-python.md": ("Budget(steps=40)",)}
"""Page -> budgets of training in its blocks."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The shapegan commands of a page's blocks, in words; comments and continuations resolved."""
    shell = "\n".join(blocks(text, "sh")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in shell.splitlines()]
    lines = [[*itertools.takewhile(lambda word: word != ">", words)] for words in lines]
    return [words[1:] for words in lines if words[:1] == ["shapegan"]]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that these words name, within its group if it has one, and its arguments."""
    command, arguments = main.commands[words[0]], words[1:]
    while isinstance(command, click.Group):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments


def all_commands(group: click.Group) -> Iterator[click.Command]:
    """All commands of a group, those of its subgroups too."""
    for command in group.commands.values():
        yield from all_commands(command) if isinstance(command, click.Group) else [command]


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
    list(write_samples(("chairs",), 4, 0, folder / "meshes", intact=True))
    jobs, config = discover(folder / "meshes").jobs, PreprocessConfig(points=32768)
    settings = RunSettings(workers=0)
    preprocess(folder / "meshes", jobs, config, folder / "datasets/chairs", settings, Nothing())
    shutil.copytree(folder / "datasets/chairs", folder / "datasets", dirs_exist_ok=True)
    return folder


def tables(folder: Path) -> dict[Path, bytes]:
    """The manifests and tables of all datasets below a folder."""
    names = ("dataset.json", "meshes.csv")
    return {path: path.read_bytes() for name in names for path in folder.rglob(name)}


@pytest.mark.parametrize("page", CODE)
def test_python_blocks_run_one_after_the_other(page, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    code = blocks((ROOT / page).read_text(encoding="utf-8"), "python")
    assert code
    for steps in BUDGETS.get(page, ()):  # fewer than a reader wants, for time
        assert any(steps in block for block in code)
        code = [block.replace(steps, "Budget(steps=5)") for block in code]
    names: dict[str, object] = {"__name__": page}
    before = tables(workplace / "datasets")
    for number, block in enumerate(code):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    # Readers try them on datasets of their own, and go on with those and with README.md.
    assert before.items() <= tables(workplace / "datasets").items()
    assert not (workplace / "datasets" / "part").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_blocks_exist_with_these_flags_and_values(page):
    for words in commands(page.read_text(encoding="utf-8")):
        command, arguments = resolve(words)
        context = click.Context(command, info_name=command.name)
        values, _, _ = command.make_parser(context).parse_args(arguments)
        # Options first: an argument's callback may look at them.
        for parameter in sorted(command.params, key=lambda one: isinstance(one, click.Argument)):
            # The reader's folders are not here.
            if parameter.name in values and not isinstance(parameter.type, click.Path):
                value = parameter.process_value(context, values[parameter.name])
                context.params[parameter.name] = value


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
    for command in all_commands(main):
        known |= {option for parameter in command.params for option in parameter.opts}
    former = {"--sheet", "--direct", "--map", "--upscale", "--samples", "--sample-every"}
    former |= {"--spoilings", "--cloud"}
    for page in PAGES:
        named = set(re.findall(r"`[^`\n]*?(--[a-z][a-z-]+)", page.read_text(encoding="utf-8")))
        allowed = known | former if page.name == "CHANGELOG.md" else known
        assert named <= allowed, (page.name, named - allowed)


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


CONFIGS = {
    "": TrainConfig,
    "stages.": Stage,
    "objective.": Objective,
    "optimiser.": Optimiser,
    "generator.": GeneratorConfig,
    "critic.": VoxelCriticConfig,
    "point critic.": PointCriticConfig,
    "latent generator.": LatentGeneratorConfig,
    "autoencoder.": AutoencoderConfig,
    "preprocess.": PreprocessConfig,
}


def shown(default: object) -> str:
    """A default as the page on configuration writes it."""
    if default is dataclasses.MISSING:
        return "required"
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or "empty"
    if default is None or isinstance(default, bool):
        return str(default).lower()
    return "0.0001" if default == 1e-4 else str(default)


def test_configuration_page_lists_every_setting_with_its_default():
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    training, _, rest = page.partition("### Critic of points")
    points, _, rest = rest.partition("### Generator of recipe `latent`")
    latent, _, rest = rest.partition("### Autoencoder")
    autoencoder, _, preprocessing = rest.partition("## PreprocessConfig")
    sections = {
        "": training,
        "point critic.": points,
        "latent generator.": latent,
        "autoencoder.": autoencoder,
        "preprocess.": preprocessing,
    }
    listed = {}
    for section, text in sections.items():
        for name, default in re.findall(r"^\| `([a-z_.]+)` \| ([^|]*) \|", text, re.MULTILINE):
            listed[section + name.removeprefix(section.rpartition(" ")[2])] = default
    expected = {
        prefix + field.name: shown(field.default)
        for prefix, config in CONFIGS.items()
        for field in dataclasses.fields(config)
        if field.default_factory is dataclasses.MISSING
    }
    assert listed == expected


def test_troubleshooting_page_quotes_messages_of_the_code():
    folders = ("pipeline", "model", "commands")
    files = [path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    # Literals that Python joins, and what they print for a name or a number.
    joined = re.sub(r'"\s*\n\s*f?"', "", code)
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    cells = "\n".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    quoted = ["".join(found) for found in re.findall(r"`` ?(.*?) ?``|`([^`]+)`", cells)]
    parts = [part.strip() for message in quoted for part in message.split("...")]
    assert len(parts) > 50
    assert [part for part in parts if part not in joined] == []
