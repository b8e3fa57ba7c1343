"""Arrays and kernels say where they are: left out, Warp takes the GPU wherever there is one."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACED = {"array", "zeros", "empty", "ones", "full", "launch", "Bvh", "HashGrid", "Volume"}
"""What of Warp takes a device to live or run on; a `Mesh` is where its points are."""


def unplaced(source: str) -> Iterator[int]:
    """Lines of calls that leave the device to Warp."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = node.func.value, node.func.attr
        if isinstance(of, ast.Name) and of.id == "wp" and name in PLACED:
            # In kernels, `dtype` alone is an annotation's.
            given = {keyword.arg for keyword in node.keywords}
            if "device" not in given and (node.args or name != "array"):
                yield node.lineno


def test_notices_what_is_left_to_warp():
    source = "wp.zeros(3, dtype=float)\nwp.array(x, device=d)\ndef f(a: wp.array(dtype=int)): ..."
    assert list(unplaced(source)) == [1]


@pytest.mark.parametrize("folder", ["pipeline", "model", "commands", "benchmarks"])
def test_everything_on_a_device_says_on_which(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = [f"{file}:{line}" for file in files for line in unplaced(file.read_text())]
    assert not found


KERNELS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("pipeline", "model")
    for path in sorted((ROOT / folder).rglob("*kernels.py"))
]


@pytest.mark.parametrize("module", KERNELS)
def test_warp_starts_without_a_word(module):
    """Whichever device code is loaded first."""
    code = f"import shapegan.{module}, warp; print(warp.zeros(2, dtype=int, device='cpu').numpy())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[0 0]\n", "")


def test_errors_are_still_seen_once_warp_has_started(capfd):
    import os

    from shapegan.pipeline.warp_runtime import start_warp

    start_warp()
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


@pytest.mark.parametrize("module", KERNELS)
def test_device_code_compiles_for_cuda(module, tmp_path):
    """That takes no GPU, only the compiler that Warp brings along."""
    import importlib

    import warp as wp

    kernels = importlib.import_module(f"shapegan.{module}")
    wp.compile_aot_module(kernels, arch=80, module_dir=tmp_path, use_ptx=True)
    assert [path.suffix for path in tmp_path.iterdir()].count(".ptx") == 1
    assert ".visible .entry" in next(tmp_path.glob("*.ptx")).read_text()
