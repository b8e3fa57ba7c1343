"""`shapegan` with another function that processes meshes.

    python -m support.preprocess_with support.fakes:process preprocess meshes --out dataset

The command itself has no option for it: a dataset is made by shapegan's own method.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shapegan.cli import main
from shapegan.pipeline.run import preprocess as driver
from shapegan.pipeline.run.plan import RunSettings

PREPROCESS = driver.preprocess


def with_target(target: str) -> Callable[..., Any]:
    """`preprocess` of the pipeline, but its settings have another target."""

    def preprocess(
        root: Any, jobs: Sequence[Any], config: Any, out: Any, settings: RunSettings, progress: Any
    ) -> Any:
        changed = dataclasses.replace(settings, target=target)
        return PREPROCESS(root, jobs, config, out, changed, progress)

    return preprocess


if __name__ == "__main__":
    driver.preprocess = with_target(sys.argv[1])
    main(sys.argv[2:], prog_name="shapegan")
