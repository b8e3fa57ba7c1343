"""The training loop: stages, checkpoints, metrics, previews and the folder of a run."""

from shapegan.pipeline.extras import require

require("torch")
