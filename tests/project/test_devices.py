"""Device code: every array and launch names its device, and kernels compile for CUDA.

Without a device, Warp takes the GPU wherever there is one.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACED = {"array", "zeros", "empty", "ones", "full", "launch", "Bvh", "HashGrid", "Volume"}
"""Warp calls that take a device. A `Mesh` is on the device of its points."""


def unplaced(source: str) -> Iterator[int]:
    """Lines of calls without a device."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = node.func.value, node.func.attr
        if isinstance(of, ast.Name) and of.id == "wp" and name in PLACED:
            # `wp.array` with `dtype` alone is an annotation in a kernel.
            given = {keyword.arg for keyword in node.keywords}
            if "device" not in given and (node.args or name != "array"):
                yield node.lineno


def test_calls_without_a_device_are_found():
    source = "wp.zeros(3, dtype=float)\nwp.array(x, device=d)\ndef f(a: wp.array(dtype=int)): ..."
    assert list(unplaced(source)) == [1]


@pytest.mark.parametrize("folder", ["pipeline", "model", "commands", "benchmarks"])
def test_every_array_and_launch_names_its_device(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = [f"{file}:{line}" for file in files for line in unplaced(file.read_text())]
    assert not found


def modules(pattern: str) -> list[str]:
    """Modules of the package, by a pattern of their file names."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("pipeline", "model")
        for path in sorted((ROOT / folder).rglob(pattern))
    ]


KERNELS = modules("*_kernels.py")


@pytest.mark.parametrize("module", [*KERNELS, *modules("*_functions.py")])
def test_warp_starts_without_output(module):
    """Whichever device code is imported first."""
    code = f"import shapegan.{module}, warp; print(warp.zeros(2, dtype=int, device='cpu').numpy())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[0 0]\n", "")


def test_stderr_works_once_warp_has_started(capfd):
    import os

    from shapegan.pipeline.warp_runtime import start_warp

    start_warp()
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


@pytest.mark.parametrize("module", KERNELS)
def test_kernels_compile_for_cuda(module, tmp_path):
    """Compiling needs no GPU, only the compiler that comes with Warp."""
    import importlib

    import warp as wp

    kernels = importlib.import_module(f"shapegan.{module}")
    wp.compile_aot_module(kernels, arch=80, module_dir=tmp_path, use_ptx=True)
    assert [path.suffix for path in tmp_path.iterdir()].count(".ptx") == 1
    assert ".visible .entry" in next(tmp_path.glob("*.ptx")).read_text()
