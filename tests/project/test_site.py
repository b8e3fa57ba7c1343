"""The site takes pages from the whole repository, and breaks at links that lead nowhere."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("mkdocs", reason="needs the extra `docs`")
ROOT = Path(__file__).parents[2]


def hooks_of(root):
    spec = importlib.util.spec_from_file_location("mkdocs_hooks", root / "docs" / "mkdocs_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(nav):
    """The lines of a navigation."""
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav
    return [name for item in items for name in names(item)]


@pytest.fixture
def repository(tmp_path):
    """A repository with one module and short pages, whose site is made as ours is."""
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), yaml.BaseLoader)
    for name in ("docs/method.md", *(name for name in names(settings["nav"]) if "*" not in name)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n\n## Part 1 - two^3\n", encoding="utf-8")
    for name in ("commands", "model", "pipeline"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('"""A package."""\n', encoding="utf-8")
    for name in ("__init__.py", "cli.py"):
        (tmp_path / name).write_text('"""A module."""\n', encoding="utf-8")
    for name in ("mkdocs.yml", "docs/mkdocs_hooks.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def built(repository):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def write(path, text):
    path.write_text(f"# Page\n\n{text}\n", encoding="utf-8")


def test_links_between_folders_lead_to_pages_of_the_site(repository):
    write(repository / "README.md", "[a](docs/method.md#part-1---two3) [b](LICENSE)")
    write(repository / "docs" / "extra.md", "[a](../datasets/README.md) ![b](images/b.png)")
    write(repository / "docs" / "reference" / "code.md", "::: shapegan.model")
    (repository / "LICENSE").write_text("MIT", encoding="utf-8")
    (repository / "docs" / "images").mkdir()
    (repository / "docs" / "images" / "b.png").write_bytes(b"")
    (repository / "docs" / "images" / "unused.png").write_bytes(b"")
    code, output = built(repository)
    assert code == 0, output
    site = repository / "build" / "site"
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="method.html#part-1---two3"' in home
    assert (site / "LICENSE").read_text(encoding="utf-8") == "MIT"
    assert 'href="datasets/index.html"' in (site / "extra.html").read_text(encoding="utf-8")
    assert (site / "images" / "b.png").exists()
    assert not (site / "images" / "unused.png").exists()
    assert not list(site.rglob("*.py"))
    assert "A package." in (site / "reference" / "code.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[a](docs/none.md)", "docs/none.md"),
        ("[a](docs/method.md#none)", "#none"),
        ("[a](/docs/method.md)", "/docs/method.md"),
        ("![a](docs/images/none.png)", "none.png"),
    ],
)
def test_a_broken_link_is_an_error(repository, text, named):
    write(repository / "README.md", text)
    code, output = built(repository)
    assert code != 0
    assert named in output


def test_an_unknown_name_in_the_reference_is_an_error(repository):
    write(repository / "docs" / "reference" / "code.md", "::: shapegan.model.none")
    code, output = built(repository)
    assert code != 0
    assert "shapegan.model.none" in output


def test_the_site_loads_nothing_from_elsewhere(repository):
    code, output = built(repository)
    assert code == 0, output
    for page in (repository / "build" / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for tag in ('src="http', '<link rel="stylesheet" href="http', "url(http"):
            assert tag not in text, page


def test_patterns_of_the_navigation_stand_for_the_pages_without_a_line():
    expand = hooks_of(ROOT).expand
    nav = [
        {"Home": "README.md"},
        {"Guides": ["docs/*.md", {"Named": "docs/b.md"}]},
        {"Rest": ["*.md", "**/*.md"]},
    ]
    pages = ["README.md", "NOTES.md", "docs/a.md", "docs/b.md", "docs/deep/c.md", "docker/d.md"]
    assert expand(nav, pages) == [
        {"Home": "README.md"},
        {"Guides": ["docs/a.md", {"Named": "docs/b.md"}]},
        {"Rest": ["NOTES.md", "docs/deep/c.md", "docker/d.md"]},
    ]


def test_every_page_of_the_repository_is_in_the_site():
    folders = ("docs", "datasets", "benchmarks", "docker")
    there = [
        *ROOT.glob("*.md"),
        *(path for name in folders for path in ROOT.glob(f"{name}/**/*.md")),
    ]
    pages = {path.relative_to(ROOT).as_posix() for path in there}
    assert pages
    assert pages <= hooks_of(ROOT).linked_files()


def test_every_page_is_reached_from_the_readme(monkeypatch):
    hooks = hooks_of(ROOT)
    everything = {path for path in hooks.linked_files() if path.endswith(".md")}
    monkeypatch.setattr(hooks, "STARTS", ("README.md",))
    assert everything <= hooks.linked_files()
