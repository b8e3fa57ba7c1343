"""Hooks of mkdocs: the repository's own pages as a site, with links as they work on GitHub.

Pages lie beside what they describe, not only in `docs/`. mkdocs gets them by their paths in the
repository, so a link such as `../datasets/README.md` needs no rewriting. The site leaves out the
prefix `docs/`: `docs/method.md` becomes `method.html`.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
STARTS = ("*.md", "[a-z]*/README.md", "docs/**/*.md")
"""Pages from which all others are found by their links."""
CODE = ("__init__.py", "cli.py", "commands", "model", "pipeline")
"""The package, which mkdocstrings reads. In the checkout itself it would search .venv as well."""
API = ROOT / "build" / "api" / "shapegan"
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


@event_priority(100)  # mkdocstrings looks for the folder in its own on_config
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Copy the package to where mkdocstrings finds it under the name `shapegan`."""
    shutil.rmtree(API, ignore_errors=True)
    API.mkdir(parents=True)
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, API / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, API / name)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of `docs/` by the pages of the repository and all that they link to."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    paths = sorted(linked_files())
    for path in paths:
        files.append(_file(path, config))
    config.nav = expand(config.nav or [], [path for path in paths if path.endswith(".md")])
    return files


def linked_files() -> set[str]:
    """Paths of the pages and of the files that they link to, relative to the repository."""
    waiting = [path for pattern in STARTS for path in ROOT.glob(pattern)]
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        name = path.relative_to(ROOT).as_posix()
        if name in found:
            continue
        found.add(name)
        if path.suffix == ".md":
            targets = _links(path.read_text(encoding="utf-8"))
            places = ((path.parent / target).resolve() for target in targets)
            # mkdocs itself reports a link to what is not there.
            waiting += [place for place in places if place.is_file()]
    return found


def expand(nav: Any, pages: Iterable[str]) -> Any:
    """Replace patterns in a navigation by the pages that no other line names."""
    left = [page for page in pages if page not in set(_names(nav))]

    def expanded(item: Any) -> list[Any]:
        if isinstance(item, dict):
            return [{title: _one_or_all(below)} for title, below in item.items()]
        if "*" not in item:
            return [item]
        matching = [page for page in left if _matches(page, item)]
        left[:] = [page for page in left if page not in matching]
        return matching

    def _one_or_all(below: Any) -> Any:
        return below if isinstance(below, str) else [each for i in below for each in expanded(i)]

    return [each for item in nav for each in expanded(item)]


def _names(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _names(item)


def _matches(page: str, pattern: str) -> bool:
    path, parent = PurePosixPath(page), PurePosixPath(pattern).parent
    return path.match(pattern) and (path.parent == parent or "**" in pattern)


def _links(text: str) -> list[str]:
    found = _LINK.findall(_FENCE.sub("", text))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def _file(path: str, config: MkDocsConfig) -> File:
    place = PurePosixPath(path.removeprefix("docs/"))
    if place.suffix == ".md":
        place = place.with_name("index" if place.stem == "README" else place.stem)
        place = place.with_name(f"{place.name}.html")
    return File(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=str(place))
