#!/usr/bin/env python3
"""Looks at Dockerfile, compose files and Kubernetes manifests; needs no engine or cluster.

    make docker-lint

Kubernetes' and Dask's schemas are those inside of the packages of lint-requirements.txt.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from compose_spec import PyCompose

FOLDER = Path(__file__).resolve().parent
KUBERNETES = ("1.29", "1.37")
"""Oldest and newest version that the manifests are for."""
DASK = "kubernetes.dask.org/v1"


def check_dockerfile() -> str:
    """Hadolint, on the worst of whose words is an error."""
    words = ["hadolint", "--failure-threshold", "style", str(FOLDER / "Dockerfile")]
    beside = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(words, check=True, env=beside)
    return "hadolint has nothing to say"


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One mapping over another, as compose puts files over each other (but for lists)."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def interpolated(text: str) -> str:
    """The text with each variable's default; one that is required gets a word."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"\$\{\w+:\?[^}]*\}", "word", text)


def check_compose(*names: str) -> str:
    """The files over each other, defaults filled in, are what the specification allows."""
    whole: dict[str, Any] = {}
    for name in names:
        text = interpolated((FOLDER / name).read_text(encoding="utf-8"))
        whole = merged(whole, yaml.safe_load(text))
    services = PyCompose.from_yaml(yaml.safe_dump(whole)).service_names()
    return f"services {', '.join(sorted(services))}"


def dask_schema() -> dict[str, Any]:
    """OpenAPI schema of a DaskCluster, from the operator's own resource definition."""
    files = importlib.metadata.files("dask-kubernetes") or []
    (path,) = (path for path in files if str(path).endswith("crds/daskcluster.yaml"))
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    (version,) = (each for each in definition["spec"]["versions"] if each["name"] == "v1")
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return closed(schema)


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused; an API server would drop them without a word."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        free = "additionalProperties" in schema or schema.get(
            "x-kubernetes-preserve-unknown-fields"
        )
        if not free:
            out["additionalProperties"] = False
    return out


def check_manifest(path: Path) -> str:
    """Each resource of the file against the schema of its kind, unknown fields refused."""
    told = []
    for resource in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if resource["apiVersion"] == DASK:
            spec = {"type": "object", "properties": {"spec": dask_schema()["properties"]["spec"]}}
            jsonschema.validate({"spec": resource["spec"]}, spec)
        else:
            for version in KUBERNETES:
                kubernetes_validate.validate(resource, version, strict=True)
        told.append(f"{resource['kind']} {resource['metadata']['name']}")
    return ", ".join(told)


def main() -> int:
    """Looks at all of it, and says of each what was found.

    Returns:
        1 if anything is wrong.
    """
    checks = [
        ("Dockerfile", check_dockerfile, ()),
        ("compose.yaml", check_compose, ("compose.yaml",)),
        (
            "compose.yaml and compose.cuda.yaml",
            check_compose,
            ("compose.yaml", "compose.cuda.yaml"),
        ),
    ]
    for path in sorted(FOLDER.glob("kubernetes/*.yaml")):
        checks.append((f"kubernetes/{path.name}", check_manifest, (path,)))
    wrong = 0
    for name, check, arguments in checks:
        try:
            print(f"{name}: {check(*arguments)}")
        except (
            subprocess.CalledProcessError,
            ValueError,
            jsonschema.ValidationError,
        ) as error:
            wrong += 1
            print(f"{name}: NOT OK: {error}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
