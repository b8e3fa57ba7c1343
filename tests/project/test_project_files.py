"""Workflows, templates, the Makefile and the metadata agree with one another."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import shapegan

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS, re.MULTILINE))


def read_yaml(name):
    # BaseLoader: YAML 1.1 takes the key `on` for a boolean, and 3.10 for a number.
    return yaml.load((ROOT / name).read_text(encoding="utf-8"), yaml.BaseLoader)


def jobs(path):
    return read_yaml(path)["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job["steps"]]


def targets():
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def supported_pythons():
    prefix = "Programming Language :: Python :: 3."
    lines = PROJECT["project"]["classifiers"]
    return [f"3.{line.removeprefix(prefix)}" for line in lines if line.startswith(prefix)]


def by_name(path):
    return path.name


def modules():
    folders = ("benchmarks", "commands", "docker", "docs", "model", "pipeline", "tests")
    nested = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted([*ROOT.glob("*.py"), *nested])


def test_no_module_is_longer_than_300_lines_tests_included():
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules()
    }
    assert {"__init__.py", "pipeline/schema.py", "tests/conftest.py"} <= lines.keys()
    longer = {name: count for name, count in lines.items() if count > 300}
    assert longer == {}


def test_there_are_workflows_for_pushes_nights_and_the_site():
    assert {path.stem for path in WORKFLOWS} == {"ci", "nightly", "docs"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_workflows_call_make_targets_that_exist(path):
    commands = "\n".join(step.get("run", "") for step in steps(path))
    called = re.findall(r"^make ([^\n]+)$", commands, re.MULTILINE)
    assert called
    assert set(" ".join(called).split()) <= targets()


def test_workflows_together_call_what_continuous_integration_does():
    called = {step.get("run", "") for path in WORKFLOWS for step in steps(path)}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = {line.strip() for line in script.splitlines() if line.strip().startswith("make ")}
    assert wanted
    assert wanted <= called


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_workflows_may_only_read_and_end_in_time(path):
    assert read_yaml(path)["permissions"] == {"contents": "read"}
    assert all(0 < int(job["timeout-minutes"]) <= 120 for job in jobs(path).values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_actions_are_pinned_to_a_major_version(path):
    for name in (step["uses"] for step in steps(path) if "uses" in step):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", name), name


def test_workflows_run_on_each_supported_python_and_no_other():
    matrices = [
        job["strategy"]["matrix"]["python"]
        for path in WORKFLOWS
        for job in jobs(path).values()
        if "strategy" in job
    ]
    assert len(matrices) == 2
    assert all(matrix == supported_pythons() for matrix in matrices)
    assert PROJECT["project"]["requires-python"] == f">={supported_pythons()[0]}"


def test_other_jobs_run_on_a_supported_python():
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert set(re.findall(r"python:(3\.\d+)-", text)) <= set(supported_pythons())


def test_the_bug_report_asks_for_what_a_bug_is_found_with():
    form = read_yaml(".github/ISSUE_TEMPLATE/bug_report.yml")
    fields = {field["id"]: field for field in form["body"] if field["type"] != "markdown"}
    assert {"problem", "command", "version", "mesh", "row", "system"} == set(fields)
    required = {name for name, field in fields.items() if "validations" in field}
    assert required == {"problem", "command", "version", "system"}


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_issue_forms_have_what_the_form_needs(name):
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"]
    assert form["description"]
    for field in form["body"]:
        assert field["type"] in {"markdown", "textarea", "input"}
        assert field["attributes"].get("label") or field["type"] == "markdown"


def test_the_pull_request_template_names_targets_that_exist():
    text = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`", text))
    assert named
    assert named <= targets()


def test_pre_commit_uses_the_pinned_ruff():
    config = read_yaml(".pre-commit-config.yaml")
    (ruff,) = (each for each in config["repos"] if each["repo"].endswith("/ruff-pre-commit"))
    assert ruff["rev"] == f"v{PINS['ruff']}"
    assert [hook["id"] for hook in ruff["hooks"]] == ["ruff-check", "ruff-format"]


def test_every_requirement_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]
    names = {normalised(re.match(r"[\w.-]+", each)[0]) for each in wanted} - {"shapegan"}
    assert names <= {normalised(name) for name in PINS}


def test_pins_are_in_order():
    lines = [line.lower() for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
    assert lines == sorted(lines)


def test_make_installs_every_extra():
    (names,) = re.findall(r"-e '\.\[([\w,]+)\]'", MAKEFILE)
    assert set(names.split(",")) == {"all", "dev", "docs"}
    assert set(names.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_make_alone_lists_each_target():
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    listed = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert {words[1] for words in listed} == targets()
    assert all(words[0] == "make" and words[2] for words in listed)


def test_all_targets_are_phony():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == targets()


@pytest.mark.parametrize("target", ["check", "test", "docs"])
def test_checks_build_the_site_strictly(target):
    words = ["make", "--dry-run", "--always-make", target]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert re.search(r"mkdocs build .*--strict", done.stdout), done.stderr


def test_the_version_is_the_same_everywhere():
    label = 'org.opencontainers.image.version="([^"]+)"'
    (image,) = re.findall(label, (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8"))
    assert image == read_yaml("CITATION.cff")["version"] == shapegan.__version__


def test_the_address_of_the_repository_is_the_same_everywhere():
    urls = PROJECT["project"]["urls"]
    home = urls["Repository"]
    assert all(url.startswith(home) for url in urls.values())
    assert read_yaml("CITATION.cff")["repository-code"] == home
    site = read_yaml("mkdocs.yml")
    assert site["edit_uri_template"].startswith(f"{home}/")
    assert [each["link"] for each in site["extra"]["social"]] == [home]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("d*/**/*.md")]
    found = [
        address
        for page in pages
        for address in re.findall(r"https://github\.com/[\w-]+/shapegan", page.read_text("utf-8"))
    ]
    assert set(found) == {home}


def test_the_citation_is_of_format_1_2_and_names_both_papers():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[name] for name in ("message", "title", "authors"))
    assert citation["license"] == PROJECT["project"]["license"]
    assert [each["name"] for each in citation["authors"]] == [
        each["name"] for each in PROJECT["project"]["authors"]
    ]
    urls = [reference["url"] for reference in citation["references"]]
    assert urls == ["https://arxiv.org/abs/2002.00349", "https://arxiv.org/abs/1901.05103"]
    assert all(reference["title"] and reference["authors"] for reference in citation["references"])


def test_coverage_leaves_out_all_code_that_warp_compiles_and_no_other():
    patterns = PROJECT["tool"]["coverage"]["run"]["omit"]
    suffixes = tuple(each.removeprefix("**/*") for each in patterns if each.startswith("**/*"))
    assert suffixes
    for folder in ("commands", "model", "pipeline"):
        for path in (ROOT / folder).rglob("*.py"):
            compiled = re.search(r"^@wp\.(func|kernel)", path.read_text("utf-8"), re.MULTILINE)
            assert bool(compiled) == path.name.endswith(suffixes), path
