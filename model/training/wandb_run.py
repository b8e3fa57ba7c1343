"""Weights & Biases: the measurements of a run on a dashboard, or offline in the run's folder."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shapegan.pipeline.extras import naming_extras
from shapegan.pipeline.files import writing

PROJECT = "shapegan"


class WandbRun:
    """A run of Weights & Biases, which a resumed training continues.

    Its own environment variables apply: WANDB_MODE=offline writes to the folder alone.

    Args:
        folder: Folder of the run.
        config: Config of the run, as JSON has it.

    Raises:
        MissingPackageError: wandb is not installed.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        with naming_extras("--log wandb"):
            import wandb

        self._wandb = wandb
        identity = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        with writing(folder):
            self._run = wandb.init(
                project=PROJECT,
                name=folder.resolve().name,
                id=identity,
                resume="allow",
                dir=str(folder),
                config=dict(config),
            )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values of a step of the run."""
        self._run.log(dict(values), step=step)

    def picture(self, name: str, picture: Any, step: int) -> None:
        """Log a picture (H, W, 3) uint8."""
        self._run.log({name: self._wandb.Image(picture)}, step=step)

    def close(self) -> None:
        """Write what is still buffered, and end the run."""
        self._run.finish()
