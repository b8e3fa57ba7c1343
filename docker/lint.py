#!/usr/bin/env python3
"""Validate Dockerfile, compose files and Kubernetes manifests, without an engine or a cluster.

    make docker-lint

The schemas of Kubernetes and Dask come from the packages of lint-requirements.txt.
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
"""Oldest and newest supported version."""
DASK = "kubernetes.dask.org/v1"


def check_dockerfile() -> str:
    """Run hadolint; every finding is an error."""
    words = ["hadolint", "--failure-threshold", "style", str(FOLDER / "Dockerfile")]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(words, check=True, env=environment)
    return "hadolint finds nothing"


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge one mapping over another, as compose merges files (except lists)."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def interpolated(text: str) -> str:
    """Replace each variable by its default, and required ones by a placeholder."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"\$\{\w+:\?[^}]*\}", "word", text)


def check_compose(*names: str) -> str:
    """Validate the merged files, with default values, by the compose specification."""
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
    """The schema, but it refuses unknown fields, which an API server would silently drop."""
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
    """Validate each resource of a file by the schema of its kind; refuse unknown fields."""
    valid = []
    for resource in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if resource["apiVersion"] == DASK:
            spec = {"type": "object", "properties": {"spec": dask_schema()["properties"]["spec"]}}
            jsonschema.validate({"spec": resource["spec"]}, spec)
        else:
            for version in KUBERNETES:
                kubernetes_validate.validate(resource, version, strict=True)
        valid.append(f"{resource['kind']} {resource['metadata']['name']}")
    return ", ".join(valid)


def main() -> int:
    """Validate all files, and print a line for each.

    Returns:
        1 if a file is invalid, else 0.
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
