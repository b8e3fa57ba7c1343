"""The container's files agree with the command line, with each other, and with the package."""

import http.server
import importlib.util
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import click
import pytest
import yaml
from distributed.cli.dask_scheduler import main as dask_scheduler
from distributed.cli.dask_worker import main as dask_worker

import shapegan
from shapegan.cli import main

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
MANIFESTS = sorted(FOLDER.glob("kubernetes/*.yaml"))
HEALTH = ["shapegan-health"]


def load_health():
    spec = importlib.util.spec_from_file_location("health", FOLDER / "health.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


health = load_health()


def services() -> dict:
    """Compose's services, with each variable's default."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    text = re.sub(r"\$\{\w+:\?[^}]*\}", "meshes", text)
    return yaml.safe_load(text)["services"]


def walk(tree):
    """All mappings below a tree."""
    if isinstance(tree, dict):
        yield tree
    for branch in (
        tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    ):
        yield from walk(branch)


def containers() -> list[dict]:
    """All containers of the manifests."""
    found = []
    for path in MANIFESTS:
        for resource in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found += [each for node in walk(resource) for each in node.get("containers", ())]
    return found


def command_lines() -> list[list[str]]:
    """What each container runs, from its entry point on."""
    ours = ["tini", "--", "shapegan"]
    lines = [each.get("entrypoint", ours) + each["command"] for each in services().values()]
    lines += [each.get("command", ours) + each["args"] for each in containers()]
    lines = [[str(word) for word in line[2:]] for line in lines if line[:2] == ["tini", "--"]]
    return [line[line.index("shapegan") :] if line[0] == "bash" else line for line in lines]


def parse(command: click.Command, arguments: list[str]) -> None:
    """Refuses flags and values that a command does not take; folders need not be here."""
    context = click.Context(command, info_name=command.name)
    values, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert not rest, arguments
    for parameter in command.params:
        if parameter.name in values and not isinstance(parameter.type, click.Path):
            parameter.process_value(context, values[parameter.name])


def test_each_container_starts_by_the_init_process():
    assert len(command_lines()) == len(services()) + len(containers()) >= 10


@pytest.mark.parametrize("line", command_lines(), ids=" ".join)
def test_commands_and_flags_exist(line):
    program, *arguments = line
    if program == "shapegan":
        parse(main.commands[arguments[0]], arguments[1:])
    elif program == "dask":
        known = {"scheduler": dask_scheduler, "worker": dask_worker}
        parse(known[arguments[0]], arguments[1:])
    else:
        assert program == "tensorboard"


def test_all_commands_of_a_run_are_there():
    for lines in (services(), MANIFESTS):
        assert lines
    told = [line[:2] for line in command_lines()]
    for step in (["dask", "scheduler"], ["dask", "worker"], ["shapegan", "preprocess"]):
        assert told.count(step) == 2, step
    assert told.count(["shapegan", "train"]) == told.count(["shapegan", "view"]) == 2


def test_health_checks_are_understood(tmp_path, monkeypatch):
    checks = [
        each["healthcheck"]["test"][1:] for each in services().values() if "healthcheck" in each
    ]
    probes = [
        node["exec"]["command"] for each in containers() for node in walk(each) if "exec" in node
    ]
    assert len(checks) >= 3
    assert probes
    for name in health.CACHES:
        monkeypatch.setenv(name, str(tmp_path))
    looked_at = []
    monkeypatch.setattr(health, "check_url", lambda url, seconds: looked_at.append(url))
    monkeypatch.setattr(health, "check_fresh", lambda path, minutes: looked_at.append(path))
    for line in checks + probes:
        assert line[:1] == HEALTH
        assert health.main(line[1:]) == 0
    assert len(looked_at) == len(checks + probes)


def test_versions_agree():
    assert f'image.version="{shapegan.__version__}"' in DOCKERFILE
    tag = f"shapegan:{shapegan.__version__}"
    images = [each["image"] for each in (*services().values(), *containers())]
    assert set(images) == {tag}


def test_the_image_gets_all_of_the_package_and_little_else():
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    packages = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/__init__.py")}
    code = {path.name for path in ROOT.glob("*.py")}
    code |= {"py.typed", "pyproject.toml", "constraints.txt"}
    # setuptools looks for these two, which pyproject.toml names.
    assert taken == packages | code | {"README.md", "LICENSE", "docker/health.py"}
    copied = re.findall(r"^COPY (?:--chmod=\d+ )?(?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


def test_pinned_versions_are_used_and_no_registry_is_named():
    installs = [line for line in DOCKERFILE.split("RUN ") if "bin/pip install" in line]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in line for line in installs)
    assert "://" not in DOCKERFILE


def test_not_root_and_caches_on_the_volume():
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert "0" not in user
    assert re.search(r"^VOLUME /cache$", DOCKERFILE, re.MULTILINE)
    variables = dict(re.findall(r"(\w+)=(/cache\S*)", DOCKERFILE))
    assert {"HOME", "XDG_CACHE_HOME", *health.CACHES} <= set(variables)


def test_the_operator_names_the_scheduler_that_the_driver_connects_to():
    cluster = yaml.safe_load((FOLDER / "kubernetes" / "dask.yaml").read_text(encoding="utf-8"))
    driver = (FOLDER / "kubernetes" / "preprocess.yaml").read_text(encoding="utf-8")
    port = cluster["spec"]["scheduler"]["service"]["ports"][0]["port"]
    assert f"tcp://{cluster['metadata']['name']}-scheduler:{port}" in driver


@pytest.mark.parametrize(("signalled", "code"), [(True, 143), (False, 3)])
def test_a_training_that_is_stopped_leaves_its_job_unfinished(signalled, code):
    (words,) = (each["command"] for each in containers() if "bash" in each.get("command", ()))
    training = "trap 'sleep 0.3; exit 0' TERM; echo begun; sleep 2 & wait; exit 3"
    line = [*words[2:-1], "bash", "-c", training]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout.readline() == "begun\n"
        if signalled:
            job.terminate()
        assert job.wait(20) == code


def test_manifests_run_without_privileges_and_with_limits():
    for each in containers():
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert set(each["resources"]["limits"]) >= {"cpu", "memory"}
    for each in services().values():
        assert set(each["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


@pytest.fixture
def caches(tmp_path, monkeypatch):
    for name in health.CACHES:
        monkeypatch.setenv(name, str(tmp_path / "cache" / name.lower()))
    return tmp_path / "cache"


def test_healthy_if_caches_can_be_written(caches):
    assert health.main([]) == 0


def test_unhealthy_if_a_cache_cannot_be_written(caches, capsys):
    caches.write_text("a file where the folder should be")
    assert health.main([]) == 1
    assert "WARP_CACHE_PATH" in capsys.readouterr().err


def test_unhealthy_if_a_run_stands_still(caches, tmp_path, capsys):
    metrics = tmp_path / "metrics.csv"
    assert health.main(["--fresh", str(metrics)]) == 1
    metrics.write_text("step\n")
    assert health.main(["--fresh", str(metrics)]) == 0
    old = time.time() - 31 * 60
    os.utime(metrics, (old, old))
    assert health.main(["--fresh", str(metrics)]) == 1
    assert "31 minutes old" in capsys.readouterr().err
    assert health.main(["--fresh", str(metrics), "--minutes", "40"]) == 0


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers /health with 200, /empty with 204, all else with 404."""

    def do_GET(self):
        self.send_response({"/health": 200, "/empty": 204}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *args):
        pass


def test_health_of_a_server(caches, capsys):
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        assert health.main(["--url", f"{place}/health"]) == 0
        assert health.main(["--url", f"{place}/empty"]) == 1
        assert health.main(["--url", f"{place}/missing"]) == 1
        server.shutdown()
    assert health.main(["--url", f"{place}/health"]) == 1
    assert health.main(["--url", "file:///etc/passwd"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 4
