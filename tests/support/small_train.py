"""The program `shapegan` with configs of a few weights in place of the presets."""

import sys

import torch
from support.training import CONFIGS

from shapegan.cli import main
from shapegan.model import presets
from shapegan.model.training import trainer

if __name__ == "__main__":
    torch.set_num_threads(1)
    trainer.STEPS_PER_ROW = 5  # type: ignore[attr-defined]
    presets.preset = lambda recipe, _: CONFIGS[recipe]  # type: ignore[assignment]
    sys.exit(main())
