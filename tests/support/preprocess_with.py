"""`shapegan` with another function that processes meshes.

    python -m support.preprocess_with support.fakes:process preprocess meshes --out dataset
    python -m support.preprocess_with support.fakes:process_surface watertight meshes --out surfaces

The commands themselves have no option for it: they have methods of their own.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shapegan.cli import main
from shapegan.pipeline.run import preprocess as driver
from shapegan.pipeline.run import surface_run
from shapegan.pipeline.run.plan import RunSettings

PREPROCESS = driver.preprocess
MAKE_SURFACES = surface_run.make_surfaces


def with_target(target: str, function: Callable[..., Any] = PREPROCESS) -> Callable[..., Any]:
    """A function that makes a run, but its settings have another target."""

    def run(
        root: Any, jobs: Sequence[Any], config: Any, out: Any, settings: RunSettings, progress: Any
    ) -> Any:
        changed = dataclasses.replace(settings, target=target)
        return function(root, jobs, config, out, changed, progress)

    return run


if __name__ == "__main__":
    driver.preprocess = with_target(sys.argv[1])
    surface_run.make_surfaces = with_target(sys.argv[1], MAKE_SURFACES)
    main(sys.argv[2:], prog_name="shapegan")
